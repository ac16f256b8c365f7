"""What a comparison counts and names, as cards: numbers beside each other, values, and who else is alike."""

from collections.abc import Sequence

from explorer.app.elements import dcc, html
from explorer.app.elements.element import Element
from explorer.app.links import Links
from explorer.app.pages.card import card
from explorer.app.pages.compare_bar import side_of
from explorer.app.pages.numbers import SCORES
from explorer.app.pages.parts import Node, details, late_table, table
from explorer.app.pair import OpenPair
from explorer.app.words import count, counted, percent
from explorer.records import ClusterSummary
from explorer.runs.compare import Match, PairComparison
from explorer.runs.compare_tables import CHANGING, facts

MOST_VALUES = 120
"""Values of one kind that are listed; more are counted, and stand in the table."""


def facts_card(pair: OpenPair) -> Element:
    """Facts, scores, and how much of either is drawn."""
    mine, theirs = pair.left.summary, pair.right.summary
    scores = [(SCORES[name].name, _score(mine, name), _score(theirs, name)) for name in CHANGING]
    drawn = (f"{count(len(one.geometry.points))} of {count(one.summary.n_tokens)}" for one in pair.both)
    axes = (percent(float(one.geometry.axis_share.sum())) for one in pair.both)
    head = ("", *(f"{one.run.manifest.title} · {one.summary.id}" for one in pair.both))
    rows = [*facts(mine, theirs), *scores, ("points drawn", *drawn), ("three axes explain", *axes)]
    return card("facts", html.H2("Beside each other"), [table(head, rows)], class_name="panel padded")


def values_card(found: PairComparison) -> Element:
    """Values that both name, that one alone names, and features that both have."""
    kinds = (("on both", found.kept), ("only on the left", found.lost), ("only on the right", found.gained))
    parts = [part for where, values in kinds if values for part in _listed(where, values)]
    shared = found.shared or ()
    if shared:
        parts += [html.H3(f"{counted(len(shared), 'feature')} in common"), html.P(", ".join(map(str, shared)))]
    rows = [("value", value.strip(), where) for where, values in kinds for value in values]
    rows += [("feature", str(feature), "on both") for feature in shared]
    shown = [*parts, details("as a table", [late_table(("what", "name", "where"), rows)], "small")] if rows else []
    return card("values", html.H2("Values"), shown or [html.P("Neither names a value.")], class_name="panel padded")


def alike_card(pair: OpenPair, others: Sequence[Match], links: Links) -> Element:
    """The clusters of the right run that are most like the left one."""
    run, mine = pair.right.run, side_of(pair.left.run.id, pair.left.summary.id)
    rows: list[list[Node | list[Node]]] = [
        [
            dcc.Link(run.summary(match.right).label, href=links.compare(mine, side_of(run.id, match.right))),
            f"{match.likeness.similarity:.2f}",
        ]
        for match in others
    ]
    told = f"The clusters of {run.manifest.title} that are most like “{pair.left.summary.label}”."
    body = [html.P(told, className="muted small"), table(("cluster", "alike"), rows)]
    return card("alike", html.H2("Most alike"), body, class_name="panel padded compare-others")


def _score(summary: ClusterSummary, name: str) -> str:
    return SCORES[name].write(summary.scores[name]) if name in summary.scores else "not measured"


def _listed(where: str, values: Sequence[str]) -> list[Node]:
    shown = [html.Li(value) for value in values[:MOST_VALUES]]
    rest = [html.Li(f"and {count(len(values) - MOST_VALUES)} more")] if len(values) > MOST_VALUES else []
    return [html.H3(f"{counted(len(values), 'value')} {where}"), html.Ul([*shown, *rest], className="compare-values")]
