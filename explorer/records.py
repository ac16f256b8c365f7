"""The nouns of the project, as frozen records with named axes.

Axis words: ``token`` (position in the harvested stream), ``doc``, ``feature`` (SAE latent), ``cluster``, ``d_model``,
``atom`` (a feature that belongs to one cluster, core first, then halo), ``sample`` (a token drawn for one cluster),
``value`` (a named value of a concept along a manifold), ``knot`` (a point of a fitted curve), ``axis`` (a dimension of
a cluster's subspace), ``xy``, ``xyz``, ``bin`` (an interval of the intrinsic coordinate), ``context`` (tokens of a
window), ``draw`` (codes drawn anew), ``row`` (of a condensed tree).

Layer numbers count decoder blocks from 0. Token numbers count from 0 over the whole harvested stream.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float16, Float32, Int32, Int64, Integer, UInt8, UInt32
from pydantic import Field

Hook = Literal["resid_pre", "resid_post", "attn_out", "mlp_out"]
"""Where in a decoder block an activation is read or edited."""

PairScore = Literal["npmi", "jaccard", "phi", "abs_phi", "cosine", "exclusion"]
"""How a pair of features is scored from how often they fire together, whatever other pairs do."""

Similarity = Literal["signed", "npmi", "jaccard", "phi", "abs_phi", "cosine", "exclusion"]
"""A PairScore, or the one that also asks what is usual within documents and among all pairs."""

ShapeKind = Literal["closed curve", "open curve", "surface", "blob"]
"""What a cluster's point cloud is, as far as the data can tell."""

NEURONPEDIA_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""How Neuronpedia names an SAE: model and source, such as "gemma-2-2b/12-gemmascope-res-16k"."""

CURVES: tuple[ShapeKind, ...] = ("closed curve", "open curve")
"""Shapes that have an intrinsic coordinate."""

Regime = Literal["compact capture", "tiling", "dilution", "undetermined"]
"""How a cluster's features share its manifold (Bhalla, Fel et al. 2026, arXiv 2604.28119)."""

NOISE = -1
"""Cluster number of a feature that HDBSCAN leaves as noise."""
LEFT_OUT = -2
"""Cluster number of a feature that fires too rarely to be scored."""


@runtime_checkable
class Progress(Protocol):
    """Told by long work how far it is; the edge decides how to show it."""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Report that ``done`` of ``total`` units (unknown if None) of ``stage`` are finished."""


def silent(stage: str, done: int, total: int | None) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class ModelInfo:
    """The language model that activations come from."""

    id: str
    """Hugging Face id, or the folder as the user gave it."""
    revision: str
    """Hugging Face revision, or "" for a folder."""
    layer: int
    """Decoder block, from 0."""
    hook: Hook
    """Where in that block."""
    d_model: int
    """Width of the residual stream."""
    n_layers: int
    """Number of decoder blocks."""


@dataclass(frozen=True)
class SaeInfo:
    """The sparse autoencoder that the features come from."""

    id: str
    """Name, or the folder as the user gave it."""
    n_features: int
    """Number of latents."""
    architecture: str
    """As SAELens names it: standard, topk, batchtopk, jumprelu."""
    neuronpedia_id: Annotated[str, Field(pattern=rf"^({NEURONPEDIA_ID})?$")] = ""
    """Its name on Neuronpedia; empty where it has none."""


@dataclass(frozen=True)
class DatasetInfo:
    """The text that was harvested."""

    name: str
    """File name or dataset id."""
    n_docs: int
    """Documents read."""
    n_tokens: int
    """Tokens read, special tokens included."""


@dataclass(frozen=True)
class SubjectInfo:
    """What a steering host must hold to serve a run."""

    fingerprint: str
    """The text `sha256:` and 64 hex digits over model weights, vocabulary, SAE weights, layer and hook; empty where
    it is not known."""
    model: ModelInfo
    """The language model."""
    sae: SaeInfo
    """The sparse autoencoder."""
    model_path: str
    """Where the model lies: relative to the run's folder where it is in the subject of this run or of one beside it,
    else as the user gave it."""
    sae_path: str
    """Where the SAE lies, in the same way."""


@dataclass(frozen=True)
class Codes:
    """Sparse feature activations, CSR over tokens; a feature fires where its value is > 0."""

    indptr: Int64[np.ndarray, "token_plus_1"]
    """Where each token's entries begin."""
    features: UInt32[np.ndarray, "nnz"]
    """Feature of each entry, ascending within a token."""
    values: Float[np.ndarray, "nnz"]
    """Activation of each entry, float16 or float32."""
    n_features: int
    """Number of features, whether or not they fire."""

    @property
    def n_tokens(self) -> int:
        """Number of tokens."""
        return len(self.indptr) - 1


@dataclass(frozen=True)
class Decoder:
    """What a feature writes when it fires."""

    W_dec: Float32[np.ndarray, "feature d_model"]
    """Direction of each feature."""
    b_dec: Float32[np.ndarray, "d_model"]
    """Constant part of the reconstruction."""


def packed_text(text_bytes: UInt8[np.ndarray, "byte"], text_offsets: Int64[np.ndarray, "text_plus_1"], at: int) -> str:
    """One of many texts that are packed as UTF-8, one after another."""
    start, stop = int(text_offsets[at]), int(text_offsets[at + 1])
    return text_bytes[start:stop].tobytes().decode("utf-8", errors="replace")


def pack_texts(texts: list[str]) -> tuple[UInt8[np.ndarray, "byte"], Int64[np.ndarray, "text_plus_1"]]:
    """Pack texts as UTF-8: their bytes, and where each begins."""
    encoded = [text.encode("utf-8", errors="replace") for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in encoded])]).astype(np.int64)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


@dataclass(frozen=True)
class Vocabulary:
    """Display text of every token id, packed as UTF-8."""

    text_bytes: UInt8[np.ndarray, "byte"]
    """All texts, one after another."""
    text_offsets: Int64[np.ndarray, "vocab_plus_1"]
    """Where each text begins."""

    def __len__(self) -> int:
        return len(self.text_offsets) - 1

    def text(self, token_id: int) -> str:
        """Text of one token as a reader sees it, word-initial space included."""
        return packed_text(self.text_bytes, self.text_offsets, token_id)

    @classmethod
    def pack(cls, texts: list[str]) -> "Vocabulary":
        """Pack a list of texts, one a token id."""
        return cls(*pack_texts(texts))


@dataclass(frozen=True)
class Tokens:
    """The harvested stream of tokens."""

    token_ids: Int32[np.ndarray, "token"]
    """Vocabulary number of each token."""
    doc_offsets: Int64[np.ndarray, "doc_plus_1"]
    """Where each document begins."""
    vocabulary: Vocabulary
    """Text of each token id."""


@dataclass(frozen=True)
class Residuals:
    """A sample of the activations that the SAE reads."""

    values: Float16[np.ndarray, "kept d_model"]
    """The activations."""
    token_index: Int64[np.ndarray, "kept"]
    """Token of each row, ascending."""


@dataclass(frozen=True)
class Concept:
    """A known value at one token: for naming and for scoring, never for discovery."""

    token_index: int
    """Which token."""
    concept: str
    """Name of the concept, such as "weekday"."""
    value: str
    """Name of the value, such as "Monday"."""
    order: float | None
    """Place of the value in its concept, or None where values have no order."""
    period: float | None
    """Length of one turn where the concept is cyclic, else None."""


class NeighbourGraph(NamedTuple):
    """The k best-scored partners of each feature."""

    neighbour: Int32[np.ndarray, "feature neighbours"]
    """Feature numbers, best first, -1 where there are no more."""
    score: Float32[np.ndarray, "feature neighbours"]
    """Similarity of each, 0 where there is none."""


@dataclass(frozen=True)
class Clustering:
    """A hard partition of the features with HDBSCAN's evidence for it."""

    label: Int32[np.ndarray, "feature"]
    """Cluster number from 0, NOISE, or LEFT_OUT."""
    membership: Float32[np.ndarray, "feature"]
    """HDBSCAN's membership strength in [0, 1], 0 for noise."""
    persistence: Float32[np.ndarray, "cluster"]
    """HDBSCAN's relative excess of mass of each cluster, in [0, 1]."""


@dataclass(frozen=True)
class CondensedTree:
    """HDBSCAN's condensed tree: one row for every feature or group that leaves a larger group."""

    parent: Integer[np.ndarray, "row"]
    """The group that is left; groups count from the number of features on, the root first."""
    child: Integer[np.ndarray, "row"]
    """A feature, or a group."""
    density: Float[np.ndarray, "row"]
    """1 / distance at which it leaves."""
    size: Integer[np.ndarray, "row"]
    """Features in the child: 1 for a feature."""


@dataclass(frozen=True)
class Evidence:
    """How often a build did its clustering again, and what chance made of it."""

    resamples: int
    """Draws of documents that the scores `stability` and `dissolved` are over."""
    chance_clusters: tuple[int, ...]
    """Clusters in each draw of codes shuffled within documents: what the score `chance_p` is over."""


@dataclass(frozen=True)
class Shape:
    """What a point cloud lies on."""

    kind: ShapeKind
    """The simplest shape that the cloud supports."""
    coordinate: Float32[np.ndarray, "sample"]
    """Position along it: turns in [0, 1) on a closed curve, share of the arc length in [0, 1] on an open one; on a
    surface or a blob, the first principal component scaled to [0, 1]."""
    curve: Float32[np.ndarray, "knot axis"]
    """The fitted curve, equally spaced in the coordinate; closed curves do not repeat the first knot."""
    harmonics: int
    """How many bends the curve may have, see ``curve.basis``."""
    intrinsic_dim: float
    """TwoNN estimate."""
    p_value: float
    """Share of the null's draws that look at least as much like this kind; 1.0 for a blob."""
    variance_explained: float
    """Share of the cloud's variance that the curve explains, by held-out fit."""


@dataclass(frozen=True)
class Membership:
    """A cluster's core and halo as atoms, with what each adds."""

    atoms: Int32[np.ndarray, "atom"]
    """Feature numbers: the core, then the halo in the order of its gain."""
    n_core: int
    """How many of the atoms are core."""
    gain: Float32[np.ndarray, "atom"]
    """Share of the residual's variance on the core's tokens that each atom adds when it is taken."""
    null_gain: Float32[np.ndarray, "atom"]
    """The same for that step's best atom on codes shuffled over the tokens; 0 for the core, not chosen by gain."""


@dataclass(frozen=True)
class ClusterSummary:
    """What a list of clusters shows of one: it lies in the run's manifest."""

    id: int
    """Cluster number from 0."""
    label: str
    """Short name made from tokens, such as "before Monday, Tuesday, Sunday"."""
    words: str
    """The shape told in a sentence."""
    features: tuple[int, ...]
    """The core: HDBSCAN's members."""
    halo: tuple[int, ...]
    """Further features that carry position on the core's tokens; they may be in several halos."""
    n_tokens: int
    """Its tokens: those where half of the core fires, its most central feature, or fewer of it (docs/geometry.md)."""
    n_sampled: int
    """How many of those the geometry was fitted on."""
    shape: ShapeKind
    """What the cloud lies on."""
    intrinsic_dim: float
    """TwoNN estimate."""
    regime: Regime
    """How the features share the manifold."""
    order: tuple[str, ...]
    """The values in their order along the intrinsic coordinate."""
    value_offset: int
    """0 where the values are the tokens themselves, 1 where they are the tokens that come next."""
    feature_order: tuple[int, ...]
    """Atoms sorted by where along the coordinate they fire most."""
    scores: dict[str, float]
    """Named numbers: variance_explained, p_value, persistence, manifold_likeness and the rest, see FORMAT.md."""
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Low and high end of the 95 % interval about `intrinsic_dim` or a score, by its name, where it was measured."""


@dataclass(frozen=True)
class ClusterGeometry:
    """Everything that one manifold's page and its steering need: one file of a run."""

    atoms: Int32[np.ndarray, "atom"]
    """Feature numbers: the core, then the halo."""
    n_core: int
    """How many of the atoms are core."""
    atom_gain: Float32[np.ndarray, "atom"]
    """Share of the variance that each adds."""
    atom_null: Float32[np.ndarray, "atom"]
    """The same under the null."""
    token_index: Int64[np.ndarray, "sample"]
    """Tokens that are drawn."""
    points: Float32[np.ndarray, "sample xyz"]
    """Their place in the three drawn axes: the core's span is projected out, to show position and not presence."""
    coordinate: Float32[np.ndarray, "sample"]
    """Their intrinsic coordinate."""
    value: Int32[np.ndarray, "sample"]
    """Their value, as an index into ClusterSummary.order; -1 where they have none of these."""
    codes: Float16[np.ndarray, "sample atom"]
    """Their activations of the cluster's atoms."""
    context_ids: Int32[np.ndarray, "sample context"]
    """The tokens around each; -1 beyond the document; the drawn token stands at CONTEXT_BEFORE."""
    curve: Float32[np.ndarray, "knot xyz"]
    """The fitted curve in the drawn axes."""
    axis_share: Float32[np.ndarray, "xyz"]
    """Share of the position's variance that each drawn axis explains."""
    basis: Float32[np.ndarray, "axis d_model"]
    """Orthonormal basis P of the cluster's subspace, for steering."""
    center: Float32[np.ndarray, "d_model"]
    """The point of the residual stream that has coordinates 0 in that basis."""
    path: Float32[np.ndarray, "knot axis"]
    """The fitted curve s(u) in that basis, at the same coordinates as `curve`."""
    value_coordinate: Float32[np.ndarray, "value"]
    """Intrinsic coordinate of each value of ClusterSummary.order."""
    value_residual: Float32[np.ndarray, "value d_model"]
    """Mean activation over the tokens of each value."""
    value_count: Int32[np.ndarray, "value"]
    """How many tokens that mean is over."""
    tuning: Float32[np.ndarray, "atom bin"]
    """Mean activation of each atom along the coordinate."""
    example_ids: Int32[np.ndarray, "atom example context"]
    """Contexts of each atom's strongest tokens, laid out like context_ids."""
    example_activation: Float32[np.ndarray, "atom example"]
    """The atom's activation there; 0 where there are fewer examples."""


CONTEXT_BEFORE = 24
"""Tokens kept before the marked one in every stored context."""
CONTEXT_AFTER = 8
"""Tokens kept after it."""


@dataclass(frozen=True)
class FeatureTable:
    """What the map shows of every feature."""

    xy: Float32[np.ndarray, "feature xy"]
    """Place on the map; NaN for features that were left out."""
    cluster: Int32[np.ndarray, "feature"]
    """Cluster number, NOISE or LEFT_OUT."""
    membership: Float32[np.ndarray, "feature"]
    """HDBSCAN's membership strength."""
    fires: Int64[np.ndarray, "feature"]
    """On how many tokens it fires."""
    mean_activation: Float32[np.ndarray, "feature"]
    """Mean over the tokens on which it fires."""
    max_activation: Float32[np.ndarray, "feature"]
    """Largest activation."""
    top_tokens: Int32[np.ndarray, "feature top"]
    """Token ids on which it fires most in sum, best first; -1 where there are fewer."""


@dataclass(frozen=True)
class FeatureLabel:
    """A name that somebody gave a feature."""

    feature: int
    """Feature number."""
    label: str
    """The name."""
    source: str
    """Who or what gave it."""
