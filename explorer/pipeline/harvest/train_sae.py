"""Trains an SAE on a model's activations for a text."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from jaxtyping import Float

from explorer.config import HarvestSettings
from explorer.errors import InputError
from explorer.lm.hooks.activations import StreamSettings, stream_activations
from explorer.lm.hooks.block_hooks import check_hook
from explorer.lm.model.load import LoadedModel, load_model
from explorer.lm.sae.saelens import save_sae
from explorer.lm.sae.training import TrainSaeSettings, train_sae
from explorer.pipeline.harvest.text import open_text
from explorer.pipeline.subject import named_as_given
from explorer.records.progress import Progress, silent

READING = "read activations"
"""Name of the first stage in progress reports."""


def train_sae_on_text(
    model: str,
    text: str,
    out: Path,
    source: HarvestSettings,
    settings: TrainSaeSettings,
    *,
    device: str = "cpu",
    progress: Progress = silent,
) -> dict[str, float | int | str]:
    """Train a TopK SAE on the activations of a text, and write it in SAELens' layout.

    Special tokens, such as the beginning-of-document token, are read by the model but not trained on: their activations
    are often far larger than all others.

    Args:
        model: Hugging Face folder or id.
        text: file, or id of a Hugging Face dataset.
        out: folder of the SAE.
        source: hook and amount of text; its ``max_tokens`` bounds the memory.
        settings: size and training of the SAE.
        device: torch device.
        progress: called after each step of each stage.

    Returns:
        The training report, with the SAE's folder under "sae".

    Raises:
        InputError: an input is missing, broken, or does not fit the others.
    """
    documents = open_text(text)
    loaded = load_model(model, device=device)
    with named_as_given(model):
        check_hook(loaded.model, source.layer, source.hook)
    activations = _activations(loaded, documents.documents, source, progress)
    if not len(activations):
        raise InputError(documents.name, "no text", "at least one document")
    sae, report = train_sae(activations, settings, progress=progress)
    hook_name = f"blocks.{source.layer}.hook_{source.hook}"
    save_sae(out, replace(sae, hook_name=hook_name, model_name=loaded.id))
    return {"sae": str(out), **asdict(report)}


def _activations(
    loaded: LoadedModel, documents: Iterable[str], source: HarvestSettings, progress: Progress
) -> Float[torch.Tensor, "token d_model"]:
    stream = StreamSettings(source.layer, source.hook, source.context, source.batch_tokens)
    found = [torch.empty(0, loaded.d_model, device=loaded.device)]
    n_read = 0
    for window in stream_activations(loaded, documents, stream, max_tokens=source.max_tokens):
        found.append(window.activations[torch.from_numpy(~window.special).to(loaded.device)])
        n_read += len(window.token_ids)
        progress(READING, n_read, source.max_tokens)
    return torch.cat(found)
