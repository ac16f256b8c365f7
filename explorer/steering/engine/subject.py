"""Opens the subject that a run names, and makes sure that it is that one."""

from pathlib import Path

from explorer.config import SteeringLimits
from explorer.errors import HostMismatch, RequestError, RunError, SubjectError
from explorer.lm.generation.capabilities import batch_difference, open_edit_site
from explorer.lm.model.fingerprint import subject_fingerprint
from explorer.lm.model.load import DType, LoadedModel, load_model
from explorer.lm.sae.saelens import Sae, load_sae
from explorer.records import SubjectInfo
from explorer.runs.run.reader import Run, open_run
from explorer.steering.engine.engine import Engine, Subject, fitting_threads

DTYPES: tuple[DType, ...] = ("float32", "float16", "bfloat16")


def open_engine(
    run_path: Path | str,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    model: str | None = None,
    sae: str | None = None,
    limits: SteeringLimits | None = None,
) -> Engine:
    """Open a run and the subject that it names.

    Args:
        run_path: the run's folder.
        device: torch device.
        dtype: number format to compute in.
        model: the language model, where it is not at the place that the run names.
        sae: the SAE, likewise.
        limits: what one request may ask for.

    Raises:
        RunError: the run is broken, or names no subject.
        SubjectError: the model or the SAE cannot be used.
        HostMismatch: they are not those that the run was made with; both fingerprints are named.
    """
    run = open_run(run_path)
    info = run.manifest.subject
    if info is None or not info.fingerprint:
        raise RunError(run.path / "run.json", "no subject with a fingerprint", "a run that was made from a harvest")
    subject = _open_subject(run, info, model, sae, device, _dtype(dtype))
    return Engine(subject, {run.id: run}, limits or SteeringLimits())


def _open_subject(
    run: Run, info: SubjectInfo, model: str | None, sae: str | None, device: str, dtype: DType
) -> Subject:
    model_path = model or _located(run, info.model_path)
    autoencoder = load_sae(sae or _located(run, info.sae_path))
    loaded = load_model(model_path, device=device)
    fingerprint = _fingerprint(loaded, autoencoder, info)
    if fingerprint != info.fingerprint or dtype != "float32":
        loaded = load_model(model_path, device=device, dtype=dtype)
    if fingerprint != info.fingerprint and _fingerprint(loaded, autoencoder, info) != info.fingerprint:
        raise HostMismatch(f"{model_path} with its SAE is {fingerprint}, the run {run.path} needs {info.fingerprint}")
    if loaded.d_model != autoencoder.d_model:
        raise SubjectError(model_path, f"width {loaded.d_model}", f"{autoencoder.d_model}, the SAE's")
    with fitting_threads(loaded.model):
        place = open_edit_site(loaded.model, info.model.layer, info.model.hook)
        difference = batch_difference(place)
    return Subject(loaded, autoencoder, place, info.fingerprint, info, difference)


def _fingerprint(loaded: LoadedModel, sae: Sae, info: SubjectInfo) -> str:
    return subject_fingerprint(loaded.model, loaded.tokenizer, sae, info.model.layer, info.model.hook)


def _located(run: Run, path: str) -> str:
    """A path from the run's folder where something lies there, else as it was given."""
    inside = run.path / path
    return str(inside) if path and inside.exists() else path


def _dtype(name: str) -> DType:
    for known in DTYPES:
        if name == known:
            return known
    raise RequestError("dtype", name, ", ".join(DTYPES))
