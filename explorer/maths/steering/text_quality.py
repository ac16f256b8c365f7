"""What a generated text is like: how likely the unsteered model finds it, and how much of it repeats itself.

A distance from the manifold alone misleads where a text collapses into repetition, so the two stand beside it
(methods.md section 3).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

RUN = 3
"""Tokens of a run whose return counts as repetition."""
_MOST_NATS = 700.0


def perplexity(logprob: Float[np.ndarray, "token"]) -> float | None:
    """exp of the mean negative log-probability of a text's tokens; None for an empty text."""
    return float(np.exp(min(-logprob.mean(dtype=np.float64), _MOST_NATS))) if len(logprob) else None


def repeated_share(token_ids: Sequence[int], run: int = RUN) -> float | None:
    """Share of a text's runs of tokens that stood in it before: 1 - distinct / all; None where it is shorter than one.

    seq-rep-n of Welleck et al. 2020 (arXiv 1908.04319), with n = 3: generated texts are short here.
    """
    runs = [tuple(token_ids[at : at + run]) for at in range(len(token_ids) - run + 1)]
    return 1.0 - len(set(runs)) / len(runs) if runs else None
