"""The subject of a run: model, SAE and text.

Layer numbers count decoder blocks from 0.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Hook = Literal["resid_pre", "resid_post", "attn_out", "mlp_out"]
"""Activation of a decoder block that is read or edited."""

NEURONPEDIA_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""Pattern of an SAE's id on Neuronpedia: model and source, such as "gemma-2-2b/12-gemmascope-res-16k"."""


@dataclass(frozen=True)
class ModelInfo:
    """The language model that activations come from."""

    id: str
    """Hugging Face id, or the folder as given."""
    revision: str
    """Hugging Face commit hash, "" for a folder."""
    layer: int
    """Decoder block, from 0."""
    hook: Hook
    """Activation of that block."""
    d_model: int
    n_layers: int
    """Decoder blocks."""


@dataclass(frozen=True)
class SaeInfo:
    """The sparse autoencoder that the features come from."""

    id: str
    """Name, or the folder as given."""
    n_features: int
    architecture: str
    """As SAELens names it: standard, topk, batchtopk, jumprelu."""
    neuronpedia_id: Annotated[str, Field(pattern=rf"^({NEURONPEDIA_ID})?$")] = ""
    """Id on Neuronpedia; "" if it has none."""


@dataclass(frozen=True)
class DatasetInfo:
    """The text that was harvested."""

    name: str
    n_docs: int
    n_tokens: int
    """Special tokens included."""


@dataclass(frozen=True)
class SubjectInfo:
    """The subject that a steering host must serve for a run."""

    fingerprint: str
    """`sha256:` and 64 hexadecimal digits over model weights, vocabulary, SAE weights, layer and hook; "" if unknown.
    """
    model: ModelInfo
    sae: SaeInfo
    model_path: str
    """Location of the model: relative to the run's folder if it is inside the subject of this run or of a neighbouring
    run, else as given."""
    sae_path: str
    """Location of the SAE, likewise."""
