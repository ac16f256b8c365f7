"""What the steering panel begins with: a prompt from the run's own text and a path worth looking at."""

import numpy as np
from jaxtyping import Float

from explorer.app.site.cluster_filters import likeness
from explorer.app.ui.contexts import prompt_of
from explorer.app.view.state import Place
from explorer.records import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary, Vocabulary
from explorer.runs.run.reader import Run

SHORTEST, LONGEST = 3, 10
"""Tokens of a prompt that reads well and fits its field."""
AHEAD = 5 / 12
"""How far along the curve the path ends, as a share of it."""


def suggest_prompt(geometry: ClusterGeometry, vocabulary: Vocabulary) -> tuple[str, float]:
    """A drawn token's own sentence, up to and with the token, and the token's coordinate.

    Of the short sentences that begin a document, the one whose token lies nearest to the place of its value: there the
    model is surest what it says. Where there is no such sentence, the first window.
    """
    lengths = (geometry.context_ids[:, : CONTEXT_BEFORE + 1] >= 0).sum(axis=1)
    good = np.flatnonzero((geometry.context_ids[:, 0] < 0) & (lengths >= SHORTEST) & (lengths <= LONGEST))
    sharp = good[np.argsort(_distance(geometry)[good], kind="stable")]
    for sample in [*sharp[:50].tolist(), 0][: len(geometry.context_ids)]:
        prompt = prompt_of(vocabulary, geometry.context_ids[sample])
        if len(prompt.split()) >= SHORTEST or sample == 0:
            return prompt, float(geometry.coordinate[sample])
    return "", 0.0


def suggest_text(run: Run) -> str:
    """A sentence to try, out of the run's own text: one that the most manifold-like cluster with values is about."""
    named = [one for one in run.manifest.clusters if one.order]
    if not named:
        return ""
    best = max(named, key=likeness)
    return suggest_prompt(run.cluster(best.id), run.vocabulary())[0]


def _distance(geometry: ClusterGeometry) -> Float[np.ndarray, "sample"]:
    """How far each drawn token lies from the middle of its value's tokens; infinite where it has no value."""
    distance = np.full(len(geometry.points), np.inf)
    for value in range(len(geometry.value_coordinate)):
        own = np.flatnonzero(geometry.value == value)
        if len(own):
            distance[own] = np.linalg.norm(geometry.points[own] - geometry.points[own].mean(axis=0), axis=1)
    return distance


def suggest_end(summary: ClusterSummary, geometry: ClusterGeometry, begin: float) -> Place:
    """A value some way along the curve, or a coordinate where there are none; backwards where an open curve ends."""
    wanted = (begin + AHEAD) % 1.0
    if summary.shape != "closed curve" and begin + AHEAD > 1.0:
        wanted = max(begin - AHEAD, 0.0)
    if not summary.order:
        return round(wanted, 3)
    return summary.order[int(np.argmin(np.abs(geometry.value_coordinate - np.float32(wanted))))]
