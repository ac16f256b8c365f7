"""What the steering panel begins with: a prompt from the run's own text and a path worth looking at."""

import numpy as np

from explorer.app.contexts import prompt_of
from explorer.app.state import Place
from explorer.records import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary, Vocabulary

SHORTEST, LONGEST = 3, 16
"""Tokens of a prompt that reads well."""
AHEAD = 5 / 12
"""How far along the curve the path ends, as a share of it."""


def suggest_prompt(geometry: ClusterGeometry, vocabulary: Vocabulary) -> tuple[str, float]:
    """A drawn token's own sentence, up to and with the token, and the token's coordinate.

    Of the sentences that begin a document and are neither short nor long the first is taken; where there is none, the
    first window.
    """
    lengths = (geometry.context_ids[:, : CONTEXT_BEFORE + 1] >= 0).sum(axis=1)
    good = np.flatnonzero((geometry.context_ids[:, 0] < 0) & (lengths >= SHORTEST) & (lengths <= LONGEST))
    for sample in [*good[:50].tolist(), 0][: len(geometry.context_ids)]:
        prompt = prompt_of(vocabulary, geometry.context_ids[sample])
        if len(prompt.split()) >= SHORTEST or sample == 0:
            return prompt, float(geometry.coordinate[sample])
    return "", 0.0


def suggest_end(summary: ClusterSummary, geometry: ClusterGeometry, begin: float) -> Place:
    """A value some way along the curve, or a coordinate where there are none; backwards where an open curve ends."""
    wanted = (begin + AHEAD) % 1.0
    if summary.shape != "closed curve" and begin + AHEAD > 1.0:
        wanted = max(begin - AHEAD, 0.0)
    if not summary.order:
        return round(wanted, 3)
    return summary.order[int(np.argmin(np.abs(geometry.value_coordinate - np.float32(wanted))))]
