"""Probability bands: what the model would say at every waypoint, one stack of areas for each arm.

A pure function of the host's reply. The browser draws the result as SVG and drags its handle without the server.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from explorer.app.figures.colors import value_colors
from explorer.app.steering.realised import MeterView, RealisedView, meter_view, progress, realised_view, signed_length
from explorer.app.ui.format import number, percent
from explorer.steering.protocol.behaviour import ArmBehaviour, BehaviourReply, Reach, TopToken

WIDTH = 1000
"""Width of the drawing's own units; the browser stretches it."""
HEIGHT = 100
"""Height in the same units."""
OTHER_WORDS = 0.9
"""An arm that gives all but this much to other words at every waypoint says none of the values."""
NEARLY_TALLEST = 0.85
"""A band's name stands where it reaches this share of its largest height."""
CHARACTER = 1 / 46
"""Width of a name's character as a share of a column as it is usually shown."""
LABEL_SHARE = 0.2
"""A band carries its name where the value reaches this probability,"""
ROOM = 0.6
"""and at least this share of its height there along the whole name."""

TITLES = {
    "manifold": "Along the curve",
    "linear": "Straight line",
    "chord": "Chord in the subspace",
    "random": "Random direction",
    "shuffled": "Curve, order shuffled",
    "flipped": "Curve, sign turned",
}


@dataclass(frozen=True)
class Band:
    """One value's area."""

    name: str
    """The value, or "other"."""
    color: str
    """Hex colour; "" for "other", which the theme colours."""
    path: str
    """SVG path in units of WIDTH by HEIGHT."""
    label_x: float | None
    """Where its name stands, as a share of the width; None where it never reaches LABEL_SHARE."""
    label_y: float
    """The same, as a share of the height from the top."""


@dataclass(frozen=True)
class Answer:
    """The likeliest next word at one waypoint."""

    text: str
    """The word."""
    color: str
    """Its value's colour, "" where it is no value."""
    probability: float
    """How likely."""


@dataclass(frozen=True)
class ArmBands:
    """One column of the panel."""

    arm: str
    """Protocol name of the arm."""
    title: str
    """Name on the page."""
    note: str
    """What it visits and its energy, in words."""
    bands: tuple[Band, ...]
    """From the bottom to the top."""
    answers: tuple[Answer, ...]
    """One for each waypoint."""
    off_manifold: tuple[float, ...]
    """Distance from the curve at each waypoint, 1 is usual."""
    hook_fired: int
    """Rows in which the edit was applied."""
    numbers: tuple[str, ...]
    """What NUMBERS name, as text; an energy never without its reach."""


NUMBERS = (
    ("p(target)", "Probability of the target's value at the end of the path."),
    ("visited", "Share of the values between that become the likeliest word on the way."),
    ("E", "Bhattacharyya energy: how unnatural the answers are on the way. It says little where nothing is reached."),
    ("isometry r", "Correlation of the way in activation space with the way of the answers, over the values passed."),
    ("other words", "Largest share of words that are none of the values."),
    ("KL", "Largest divergence of all next words from the unsteered model's, in nats."),
    ("off", "Largest distance from the curve on the way, in usual ones."),
)
"""Names of an arm's numbers, and what they mean."""


@dataclass(frozen=True)
class BandsView:
    """Everything that the panel draws after one request."""

    prompt: str
    """The steered prompt."""
    start_name: str
    """Where the path begins, in words."""
    end_name: str
    """Where it ends."""
    arms: tuple[ArmBands, ...]
    """In the order asked."""
    coordinate: tuple[float, ...]
    """Intrinsic coordinate of each waypoint of the curve's arm; empty where that arm was not asked."""
    ticks: tuple[tuple[str, float], ...]
    """Values that the curve passes, and their share of the path, ascending; the page shows those that have room."""
    baseline: Answer
    """The unsteered model's answer."""
    moves: bool | None
    """Whether the cluster moves the model more than chance does; None where that cannot be told."""
    verdict: str
    """The same in words."""
    strength: float
    """Multiple of the move."""
    numbers: tuple[tuple[str, str], ...]
    """Names of the arms' numbers, and what they mean."""
    values: tuple[tuple[str, str, float], ...]
    """Values that lie on the curve: name, colour, coordinate."""
    closed: bool
    """Whether the coordinate is cyclic."""
    meter: MeterView | None
    """Distance from the curve at other strengths; None in results that are older than it."""
    realised: RealisedView | None
    """What was asked of the state and what came of it; None likewise."""


def bands_view(reply: BehaviourReply, prompt: str) -> BandsView:
    """Turn a host's reply into what the panel draws."""
    colors = dict(zip(reply.values, _colors(reply), strict=True))
    order = _stack_order(reply)
    manifold = next((arm for arm in reply.arms if arm.arm == "manifold" and arm.coordinate is not None), None)
    return BandsView(
        prompt=prompt,
        start_name=_place_name(reply, reply.start),
        end_name=_place_name(reply, reply.end),
        arms=tuple(_arm_bands(arm, reply, order, colors) for arm in reply.arms),
        coordinate=tuple(manifold.coordinate or ()) if manifold else (),
        ticks=_ticks(reply),
        baseline=_answer(reply.baseline, reply.baseline_top, reply.values, colors),
        moves=None if reply.effect is None else reply.effect.moves_model,
        verdict=_verdict(reply),
        strength=reply.strength,
        numbers=NUMBERS,
        values=tuple(
            (name, colors[name], at)
            for name, at in zip(reply.values, reply.value_coordinate, strict=True)
            if at is not None
        ),
        closed=reply.closed,
        meter=meter_view(reply),
        realised=realised_view(reply),
    )


def _stack_order(reply: BehaviourReply) -> list[int]:
    places = [np.inf if c is None else progress(reply, c) for c in reply.value_coordinate]
    return sorted(range(len(reply.values)), key=lambda index: places[index])


def _colors(reply: BehaviourReply) -> list[str]:
    return value_colors(reply.closed, reply.value_coordinate)


def _ticks(reply: BehaviourReply) -> tuple[tuple[str, float], ...]:
    length = abs(signed_length(reply))
    if length == 0:
        return ()
    shares = [
        (name, progress(reply, c) / length)
        for name, c in zip(reply.values, reply.value_coordinate, strict=True)
        if c is not None
    ]
    return tuple((name, share) for name, share in sorted(shares, key=_second) if -0.02 <= share <= 1.02)


def _second(pair: tuple[str, float]) -> float:
    return pair[1]


def _arm_bands(arm: ArmBehaviour, reply: BehaviourReply, order: list[int], colors: dict[str, str]) -> ArmBands:
    shares = np.asarray(arm.probabilities, dtype=np.float64)
    stacked = shares[:, [*order, shares.shape[1] - 1]]
    names = [*(reply.values[index] for index in order), "other"]
    top = np.minimum(np.cumsum(stacked, axis=1), 1.0)
    bands = tuple(
        _band(
            name, colors.get(name, "") if place < len(order) else "", top[:, place] - stacked[:, place], top[:, place]
        )
        for place, name in enumerate(names)
    )
    return ArmBands(
        arm=arm.arm,
        title=TITLES[arm.arm] + (f" {arm.repeat + 1}" if arm.arm == "random" else ""),
        note=_note(arm),
        bands=bands,
        answers=tuple(
            _answer(row, best, reply.values, colors) for row, best in zip(arm.probabilities, arm.top, strict=True)
        ),
        off_manifold=arm.off_manifold,
        hook_fired=arm.hook_fired,
        numbers=_numbers(arm),
    )


def _numbers(arm: ArmBehaviour) -> tuple[str, ...]:
    reach = arm.reach
    return (
        percent(reach.p_target) if reach else "–",
        percent(reach.visited) if reach and reach.visited is not None else "–",
        f"{arm.e_bc:.2f}" if arm.e_bc is not None else "–",
        f"{arm.isometry:.2f}" if arm.isometry is not None else "–",
        percent(max(row[-1] for row in arm.probabilities)),
        number(max(arm.kl)),
        f"{max(arm.off_manifold):.1f} ×",
    )


def _band(name: str, color: str, low: Float[np.ndarray, "waypoint"], high: Float[np.ndarray, "waypoint"]) -> Band:
    x = np.linspace(0, WIDTH, len(low))
    upper = [f"{px:.1f} {HEIGHT * (1 - y):.2f}" for px, y in zip(x, high, strict=True)]
    lower = [f"{px:.1f} {HEIGHT * (1 - y):.2f}" for px, y in zip(x[::-1], low[::-1], strict=True)]
    height = high - low
    at = _label_at(height)
    wide = np.count_nonzero(height >= ROOM * height[at]) / len(height) >= CHARACTER * len(name)
    labelled = bool(height[at] >= LABEL_SHARE and wide)
    return Band(
        name=name,
        color=color,
        path="M" + "L".join(upper + lower) + "Z",
        label_x=float(np.clip(at / max(len(height) - 1, 1), 0.05, 0.95)) if labelled else None,
        label_y=float(1 - (high[at] + low[at]) / 2),
    )


def _label_at(height: Float[np.ndarray, "waypoint"]) -> int:
    """Waypoint of a band's name: the middle of where it is nearly at its tallest, within that stretch."""
    smooth = np.convolve(height, np.ones(3) / 3, mode="same")
    tall = np.flatnonzero(smooth >= NEARLY_TALLEST * smooth.max())
    return int(tall[len(tall) // 2])


def _answer(row: tuple[float, ...], top: TopToken, values: tuple[str, ...], colors: dict[str, str]) -> Answer:
    best = int(np.argmax(row[:-1])) if len(row) > 1 else 0
    if len(row) > 1 and row[best] >= top.probability:
        return Answer(values[best], colors[values[best]], float(row[best]))
    return Answer(top.text.strip() or top.text, colors.get(top.text.strip(), ""), float(top.probability))


def _note(arm: ArmBehaviour) -> str:
    if all(row[-1] > OTHER_WORDS for row in arm.probabilities):
        return "says none of these values"
    parts = [] if arm.reach is None else [_reached(arm.reach)]
    if parts and arm.e_bc is not None:
        parts.append(f"E {arm.e_bc:.2f}")
    return " · ".join(parts)


def _reached(reach: Reach) -> str:
    """How far an arm came; where no value lies between, by the end alone."""
    if reach.visited is None:
        return f"{percent(reach.p_target)} {reach.target.strip()} at the end"
    return "visits every value" if reach.visited >= 1 else f"visits {percent(reach.visited)} of the values"


def _place_name(reply: BehaviourReply, coordinate: float) -> str:
    known = [
        (_gap(c, coordinate, reply.closed), name)
        for name, c in zip(reply.values, reply.value_coordinate, strict=True)
        if c is not None
    ]
    gap, name = min(known, default=(1.0, ""))
    return name if name and gap < max(0.5 / len(known), 1e-6) else f"position {coordinate:.2f}"


def _by(share: float) -> str:
    return "less than 1 %" if 0 < share < 0.005 else percent(share)


def _at_most(share: float) -> str:
    return "less than 1 %" if share < 0.005 else f"at most {percent(share)}"


def _gap(one: float, other: float, closed: bool) -> float:
    gap = abs(one - other)
    return min(gap, 1.0 - gap) if closed else gap


def _verdict(reply: BehaviourReply) -> str:
    if reply.strength == 0:
        return "Strength 0: every column is exactly the model left alone."
    effect = reply.effect
    if effect is None:
        return ""
    target = _place_name(reply, reply.end)
    if effect.moves_model:
        return (
            f"Steers the model: along the curve the probability of {target} changes by {percent(effect.shift)}; "
            f"{effect.controls} equally long random moves change it by {_at_most(effect.control_max)}."
        )
    against = "" if effect.distinguishable is not False else ", not distinguishable from the controls"
    return (
        f"This cluster does not move the model{against}: along the curve the probability of {target} changes by "
        f"{_by(effect.shift)}, with random moves of the same length by {_at_most(effect.control_max)}. "
        "Its shape may be real; steering along it is not."
    )
