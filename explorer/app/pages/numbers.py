"""The numbers of a manifold with what they mean and what chance would give."""

from collections.abc import Callable
from dataclasses import dataclass

from dash import html
from dash.development.base_component import Component

from explorer.app.words import count, number, percent
from explorer.records import ClusterGeometry, ClusterSummary


@dataclass(frozen=True)
class Score:
    """How a named number of a run is shown."""

    name: str
    """On the page."""
    meaning: str
    """One sentence, shown on hover and in the table."""
    write: Callable[[float], str] = number
    """How its value is written."""


SCORES = {
    "variance_explained": Score(
        "variance explained", "Share of the cloud's variance that the fitted curve explains, by held-out fit.", percent
    ),
    "p_value": Score("null", "Share of shuffled clouds that look at least as much like this shape.", lambda p: f"p = {number(p)}"),
    "persistence": Score("stability", "How long HDBSCAN keeps the cluster as the threshold falls, from 0 to 1."),
    "manifold_likeness": Score("manifold-likeness", "What the tiles are sorted by: shape, order and null together, from 0 to 1."),
    "order_correlation": Score("order", "Rank correlation of the values with their known order, along the coordinate."),
    "restricted_r2": Score("restricted R²", "Share of the contribution that as many features as dimensions explain.", percent),
    "atoms_variance": Score("core + halo explain", "Share of the residual's variance on these tokens that the cluster's features explain.", percent),
}  # fmt: skip
"""The scores that have a name in words; others are shown under their own."""


def number_rows(summary: ClusterSummary, geometry: ClusterGeometry) -> list[tuple[str, str, str]]:
    """Name, value and meaning of every number of a manifold."""
    rows = [_row(key, summary.scores[key]) for key in SCORES if key in summary.scores and key != "manifold_likeness"]
    rows.append(
        ("intrinsic dimension", number(summary.intrinsic_dim), "TwoNN estimate: how many numbers a position needs.")
    )
    rows.append(_gain_row(geometry))
    rows += [
        _row(key, value) for key, value in summary.scores.items() if key not in SCORES or key == "manifold_likeness"
    ]
    return rows


def numbers_block(rows: list[tuple[str, str, str]], shown: int = 6) -> Component:
    """The first numbers side by side, all of them with their meaning in a table that opens."""
    short = [
        html.Div(
            [html.Span(name, className="name", title=meaning), html.Span(value, className="value")], className="number"
        )
        for name, value, meaning in rows[:shown]
    ]
    table = html.Table(
        [
            html.Thead(html.Tr([html.Th("number"), html.Th("value"), html.Th("meaning")])),
            html.Tbody([html.Tr([html.Td(text) for text in row]) for row in rows]),
        ],
        className="small",
    )
    return html.Div(
        [
            html.Div(short, className="numbers"),
            html.Details([html.Summary("what these mean", className="small"), html.Div(table, className="scroll")]),
        ]
    )


def _row(key: str, value: float) -> tuple[str, str, str]:
    score = SCORES.get(key, Score(key.replace("_", " "), "See the run's FORMAT.md."))
    return score.name, score.write(value), score.meaning


def _gain_row(geometry: ClusterGeometry) -> tuple[str, str, str]:
    total = float(geometry.atom_gain.sum())
    null = float(geometry.atom_null.sum())
    meaning = (
        f"Share of the variance on this cluster's tokens that its {count(len(geometry.atoms))} features add, "
        "and the same for features chosen on shuffled codes."
    )
    return "features explain", f"{percent(total)} (null {percent(null)})", meaning
