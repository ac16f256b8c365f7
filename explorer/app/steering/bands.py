"""Probability bands: predicted next words at every waypoint as one stack of areas per arm.

A pure function of the host's reply. The browser draws it as SVG and moves the handle without the server.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from explorer.app.figures.colors import value_colors
from explorer.app.steering.realised import MeterView, RealisedView, meter_view, progress, realised_view, signed_length
from explorer.app.ui.format import number, percent
from explorer.steering.protocol.behaviour import ArmBehaviour, BehaviourReply, Reach, TopToken

WIDTH = 1000
"""Width of the drawing in its own units; the browser stretches it."""
HEIGHT = 100
"""Height in the same units."""
OTHER_WORDS = 0.9
"""An arm with more than this probability on other words at every waypoint predicts none of the values."""
NEARLY_TALLEST = 0.85
"""A band is labelled where it reaches this share of its largest height."""
CHARACTER = 1 / 46
"""Width of a label's character as a share of the typical width of a column."""
LABEL_SHARE = 0.2
"""A band is labelled if its value reaches this probability,"""
ROOM = 0.6
"""and at least this share of its height at the label along the label's whole width."""

TITLES = {
    "manifold": "Along the curve",
    "linear": "Straight line",
    "chord": "Chord in the subspace",
    "random": "Random direction",
    "shuffled": "Curve, order shuffled",
    "flipped": "Curve, sign flipped",
}


@dataclass(frozen=True)
class Band:
    """Area of one value."""

    name: str
    """The value, or "other"."""
    color: str
    """Hex colour; "" for "other", which is coloured by the theme."""
    path: str
    """SVG path in units of WIDTH by HEIGHT."""
    label_x: float | None
    """Horizontal position of the label as a share of the width; None if the band is not labelled."""
    label_y: float
    """Vertical position of the label as a share of the height, from the top."""


@dataclass(frozen=True)
class Answer:
    """Most likely next word at one waypoint."""

    text: str
    color: str
    """Colour of its value; "" if it is not a value."""
    probability: float


@dataclass(frozen=True)
class ArmBands:
    """Column of one arm."""

    arm: str
    """Name of the arm in the protocol."""
    title: str
    """Title on the page."""
    note: str
    """Reach and energy in words."""
    bands: tuple[Band, ...]
    """From bottom to top."""
    answers: tuple[Answer, ...]
    """One per waypoint."""
    off_manifold: tuple[float, ...]
    """Distance from the curve at each waypoint in units of the usual distance."""
    hook_fired: int
    """Rows in which the edit was applied."""
    numbers: tuple[str, ...]
    """Values of NUMBERS as text; an energy is never given without its reach."""


NUMBERS = (
    ("p(target)", "Probability of the target value at the end of the path."),
    ("visited", "Share of the values in between that become the most likely next word along the path."),
    ("E", "Bhattacharyya energy: how unnatural the answers along the path are. Uninformative if nothing is reached."),
    ("isometry r", "Correlation of distances along the path in activation space and in the space of answers."),
    ("other words", "Largest total probability of words that are none of the values."),
    ("KL", "Largest divergence of the next-word distribution from the unsteered model's, in nats."),
    ("off", "Largest distance from the curve along the path, in units of the usual distance."),
)
"""Names of an arm's numbers with their definitions."""


@dataclass(frozen=True)
class BandsView:
    """Data of the panel for one request."""

    prompt: str
    """The steered prompt."""
    start_name: str
    """Start of the path in words."""
    end_name: str
    """End of the path in words."""
    arms: tuple[ArmBands, ...]
    """In the order requested."""
    coordinate: tuple[float, ...]
    """Intrinsic coordinate of each waypoint of the curve's arm; empty if that arm was not requested."""
    ticks: tuple[tuple[str, float], ...]
    """Values along the curve and their share of the path, ascending; the page shows those that fit."""
    baseline: Answer
    """Answer of the unsteered model."""
    moves: bool | None
    """Whether steering has an effect beyond the controls; None if undefined."""
    verdict: str
    """Summary of the effect."""
    strength: float
    """Multiple of the full displacement."""
    numbers: tuple[tuple[str, str], ...]
    """Names of the arms' numbers with their definitions."""
    values: tuple[tuple[str, str, float], ...]
    """Values with a coordinate: name, colour, coordinate."""
    closed: bool
    """Whether the coordinate is cyclic."""
    meter: MeterView | None
    """Off-manifold distance at other strengths; None in results that predate it."""
    realised: RealisedView | None
    """Requested and realised positions; None in results that predate them."""


def bands_view(reply: BehaviourReply, prompt: str) -> BandsView:
    """View of a host's reply."""
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
    """Waypoint of a band's label: the median of those where it is near its largest height."""
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
        return "predicts none of these values"
    parts = [] if arm.reach is None else [_reached(arm.reach)]
    if parts and arm.e_bc is not None:
        parts.append(f"E {arm.e_bc:.2f}")
    return " · ".join(parts)


def _reached(reach: Reach) -> str:
    """Reach of an arm; if no value lies in between, by the end alone."""
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
        return "Strength 0: every column is exactly the unsteered model."
    effect = reply.effect
    if effect is None:
        return ""
    target = _place_name(reply, reply.end)
    if effect.moves_model:
        return (
            f"Steers the model: along the curve, the probability of {target} changes by {percent(effect.shift)}; "
            f"{effect.controls} random displacements of the same length change it by {_at_most(effect.control_max)}."
        )
    against = "" if effect.distinguishable is not False else ", not distinguishable from the controls"
    return (
        f"This cluster does not move the model{against}: along the curve, the probability of {target} changes by "
        f"{_by(effect.shift)}; random displacements of the same length change it by {_at_most(effect.control_max)}. "
        "The shape may be real, but steering along it has no effect."
    )
