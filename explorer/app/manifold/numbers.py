"""Scores of a manifold with their definitions and nulls."""

from collections.abc import Callable
from dataclasses import dataclass

from explorer.app.ui import html
from explorer.app.ui.element import Element
from explorer.app.ui.format import counted, number, percent
from explorer.app.ui.parts import table
from explorer.maths.features.tuning_test import exclusion_detectable
from explorer.records.cluster import CURVES, ClusterGeometry, ClusterSummary
from explorer.runs.report.show import gather_curves


@dataclass(frozen=True)
class ScoreFormat:
    """Display of a score of a run."""

    name: str
    meaning: str
    """Definition in one or two sentences, shown on hover and in the table."""
    write: Callable[[float], str] = number
    """Formats a value."""


def _p(value: float) -> str:
    return f"p = {number(value)}"


def _two_decimals(value: float) -> str:
    return f"{value:.2f}"


def _bits(value: float) -> str:
    return f"{number(value)} bits"


def _tenths(share: float) -> str:
    """A percentage with one decimal, since intervals can be narrower than one percent."""
    return ">99.9 %" if 0.9995 <= share < 1 else f"{share:.1%}".replace("%", " %")


SCORES = {
    "variance_explained": ScoreFormat(
        "variance explained",
        "Share of the cloud's variance that the fitted curve explains on held-out points.",
        _tenths,
    ),
    "p_value": ScoreFormat(
        "shape p-value",
        "Probability of a shape at least this clear by chance: with the values at random positions if an order of "
        "values was found, else on the shuffled cloud or one of equal covariance. 1 where no shape is claimed.",
        _p,
    ),
    "atoms_explain": ScoreFormat(
        "core + halo explain",
        "Share of the activations' variance on these tokens that all its features explain. Null: see halo gain.",
        percent,
    ),
    "stability": ScoreFormat(
        "stability",
        "Mean Jaccard similarity to its best match on resampled documents, 0 to 1; .75 or more is stable.",
        _two_decimals,
    ),
    "chance_p": ScoreFormat(
        "cluster p-value", "Share of shuffled codes with a cluster as large and as persistent.", _p
    ),
    "dissolved": ScoreFormat(
        "dissolved", "Share of resamples in which no cluster has a Jaccard similarity above .5 to it.", percent
    ),
    "persistence": ScoreFormat(
        "persistence", "Range of density over which it stays together, as a share of the run's largest density."
    ),
    "core_explains": ScoreFormat(
        "core explains",
        "Share of the activations' variance that the core alone explains: HDBSCAN's own members.",
        percent,
    ),
    "position_bits": ScoreFormat(
        "position information", "Information about a held-out token that its position carries.", _bits
    ),
    "position_p_value": ScoreFormat(
        "position p-value", "Share of draws with shuffled tokens that carry at least as many bits.", _p
    ),
    "known_share": ScoreFormat("position known", "Share of the sampled tokens whose position can be decoded.", percent),
    "support_size": ScoreFormat("support", "Features that fire on a large part of the manifold.", number),
    "receptive_spread": ScoreFormat(
        "receptive spread", "Width of a typical feature's receptive field: 1 is the whole shape, 0 a point."
    ),
    "varying_atoms": ScoreFormat(
        "varying features",
        "Features that fire on at least 10 % of the tokens and whose mean activation varies by at least half its peak "
        "along the shape. The regime is derived from this count: a threshold, not a test.",
    ),
    "overlap": ScoreFormat("overlap", "Mean number of varying features that fire at a position."),
    "effective_rank": ScoreFormat(
        "effective rank", "Participation ratio of the cloud's principal variances: the number of dimensions it fills."
    ),
    "embedding_dim": ScoreFormat(
        "embedding dimensions", "Principal axes that hold 95 % of the variance of the positions."
    ),
    "positive_pairs": ScoreFormat(
        "attracting pairs",
        "Share of the core's feature pairs that fire together more often than expected by chance. Not a test: where "
        "few co-firings are expected, a single one exceeds chance.",
        percent,
    ),
    "expected_cofires": ScoreFormat(
        "expected co-firings",
        "Co-firings of a typical core pair expected by chance. Below 7, their absence is no evidence of avoidance.",
    ),
    "in_order": ScoreFormat(
        "values in order",
        "How much of the values' distances the distances along the curve explain beyond chance; 0 is random placement.",
        percent,
    ),
    "manifold_likeness": ScoreFormat(
        "manifold-likeness", "Default sort key of the tiles: variance explained times values in order."
    ),
}
"""Scores with a display name; others are shown under their key."""

LONGEST_AXIS = ScoreFormat(
    "on its longest axis", "Share of the cloud's variance on its longest axis: the shape has no curve.", _tenths
)
"""Meaning of ``variance_explained`` for a surface or a blob."""
DIMENSION = ScoreFormat("intrinsic dimension", "TwoNN estimate: the number of coordinates needed to give a position.")
"""Stored with every cluster, outside its scores."""
INTERVAL = "In brackets: 95 % interval over documents (random groups), with the shape held fixed."
"""Appended to the definition of a score that has an interval."""
Interval = tuple[float, float]

CURVE_SCORES = {
    "r2_at": ScoreFormat(
        "position from few features",
        "Held-out share of the position's variance explained by so many features' firing; chance gives 0 or less.",
        percent,
    ),
    "atoms_hold": ScoreFormat(
        "variance in few features",
        "Share of the activations' variance in the span of this many of its features.",
        percent,
    ),
    "pca_holds": ScoreFormat(
        "variance in principal axes", "The same for this many principal axes, the upper bound.", percent
    ),
    "random_holds": ScoreFormat(
        "variance in random axes", "The same for this many random directions, the chance level.", percent
    ),
}
"""Scores measured at several numbers of features; others are shown under their key."""


def number_rows(summary: ClusterSummary, geometry: ClusterGeometry) -> list[tuple[str, str, str]]:
    """Name, value and definition of every score of a manifold, the most important first."""
    single, curves = gather_curves(summary.scores)
    ends = summary.intervals
    named = SCORES if summary.shape in CURVES else SCORES | {"variance_explained": LONGEST_AXIS}
    known = [_score_row(score, single[key], ends.get(key)) for key, score in named.items() if key in single]
    other = [_score_row(_unnamed(key), value, ends.get(key)) for key, value in single.items() if key not in SCORES]
    by_count = [_curve_row(CURVE_SCORES[key], curves[key]) for key in CURVE_SCORES if key in curves]
    dimension = _score_row(DIMENSION, summary.intrinsic_dim, ends.get("intrinsic_dim"))
    return [*known[:2], dimension, *known[2:], _halo_gain(geometry), *by_count, *other]


def regime_line(summary: ClusterSummary) -> str:
    """The numbers behind the regime, and whether enough co-firings were expected to detect avoidance."""
    scores = summary.scores
    if any(name not in scores for name in ("varying_atoms", "receptive_spread", "overlap")):
        return "The scores that determine the regime were not measured in this run."
    atoms, varying = len(summary.features) + len(summary.halo), scores["varying_atoms"]
    line = (
        f"{summary.regime.capitalize()}: {number(varying)} of {counted(atoms, 'feature')} vary, typical field "
        f"{scores['receptive_spread']:.2f} of the shape wide, {scores['overlap']:.1f} firing at a position"
    )
    if "expected_cofires" not in scores:
        return f"{line}."
    expected = scores["expected_cofires"]
    power = "enough to detect avoidance" if exclusion_detectable(expected) else "too few to detect avoidance"
    return f"{line}; a typical core pair would co-fire {number(expected)} times by chance, {power}."


def numbers_block(rows: list[tuple[str, str, str]], shown: int = 6) -> Element:
    """The first scores side by side, and a table of all of them with their definitions in a disclosure."""
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
            html.Details([html.Summary("definitions", className="small"), meanings]),
        ]
    )


def _unnamed(key: str) -> ScoreFormat:
    return ScoreFormat(key.replace("_", " "), "See FORMAT.md of the run.")


def _score_row(score: ScoreFormat, value: float, interval: Interval | None) -> tuple[str, str, str]:
    """Name, value and definition of a score, with its interval if it has one."""
    if interval is None:
        return score.name, score.write(value), score.meaning
    low, high = interval
    return (
        score.name,
        f"{score.write(value)} ({score.write(low).removesuffix(' %')} to {score.write(high)})",
        f"{score.meaning} {INTERVAL}",
    )


def _curve_row(score: ScoreFormat, curve: dict[int, float]) -> tuple[str, str, str]:
    written = ", ".join(f"{score.write(value)} by {atoms}" for atoms, value in curve.items())
    return score.name, written, score.meaning


def _halo_gain(geometry: ClusterGeometry) -> tuple[str, str, str]:
    meaning = (
        "Variance that the halo's features add; null: that of the best features on codes shuffled over the tokens."
    )
    halo, null = float(geometry.atom_gain[geometry.n_core :].sum()), float(geometry.atom_null.sum())
    return "halo gain", f"{percent(halo)} (null {percent(null)})", meaning
