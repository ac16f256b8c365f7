"""Two clusters side by side: one camera, one set of colours, what each is, and what changed."""

from collections.abc import Sequence

from explorer.app import ids
from explorer.app.compared import Side
from explorer.app.elements import dcc, html
from explorer.app.figures.cloud import cloud_figure
from explorer.app.figures.strips import strips_data
from explorer.app.links import Links
from explorer.app.pages.cloud import curve_data
from explorer.app.pages.compare_bar import compare_bar, side_of
from explorer.app.pages.compare_drawn import CLOUDS, STRIPS, clouds_card, strips_card
from explorer.app.pages.compare_facts import alike_card, facts_card, values_card
from explorer.app.pages.compare_words import pair_words
from explorer.app.pages.page import Crumb, Page
from explorer.app.pages.parts import Node
from explorer.app.pages.share_button import share_view_button
from explorer.app.pair import OpenPair
from explorer.app.state import View
from explorer.runs.compare import Match
from explorer.runs.run import Run


def pair_page(pair: OpenPair, others: Sequence[Match], runs: Sequence[Run], links: Links, view: View) -> Page:
    """The page of two clusters.

    Args:
        pair: the clusters and what they have in common.
        others: the clusters of the right run that are most like the left one.
        runs: what can be chosen.
        links: addresses.
        view: what the link asks for.
    """
    left, right = (Side(one.run, one.summary.id) for one in pair.both)
    words = pair_words(pair.found, pair.left.summary, pair.right.summary)
    body: list[Node] = [
        dcc.Store(id=ids.COMPARE_STORE, data=compare_data(pair, view)),
        compare_bar(runs, left, right, links),
        html.Div([html.P(told) for told in words], className="compare-told panel"),
        clouds_card(pair, links),
        strips_card(pair),
        html.Div(
            [facts_card(pair), values_card(pair.found), alike_card(pair, others, links)], className="compare-below"
        ),
    ]
    crumbs = (Crumb("Runs", links.gallery()), Crumb("Compare"))
    title = f"{pair.left.summary.label} and {pair.right.summary.label} · Compare"
    return Page(title, body, crumbs, [share_view_button(False)])


def compare_data(pair: OpenPair, view: View) -> dict[str, object]:
    """What the page's scripts need of each side."""
    a, b = (side_of(one.run.id, one.summary.id) for one in pair.both)
    return {
        "a": a,
        "b": b,
        "sides": [
            {
                "cloud": cloud,
                "strips_place": strips,
                "figure": cloud_figure(one.summary, one.geometry, View(camera=view.camera)),
                "shape": curve_data(one.summary, one.geometry),
                "strips": strips_data(one.strips, one.run.labels()),
            }
            for one, cloud, strips in zip(pair.both, CLOUDS, STRIPS, strict=True)
        ],
    }
