"""Names a subject by what it computes with: weights, vocabulary, SAE, layer and hook."""

import hashlib
import json

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from explorer.lm.autoencoder import Sae
from explorer.records import Hook


def subject_fingerprint(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sae: Sae, layer: int, hook: Hook
) -> str:
    """SHA-256 over everything that decides how a subject behaves: `sha256:` and 64 hexadecimal digits.

    Parameters are taken in the order of their names, each with name and shape, as little-endian float32. The device
    makes no difference; weights that were rounded to fewer bits when they were loaded do, because they answer
    differently.

    Args:
        model: the language model.
        tokenizer: its tokenizer.
        sae: the sparse autoencoder.
        layer: decoder block, from 0.
        hook: where in that block.
    """
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        _add_tensor(digest, f"model.{name}", parameter)
    _add_json(digest, "vocabulary", sorted(tokenizer.get_vocab().items()))
    _add_json(digest, "special", [tokenizer.bos_token_id, tokenizer.eos_token_id])
    for name, tensor in sae.tensors().items():
        _add_tensor(digest, f"sae.{name}", tensor)
    _add_json(digest, "sae", [sae.architecture, sae.k, sae.apply_b_dec_to_input, sae.normalize_activations])
    _add_json(digest, "place", [layer, hook])
    return f"sha256:{digest.hexdigest()}"


def _add_tensor(digest: "hashlib._Hash", name: str, tensor: Tensor) -> None:
    _add_json(digest, name, list(tensor.shape))
    exact = tensor.detach().to("cpu", torch.float32).contiguous()
    digest.update(exact.numpy().astype("<f4", copy=False).data)


def _add_json(digest: "hashlib._Hash", name: str, value: object) -> None:
    digest.update(json.dumps([name, value], ensure_ascii=True, separators=(",", ":")).encode())
    digest.update(b"\n")
