"""Defaults of the steering panel: a prompt from the run's own text, and an end for the path."""

import numpy as np
from jaxtyping import Float

from explorer.app.site.cluster_filters import likeness
from explorer.app.ui.format import prompt_at
from explorer.app.view.state import Place
from explorer.records.bundle import Vocabulary
from explorer.records.cluster import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary
from explorer.runs.run.reader import Run

SHORTEST, LONGEST = 3, 10
"""Length of a prompt in tokens that reads well and fits its field."""
AHEAD = 5 / 12
"""Length of the path as a share of the curve."""


def suggest_prompt(geometry: ClusterGeometry, vocabulary: Vocabulary) -> tuple[str, float]:
    """A prompt that ends at a drawn token, and the token's coordinate.

    Of the short sentences at the start of a document, the one whose token is closest to the mean of its value, where
    the model's prediction is most certain. The first stored window if there is no such sentence.
    """
    lengths = (geometry.context_ids[:, : CONTEXT_BEFORE + 1] >= 0).sum(axis=1)
    good = np.flatnonzero((geometry.context_ids[:, 0] < 0) & (lengths >= SHORTEST) & (lengths <= LONGEST))
    sharp = good[np.argsort(_distance(geometry)[good], kind="stable")]
    for sample in [*sharp[:50].tolist(), 0][: len(geometry.context_ids)]:
        prompt = prompt_at(vocabulary, geometry.context_ids[sample])
        if len(prompt.split()) >= SHORTEST or sample == 0:
            return prompt, float(geometry.coordinate[sample])
    return "", 0.0


def suggest_text(run: Run) -> str:
    """A sentence to probe: the prompt of the most manifold-like cluster with values, or "" if there is none."""
    named = [one for one in run.manifest.clusters if one.order]
    if not named:
        return ""
    best = max(named, key=likeness)
    return suggest_prompt(run.cluster(best.id), run.vocabulary())[0]


def _distance(geometry: ClusterGeometry) -> Float[np.ndarray, "sample"]:
    """Distance of each drawn token from the mean of its value's tokens; infinite for tokens without a value."""
    distance = np.full(len(geometry.points), np.inf)
    for value in range(len(geometry.value_coordinate)):
        own = np.flatnonzero(geometry.value == value)
        if len(own):
            distance[own] = np.linalg.norm(geometry.points[own] - geometry.points[own].mean(axis=0), axis=1)
    return distance


def suggest_end(summary: ClusterSummary, geometry: ClusterGeometry, begin: float) -> Place:
    """The value AHEAD of ``begin``, or a coordinate if there are no values; on an open curve, back from its end."""
    wanted = (begin + AHEAD) % 1.0
    if summary.shape != "closed curve" and begin + AHEAD > 1.0:
        wanted = max(begin - AHEAD, 0.0)
    if not summary.order:
        return round(wanted, 3)
    return summary.order[int(np.argmin(np.abs(geometry.value_coordinate - np.float32(wanted))))]
