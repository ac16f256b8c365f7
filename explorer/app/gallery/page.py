"""The gallery of runs; a run that cannot be read is listed with its error."""

from collections import Counter
from collections.abc import Sequence

from explorer.app.site.cluster_filters import likeness
from explorer.app.tour.page import TourCard, tour_card
from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element
from explorer.app.ui.format import count, counted, short_id
from explorer.app.ui.page import Crumb, Page
from explorer.app.ui.parts import Node
from explorer.app.view.links import Links
from explorer.records.cluster import ClusterSummary, ShapeKind
from explorer.runs.run.manifest import RunManifest

PICTURES = 6
"""Portraits on a card."""
STEPS = (
    ("1 · Look", "Open a run: a map of its features, next to one tile for each shape found."),
    ("2 · Steer", "Open a tile, choose two of its values, and watch the model's answers along the path between them."),
    ("3 · Share", "Store a result under a link: it opens unchanged, even when the model is offline."),
)
"""Introductory steps."""


def gallery_page(
    runs: list[tuple[str, RunManifest]], broken: list[tuple[str, str]], links: Links, tours: Sequence[TourCard] = ()
) -> Page:
    """The page of all runs in the catalog.

    Args:
        runs: id and manifest of each readable run.
        broken: name and error of each unreadable run.
        links: addresses.
        tours: tours of these runs.
    """
    cards: list[Node] = [_card(run, manifest, links) for run, manifest in runs]
    cards += [_broken_card(name, reason) for name, reason in broken]
    several = [_compare(runs, links)] if len(runs) > 1 else []
    body: list[Node] = [
        _intro(),
        *(tour_card(tour, links) for tour in tours),
        html.Div(cards, className="runs") if cards else _no_runs(),
        *several,
        _steps(),
    ]
    return Page("Runs · Manifold Explorer", body, (Crumb("Runs"),))


def _intro() -> Element:
    return html.Div(
        [
            html.H1("Shapes that a language model thinks in"),
            html.P(
                "A language model represents weekdays on a ring and years on a line. A sparse autoencoder cuts such a "
                "shape into many features; a run reassembles the pieces without knowing what they mean."
            ),
        ],
        className="intro",
    )


def _compare(runs: list[tuple[str, RunManifest]], links: Links) -> Element:
    (first, one), (second, other) = runs[:2]
    offer = f"Which shapes of {one.title} recur in {other.title}, and what differs."
    return html.Div(
        [html.P(offer), dcc.Link("Compare runs", href=links.compare(first, second), className="button")],
        className="compare-offer",
    )


def _steps() -> Element:
    return html.Ol([html.Li([html.H3(title), html.P(text)]) for title, text in STEPS], className="steps")


def _card(run: str, manifest: RunManifest, links: Links) -> Element:
    best = sorted(manifest.clusters, key=likeness, reverse=True)[:PICTURES]
    facts = [
        ("model", f"{short_id(manifest.model.id)}, {_layer(manifest)}"),
        ("text", f"{counted(manifest.dataset.n_docs, 'document')}, {counted(manifest.n_tokens, 'token')}"),
        ("features", _features(manifest)),
        ("shapes", _shapes(manifest)),
    ]
    head = html.Div([html.H2(manifest.title), html.Span("Open", className="button primary")], className="run-head")
    details = html.Dl([node for name, text in facts for node in (html.Dt(name), html.Dd(text))])
    return html.Div(
        [
            html.Div([_portrait(run, one, links) for one in best], className="pictures"),
            dcc.Link([head, details], href=links.atlas(run), className="run-card"),
        ],
        className="run-box panel",
    )


def _portrait(run: str, one: ClusterSummary, links: Links) -> Element:
    picture = html.Img(src=links.thumbnail(run, one.id), alt="", width=160, height=120)
    href, title = links.cluster(run, one.id), f"Open {one.label}"
    return dcc.Link([picture, html.Span(one.label, className="portrait-name")], href=href, title=title)


def _layer(manifest: RunManifest) -> str:
    return f"layer {manifest.model.layer} of {counted(manifest.model.n_layers, 'block')} (counted from 0)"


def _features(manifest: RunManifest) -> str:
    inside = f"{count(manifest.n_clustered)} of {count(manifest.n_features)} features"
    return f"{inside} in {counted(len(manifest.clusters), 'cluster')}"


def _shapes(manifest: RunManifest) -> str:
    kinds = Counter(one.shape for one in manifest.clusters)
    order: tuple[ShapeKind, ...] = ("closed curve", "open curve", "surface", "blob")
    return ", ".join(counted(kinds[kind], kind) for kind in order if kinds[kind])


def _broken_card(name: str, reason: str) -> Element:
    return html.Div(
        [html.H2(name), html.Span("cannot be opened", className="tag bad"), html.P(reason, className="reason")],
        className="run-card broken panel",
    )


def _no_runs() -> Element:
    return html.Div(
        [html.H2("No runs yet"), html.P("Create one in this folder with `explorer build BUNDLE --out RUN`.")],
        className="empty panel",
    )
