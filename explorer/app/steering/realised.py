"""What was asked of the state and what came of it: where on the curve the moved state and the answer lie."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from explorer.steering.protocol.behaviour import BehaviourReply

WIDTH = 1000
"""Width of a drawing's own units."""
HEIGHT = 100
"""Height in the same units."""
MARGIN = 0.08
"""Room above and below, as a share of the height."""


@dataclass(frozen=True)
class ArmRealised:
    """One arm's lines in units of WIDTH by HEIGHT: along the path to the right, along the curve upwards."""

    state: str
    """SVG path of the place that is nearest to the moved state."""
    answer: str
    """The same of the answer among natural ones; "" where these are not known."""
    words: str
    """How far answer and request lie apart, in words; "" where it is not known."""


@dataclass(frozen=True)
class RealisedView:
    """What is drawn under "Asked and realised"."""

    requested: str
    """SVG path of what the curve's arm asks for."""
    arms: tuple[ArmRealised, ...]
    """In the order of the reply."""
    start: float
    """Height of the path's start, as a share from the top."""
    end: float
    """Height of its end."""


@dataclass(frozen=True)
class MeterView:
    """What the meter of the strength slider tells: the curve's arm at any strength, before anything is generated."""

    strengths: tuple[float, ...]
    """From the least to the largest that the host takes."""
    positions: tuple[float, ...]
    """Shares of the path."""
    off_manifold: tuple[tuple[float, ...], ...]
    """Distance from the curve in usual ones, for each position, for each strength."""
    safe: float
    """Distance up to which a strength counts as safe."""


def meter_view(reply: BehaviourReply) -> MeterView | None:
    """Hand on the reply's meter; None for a result without one."""
    meter = reply.meter
    return None if meter is None else MeterView(meter.strengths, meter.positions, meter.off_manifold, meter.safe)


def realised_view(reply: BehaviourReply) -> RealisedView | None:
    """Turn realised coordinates into lines; None for a path without length, or a result without them."""
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
    """Coordinate difference from start to end, along the shorter way round on a closed curve."""
    difference = reply.end - reply.start
    return (difference + 0.5) % 1.0 - 0.5 if reply.closed else difference


def progress(reply: BehaviourReply, coordinate: float) -> float:
    """How far along the path a coordinate lies: 0 its start, its length its end, negative behind the start."""
    length = signed_length(reply)
    ahead = (coordinate - reply.start) * (1.0 if length >= 0 else -1.0)
    if not reply.closed:
        return ahead
    behind = (1.0 - abs(length)) / 2.0
    return (ahead + behind) % 1.0 - behind


def _shares(reply: BehaviourReply, coordinate: Sequence[float], length: float) -> list[float]:
    return [progress(reply, at) / length for at in coordinate]


def _line(shares: Sequence[float], height: Callable[[float], float], turn: float) -> str:
    """A line through the places; it is lifted where the shorter way leads over the seam."""
    steps = max(len(shares) - 1, 1)
    parts = []
    for number, share in enumerate(shares):
        jumps = number and abs(share - shares[number - 1]) > turn
        parts.append(f"{'M' if not number or jumps else 'L'}{WIDTH * number / steps:.1f} {HEIGHT * height(share):.2f}")
    return "".join(parts)


def _apart(answers: Sequence[float], closed: bool, length: float) -> str:
    """Mean distance between where the answers are and where the path is, as a share of the path's length."""
    if not answers:
        return ""
    gaps = [abs(share - number / max(len(answers) - 1, 1)) for number, share in enumerate(answers)]
    round_trip = 1.0 / length
    mean = sum(min(gap, round_trip - gap) if closed else gap for gap in gaps) / len(gaps)
    return f"answers lie {mean:.0%} of the path from what was asked, on average".replace("%", " %")
