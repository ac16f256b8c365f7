"""Names along an axis, as many as have room."""

from collections.abc import Sequence

CHARACTER = 7.5
"""Width of a character of a tick's name, in pixels, a little more than it needs."""
GAP = 6.0
"""Room between two names, in pixels."""


def with_room(ticks: Sequence[tuple[str, float]], width: float) -> list[int]:
    """Which names stand on an axis without touching: both ends, then the others from the left.

    Args:
        ticks: names and their places, as shares of the axis, ascending.
        width: of the axis as it is usually shown, in pixels.

    Returns:
        Places in ``ticks``, ascending.
    """
    if not ticks:
        return []
    last = len(ticks) - 1
    kept = [0]
    for index in range(1, last):
        if _apart(ticks[kept[-1]], ticks[index], width) and _apart(ticks[index], ticks[last], width):
            kept.append(index)
    return [*kept, last] if last and _apart(ticks[kept[-1]], ticks[last], width) else kept


def _apart(left: tuple[str, float], right: tuple[str, float], width: float) -> bool:
    needed = CHARACTER * (len(left[0]) + len(right[0])) / 2 + GAP
    return (right[1] - left[1]) * width >= needed
