"""The gallery of runs; one that cannot be read stands there with its reason."""

from dash import dcc, html
from dash.development.base_component import Component

from explorer.app.links import Links
from explorer.app.pages.page import Crumb, Page
from explorer.app.pages.parts import Node
from explorer.app.words import count, counted
from explorer.runs.manifest import RunManifest

PICTURES = 4
"""Portraits on a card."""


def gallery_page(runs: list[tuple[str, RunManifest]], broken: list[tuple[str, str]], links: Links) -> Page:
    """All runs of the catalog.

    Args:
        runs: id and manifest of each run that can be read.
        broken: name and reason of each that cannot.
        links: addresses.
    """
    cards: list[Node] = [_card(run, manifest, links) for run, manifest in runs]
    cards += [_broken_card(name, reason) for name, reason in broken]
    body: list[Node] = [_intro(), html.Div(cards, className="runs") if cards else _no_runs()]
    return Page("Runs · Manifold Explorer", body, (Crumb("Runs"),))


def _intro() -> Component:
    return html.Div(
        [
            html.H1("Runs"),
            html.P(
                "A language model holds days on a ring and years on a line. A sparse autoencoder cuts such a shape "
                "into many features; a run puts the pieces back together. Open one to see its shapes, and to steer "
                "the model along them."
            ),
        ],
        className="intro",
    )


def _card(run: str, manifest: RunManifest, links: Links) -> Component:
    best = sorted(manifest.clusters, key=lambda one: -one.scores.get("manifold_likeness", 0.0))[:PICTURES]
    facts = [
        ("model", manifest.model.id),
        ("layer", f"{manifest.model.layer} of {manifest.model.n_layers}, {manifest.model.hook}"),
        ("text", f"{manifest.dataset.name} · {counted(manifest.n_tokens, 'token')}"),
        ("features", _features(manifest)),
    ]
    return dcc.Link(
        [
            html.Div([html.Img(src=links.thumbnail(run, one.id), alt="") for one in best], className="pictures"),
            html.H2(manifest.title),
            html.Dl([node for name, text in facts for node in (html.Dt(name), html.Dd(text))]),
        ],
        href=links.atlas(run),
        className="run-card panel",
    )


def _features(manifest: RunManifest) -> str:
    inside = f"{count(manifest.n_clustered)} of {count(manifest.n_features)}"
    return f"{inside} in {counted(len(manifest.clusters), 'cluster')}"


def _broken_card(name: str, reason: str) -> Component:
    return html.Div(
        [html.H2(name), html.Span("cannot be opened", className="tag bad"), html.P(reason, className="reason")],
        className="run-card broken panel",
    )


def _no_runs() -> Component:
    return html.Div(
        [html.H2("No runs here yet"), html.P("Make one with `explorer build BUNDLE --out RUN` in this folder.")],
        className="empty panel",
    )
