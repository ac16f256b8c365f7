"""What a manifold's page tells of each of its features: how often, how strongly and where along the curve it fires."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from explorer.app.figures.strips import nearest_value, tells_apart
from explorer.records import ClusterGeometry, ClusterSummary, FeatureTable

BINS = 16
"""Bars of a histogram of activations."""
QUANTILES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Which of the drawn tokens a feature fires on are shown as examples, by how strongly."""


@dataclass(frozen=True)
class FeatureRow:
    """One feature of a cluster."""

    atom: int
    """Which of the cluster's atoms."""
    feature: int
    """Feature number."""
    role: str
    """"core" or "halo"."""
    fires: int
    """Tokens of the whole text that it fires on."""
    here: float
    """Share of the drawn tokens that it fires on."""
    gain: float
    """Share of the residual's variance that it adds."""
    null: float
    """The same of the best feature on shuffled codes; 0 for the core, which is not chosen by gain."""
    peak: str
    """Value or coordinate at which it fires most."""
    at: float
    """Its coordinate."""
    varies: bool
    """Whether it tells positions apart."""
    spread: float
    """Share of the coordinate on which its mean activation is at least half of its peak."""
    histogram: tuple[int, ...]
    """Drawn tokens by activation, in equal steps from 0, silent ones left out."""
    strongest: float
    """Its largest activation among the drawn tokens: where the histogram ends."""
    top_tokens: tuple[int, ...]
    """Token ids on which it fires most in sum over the whole text, best first."""


def feature_rows(summary: ClusterSummary, geometry: ClusterGeometry, table: FeatureTable) -> list[FeatureRow]:
    """One row an atom: the core, then the halo by what each adds."""
    return [_row(summary, geometry, table, atom) for atom in range(len(geometry.atoms))]


def activation_histogram(codes: Float32[np.ndarray, "sample"], bins: int = BINS) -> tuple[int, ...]:
    """How many activations above 0 lie in each of equal steps from 0 to the largest."""
    firing = codes[codes > 0]
    top = float(firing.max(initial=0.0))
    counts, _ = np.histogram(firing, bins=bins, range=(0.0, top if top > 0 else 1.0))
    return tuple(counts.tolist())


def quantile_samples(codes: Float32[np.ndarray, "sample"]) -> Int64[np.ndarray, "example"]:
    """The samples whose activation stands at QUANTILES among those above 0, strongest first, each once."""
    firing = np.flatnonzero(codes > 0)
    order = firing[np.argsort(codes[firing], kind="stable")]
    places = [round(share * (len(order) - 1)) for share in QUANTILES] if len(order) else []
    return order[list(dict.fromkeys(places))]


def field_width(tuning: Float32[np.ndarray, "bin"]) -> float:
    """Share of the coordinate on which a tuning curve is at least half of its peak; 0 where it never fires."""
    top = float(tuning.max(initial=0.0))
    return float((tuning >= top / 2).mean()) if top > 0 else 0.0


def _row(summary: ClusterSummary, geometry: ClusterGeometry, table: FeatureTable, atom: int) -> FeatureRow:
    feature = int(geometry.atoms[atom])
    codes = geometry.codes[:, atom].astype(np.float32)
    tuning = np.nan_to_num(geometry.tuning[atom].astype(np.float32))
    peak = (int(np.argmax(tuning)) + 0.5) / max(len(tuning), 1)
    return FeatureRow(
        atom=atom,
        feature=feature,
        role="core" if atom < geometry.n_core else "halo",
        fires=int(table.fires[feature]),
        here=float((codes > 0).mean()) if len(codes) else 0.0,
        gain=float(geometry.atom_gain[atom]),
        null=float(geometry.atom_null[atom]),
        peak=nearest_value(summary, geometry, peak),
        at=peak,
        varies=tells_apart(tuning),
        spread=field_width(tuning),
        histogram=activation_histogram(codes),
        strongest=float(codes.max(initial=0.0)),
        top_tokens=tuple(int(token) for token in table.top_tokens[feature] if token >= 0),
    )
