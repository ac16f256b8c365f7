"""Colour maps of position: constant lightness, a seamless cycle, distinct ends."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.palette import cyclic_rgb, hex_colors, sequential_rgb


def luminance(rgb: np.ndarray) -> np.ndarray:
    """Relative luminance of sRGB colours, as WCAG defines it."""
    share = rgb / 255
    linear = np.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ [0.2126, 0.7152, 0.0722])


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(-3, 3))
def test_the_cyclic_map_has_period_one(turn: float, turns: int) -> None:
    one, other = cyclic_rgb(np.array([turn, turn + turns])).astype(int)
    assert np.abs(one - other).max() <= 1


def test_the_cycle_has_no_seam_and_even_lightness() -> None:
    rgb = cyclic_rgb(np.linspace(0, 1, 361)).astype(int)
    assert np.abs(np.diff(rgb, axis=0)).max() <= 6
    light = luminance(rgb)
    assert light.max() / light.min() < 1.35


def test_dark_text_is_readable_on_every_position() -> None:
    ink = luminance(np.array([[0x14, 0x18, 0x1D]]))
    light = luminance(cyclic_rgb(np.linspace(0, 1, 360)))
    assert ((light + 0.05) / (ink + 0.05)).min() >= 4.5


def test_the_sequential_map_rises_in_lightness() -> None:
    light = luminance(sequential_rgb(np.linspace(0, 1, 50)))
    assert (np.diff(light) > -0.004).all()
    assert light[-1] > 2 * light[0]


def test_colours_are_written_as_hexadecimal() -> None:
    assert hex_colors(np.array([[0, 15, 255]], dtype=np.uint8)) == ["#000fff"]
