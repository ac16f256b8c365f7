"""Requested and realised positions: where the steered state and the answer lie on the curve."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from explorer.steering.protocol.behaviour import BehaviourReply

WIDTH = 1000
"""Width of a drawing in its own units."""
HEIGHT = 100
"""Height in the same units."""
MARGIN = 0.08
"""Margin above and below, as a share of the height."""


@dataclass(frozen=True)
class ArmRealised:
    """Lines of one arm in units of WIDTH by HEIGHT: x runs along the path, y along the curve."""

    state: str
    """SVG path of the position nearest to the steered state."""
    answer: str
    """SVG path of the answer's position among natural answers; "" if these are unknown."""
    words: str
    """Mean distance between answer and request in words; "" if unknown."""


@dataclass(frozen=True)
class RealisedView:
    """Drawing of requested and realised positions."""

    requested: str
    """SVG path of the positions that the curve's arm requests."""
    arms: tuple[ArmRealised, ...]
    """In the order of the reply."""
    start: float
    """Height of the path's start, as a share from the top."""
    end: float
    """Height of its end."""


@dataclass(frozen=True)
class MeterView:
    """Off-manifold distance of the curve's arm at any strength, known before text is generated."""

    strengths: tuple[float, ...]
    """Ascending, over the range that the host allows."""
    positions: tuple[float, ...]
    """Shares of the path."""
    off_manifold: tuple[tuple[float, ...], ...]
    """Distance from the curve in units of the usual distance, by position and strength."""
    safe: float
    """Largest distance that counts as safe."""


def meter_view(reply: BehaviourReply) -> MeterView | None:
    """The meter of a reply; None for an older result without one."""
    meter = reply.meter
    return None if meter is None else MeterView(meter.strengths, meter.positions, meter.off_manifold, meter.safe)


def realised_view(reply: BehaviourReply) -> RealisedView | None:
    """View of the realised coordinates; None for a path of zero length, or an older result without them."""
    length = abs(signed_length(reply))
    if not length or any(arm.state_coordinate is None for arm in reply.arms):
        return None
    states = [_shares(reply, arm.state_coordinate or (), length) for arm in reply.arms]
    answers = [_shares(reply, arm.answer_coordinate or (), length) for arm in reply.arms]
    everything = [0.0, 1.0, *(share for line in (*states, *answers) for share in line)]
    low, high = min(everything), max(everything)

    def height(share: float) -> float:
        return MARGIN + (1.0 - 2.0 * MARGIN) * (high - share) / (high - low)

    turn = 0.5 / length if reply.closed else float("inf")
    return RealisedView(
        requested=_line([0.0, 1.0], height, turn=float("inf")),
        arms=tuple(
            ArmRealised(_line(state, height, turn), _line(answer, height, turn), _apart(answer, reply.closed, length))
            for state, answer in zip(states, answers, strict=True)
        ),
        start=height(0.0),
        end=height(1.0),
    )


def signed_length(reply: BehaviourReply) -> float:
    """Signed coordinate difference from start to end, the shorter way round on a closed curve."""
    difference = reply.end - reply.start
    return (difference + 0.5) % 1.0 - 0.5 if reply.closed else difference


def progress(reply: BehaviourReply, coordinate: float) -> float:
    """Position of a coordinate along the path: 0 at its start, the path's length at its end, negative before it."""
    length = signed_length(reply)
    ahead = (coordinate - reply.start) * (1.0 if length >= 0 else -1.0)
    if not reply.closed:
        return ahead
    behind = (1.0 - abs(length)) / 2.0
    return (ahead + behind) % 1.0 - behind


def _shares(reply: BehaviourReply, coordinate: Sequence[float], length: float) -> list[float]:
    return [progress(reply, at) / length for at in coordinate]


def _line(shares: Sequence[float], height: Callable[[float], float], turn: float) -> str:
    """Polyline through the shares, interrupted where it crosses the seam."""
    steps = max(len(shares) - 1, 1)
    parts = []
    for number, share in enumerate(shares):
        jumps = number and abs(share - shares[number - 1]) > turn
        parts.append(f"{'M' if not number or jumps else 'L'}{WIDTH * number / steps:.1f} {HEIGHT * height(share):.2f}")
    return "".join(parts)


def _apart(answers: Sequence[float], closed: bool, length: float) -> str:
    """Mean absolute distance between answers and requests, as a share of the path's length."""
    if not answers:
        return ""
    gaps = [abs(share - number / max(len(answers) - 1, 1)) for number, share in enumerate(answers)]
    round_trip = 1.0 / length
    mean = sum(min(gap, round_trip - gap) if closed else gap for gap in gaps) / len(gaps)
    return f"answers deviate from the request by {mean:.0%} of the path on average".replace("%", " %")
