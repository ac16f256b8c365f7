"""What puts a result to the test, as the panel draws it: controls, other prompts, a dose sweep, phrases. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from explorer.app.figures.colors import value_colors
from explorer.app.steering.bands import NUMBERS, TITLES, ArmBands, bands_view
from explorer.app.ui.format import number, percent
from explorer.steering.protocol.behaviour import Effect
from explorer.steering.protocol.checks import (
    AcrossPrompts,
    ArmSpread,
    CheckReply,
    Phrase,
    PhraseArm,
    PhrasesReply,
    Spread,
    SweepReply,
)
from explorer.steering.protocol.wire import Arm

WIDTH = 1000
"""Width of a line's own units."""
HEIGHT = 100
"""Height in the same units."""
LEAST_NATS = 1.0
"""Smallest range of log-probabilities that a drawing spreads over its height."""
NOT_DISTINGUISHABLE = "Not distinguishable from the controls"
"""How that is said, always."""


@dataclass(frozen=True)
class SpreadTable:
    """One move from several prompts."""

    title: str
    """Which move, from how many prompts."""
    words: str
    """What it shows."""
    rows: tuple[tuple[str, str, str, str], ...]
    """Arm, energy, p(target), visited; spreads are standard deviations."""


@dataclass(frozen=True)
class CheckView:
    """The controls of one result."""

    words: str
    """The effect over the controls' spread."""
    stands_out: bool | None
    """Whether it does; None where that cannot be told."""
    arms: tuple[ArmBands, ...]
    """Control arms."""
    numbers: tuple[tuple[str, str], ...]
    """Names of the arms' numbers, and what they mean."""
    tables: tuple[SpreadTable, ...]
    """From other prompts, and to the next value; none where the contexts do not allow it."""


@dataclass(frozen=True)
class SweepCell:
    """One strength at one position."""

    p: float
    """p(target)."""
    off: float
    """Distance from the curve in usual ones."""
    beyond: bool
    """Whether that is beyond the safe range."""
    word: str
    """Likeliest next word."""


@dataclass(frozen=True)
class SweepGrid:
    """One arm's cells."""

    title: str
    """Name of the arm."""
    words: str
    """The largest p(target) that it reaches, which tells a pale panel from an empty one."""
    rows: tuple[tuple[SweepCell, ...], ...]
    """A row for each strength, the largest first."""


@dataclass(frozen=True)
class SweepView:
    """A dose sweep."""

    words: str
    """What it is of."""
    color: str
    """The target's colour."""
    most: float
    """Largest p(target) of all cells, at least a tenth: full colour."""
    strengths: tuple[float, ...]
    """Of the rows."""
    positions: tuple[float, ...]
    """Of the columns."""
    grids: tuple[SweepGrid, ...]
    """One for each arm."""


@dataclass(frozen=True)
class PhraseLine:
    """One phrase along one arm."""

    arm: str
    """Protocol name of the arm."""
    title: str
    """Its name on the page."""
    path: str
    """SVG path in units of WIDTH by HEIGHT."""
    logprob: tuple[float, ...]
    """At each waypoint, in nats."""


@dataclass(frozen=True)
class PhraseView:
    """One phrase."""

    text: str
    """As asked."""
    read: str
    """What the model reads where that is another text, else ""."""
    words: str
    """Baseline and largest change, in words."""
    baseline: float
    """Height of the unsteered model's line, as a share from the top."""
    lines: tuple[PhraseLine, ...]
    """One for each arm."""


def check_view(reply: CheckReply) -> CheckView:
    """Turn a check into what the panel draws."""
    controls = reply.controls
    arms = bands_view(controls, "").arms
    told = dict.fromkeys((reply.across, reply.adjacent))
    return CheckView(
        words=_effect_words(controls.effect),
        stands_out=controls.effect.distinguishable if controls.effect else None,
        arms=tuple(arm for arm in arms if arm.arm != "manifold"),
        numbers=NUMBERS,
        tables=tuple(_spread_table(one, adjacent=one == reply.adjacent) for one in told if one is not None),
    )


def sweep_view(reply: SweepReply, closed: bool, coordinate: float | None) -> SweepView:
    """Turn a sweep into cells.

    Args:
        reply: the sweep.
        closed: whether the curve closes.
        coordinate: place of the target's value, which gives its colour; None where it has none.
    """
    order = sorted(range(len(reply.strengths)), key=lambda row: -reply.strengths[row])
    grids = tuple(
        SweepGrid(
            TITLES[arm.arm],
            f"reaches {percent(max(p for row in arm.p_target for p in row))}",
            tuple(
                tuple(
                    SweepCell(p, off, off > reply.safe, top.text.strip() or top.text)
                    for p, off, top in zip(arm.p_target[row], arm.off_manifold[row], arm.top[row], strict=True)
                )
                for row in order
            ),
        )
        for arm in reply.arms
    )
    most = max(cell.p for grid in grids for row in grid.rows for cell in row)
    unsteered, safe = percent(reply.baseline), number(round(reply.safe, 1))
    return SweepView(
        words=f"Probability of {reply.target} at every strength and place; the model left alone gives {unsteered}. "
        f"Dotted: further from the curve than {safe} times the usual.",
        color=value_colors(closed, [coordinate])[0],
        most=max(most, 0.1),
        strengths=tuple(reply.strengths[row] for row in order),
        positions=reply.positions,
        grids=grids,
    )


def phrases_view(reply: PhrasesReply) -> tuple[PhraseView, ...]:
    """Turn phrases into lines, each phrase on its own scale."""
    return tuple(map(_phrase_view, reply.phrases))


def _effect_words(effect: Effect | None) -> str:
    if effect is None:
        return "No readout value belongs to the path's end, so there is no effect to hold against the controls."
    times = effect.over_spread
    told = (
        f"along the curve p(target) changes by {percent(effect.shift)}; {effect.controls} random moves of the same "
        f"length change it by {percent(effect.control_mean)} on average, {percent(effect.control_max)} at most"
        + ("" if times is None else f", and the curve's change lies {times:.1f} times their spread above their mean")
    )
    return f"Stands out: {told}." if effect.distinguishable else f"{NOT_DISTINGUISHABLE}: {told}."


def _spread_table(told: AcrossPrompts, *, adjacent: bool) -> SpreadTable:
    rows = tuple(
        (TITLES[arm.arm], _spread(arm.e_bc, _energy), _spread(arm.p_target, percent), _visited(arm))
        for arm in told.arms
    )
    prompts = f"{told.prompts} prompt{'' if told.prompts == 1 else 's'} of the run's own text"
    words = _adjacent_words(told) if adjacent else "E with its reach, mean ± standard deviation over the prompts."
    return SpreadTable(f"{told.start} to {told.end}, from {prompts}", words, rows)


def _adjacent_words(told: AcrossPrompts) -> str:
    energy: dict[Arm, Spread] = {arm.arm: arm.e_bc for arm in told.arms}
    curve, chord = energy["manifold"], energy["chord"]
    rest = f"E {_energy(chord.mean)} on the chord, {_energy(curve.mean)} on the curve."
    if chord.mean <= curve.mean:
        return f"To the next value the straight chord is as good as the curve, or better: {rest}"
    if chord.mean - curve.mean <= max(curve.sd or 0.0, chord.sd or 0.0):
        return f"To the next value chord and curve differ by no more than the prompts do: {rest}"
    return f"Even to the next value the curve has less energy than the straight chord: {rest}"


def _spread(told: Spread, written: Callable[[float], str]) -> str:
    return written(told.mean) + ("" if told.sd is None else f" ± {written(told.sd)}")


def _energy(value: float) -> str:
    """Write an energy so that a small one is not rounded to its own spread."""
    return f"{value:.3f}"


def _visited(arm: ArmSpread) -> str:
    return "–" if arm.visited is None else percent(arm.visited)


def _phrase_view(phrase: Phrase) -> PhraseView:
    every = [phrase.baseline, *(value for arm in phrase.arms for value in arm.logprob)]
    middle, span = (max(every) + min(every)) / 2, max(max(every) - min(every), LEAST_NATS) * 1.2
    changes = {arm.arm: _change(arm, phrase.baseline) for arm in phrase.arms}
    most, change = max(changes.items(), key=lambda item: abs(item[1]))

    def height(value: float) -> float:
        return 0.5 - (value - middle) / span

    return PhraseView(
        text=phrase.text,
        read="" if " ".join(phrase.read.split()) == " ".join(phrase.text.split()) else phrase.read,
        words=f"log p {phrase.baseline:.1f} unsteered; changes by {change:+.1f} nats at most ({TITLES[most]})",
        baseline=height(phrase.baseline),
        lines=tuple(
            PhraseLine(arm.arm, TITLES[arm.arm], _line([height(value) for value in arm.logprob]), arm.logprob)
            for arm in phrase.arms
        ),
    )


def _change(arm: PhraseArm, baseline: float) -> float:
    """The largest change of a phrase's log-probability along one arm, with its sign."""
    return float(max((value - baseline for value in arm.logprob), key=abs))


def _line(heights: Sequence[float]) -> str:
    steps = max(len(heights) - 1, 1)
    return "M" + "L".join(f"{WIDTH * at / steps:.1f} {HEIGHT * height:.2f}" for at, height in enumerate(heights))
