"""Loads a Hugging Face causal language model, and finds its decoder blocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from weakref import WeakKeyDictionary

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from explorer.errors import SubjectError
from explorer.lm.model.device import open_device
from explorer.lm.model.fingerprint import weights_digest

DType = Literal["float32", "float16", "bfloat16"]
"""Precision that a model computes in."""

_TORCH_DTYPE = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_REASON_LENGTH = 300
_BLOCKS: WeakKeyDictionary[PreTrainedModel, nn.ModuleList] = WeakKeyDictionary()


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model with its tokenizer, frozen and in evaluation mode."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    id: str
    """Hugging Face id, or the folder as given."""
    revision: str
    """Commit hash on Hugging Face, "" for a folder."""
    d_model: int
    n_layers: int
    """Decoder blocks."""
    max_context: int
    """Maximum number of positions."""
    device: torch.device
    dtype: torch.dtype
    """Precision that it computes in."""
    weights: str
    """SHA-256 of the stored weights, before any rounding; see `weights_digest`."""


def load_model(model: str, *, device: str = "cpu", dtype: DType = "float32") -> LoadedModel:
    """Load a causal language model from a folder in Hugging Face layout, or by its Hugging Face id.

    A folder is read without network access. Weights are read from safetensors only, and code next to the weights is
    never executed.

    Args:
        model: folder or id.
        device: torch device, such as "cpu" or "cuda".
        dtype: precision to compute in.

    Raises:
        SubjectError: the model or its tokenizer cannot be read, or the device does not exist.
    """
    folder = Path(model).is_dir()
    if not folder and (model.startswith((".", "/", "~")) or model.count("/") > 1):
        raise SubjectError(model, "no such folder", "a Hugging Face model folder or id")
    if folder and not (Path(model) / "config.json").is_file():
        raise SubjectError(model, "no config.json", "a Hugging Face model folder or id")
    torch_device = open_device(device)
    with _quiet(), _as_subject_error(model):
        tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=folder, trust_remote_code=False)
        network = _network(model, "float32", local=folder)
        weights = weights_digest(network)
        if dtype != "float32":
            network = _network(model, dtype, local=folder)
        nn.Module.to(network, torch_device).requires_grad_(False)
    config = network.config.get_text_config(decoder=True)
    return LoadedModel(
        model=network,
        tokenizer=tokenizer,
        id=model,
        revision="" if folder else str(getattr(network.config, "_commit_hash", None) or ""),
        d_model=int(config.hidden_size),
        n_layers=len(blocks(network)),
        max_context=int(getattr(config, "max_position_embeddings", 0) or tokenizer.model_max_length),
        device=next(network.parameters()).device,
        dtype=_TORCH_DTYPE[dtype],
        weights=weights,
    )


def _network(model: str, dtype: DType, *, local: bool) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(
        model, dtype=_TORCH_DTYPE[dtype], local_files_only=local, trust_remote_code=False, use_safetensors=True
    )


def blocks(model: PreTrainedModel) -> nn.ModuleList:
    """The model's decoder blocks in order, whatever the architecture calls them; cached per model.

    Raises:
        SubjectError: no module list matches.
    """
    if model not in _BLOCKS:
        _BLOCKS[model] = _find_blocks(model)
    return _BLOCKS[model]


def _find_blocks(model: PreTrainedModel) -> nn.ModuleList:
    """Find the decoder blocks: the module list of modules of one type, as many as the configuration counts hidden
    layers; of several candidates, the one with the most parameters."""
    wanted = int(model.config.get_text_config(decoder=True).num_hidden_layers)
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module) == wanted]
    uniform = [candidate for candidate in lists if len({type(member) for member in candidate}) == 1]
    found = uniform or lists
    if not found:
        name = type(model).__name__
        raise SubjectError(name, "no list of decoder blocks", f"a module list of {wanted} blocks of one type")
    return max(found, key=lambda candidate: sum(parameter.numel() for parameter in candidate.parameters()))


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress transformers' loading bar on standard error, and restore its setting."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


@contextmanager
def _as_subject_error(model: str) -> Iterator[None]:
    """Turn any error of the loading libraries, whose messages span many lines, into a one-line SubjectError."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:_REASON_LENGTH] or type(error).__name__
        raise SubjectError(model, reason, "a causal language model in Hugging Face layout with safetensors") from error
