"""A cluster's branch of the condensed tree as a page draws it: rows of features, their strengths, an axis, a table."""

from explorer.app.elements import html
from explorer.app.elements.element import Element
from explorer.app.figures.tree import Bar, TreeView
from explorer.app.pages.parts import Node, attributes, details, table
from explorer.app.words import count, number

NARROWEST = 0.004
"""Share of the width of a bar whose feature leaves where it joins: it is there, so it is seen."""


def tree_block(view: TreeView) -> Element:
    """The figure with what it shows in words and as a table."""
    drawn, total = len(view.bars), view.n_features
    shown = "" if drawn == total else f" {count(drawn)} of {count(total)} features shown."
    further = " A bar that fades goes on." if any(bar.beyond for bar in view.bars) else ""
    note = (
        f"{_told(view)} A bar ends where its feature leaves; density is 1 / (1 − similarity). "
        f"Coloured: this cluster. Grey: what stands beside it, fainter in no cluster.{further}{shown}"
    )
    rows = [
        (str(bar.feature), _place(bar), number(bar.density), number(bar.strength) if bar.cluster >= 0 else "–")
        for bar in view.bars
    ]
    figure = html.Div(
        [_icicle(view), _axis(view)], className="tree", role="figure", **attributes(aria_label=_told(view))
    )
    return html.Div(
        [
            html.H3("Its branch of the cluster tree"),
            figure,
            html.P(note, className="muted small"),
            details("as a table", [table(("feature", "stands in", "leaves at density", "strength"), rows)], "small"),
        ]
    )


def _told(view: TreeView) -> str:
    begin, end = number(view.begin), number(view.end)
    leaves = f"leaves a group of {count(view.left)} features" if view.left else "begins with all features"
    return f"The cluster {leaves} at density {begin}; its last features part at {end}."


def _place(bar: Bar) -> str:
    return "this cluster" if bar.inside else f"cluster {bar.cluster}" if bar.cluster >= 0 else "no cluster"


def _icicle(view: TreeView) -> Element:
    rows = [_row(bar, place > 0 and bar.begins) for place, bar in enumerate(view.bars)]
    return html.Div(rows, className="tree-rows", style={"--cluster": view.color}, tabIndex="0")


def _row(bar: Bar, gap: bool) -> Element:
    before = bar.joins if bar.inside else bar.leaves
    bars: list[Node] = [html.I(className="tree-before", style={"width": _percent(before)})]
    if bar.inside:
        style = {"left": _percent(bar.joins), "width": _percent(max(bar.leaves - bar.joins, NARROWEST))}
        bars.append(html.I(className="tree-inside", style=style))
    strength = html.Span(html.I(style={"width": _percent(bar.strength)}), className="tree-strength")
    kind = "inside" if bar.inside else "beside" if bar.cluster >= 0 else "alone"
    leaves = f"leaves at density {number(bar.density)}, strength {number(bar.strength)}"
    return html.Div(
        [html.Span(str(bar.feature), className="tree-name"), html.Span(bars, className="tree-bar"), strength],
        className=f"tree-row {kind}{' begins' if gap else ''}{' beyond' if bar.beyond else ''}",
        title=f"Feature {bar.feature}, {_place(bar)}: {leaves}",
    )


def _axis(view: TreeView) -> Element:
    ticks = [html.Span(text, className="tree-tick", style={"left": _percent(at)}) for text, at in view.ticks]
    parts = [
        html.Span("density", className="tree-name"),
        html.Span(ticks, className="tree-scale"),
        html.Span("strength"),
    ]
    return html.Div(parts, className="tree-axis muted", **attributes(aria_hidden="true"))


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"
