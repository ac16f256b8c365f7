"""The numbers of a manifold with what they mean and what chance would give."""

from collections.abc import Callable
from dataclasses import dataclass

from explorer.app.ui import html
from explorer.app.ui.element import Element
from explorer.app.ui.format import counted, number, percent
from explorer.app.ui.parts import table
from explorer.maths.features.tuning_test import exclusion_detectable
from explorer.records import CURVES, ClusterGeometry, ClusterSummary
from explorer.runs.report.show import gather_curves


@dataclass(frozen=True)
class Score:
    """How a named number of a run is shown."""

    name: str
    """On the page."""
    meaning: str
    """One sentence, shown on hover and in the table."""
    write: Callable[[float], str] = number
    """How its value is written."""


def _p(value: float) -> str:
    return f"p = {number(value)}"


def _two_decimals(value: float) -> str:
    return f"{value:.2f}"


def _bits(value: float) -> str:
    return f"{number(value)} bits"


def _tenths(share: float) -> str:
    """A percentage with one decimal: its interval can be narrower than one percent."""
    return ">99.9 %" if 0.9995 <= share < 1 else f"{share:.1%}".replace("%", " %")


SCORES = {
    "variance_explained": Score(
        "variance explained",
        "Share of the cloud's variance that the fitted curve explains, by held-out fit.",
        _tenths,
    ),
    "p_value": Score(
        "shape by chance",
        "How often chance looks at least as much like this shape: as many values at random places, where an order of "
        "values was found, else the cloud shuffled or of equal covariance. 1 where no shape is claimed.",
        _p,
    ),
    "atoms_explain": Score(
        "core + halo explain",
        "Share of the activations' variance on these tokens that all its features explain; chance: halo adds, below.",
        percent,
    ),
    "stability": Score(
        "stability",
        "Mean Jaccard similarity to its best match on documents drawn anew, 0 to 1; .75 or more is stable.",
        _two_decimals,
    ),
    "chance_p": Score("cluster by chance", "Share of shuffled codes that hold one as large and as persistent.", _p),
    "dissolved": Score(
        "dissolved", "Share of the redrawn documents' clusterings in which none shares more than half with it.", percent
    ),
    "persistence": Score(
        "persistence", "How far it stays together as density rises, as a share of the run's densest point."
    ),
    "core_explains": Score(
        "core alone explains", "The same share, explained by the core alone: HDBSCAN's own members.", percent
    ),
    "position_bits": Score("position tells", "Bits that the place tells of a held-out token.", _bits),
    "position_p_value": Score("position null", "Share of draws with shuffled tokens that tell at least as much.", _p),
    "known_share": Score("position known", "Share of the sampled tokens whose place can be told.", percent),
    "support_size": Score("support", "Features that fire on a good part of the manifold.", number),
    "receptive_spread": Score("receptive spread", "Width of a typical feature's field: 1 is all of it, 0 a point."),
    "varying_atoms": Score(
        "features that vary",
        "Features that fire on a tenth of the tokens or more, and whose mean activation swings by half of its peak "
        "along the shape: what the regime counts, by a threshold and not by a null.",
    ),
    "overlap": Score("overlap", "How many of the features that vary fire at one place, on average."),
    "effective_rank": Score(
        "effective rank", "Dimensions that the cloud fills, by the participation ratio of its variances."
    ),
    "embedding_dim": Score("embedding dimensions", "Principal axes that hold 95 % of the positions' variance."),
    "positive_pairs": Score(
        "pairs that attract",
        "Share of the core's pairs that fire together more often than chance would have it, untested: where chance "
        "meetings are few, one meeting is more.",
        percent,
    ),
    "expected_cofires": Score(
        "chance meetings",
        "How often a usual pair of the core would fire together by chance. Below 7, silence does not show avoidance.",
    ),
    "in_order": Score(
        "values in order",
        "How far their distance along the curve explains that of the values, beyond chance: 0 is as at random places.",
        percent,
    ),
    "manifold_likeness": Score(
        "manifold-likeness", "What the tiles are sorted by: variance explained times values in order."
    ),
}
"""The scores that have a name in words; others are shown under their own."""

LONGEST_AXIS = Score(
    "on its longest axis", "Share of the cloud's variance there: it has no curve that could explain it.", _tenths
)
"""What ``variance_explained`` is of a surface or a blob."""
DIMENSION = Score("intrinsic dimension", "TwoNN estimate: how many numbers say a position.")
"""It is no score: every cluster has it."""
INTERVAL = "In brackets: 95 % interval over the text's documents (random groups), the shape held as it was found."
"""What an interval means."""
Interval = tuple[float, float]

CURVE_SCORES = {
    "r2_at": Score(
        "position from few features",
        "Held-out share of the position's variance that so many features' firing explains; chance gives 0 or less.",
        percent,
    ),
    "atoms_hold": Score(
        "variance in few features",
        "Share of the activations' variance inside the span of so many of its features.",
        percent,
    ),
    "pca_holds": Score(
        "variance in principal axes", "The same for as many principal axes: no directions hold more.", percent
    ),
    "random_holds": Score(
        "variance in random axes", "The same for as many random directions: what chance holds.", percent
    ),
}
"""Curves over numbers of features; others are shown under their own name."""


def number_rows(summary: ClusterSummary, geometry: ClusterGeometry) -> list[tuple[str, str, str]]:
    """Name, value and meaning of every number of a manifold, the telling ones first."""
    single, curves = gather_curves(summary.scores)
    ends = summary.intervals
    named = SCORES if summary.shape in CURVES else SCORES | {"variance_explained": LONGEST_AXIS}
    known = [_told(score, single[key], ends.get(key)) for key, score in named.items() if key in single]
    other = [_told(_unnamed(key), value, ends.get(key)) for key, value in single.items() if key not in SCORES]
    told = [_curve_row(CURVE_SCORES[key], curves[key]) for key in CURVE_SCORES if key in curves]
    dimension = _told(DIMENSION, summary.intrinsic_dim, ends.get("intrinsic_dim"))
    return [*known[:2], dimension, *known[2:], _null_gain(geometry), *told, *other]


def regime_line(summary: ClusterSummary) -> str:
    """The numbers behind the regime, and whether the core's features had the chance to meet."""
    scores = summary.scores
    if any(name not in scores for name in ("varying_atoms", "receptive_spread", "overlap")):
        return "What the regime is read off was not measured in this run."
    atoms, varying = len(summary.features) + len(summary.halo), scores["varying_atoms"]
    line = (
        f"{summary.regime.capitalize()}: {number(varying)} of {counted(atoms, 'feature')} vary, a usual field is "
        f"{scores['receptive_spread']:.2f} of the shape wide, {scores['overlap']:.1f} fire at one place"
    )
    if "expected_cofires" not in scores:
        return f"{line}."
    expected = scores["expected_cofires"]
    power = "enough to see avoidance" if exclusion_detectable(expected) else "too few to see avoidance"
    return f"{line}; by chance a usual pair of the core would meet {number(expected)} times, {power}."


def numbers_block(rows: list[tuple[str, str, str]], shown: int = 6) -> Element:
    """The first numbers side by side, all of them with their meaning in a table that opens."""
    short = [
        html.Div(
            [html.Span(name, className="name", title=meaning), html.Span(value, className="value")], className="number"
        )
        for name, value, meaning in rows[:shown]
    ]
    meanings = table(("number", "value", "meaning"), rows)
    return html.Div(
        [
            html.Div(short, className="numbers"),
            html.Details([html.Summary("what these mean", className="small"), meanings]),
        ]
    )


def _unnamed(key: str) -> Score:
    return Score(key.replace("_", " "), "See the run's FORMAT.md.")


def _told(score: Score, value: float, interval: Interval | None) -> tuple[str, str, str]:
    """A number with its interval, where it has one, and what both mean."""
    if interval is None:
        return score.name, score.write(value), score.meaning
    low, high = interval
    return (
        score.name,
        f"{score.write(value)} ({score.write(low).removesuffix(' %')} to {score.write(high)})",
        f"{score.meaning} {INTERVAL}",
    )


def _curve_row(score: Score, curve: dict[int, float]) -> tuple[str, str, str]:
    written = ", ".join(f"{score.write(value)} by {atoms}" for atoms, value in curve.items())
    return score.name, written, score.meaning


def _null_gain(geometry: ClusterGeometry) -> tuple[str, str, str]:
    meaning = "What the halo's features add, and what the best feature would add on codes shuffled over the tokens."
    halo, null = float(geometry.atom_gain[geometry.n_core :].sum()), float(geometry.atom_null.sum())
    return "halo adds", f"{percent(halo)} (null {percent(null)})", meaning
