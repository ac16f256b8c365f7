"""Reads and writes an SAE in SAELens' layout: a folder with `cfg.json` and `sae_weights.safetensors`.

Constants that SAELens applies at run time (a scaling factor on the codes, the norms of the decoder's rows, an average
input norm) are folded into the weights on loading, so that the formulas of `Sae` suffice.
"""

import json
import os
import re
from pathlib import Path
from typing import cast, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from explorer.errors import SubjectError
from explorer.lm.sae.autoencoder import Architecture, Normalization, Sae
from explorer.records.subject import NEURONPEDIA_ID

__all__ = ["Sae", "load_sae", "save_sae"]

CONFIG_NAME = "cfg.json"
WEIGHTS_NAME = "sae_weights.safetensors"
SCALER_NAME = "activation_scaler.json"
_LARGEST_JSON = 1_000_000
_LAYOUT_VERSION = "6.0.0"
"""SAELens takes a `cfg.json` without a version as older than its version 6."""
_KNOWN_TENSORS = {"W_enc", "b_enc", "W_dec", "b_dec", "threshold", "log_threshold", "topk_threshold",
                  "scaling_factor", "finetuning_scaling_factor"}  # fmt: skip
_REASON_LENGTH = 200

_Json = dict[str, object]


def load_sae(
    path: str | Path, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32,
    input_scale: float | None = None,
) -> Sae:  # fmt: skip
    """Read an SAE from a folder in SAELens' layout, version 6 or older.

    Args:
        path: the folder.
        device: target device of the weights.
        dtype: precision of the weights.
        input_scale: for `normalize_activations = expected_average_only_in`, where the folder has no
            `activation_scaler.json`; without either, the SAE loads but refuses to encode.

    Raises:
        SubjectError: a file is missing or broken, a weight is not finite or has an inconsistent shape, or the
            architecture is not one of ReLU, TopK, BatchTopK, JumpReLU.
    """
    folder = Path(path)
    config = _read_json(folder / CONFIG_NAME)
    weights = _read_weights(folder / WEIGHTS_NAME, dtype)
    sae = _assemble(folder, config, weights)
    if sae.normalize_activations == "expected_average_only_in":
        scale = input_scale if input_scale is not None else _stored_scale(folder / SCALER_NAME)
        sae = sae if scale is None else sae.folded(scale)
    return sae.to(device)


def save_sae(path: str | Path, sae: Sae) -> None:
    """Write an SAE as a folder in SAELens' layout, the config last.

    Args:
        path: the folder, created if missing.
        sae: written with its weights unchanged.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in sae.tensors().items()}
    partial = folder / f"{WEIGHTS_NAME}.part"
    partial.write_bytes(save(weights))
    os.replace(partial, folder / WEIGHTS_NAME)
    partial = folder / f"{CONFIG_NAME}.part"
    partial.write_text(json.dumps(_config(sae), indent=2) + "\n", encoding="utf-8")
    os.replace(partial, folder / CONFIG_NAME)


def _config(sae: Sae) -> _Json:
    config: _Json = {
        "architecture": sae.architecture,
        "d_in": sae.d_model,
        "d_sae": sae.n_features,
        "dtype": str(sae.W_enc.dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": sae.apply_b_dec_to_input,
        "normalize_activations": sae.normalize_activations,
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": _LAYOUT_VERSION,
            "model_name": sae.model_name,
            "hook_name": sae.hook_name,
            "neuronpedia_id": sae.neuronpedia_id or None,
        },
    }
    if sae.k is not None:
        config["k"] = int(sae.k) if sae.architecture == "topk" else sae.k
    if sae.architecture == "topk":
        config["rescale_acts_by_decoder_norm"] = False
    return config


def _assemble(folder: Path, config: _Json, weights: dict[str, Tensor]) -> Sae:
    file = folder / CONFIG_NAME
    architecture, k = _architecture(file, config)
    _check_shapes(folder, config, weights)
    _fold_constants(folder, config, weights, architecture)
    metadata = config.get("metadata")
    names = metadata if isinstance(metadata, dict) else config
    return Sae(
        architecture=architecture,
        W_enc=weights["W_enc"],
        b_enc=weights["b_enc"],
        W_dec=weights["W_dec"],
        b_dec=weights["b_dec"],
        threshold=_threshold(folder / WEIGHTS_NAME, weights, architecture),
        k=k,
        apply_b_dec_to_input=_flag(file, config, "apply_b_dec_to_input", True),
        normalize_activations=_normalization(file, config),
        model_name=str(names.get("model_name") or ""),
        hook_name=str(names.get("hook_name") or ""),
        neuronpedia_id=_neuronpedia_id(file, names),
    )


def _neuronpedia_id(file: Path, names: _Json) -> str:
    """SAELens writes null (before version 4: no key) for an SAE that is not on Neuronpedia."""
    found = names.get("neuronpedia_id")
    if found is not None and (not isinstance(found, str) or not re.fullmatch(NEURONPEDIA_ID, found)):
        raise SubjectError(file, f"neuronpedia_id {found!r}", 'null, or a name such as "gpt2-small/8-res-jb"')
    return found or ""


def _architecture(file: Path, config: _Json) -> tuple[Architecture, int | float | None]:
    """The architecture and its k; before version 6 a TopK SAE could be "standard" with another activation function."""
    name = config.get("architecture", "standard")
    activation = config.get("activation_fn_str", config.get("activation_fn", "relu"))
    if name == "standard" and activation == "topk":
        name = "topk"
    if name not in get_args(Architecture):
        raise SubjectError(file, f"architecture {name!r}", f"one of {', '.join(get_args(Architecture))}")
    if activation not in ("relu", "topk"):
        raise SubjectError(file, f"activation function {activation!r}", "relu or topk")
    reshape = config.get("reshape_activations", "none")
    if reshape != "none":
        raise SubjectError(file, f"reshape_activations {reshape!r}", "none")
    if name not in ("topk", "batchtopk"):
        return cast(Architecture, name), None
    kwargs = config.get("activation_fn_kwargs")  # where versions before 6 keep k
    k = config.get("k", kwargs.get("k") if isinstance(kwargs, dict) else None)
    if isinstance(k, bool) or not isinstance(k, int | float) or not 0 < k < float("inf"):
        raise SubjectError(file, f"k = {k!r}", "a positive number")
    return name, k


def _normalization(file: Path, config: _Json) -> Normalization:
    given = config.get("normalize_activations", "none")
    if given is None or isinstance(given, bool):  # before version 4 this was a flag
        given = "expected_average_only_in" if given else "none"
    if given not in get_args(Normalization):
        raise SubjectError(file, f"normalize_activations {given!r}", f"one of {', '.join(get_args(Normalization))}")
    return cast(Normalization, given)


def _fold_constants(folder: Path, config: _Json, weights: dict[str, Tensor], architecture: Architecture) -> None:
    """Fold the constant factors per feature that SAELens applies to codes into the weights."""
    factor = weights.get("scaling_factor", weights.get("finetuning_scaling_factor"))
    if factor is not None and not bool((factor == 1).all()):
        if not _flag(folder / CONFIG_NAME, config, "finetuning_scaling_factor", False):
            raise SubjectError(folder / WEIGHTS_NAME, "a scaling factor", "finetuning_scaling_factor in cfg.json")
        weights["W_dec"] = weights["W_dec"] * factor[:, None]
    if architecture == "topk" and _flag(folder / CONFIG_NAME, config, "rescale_acts_by_decoder_norm", False):
        norm = weights["W_dec"].norm(dim=-1)
        if not bool((norm > 0).all()):
            raise SubjectError(folder / WEIGHTS_NAME, "a decoder row of norm 0", "rows of positive norm, to rescale by")
        weights["W_enc"] = weights["W_enc"] * norm
        weights["b_enc"] = weights["b_enc"] * norm
        weights["W_dec"] = weights["W_dec"] / norm[:, None]


def _threshold(file: Path, weights: dict[str, Tensor], architecture: Architecture) -> Tensor | None:
    if architecture in ("standard", "topk"):
        return None
    found = weights.get("threshold", weights.get("topk_threshold"))
    if found is None and "log_threshold" in weights:
        found = weights["log_threshold"].exp()
    if found is None and architecture == "jumprelu":
        raise SubjectError(file, "no threshold", "a threshold for each feature")
    return None if found is None else found.expand(weights["b_enc"].shape).contiguous()


def _check_shapes(folder: Path, config: _Json, weights: dict[str, Tensor]) -> None:
    file = folder / WEIGHTS_NAME
    for name in ("W_enc", "b_enc", "W_dec", "b_dec"):
        if name not in weights:
            raise SubjectError(file, f"no {name}", "W_enc, b_enc, W_dec and b_dec")
    if weights["W_enc"].ndim != 2 or 0 in weights["W_enc"].shape:
        raise SubjectError(file, f"W_enc {tuple(weights['W_enc'].shape)}", "[d_model, feature]")
    d_model, feature = weights["W_enc"].shape
    wanted: dict[str, list[tuple[int, ...]]] = {
        "b_enc": [(feature,)],
        "W_dec": [(feature, d_model)],
        "b_dec": [(d_model,)],
        "topk_threshold": [(), (1,), (feature,)],
    }
    for name, tensor in weights.items():
        shapes = wanted.get(name, [(feature,)])
        if name != "W_enc" and tuple(tensor.shape) not in shapes:
            raise SubjectError(file, f"{name} {tuple(tensor.shape)}", f"{shapes[0]}, as W_enc is {(d_model, feature)}")
    for key, width in (("d_in", d_model), ("d_sae", feature)):
        if config.get(key, width) != width:
            raise SubjectError(folder / CONFIG_NAME, f"{key} {config[key]!r}", f"{width}, as W_enc is")


def _read_weights(file: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    try:
        stored = load_file(file)
    except (OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:_REASON_LENGTH]
        raise SubjectError(file, reason, "a readable safetensors file") from error
    unknown = sorted(set(stored) - _KNOWN_TENSORS)
    if unknown:
        raise SubjectError(file, f"a tensor {unknown[0]!r}", f"only {', '.join(sorted(_KNOWN_TENSORS))}")
    weights = {}
    for name, tensor in stored.items():
        if not tensor.is_floating_point() or not bool(torch.isfinite(tensor).all()):
            raise SubjectError(file, f"NaN, Inf or whole numbers in {name}", "finite floating-point weights")
        # Copied: the library's tensors may be memory-mapped.
        weights[name] = tensor.to(dtype, copy=True)
    return weights


def _read_json(file: Path) -> _Json:
    try:
        with file.open("rb") as stream:
            text = stream.read(_LARGEST_JSON + 1)
    except OSError as error:
        raise SubjectError(file, error.strerror or "an unreadable file", "an SAE in SAELens' layout") from error
    if len(text) > _LARGEST_JSON:
        raise SubjectError(file, "more than 1 MB", "a small JSON object")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SubjectError(file, "invalid JSON", "a JSON object") from error
    if not isinstance(found, dict):
        raise SubjectError(file, f"a JSON {type(found).__name__}", "a JSON object")
    return found


def _stored_scale(file: Path) -> float | None:
    scale = _read_json(file).get("scaling_factor") if file.exists() else None
    if scale is not None and (isinstance(scale, bool) or not isinstance(scale, int | float)):
        raise SubjectError(file, f"scaling_factor {scale!r}", "a number")
    return scale


def _flag(file: Path, config: _Json, key: str, default: bool) -> bool:
    found = config.get(key, default)
    if not isinstance(found, bool):
        raise SubjectError(file, f"{key} {found!r}", "true or false")
    return found
