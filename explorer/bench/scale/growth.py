"""Scaling exponents: a power law fitted to measured costs."""

from collections.abc import Sequence

import numpy as np


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float | None:
    """Fit cost = a * size ** exponent by least squares on the logarithms.

    Args:
        sizes: input sizes, positive.
        costs: cost at each size, positive.

    Returns:
        The exponent: 1 for linear growth, 2 for quadratic; None with fewer than two distinct sizes.
    """
    if len(set(sizes)) < 2:
        return None
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])
