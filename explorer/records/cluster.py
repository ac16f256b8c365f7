"""One cluster: its shape, its atoms, its summary and its arrays.

Axes: ``atom`` (a feature of the cluster, core first, then halo), ``sample`` (a token sampled for the cluster),
``value`` (a named value along the manifold), ``knot`` (a point of the fitted curve), ``axis`` (a dimension of the
cluster's subspace), ``xyz``, ``bin`` (an interval of the intrinsic coordinate), ``context`` (tokens of a window).
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float16, Float32, Int32, Int64

ShapeKind = Literal["closed curve", "open curve", "surface", "blob"]
"""Shape of a cluster's point cloud."""

CURVES: tuple[ShapeKind, ...] = ("closed curve", "open curve")
"""Shapes that have an intrinsic coordinate."""

Regime = Literal["compact capture", "tiling", "dilution", "undetermined"]
"""How a cluster's features cover its manifold (Bhalla, Fel et al. 2026, arXiv 2604.28119)."""

CONTEXT_BEFORE = 24
"""Tokens before the marked one in every stored context."""

CONTEXT_AFTER = 8
"""Tokens after it."""


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
