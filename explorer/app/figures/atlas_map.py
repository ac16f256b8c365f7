"""The map of features: noise under clusters under what a text lights up, a dozen bytes a feature before compression."""

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Int64

from explorer.app.choose import likeness
from explorer.app.figures.colors import GREY, cluster_turns, cyclic_scale
from explorer.records import ClusterSummary, FeatureTable

GROUPS = ("noise", "clustered")
"""The traces, in drawing order: a point's place in its trace is its place in ``map_features``."""


def map_features(table: FeatureTable, group: str) -> Int64[np.ndarray, "feature"]:
    """Numbers of the features that one trace draws, ascending."""
    drawn = np.isfinite(table.xy).all(axis=1)
    wanted: Bool[np.ndarray, "feature"] = table.cluster >= 0 if group == "clustered" else table.cluster < 0
    return np.flatnonzero(drawn & wanted).astype(np.int64)


def map_figure(table: FeatureTable) -> go.Figure:
    """Draw every feature that has a place: colour is its cluster, grey is noise."""
    noise, clustered = (map_features(table, group) for group in GROUPS)
    size = 7.0 if len(clustered) < 3_000 else 4.0
    return go.Figure(
        data=[
            _trace(table, noise, {"size": size * 0.7, "color": GREY, "opacity": 0.4}),
            _trace(
                table,
                clustered,
                {
                    "size": size, "opacity": 0.92, "colorscale": cyclic_scale(), "cmin": 0, "cmax": 1,
                    "color": cluster_turns(table.cluster[clustered]).astype(np.float32),
                },
            ),
            _lit(size),
        ],
        layout=_layout(),
    )  # fmt: skip


def _lit(size: float) -> go.Scattergl:
    """The features that a tried text lights up: empty until assets/js/map.js fills it."""
    marker = {"size": size * 1.3, "opacity": 1, "colorscale": cyclic_scale(), "cmin": 0, "cmax": 1, "color": []}
    return go.Scattergl(x=[], y=[], mode="markers", hoverinfo="skip", showlegend=False, marker=marker)


def map_labels(table: FeatureTable, clusters: tuple[ClusterSummary, ...]) -> list[dict[str, float | str]]:
    """Where each cluster's name belongs, the most manifold-like first: the page drops those that would overlap."""
    order = sorted(clusters, key=lambda one: -likeness(one))
    return [label for one in order if (label := _label(table, one)) is not None]


def _label(table: FeatureTable, one: ClusterSummary) -> dict[str, float | str] | None:
    xy = table.xy[list(one.features)]
    xy = xy[np.isfinite(xy).all(axis=1)]
    if not len(xy):
        return None
    x, y = np.median(xy, axis=0)
    return {"cluster": one.id, "text": one.label, "x": round(float(x), 4), "y": round(float(y), 4)}


def _trace(table: FeatureTable, features: Int64[np.ndarray, "feature"], marker: dict[str, object]) -> go.Scattergl:
    return go.Scattergl(
        x=table.xy[features, 0].astype(np.float32), y=table.xy[features, 1].astype(np.float32),
        mode="markers", hoverinfo="none", showlegend=False, marker=marker,
    )  # fmt: skip


def _layout() -> dict[str, object]:
    axis = {"visible": False, "showgrid": False, "zeroline": False}
    return {
        "margin": {"l": 16, "r": 16, "t": 16, "b": 16},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": axis,
        "yaxis": {**axis, "scaleanchor": "x"},
        "dragmode": "pan",
        "hoverdistance": 12,
        "uirevision": "map",
    }
