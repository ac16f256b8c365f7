"""What a manifold's page tells of each of its features: how often, how strongly and where along the curve it fires."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

from explorer.app.figures.strips import (
    field_places,
    nearest_values,
    peak_places,
    roles,
    tells_apart,
    tuning_curves,
)
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
    """Whether it tells positions apart, beyond chance."""
    spread: float
    """Share of the coordinate on which its mean activation is at least half of its peak."""
    histogram: list[int]
    """Drawn tokens by activation, in equal steps from 0, silent ones left out."""
    strongest: float
    """Its largest activation among the drawn tokens: where the histogram ends."""
    top_tokens: list[int]
    """Token ids on which it fires most in sum over the whole text, best first."""


def feature_rows(summary: ClusterSummary, geometry: ClusterGeometry, table: FeatureTable) -> list[FeatureRow]:
    """One row an atom: the core, then the halo by what each adds."""
    codes, curves = geometry.codes.astype(np.float32), tuning_curves(geometry)
    peaks = peak_places(curves)
    columns: dict[str, list[Any]] = {
        "atom": list(range(len(geometry.atoms))),
        "feature": geometry.atoms.tolist(),
        "role": roles(geometry),
        "fires": table.fires[geometry.atoms].tolist(),
        "here": _firing_share(codes).tolist(),
        "gain": geometry.atom_gain.tolist(),
        "null": geometry.atom_null.tolist(),
        "peak": nearest_values(summary, geometry, peaks),
        "at": peaks.tolist(),
        "varies": tells_apart(geometry, curves, closed=summary.shape == "closed curve").tolist(),
        "spread": field_widths(curves).tolist(),
        "histogram": activation_histograms(codes).tolist(),
        "strongest": codes.max(axis=0, initial=0.0).tolist(),
        "top_tokens": [[token for token in top if token >= 0] for top in table.top_tokens[geometry.atoms].tolist()],
    }
    return [FeatureRow(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def activation_histograms(codes: Float32[np.ndarray, "sample atom"], bins: int = BINS) -> Int64[np.ndarray, "atom bin"]:
    """How many activations of each atom above 0 lie in each of equal steps from 0 to its largest."""
    atoms, top = codes.shape[1], codes.max(axis=0, initial=0.0).astype(np.float64)
    step = (codes / np.where(top > 0, top, 1.0) * bins).astype(np.int64).clip(max=bins - 1)
    place = step + bins * np.arange(atoms)
    counts: Int64[np.ndarray, "atom bin"] = np.bincount(place[codes > 0], minlength=atoms * bins).reshape(atoms, bins)
    return counts


def quantile_samples(codes: Float32[np.ndarray, "sample"]) -> Int64[np.ndarray, "example"]:
    """The samples whose activation stands at QUANTILES among those above 0, strongest first, each once."""
    firing = np.flatnonzero(codes > 0)
    order = firing[np.argsort(codes[firing], kind="stable")]
    places = [round(share * (len(order) - 1)) for share in QUANTILES] if len(order) else []
    return order[list(dict.fromkeys(places))]


def field_widths(curves: Float32[np.ndarray, "atom bin"]) -> Float64[np.ndarray, "atom"]:
    """Share of the coordinate on which each tuning curve is at least half of its peak; 0 where it never fires."""
    widths: Float64[np.ndarray, "atom"] = field_places(curves).mean(axis=1)
    return widths


def _firing_share(codes: Float32[np.ndarray, "sample atom"]) -> Float64[np.ndarray, "atom"]:
    return (codes > 0).mean(axis=0) if len(codes) else np.zeros(codes.shape[1])
