"""The records of the project: frozen dataclasses with named axes.

Axis words: ``token`` (index in the harvested stream), ``doc``, ``feature`` (SAE latent), ``cluster``, ``d_model``,
``atom`` (a feature of one cluster, core first, then halo), ``sample`` (a token sampled for one cluster), ``value`` (a
named value along a manifold), ``knot`` (a point of a fitted curve), ``axis`` (a dimension of a cluster's subspace),
``xy``, ``xyz``, ``bin`` (an interval of the intrinsic coordinate), ``context`` (tokens of a window), ``draw``
(resampled codes), ``row`` (of a condensed tree).

Layer numbers count decoder blocks from 0. Token indices count from 0 over the whole harvested stream.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float16, Float32, Int32, Int64, Integer, UInt8, UInt32
from pydantic import Field

Hook = Literal["resid_pre", "resid_post", "attn_out", "mlp_out"]
"""Activation of a decoder block that is read or edited."""

PairScore = Literal["npmi", "jaccard", "phi", "abs_phi", "cosine", "exclusion"]
"""Score of a pair of features from its own cofire counts, independent of other pairs."""

Similarity = Literal["signed", "npmi", "jaccard", "phi", "abs_phi", "cosine", "exclusion"]
"""A PairScore, or "signed", which also accounts for documents and for the distribution over all pairs."""

ShapeKind = Literal["closed curve", "open curve", "surface", "blob"]
"""Shape of a cluster's point cloud."""

NEURONPEDIA_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""Pattern of an SAE's id on Neuronpedia: model and source, such as "gemma-2-2b/12-gemmascope-res-16k"."""

CURVES: tuple[ShapeKind, ...] = ("closed curve", "open curve")
"""Shapes that have an intrinsic coordinate."""

Regime = Literal["compact capture", "tiling", "dilution", "undetermined"]
"""How a cluster's features cover its manifold (Bhalla, Fel et al. 2026, arXiv 2604.28119)."""

NOISE = -1
"""Cluster number of a feature that HDBSCAN labels as noise."""
LEFT_OUT = -2
"""Cluster number of a feature that fires too rarely to be scored."""


@runtime_checkable
class Progress(Protocol):
    """Callback for the progress of long work; the caller decides how to display it."""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Report that ``done`` of ``total`` units (None if unknown) of ``stage`` are finished."""


def silent(stage: str, done: int, total: int | None) -> None:
    """Ignore progress."""


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


@dataclass(frozen=True)
class Codes:
    """Sparse feature activations, CSR over tokens; a feature fires where its value is > 0."""

    indptr: Int64[np.ndarray, "token_plus_1"]
    """Start of each token's entries."""
    features: UInt32[np.ndarray, "nnz"]
    """Feature of each entry, ascending within a token."""
    values: Float[np.ndarray, "nnz"]
    """Activation of each entry, float16 or float32."""
    n_features: int
    """Number of features, including those that never fire."""

    @property
    def n_tokens(self) -> int:
        """Number of tokens."""
        return len(self.indptr) - 1


@dataclass(frozen=True)
class Decoder:
    """Decoder of an SAE."""

    W_dec: Float32[np.ndarray, "feature d_model"]
    """Direction that each feature writes."""
    b_dec: Float32[np.ndarray, "d_model"]
    """Bias of the reconstruction."""


def packed_text(text_bytes: UInt8[np.ndarray, "byte"], text_offsets: Int64[np.ndarray, "text_plus_1"], at: int) -> str:
    """One of many texts packed as concatenated UTF-8."""
    start, stop = int(text_offsets[at]), int(text_offsets[at + 1])
    return text_bytes[start:stop].tobytes().decode("utf-8", errors="replace")


def pack_texts(texts: list[str]) -> tuple[UInt8[np.ndarray, "byte"], Int64[np.ndarray, "text_plus_1"]]:
    """Concatenate texts as UTF-8; returns the bytes and the start of each text."""
    encoded = [text.encode("utf-8", errors="replace") for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in encoded])]).astype(np.int64)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


@dataclass(frozen=True)
class Vocabulary:
    """Display text of every token id, packed as UTF-8."""

    text_bytes: UInt8[np.ndarray, "byte"]
    """All texts, concatenated."""
    text_offsets: Int64[np.ndarray, "vocab_plus_1"]
    """Start of each text."""

    def __len__(self) -> int:
        return len(self.text_offsets) - 1

    def text(self, token_id: int) -> str:
        """Display text of one token, word-initial space included."""
        return packed_text(self.text_bytes, self.text_offsets, token_id)

    @classmethod
    def pack(cls, texts: list[str]) -> "Vocabulary":
        """Pack a list of texts, one per token id."""
        return cls(*pack_texts(texts))


@dataclass(frozen=True)
class Tokens:
    """The harvested stream of tokens."""

    token_ids: Int32[np.ndarray, "token"]
    doc_offsets: Int64[np.ndarray, "doc_plus_1"]
    """Start of each document."""
    vocabulary: Vocabulary
    """Display text of each token id."""


@dataclass(frozen=True)
class Residuals:
    """A sample of the activations that the SAE reads."""

    values: Float16[np.ndarray, "stored d_model"]
    token_index: Int64[np.ndarray, "stored"]
    """Token of each row, ascending."""


@dataclass(frozen=True)
class Concept:
    """A known value at one token, for naming and scoring, never for discovery."""

    token_index: int
    concept: str
    """Such as "weekday"."""
    value: str
    """Such as "Monday"."""
    order: float | None
    """Position of the value in its concept; None if the values have no order."""
    period: float | None
    """Period of a cyclic concept; None otherwise."""


class NeighbourGraph(NamedTuple):
    """The k nearest neighbours of each feature."""

    neighbour: Int32[np.ndarray, "feature neighbours"]
    """Feature numbers, most similar first; padded with -1."""
    score: Float32[np.ndarray, "feature neighbours"]
    """Similarity of each neighbour; padded with 0."""


@dataclass(frozen=True)
class Clustering:
    """A hard clustering of the features."""

    label: Int32[np.ndarray, "feature"]
    """Cluster number from 0, NOISE, or LEFT_OUT."""
    membership: Float32[np.ndarray, "feature"]
    """HDBSCAN's membership strength in [0, 1], 0 for noise."""
    persistence: Float32[np.ndarray, "cluster"]
    """HDBSCAN's relative excess of mass of each cluster, in [0, 1]."""


@dataclass(frozen=True)
class CondensedTree:
    """HDBSCAN's condensed tree: one row for every feature or group that leaves its parent group."""

    parent: Integer[np.ndarray, "row"]
    """Parent group; groups are numbered from the number of features on, the root first."""
    child: Integer[np.ndarray, "row"]
    """A feature or a group."""
    density: Float[np.ndarray, "row"]
    """1 / distance at which the child leaves."""
    size: Integer[np.ndarray, "row"]
    """Number of features in the child."""


@dataclass(frozen=True)
class Evidence:
    """Draws behind the robustness scores of a build."""

    resamples: int
    """Number of document resamples behind `stability` and `dissolved`."""
    chance_clusters: tuple[int, ...]
    """Number of clusters in each draw of codes shuffled within documents, behind `chance_p`."""


@dataclass(frozen=True)
class Shape:
    """The shape fitted to a point cloud."""

    kind: ShapeKind
    """The simplest shape that the cloud supports."""
    coordinate: Float32[np.ndarray, "sample"]
    """Position along it: turns in [0, 1) on a closed curve, fraction of the arc length in [0, 1] on an open one; on a
    surface or a blob, the first principal component scaled to [0, 1]."""
    curve: Float32[np.ndarray, "knot axis"]
    """The fitted curve, equally spaced in the coordinate; closed curves do not repeat the first knot."""
    harmonics: int
    """Number of harmonics of the curve, see ``curve.basis``."""
    intrinsic_dim: float
    """TwoNN estimate."""
    p_value: float
    """Fraction of the null draws that fit this kind at least as well; 1.0 for a blob."""
    variance_explained: float
    """Fraction of the cloud's variance that the curve explains, on held-out samples."""


@dataclass(frozen=True)
class Membership:
    """A cluster's core and halo as atoms, with the variance that each adds."""

    atoms: Int32[np.ndarray, "atom"]
    """Feature numbers: the core, then the halo in the order of selection."""
    n_core: int
    """Number of core atoms."""
    gain: Float32[np.ndarray, "atom"]
    """Fraction of the activations' variance on the core's tokens that each atom adds when it is selected."""
    null_gain: Float32[np.ndarray, "atom"]
    """Gain of the best atom on codes shuffled over the tokens at the same step; 0 for the core, which is not selected
    by gain."""


@dataclass(frozen=True)
class ClusterSummary:
    """Summary of one cluster, stored in the run's manifest."""

    id: int
    label: str
    """Short name made of tokens, such as "before Monday, Tuesday, Sunday"."""
    words: str
    """Description of the shape in a sentence."""
    features: tuple[int, ...]
    """The core: HDBSCAN's members."""
    halo: tuple[int, ...]
    """Further features that carry position on the core's tokens; a feature may be in several halos."""
    n_tokens: int
    """Number of the cluster's tokens: those on which half of the core fires, its most central feature, or fewer core
    features (docs/geometry.md)."""
    n_sampled: int
    """Number of those that the geometry was fitted on."""
    shape: ShapeKind
    intrinsic_dim: float
    """TwoNN estimate."""
    regime: Regime
    """Capture regime."""
    order: tuple[str, ...]
    """Values in order along the intrinsic coordinate."""
    value_offset: int
    """0 if the values are the tokens themselves, 1 if they are the next tokens."""
    feature_order: tuple[int, ...]
    """Atoms sorted by the coordinate at which they fire most."""
    scores: dict[str, float]
    """Named numbers: variance_explained, p_value, persistence, manifold_likeness and others, see FORMAT.md."""
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """95 % interval (low, high) of `intrinsic_dim` or of a score, by its name, where it was measured."""


@dataclass(frozen=True)
class ClusterGeometry:
    """Arrays of one cluster for its page and its steering: one file of a run."""

    atoms: Int32[np.ndarray, "atom"]
    """Feature numbers: the core, then the halo."""
    n_core: int
    """Number of core atoms."""
    atom_gain: Float32[np.ndarray, "atom"]
    """As `Membership.gain`."""
    atom_null: Float32[np.ndarray, "atom"]
    """As `Membership.null_gain`."""
    token_index: Int64[np.ndarray, "sample"]
    """Drawn tokens."""
    points: Float32[np.ndarray, "sample xyz"]
    """Coordinates of the drawn tokens; the core's span is projected out, to show position rather than presence."""
    coordinate: Float32[np.ndarray, "sample"]
    """Intrinsic coordinate."""
    value: Int32[np.ndarray, "sample"]
    """Index into ClusterSummary.order; -1 for no value."""
    codes: Float16[np.ndarray, "sample atom"]
    """Activations of the cluster's atoms."""
    context_ids: Int32[np.ndarray, "sample context"]
    """Token ids around each drawn token, which is at CONTEXT_BEFORE; -1 beyond the document."""
    curve: Float32[np.ndarray, "knot xyz"]
    """The fitted curve in the drawn axes."""
    axis_share: Float32[np.ndarray, "xyz"]
    """Fraction of the position's variance along each drawn axis."""
    basis: Float32[np.ndarray, "axis d_model"]
    """Orthonormal basis P of the steering subspace."""
    center: Float32[np.ndarray, "d_model"]
    """Origin of that basis in the residual stream."""
    path: Float32[np.ndarray, "knot axis"]
    """Steering path s(u) in that basis, at the same coordinates as `curve`."""
    value_coordinate: Float32[np.ndarray, "value"]
    """Intrinsic coordinate of each value of ClusterSummary.order."""
    value_residual: Float32[np.ndarray, "value d_model"]
    """Mean activation over the tokens of each value."""
    value_count: Int32[np.ndarray, "value"]
    """Number of tokens in that mean."""
    tuning: Float32[np.ndarray, "atom bin"]
    """Tuning curves: mean activation of each atom along the coordinate."""
    example_ids: Int32[np.ndarray, "atom example context"]
    """Contexts of each atom's strongest tokens, laid out like context_ids."""
    example_activation: Float32[np.ndarray, "atom example"]
    """Activation of the atom there; padded with 0."""


CONTEXT_BEFORE = 24
"""Tokens before the marked one in every stored context."""
CONTEXT_AFTER = 8
"""Tokens after it."""


@dataclass(frozen=True)
class FeatureTable:
    """Per-feature data of a run's map."""

    xy: Float32[np.ndarray, "feature xy"]
    """Position on the map; NaN for features that are left out."""
    cluster: Int32[np.ndarray, "feature"]
    """Cluster number, NOISE or LEFT_OUT."""
    membership: Float32[np.ndarray, "feature"]
    """HDBSCAN's membership strength."""
    fires: Int64[np.ndarray, "feature"]
    """Number of tokens on which it fires."""
    mean_activation: Float32[np.ndarray, "feature"]
    """Mean over the tokens on which it fires."""
    max_activation: Float32[np.ndarray, "feature"]
    top_tokens: Int32[np.ndarray, "feature top"]
    """Token ids with the largest summed activation, best first; padded with -1."""


@dataclass(frozen=True)
class FeatureLabel:
    """A label of a feature."""

    feature: int
    label: str
    source: str
    """Person or program that assigned it."""
