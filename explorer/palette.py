"""Colour maps for position: constant lightness in OKLCH, cyclic for closed curves, sequential for open ones.

Pure functions from positions to sRGB. Source of the conversion: B. Ottosson, "A perceptual color space for image
processing" (2020), https://bottosson.github.io/posts/oklab/.
"""

import numpy as np
from jaxtyping import Float, UInt8

LIGHTNESS = 0.76
"""OKLCH lightness of the cyclic palette: readable on near-black and under near-black text."""
CHROMA = 0.118
"""OKLCH chroma within sRGB at that lightness for every hue."""
CYCLIC_START = 30.0
"""Hue of position 0 in degrees, a warm red; hues increase through yellow, green and blue."""
NOISE_GREY = "#7c858f"
"""Colour of noise, and of features that do not vary along the coordinate."""

_SEQUENTIAL_HUE = (295.0, 45.0)
_SEQUENTIAL_LIGHTNESS = (0.6, 0.88)


def cyclic_rgb(turns: Float[np.ndarray, "n"]) -> UInt8[np.ndarray, "n rgb"]:
    """Colours of positions on a closed curve, in turns; 0 and 1 have the same colour."""
    turns = np.asarray(turns, dtype=np.float64)
    return _oklch(np.full_like(turns, LIGHTNESS), np.full_like(turns, CHROMA), CYCLIC_START + 360.0 * turns)


def sequential_rgb(share: Float[np.ndarray, "n"]) -> UInt8[np.ndarray, "n rgb"]:
    """Colours of positions on an open curve, in [0, 1]: violet to orange via blue and green, with rising lightness."""
    share = np.clip(np.asarray(share, dtype=np.float64), 0.0, 1.0)
    hue = _SEQUENTIAL_HUE[0] + (_SEQUENTIAL_HUE[1] - _SEQUENTIAL_HUE[0]) * share
    light = _SEQUENTIAL_LIGHTNESS[0] + (_SEQUENTIAL_LIGHTNESS[1] - _SEQUENTIAL_LIGHTNESS[0]) * share
    return _oklch(light, np.full_like(share, CHROMA), hue)


def hex_colors(rgb: UInt8[np.ndarray, "n rgb"]) -> list[str]:
    """Colours as #rrggbb."""
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in np.asarray(rgb, dtype=np.uint8).tolist()]


def _oklch(
    lightness: Float[np.ndarray, "n"], chroma: Float[np.ndarray, "n"], hue: Float[np.ndarray, "n"]
) -> UInt8[np.ndarray, "n rgb"]:
    angle = np.deg2rad(hue)
    a, b = chroma * np.cos(angle), chroma * np.sin(angle)
    cone = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ],
        axis=-1,
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(cone**3 @ to_linear.T, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    rgb: UInt8[np.ndarray, "n rgb"] = np.round(encoded * 255).astype(np.uint8)
    return rgb
