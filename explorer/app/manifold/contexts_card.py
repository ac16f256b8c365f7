"""Table of tokens in context: the selected tokens, or a sample along the shape."""

import numpy as np
from jaxtyping import Int64

from explorer.app.ui import html
from explorer.app.ui.card import card
from explorer.app.ui.element import Element
from explorer.app.ui.format import Context, count, counted, number, read_context, visible
from explorer.app.ui.parts import Node, attributes
from explorer.app.view import ids
from explorer.app.view.selection import read_picks
from explorer.records.bundle import Vocabulary
from explorer.records.cluster import ClusterGeometry, ClusterSummary

CONTEXT_CHARACTERS = 90
"""Characters shown before the token."""
ALONG = 16
"""Tokens shown when none is selected."""
MOST_ROWS = 100
"""Selected tokens shown."""
STRONGEST = 3
"""Features named in a row."""


def contexts_card(
    summary: ClusterSummary, geometry: ClusterGeometry, vocabulary: Vocabulary, pick: str, data: str
) -> Element:
    """The card of tokens in context; ``data`` is the URL of the points as text."""
    body = html.Div(contexts_block(summary, geometry, vocabulary, pick, data), id=ids.CONTEXTS)
    clear = html.Button("Clear selection", id=ids.PICK_CLEAR, type="button", className="button small", hidden=not pick)
    return card("contexts", html.H2("Tokens in context"), [body], controls=[clear], class_name="panel padded")


def contexts_block(
    summary: ClusterSummary, geometry: ClusterGeometry, vocabulary: Vocabulary, pick: str, data: str
) -> list[Node]:
    """How many tokens are shown of how many, and the table.

    Raises:
        RequestError: ``pick`` is not a list of numbers.
    """
    picked = read_picks(pick, len(geometry.points))
    shown = _along(geometry, picked)
    return [
        html.P(_caption(len(picked), len(shown), len(geometry.points)), className="muted small", role="status"),
        html.Div(
            _table(summary, geometry, vocabulary, shown),
            className="scroll context-rows",
            tabIndex="0",
            **attributes(data_tsv=f"{data}?pick={pick}"),
        ),
    ]


def context_line(context: Context) -> list[Node]:
    """A context with its token highlighted."""
    before = context.before
    if len(before) > CONTEXT_CHARACTERS:
        cut = before[-CONTEXT_CHARACTERS:]
        before = "… " + cut.partition(" ")[2] if " " in cut.strip() else "…" + cut
    token = context.token.lstrip() or context.token
    return [before + context.token[: len(context.token) - len(token)], html.Mark(token), context.after]


def firing_counts(geometry: ClusterGeometry, pick: str) -> dict[str, int]:
    """Number of selected tokens on which each feature fires, by feature id; empty without a selection."""
    picked = read_picks(pick, len(geometry.points))
    if not len(picked):
        return {}
    fires = (geometry.codes[picked] > 0).sum(axis=0)
    return {str(feature): int(n) for feature, n in zip(geometry.atoms.tolist(), fires.tolist(), strict=True)}


def _along(geometry: ClusterGeometry, picked: Int64[np.ndarray, "picked"]) -> Int64[np.ndarray, "shown"]:
    """Selected tokens by coordinate, or a sample spread evenly along it."""
    chosen = picked if len(picked) else np.arange(len(geometry.points))
    ordered = chosen[np.argsort(geometry.coordinate[chosen], kind="stable")]
    most = MOST_ROWS if len(picked) else ALONG
    if len(ordered) <= most:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, most).round().astype(np.int64)]


def _caption(picked: int, shown: int, points: int) -> str:
    if not picked:
        return (
            f"{count(shown)} of {count(points)} drawn tokens, evenly along the shape. To select others, click a point, "
            "a label or a legend entry, or draw around points in a view of two axes."
        )
    selected = f"{counted(picked, 'drawn token')} of {count(points)} selected"
    return f"{selected}, {count(shown)} shown." if shown < picked else f"{selected}."


def _table(
    summary: ClusterSummary, geometry: ClusterGeometry, vocabulary: Vocabulary, shown: Int64[np.ndarray, "shown"]
) -> Element:
    names = ("context", "position", "value", "strongest features", "token")
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in names]))
    rows = [_row(summary, geometry, vocabulary, sample) for sample in shown.tolist()]
    return html.Table([head, html.Tbody(rows)], className="small")


def _row(summary: ClusterSummary, geometry: ClusterGeometry, vocabulary: Vocabulary, sample: int) -> Element:
    value = int(geometry.value[sample])
    at = float(geometry.coordinate[sample])
    cells = [
        html.Td(context_line(read_context(vocabulary, geometry.context_ids[sample])), className="context"),
        html.Td(f"{at:.3f}", className="number"),
        html.Td(visible(summary.order[value]).strip() if value >= 0 else "–"),
        html.Td(_strongest(geometry, sample), className="muted"),
        html.Td(count(int(geometry.token_index[sample])), className="number muted"),
    ]
    return html.Tr(cells, **attributes(data_sample=str(sample), data_at=f"{at:.5f}"))


def _strongest(geometry: ClusterGeometry, sample: int) -> str:
    codes = geometry.codes[sample].astype(np.float32)
    order = [atom for atom in np.argsort(-codes, kind="stable")[:STRONGEST].tolist() if codes[atom] > 0]
    return ", ".join(f"{int(geometry.atoms[atom])} ({number(float(codes[atom]))})" for atom in order) or "none"
