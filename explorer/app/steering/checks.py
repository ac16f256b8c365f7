"""Views of the checks of a steering result: controls, other prompts, dose sweep, phrases. Pure functions."""

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
"""Width of a line in its own units."""
HEIGHT = 100
"""Height in the same units."""
LEAST_NATS = 1.0
"""Smallest range of log-probabilities over the full height of a drawing, nats."""
NOT_DISTINGUISHABLE = "Not distinguishable from the controls"
"""Fixed wording of a negative result."""


@dataclass(frozen=True)
class SpreadTable:
    """One displacement applied to several prompts."""

    title: str
    """Start and end of the displacement, and the number of prompts."""
    words: str
    """Conclusion."""
    rows: tuple[tuple[str, str, str, str], ...]
    """Arm, energy, p(target), visited; each as mean ± standard deviation."""


@dataclass(frozen=True)
class CheckView:
    """Controls of one result."""

    words: str
    """Effect size relative to the spread of the controls."""
    stands_out: bool | None
    """Whether the effect exceeds the controls; None if undefined."""
    arms: tuple[ArmBands, ...]
    """The control arms."""
    numbers: tuple[tuple[str, str], ...]
    """Names and definitions of the arms' numbers."""
    tables: tuple[SpreadTable, ...]
    """Other prompts, and the step to the next value; empty where the contexts do not allow it."""


@dataclass(frozen=True)
class SweepCell:
    """One strength at one position."""

    p: float
    """p(target)."""
    off: float
    """Distance from the curve in units of the usual distance."""
    beyond: bool
    """Whether that exceeds the safe range."""
    word: str
    """Most likely next token."""


@dataclass(frozen=True)
class SweepGrid:
    """Cells of one arm."""

    title: str
    """Title of the arm."""
    words: str
    """Largest p(target) of the arm, which distinguishes a pale panel from an empty one."""
    rows: tuple[tuple[SweepCell, ...], ...]
    """One row per strength, the largest first."""


@dataclass(frozen=True)
class SweepView:
    """A dose sweep."""

    words: str
    """Caption."""
    color: str
    """Colour of the target."""
    most: float
    """Largest p(target) of all cells, at least 0.1: mapped to full colour."""
    strengths: tuple[float, ...]
    """Strengths of the rows."""
    positions: tuple[float, ...]
    """Positions of the columns."""
    grids: tuple[SweepGrid, ...]
    """One per arm."""


@dataclass(frozen=True)
class PhraseLine:
    """One phrase along one arm."""

    arm: str
    """Name of the arm in the protocol."""
    title: str
    """Title of the arm on the page."""
    path: str
    """SVG path in units of WIDTH by HEIGHT."""
    logprob: tuple[float, ...]
    """Log-probability at each waypoint, nats."""


@dataclass(frozen=True)
class PhraseView:
    """One phrase."""

    text: str
    """As requested."""
    read: str
    """The text that the model receives, if it differs, else ""."""
    words: str
    """Baseline and largest change in words."""
    baseline: float
    """Height of the unsteered model's line, as a share from the top."""
    lines: tuple[PhraseLine, ...]
    """One per arm."""


def check_view(reply: CheckReply) -> CheckView:
    """View of a check."""
    controls = reply.controls
    arms = bands_view(controls, "").arms
    spreads = dict.fromkeys((reply.across, reply.adjacent))
    return CheckView(
        words=_effect_sentence(controls.effect),
        stands_out=controls.effect.distinguishable if controls.effect else None,
        arms=tuple(arm for arm in arms if arm.arm != "manifold"),
        numbers=NUMBERS,
        tables=tuple(_spread_table(one, adjacent=one == reply.adjacent) for one in spreads if one is not None),
    )


def sweep_view(reply: SweepReply, closed: bool, coordinate: float | None) -> SweepView:
    """View of a dose sweep.

    Args:
        reply: the host's reply.
        closed: whether the curve closes.
        coordinate: coordinate of the target value, which determines its colour; None if it has none.
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
        words=f"p({reply.target}) at every strength and position; unsteered {unsteered}. "
        f"Dotted: more than {safe} times the usual distance from the curve.",
        color=value_colors(closed, [coordinate])[0],
        most=max(most, 0.1),
        strengths=tuple(reply.strengths[row] for row in order),
        positions=reply.positions,
        grids=grids,
    )


def phrases_view(reply: PhrasesReply) -> tuple[PhraseView, ...]:
    """Views of phrases, each on its own scale."""
    return tuple(map(_phrase_view, reply.phrases))


def _effect_sentence(effect: Effect | None) -> str:
    if effect is None:
        return "The end of the path has no readout value, so there is no effect to compare with the controls."
    times = effect.over_spread
    comparison = (
        f"along the curve p(target) changes by {percent(effect.shift)}; {effect.controls} random displacements of the "
        f"same length change it by {percent(effect.control_mean)} on average, {percent(effect.control_max)} at most"
        + ("" if times is None else f"; the curve's effect is {times:.1f} standard deviations above the control mean")
    )
    return f"Stands out: {comparison}." if effect.distinguishable else f"{NOT_DISTINGUISHABLE}: {comparison}."


def _spread_table(across: AcrossPrompts, *, adjacent: bool) -> SpreadTable:
    rows = tuple(
        (TITLES[arm.arm], _spread(arm.e_bc, _energy), _spread(arm.p_target, percent), _visited(arm))
        for arm in across.arms
    )
    prompts = f"{across.prompts} prompt{'' if across.prompts == 1 else 's'} of the run's own text"
    words = _adjacent_sentence(across) if adjacent else "E with its reach, mean ± standard deviation over the prompts."
    return SpreadTable(f"{across.start} to {across.end}, from {prompts}", words, rows)


def _adjacent_sentence(across: AcrossPrompts) -> str:
    energy: dict[Arm, Spread] = {arm.arm: arm.e_bc for arm in across.arms}
    curve, chord = energy["manifold"], energy["chord"]
    energies = f"E {_energy(chord.mean)} on the chord, {_energy(curve.mean)} on the curve."
    if chord.mean <= curve.mean:
        return f"To the next value, the straight chord is as good as the curve or better: {energies}"
    if chord.mean - curve.mean <= max(curve.sd or 0.0, chord.sd or 0.0):
        return f"To the next value, chord and curve differ by less than the prompts do: {energies}"
    return f"Even to the next value, the curve has less energy than the straight chord: {energies}"


def _spread(spread: Spread, written: Callable[[float], str]) -> str:
    return written(spread.mean) + ("" if spread.sd is None else f" ± {written(spread.sd)}")


def _energy(value: float) -> str:
    """Format an energy with enough digits that a small one is not rounded to its own spread."""
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
        words=f"log p {phrase.baseline:.1f} unsteered; largest change {change:+.1f} nats ({TITLES[most]})",
        baseline=height(phrase.baseline),
        lines=tuple(
            PhraseLine(arm.arm, TITLES[arm.arm], _line([height(value) for value in arm.logprob]), arm.logprob)
            for arm in phrase.arms
        ),
    )


def _change(arm: PhraseArm, baseline: float) -> float:
    """Largest change of a phrase's log-probability along one arm, with sign."""
    return float(max((value - baseline for value in arm.logprob), key=abs))


def _line(heights: Sequence[float]) -> str:
    steps = max(len(heights) - 1, 1)
    return "M" + "L".join(f"{WIDTH * at / steps:.1f} {HEIGHT * height:.2f}" for at, height in enumerate(heights))
