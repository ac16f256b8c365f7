"""Fingerprint of a subject: a hash over weights, vocabulary, SAE, layer and hook."""

import hashlib
import json

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from explorer.lm.sae.autoencoder import Sae
from explorer.records.subject import Hook


def subject_fingerprint(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sae: Sae, layer: int, hook: Hook,
    *, weights: str | None = None,
) -> str:  # fmt: skip
    """SHA-256 over everything that determines how a subject behaves: `sha256:` and 64 hexadecimal digits.

    Args:
        model: the language model.
        tokenizer: its tokenizer.
        sae: the sparse autoencoder, in float32 as loaded.
        layer: decoder block, from 0.
        hook: where in that block.
        weights: `LoadedModel.weights`, the digest of the stored weights. Without it the weights in memory are hashed,
            which differ once they are rounded to a lower precision.
    """
    digest = hashlib.sha256()
    _add_json(digest, "model", weights or weights_digest(model))
    _add_json(digest, "vocabulary", sorted(tokenizer.get_vocab().items()))
    _add_json(digest, "special", [tokenizer.bos_token_id, tokenizer.eos_token_id])
    for name, tensor in sae.tensors().items():
        _add_tensor(digest, f"sae.{name}", tensor)
    k = int(sae.k) if sae.k is not None and sae.k == int(sae.k) else sae.k  # 3 and 3.0 describe the same SAE
    _add_json(digest, "sae", [sae.architecture, k, sae.apply_b_dec_to_input, sae.normalize_activations])
    _add_json(digest, "place", [layer, hook])
    return f"sha256:{digest.hexdigest()}"


def weights_digest(model: PreTrainedModel) -> str:
    """SHA-256 over a model's parameters, sorted by name: names, shapes, little-endian float32 values; on any device."""
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        _add_tensor(digest, name, parameter)
    return digest.hexdigest()


def _add_tensor(digest: "hashlib._Hash", name: str, tensor: Tensor) -> None:
    _add_json(digest, name, list(tensor.shape))
    exact = tensor.detach().to("cpu", torch.float32).contiguous()
    digest.update(exact.numpy().astype("<f4", copy=False).data)


def _add_json(digest: "hashlib._Hash", name: str, value: object) -> None:
    digest.update(json.dumps([name, value], ensure_ascii=True, separators=(",", ":")).encode())
    digest.update(b"\n")
