"""The subject of a run: model, tokenizer, SAE and hook, loaded from where the run names them and verified."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from threadpoolctl import threadpool_limits
from transformers import PreTrainedModel

from explorer.errors import HostMismatch, RequestError, RunError, SubjectError
from explorer.lm.generation.capabilities import batch_difference, open_edit_site
from explorer.lm.generation.forward import EditSite
from explorer.lm.model.fingerprint import subject_fingerprint
from explorer.lm.model.load import DType, LoadedModel, load_model
from explorer.lm.sae.saelens import Sae, load_sae
from explorer.records.subject import SubjectInfo
from explorer.runs.run.reader import Run

DTYPES: tuple[DType, ...] = ("float32", "float16", "bfloat16")
_SMALL_MODEL = 20_000_000


@dataclass(frozen=True)
class Subject:
    """A loaded subject."""

    loaded: LoadedModel
    sae: Sae
    place: EditSite
    """Layer and hook that are steered."""
    fingerprint: str
    """Over model, vocabulary, SAE, layer and hook."""
    info: SubjectInfo
    """Names, as the run gives them."""
    batch_difference: float
    """Largest difference of a row's logits in a batch and alone, see ``capabilities.batch_difference``."""


def open_subject(
    run: Run, *, device: str = "cpu", dtype: str = "float32", model: str | None = None, sae: str | None = None
) -> Subject:
    """Load the subject that a run names.

    Args:
        run: the run.
        device: torch device.
        dtype: number format of the computation: one of DTYPES.
        model: the language model, where it is not at the place that the run names.
        sae: the SAE, likewise.

    Raises:
        RunError: the run names no subject.
        SubjectError: the model or the SAE cannot be used.
        HostMismatch: they are not the ones that the run was made with; the message names both fingerprints.
    """
    info = run.manifest.subject
    if info is None or not info.fingerprint:
        raise RunError(run.path / "run.json", "no subject with a fingerprint", "a run that was made from a harvest")
    number_format = _dtype(dtype)
    model_path = model or _located(run, info.model_path)
    autoencoder = load_sae(sae or _located(run, info.sae_path))
    loaded = load_model(model_path, device=device)
    fingerprint = _fingerprint(loaded, autoencoder, info)
    if fingerprint != info.fingerprint or number_format != "float32":
        loaded = load_model(model_path, device=device, dtype=number_format)
    if fingerprint != info.fingerprint and _fingerprint(loaded, autoencoder, info) != info.fingerprint:
        raise HostMismatch(f"{model_path} with its SAE is {fingerprint}, the run {run.path} needs {info.fingerprint}")
    if loaded.d_model != autoencoder.d_model:
        raise SubjectError(model_path, f"width {loaded.d_model}", f"{autoencoder.d_model}, the SAE's")
    with fitting_threads(loaded.model):
        place = open_edit_site(loaded.model, info.model.layer, info.model.hook)
        difference = batch_difference(place)
    return Subject(loaded, autoencoder, place, info.fingerprint, info, difference)


@contextmanager
def fitting_threads(model: PreTrainedModel) -> Iterator[None]:
    """Limit threads while a model runs: torch to one for a small model, BLAS to one for numpy's small products.

    More threads would wait for each other longer than they compute.
    """
    before = torch.get_num_threads()
    size = sum(parameter.numel() for parameter in model.parameters())
    torch.set_num_threads(1 if size < _SMALL_MODEL else before)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


def is_poisoned(error: Exception) -> bool:
    """Whether an error leaves the device unusable for this process, as a failed CUDA kernel does.

    Every later call would fail too. Running out of memory is not such an error.
    """
    if isinstance(error, torch.OutOfMemoryError):
        return False
    return isinstance(error, torch.AcceleratorError) or (isinstance(error, RuntimeError) and "CUDA error" in str(error))


def _fingerprint(loaded: LoadedModel, sae: Sae, info: SubjectInfo) -> str:
    return subject_fingerprint(loaded.model, loaded.tokenizer, sae, info.model.layer, info.model.hook)


def _located(run: Run, path: str) -> str:
    """A path relative to the run's folder where something is there, else as it was given."""
    inside = run.path / path
    return str(inside) if path and inside.exists() else path


def _dtype(name: str) -> DType:
    for known in DTYPES:
        if name == known:
            return known
    raise RequestError("dtype", name, ", ".join(DTYPES))
