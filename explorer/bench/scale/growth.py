"""How a cost grows: the exponent of a power law through measured points."""

from collections.abc import Sequence

import numpy as np


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float | None:
    """Fit cost = a * size ** exponent by least squares of the logarithms.

    Args:
        sizes: what the work was done on, above 0.
        costs: what it took, above 0.

    Returns:
        1 where the cost grows as the size does, 2 as its square; None where fewer than two sizes differ.
    """
    if len(set(sizes)) < 2:
        return None
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])
