"""Which colour stands for which position: the same in the cloud, the strips, the bands and the text."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from explorer.palette import NOISE_GREY, cyclic_rgb, hex_colors, sequential_rgb

GREY = NOISE_GREY
"""Noise, and whatever has no position."""
CATEGORIES = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7")
"""Classes without an order, told apart by colour-blind people too: Okabe and Ito (2008), "Color universal design"."""
GOLDEN = 0.6180339887
"""Neighbouring cluster numbers are this many turns of hue apart, so they differ."""


def position_colors(closed: bool, coordinate: Float[np.ndarray, "n"]) -> list[str]:
    """Colours of intrinsic coordinates: cyclic on a closed curve, sequential elsewhere."""
    rgb = cyclic_rgb(coordinate) if closed else sequential_rgb(coordinate)
    return hex_colors(rgb)


def value_colors(closed: bool, coordinate: Sequence[float | None]) -> list[str]:
    """Colours of named values; grey for a value that has no place on the curve."""
    known = position_colors(closed, np.array([0.0 if c is None else c for c in coordinate], dtype=np.float64))
    return [GREY if c is None else color for c, color in zip(coordinate, known, strict=True)]


def cluster_turns(cluster: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Hue of each cluster number, in turns."""
    return (np.asarray(cluster, dtype=np.float64) * GOLDEN) % 1.0


def cyclic_ramp(steps: int = 24) -> list[str]:
    """Colours over one turn at even steps, both ends with it."""
    return hex_colors(cyclic_rgb(np.linspace(0.0, 1.0, steps + 1)))


def sequential_ramp(steps: int = 16) -> list[str]:
    """Colours over an open curve at even steps, both ends with it."""
    return hex_colors(sequential_rgb(np.linspace(0.0, 1.0, steps + 1)))


def cyclic_scale() -> list[list[float | str]]:
    """Plotly colour scale over one turn."""
    return _scale(cyclic_ramp())


def sequential_scale() -> list[list[float | str]]:
    """Plotly colour scale over an open curve."""
    return _scale(sequential_ramp())


def _scale(ramp: list[str]) -> list[list[float | str]]:
    return [[at / (len(ramp) - 1), color] for at, color in enumerate(ramp)]
