"""Tiles: a cluster's portrait, its name and what it is in words."""

from collections.abc import Mapping

from dash import dcc, html
from dash.development.base_component import Component

from explorer.app.choose import tile_features, tile_words
from explorer.app.links import Links
from explorer.app.pages.parts import Node
from explorer.app.words import counted
from explorer.records import ClusterSummary

PAGE_SIZE = 120
"""Tiles shown before one asks for more."""


def tile_grid(
    run: str, tiles: list[ClusterSummary], links: Links, shown: int, fires: Mapping[int, int] | None = None
) -> list[Node]:
    """The tiles of a view, the first ``shown`` of them, with the tokens of a tried text that each fires on."""
    if not tiles:
        return [
            html.Div(
                [html.H2("No cluster matches"), html.P("Try fewer words, another shape or any regime.")],
                className="empty",
                style={"gridColumn": "1 / -1"},
            )
        ]
    return [tile(run, one, links, (fires or {}).get(one.id, 0)) for one in tiles[:shown]]


def tile(run: str, one: ClusterSummary, links: Links, fires: int = 0) -> Component:
    """One tile; its picture is a small static SVG that the build drew."""
    badge = [html.Span(f"fires on {counted(fires, 'token')}", className="tile-fires")] if fires else []
    return dcc.Link(
        [
            html.Img(src=links.thumbnail(run, one.id), alt="", width=160, height=120),
            html.Div(
                [
                    *badge,
                    html.Span(one.label, className="tile-name", title=one.label),
                    html.Span(tile_words(one), className="tile-words"),
                    html.Span(tile_features(one), className="tile-regime"),
                ],
                className="tile-text",
            ),
        ],
        href=links.cluster(run, one.id),
        className="tile panel lit" if fires else "tile panel",
        title=one.words,
    )
