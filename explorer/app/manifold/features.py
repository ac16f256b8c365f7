"""Features of a manifold: firing rates, gains, tuning and activations as a table, and one feature in detail."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

from explorer.app.figures.strips import (
    UNTUNED,
    field_places,
    is_tuned,
    nearest_values,
    peak_places,
    roles,
    tuning_curves,
)
from explorer.app.manifold.contexts_card import context_line
from explorer.app.ui import html
from explorer.app.ui.card import card
from explorer.app.ui.element import Element
from explorer.app.ui.format import count, number, percent, read_context, visible
from explorer.app.ui.parts import Node, attributes, details, label_cell, label_lines, table
from explorer.app.view import ids
from explorer.records.bundle import Vocabulary
from explorer.records.cluster import ClusterGeometry, ClusterSummary
from explorer.records.clustering import FeatureTable
from explorer.runs.run.label_file import LabelTable
from explorer.runs.run.reader import Run

BINS = 16
"""Bars of an activation histogram."""
QUANTILES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Quantiles of the activations above zero at which example tokens are shown."""


@dataclass(frozen=True)
class FeatureRow:
    """One feature of a cluster."""

    atom: int
    """Index among the cluster's atoms."""
    feature: int
    role: str
    """"core" or "halo"."""
    fires: int
    """Tokens of the whole text on which it fires."""
    here: float
    """Share of the drawn tokens on which it fires."""
    gain: float
    """Share of the residual's variance that it explains in addition to the features before it."""
    null: float
    """Gain of the best feature on shuffled codes; 0 for the core, which is not selected by gain."""
    peak: str
    """Value or coordinate of the peak of its tuning curve."""
    at: float
    """Coordinate of the peak."""
    varies: bool
    """Whether it is tuned to a position beyond chance."""
    spread: float
    """Share of the coordinate where its mean activation is at least half its peak."""
    histogram: list[int]
    """Drawn tokens per equal-width bin of activation from 0 to ``strongest``; silent tokens are excluded."""
    strongest: float
    """Largest activation on the drawn tokens."""
    top_tokens: list[int]
    """Ids of the tokens with the largest summed activation in the whole text, best first."""


def feature_rows(summary: ClusterSummary, geometry: ClusterGeometry, table: FeatureTable) -> list[FeatureRow]:
    """One row per atom: the core, then the halo by gain."""
    codes, curves = geometry.codes.astype(np.float32), tuning_curves(geometry)
    peaks = peak_places(curves)
    columns: dict[str, list[Any]] = {
        "atom": list(range(len(geometry.atoms))),
        "feature": geometry.atoms.tolist(),
        "role": roles(geometry),
        "fires": table.fires[geometry.atoms].tolist(),
        "here": _firing_share(codes).tolist(),
        "gain": geometry.atom_gain.tolist(),
        "null": geometry.atom_null.tolist(),
        "peak": nearest_values(summary, geometry, peaks),
        "at": peaks.tolist(),
        "varies": is_tuned(geometry, curves, closed=summary.shape == "closed curve").tolist(),
        "spread": field_widths(curves).tolist(),
        "histogram": activation_histograms(codes).tolist(),
        "strongest": codes.max(axis=0, initial=0.0).tolist(),
        "top_tokens": [[token for token in top if token >= 0] for top in table.top_tokens[geometry.atoms].tolist()],
    }
    return [FeatureRow(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def activation_histograms(codes: Float32[np.ndarray, "sample atom"], bins: int = BINS) -> Int64[np.ndarray, "atom bin"]:
    """Histogram of each atom's activations above 0, in equal-width bins from 0 to its maximum."""
    atoms, top = codes.shape[1], codes.max(axis=0, initial=0.0).astype(np.float64)
    step = (codes / np.where(top > 0, top, 1.0) * bins).astype(np.int64).clip(max=bins - 1)
    place = step + bins * np.arange(atoms)
    counts: Int64[np.ndarray, "atom bin"] = np.bincount(place[codes > 0], minlength=atoms * bins).reshape(atoms, bins)
    return counts


def quantile_samples(codes: Float32[np.ndarray, "sample"]) -> Int64[np.ndarray, "example"]:
    """Samples at QUANTILES of the activations above 0, strongest first, without duplicates."""
    firing = np.flatnonzero(codes > 0)
    order = firing[np.argsort(codes[firing], kind="stable")]
    places = [round(share * (len(order) - 1)) for share in QUANTILES] if len(order) else []
    return order[list(dict.fromkeys(places))]


def field_widths(curves: Float32[np.ndarray, "atom bin"]) -> Float64[np.ndarray, "atom"]:
    """Full width at half maximum of each tuning curve as a share of the coordinate; 0 if it never fires."""
    widths: Float64[np.ndarray, "atom"] = field_places(curves).mean(axis=1)
    return widths


def _firing_share(codes: Float32[np.ndarray, "sample atom"]) -> Float64[np.ndarray, "atom"]:
    return (codes > 0).mean(axis=0) if len(codes) else np.zeros(codes.shape[1])


TOP_TOKENS = 4
"""Top tokens named in a row."""
COLUMNS = (
    (
        "feature",
        "Core: features that cluster because they fire together. Halo: features added for the position they carry.",
    ),
    ("fires on", "Tokens of the whole text on which it fires."),
    ("here", "Share of this cluster's drawn tokens on which it fires."),
    (
        "gain",
        "Share of the activations' variance on the cluster's tokens that it explains beyond the features above it.",
    ),
    ("null", "Gain of the best feature at that step on codes shuffled over the tokens. Not measured for the core."),
    ("peak", "Position along the shape where its mean activation is largest, if it is tuned beyond chance."),
    ("width", "Share of the shape where its mean activation is at least half its peak."),
    ("activations", "Histogram over the drawn tokens on which it fires, from 0 to its largest activation here."),
    ("top tokens", "Tokens with the largest summed activation over the whole text."),
)
"""Columns of the table with their tooltips."""
NAMED = ("label", "Label from the feature bundle, written by people or programs. It does not affect any result.")
"""Second column, if the run has labels."""
ELSEWHERE = (
    "Neuronpedia",
    "This feature on Neuronpedia, in a new tab. The site is contacted only when you follow the link.",
)
"""Last column, if the SAE is on Neuronpedia."""

LENS = "Direct effect on the next token's logits: the decoder direction through the final norm and the unembedding."
"""Caption of the logits."""


def features_card(
    run: Run, summary: ClusterSummary, geometry: ClusterGeometry, vocabulary: Vocabulary, chosen: int
) -> Element:
    """The card of features.

    Args:
        run: the cluster's run.
        summary: the cluster.
        geometry: its arrays.
        vocabulary: texts of the tokens.
        chosen: id of the feature shown in detail.
    """
    rows = feature_rows(summary, geometry, run.features())
    halo = len(rows) - geometry.n_core
    title = html.H2(f"{count(geometry.n_core)} core and {count(halo)} halo features")
    hint = html.Span("Click a feature to colour the cloud by it, a heading to sort.", className="muted small")
    labels = run.labels()
    filled = _table(rows, vocabulary, labels, chosen, run.manifest.sae.neuronpedia_id)
    body = [html.Div([filled, _side(geometry, vocabulary, labels, chosen)], className="features")]
    return card("features", title, body, controls=[hint], class_name="panel padded")


def feature_detail(geometry: ClusterGeometry, vocabulary: Vocabulary, labels: LabelTable, feature: int) -> list[Node]:
    """Labels of a feature, its strongest tokens in the whole text, and examples from this cluster at QUANTILES."""
    atom = geometry.atoms.tolist().index(feature)
    top = [
        (number(float(activation)), context_line(read_context(vocabulary, ids)))
        for ids, activation in zip(geometry.example_ids[atom], geometry.example_activation[atom], strict=True)
        if activation > 0
    ]
    codes = geometry.codes[:, atom].astype("float32")
    here = [
        (number(float(codes[at])), context_line(read_context(vocabulary, geometry.context_ids[at])))
        for at in quantile_samples(codes).tolist()
    ]
    firing = int((codes > 0).sum())
    quantiles = f"Quantiles of the {count(firing)} of {count(len(codes))} drawn tokens it fires on, strongest first"
    named = label_lines(labels.of(feature))
    return [
        *([html.H4("Labels"), *named] if named else []),
        html.H4("Strongest in the whole text"),
        _examples(top),
        html.H4(quantiles),
        _examples(here),
    ]


def feature_title(geometry: ClusterGeometry, feature: int) -> str:
    """Id and role of a feature."""
    role = "core" if geometry.atoms.tolist().index(feature) < geometry.n_core else "halo"
    return f"Feature {feature} ({role})"


def atom_feature(geometry: ClusterGeometry, color: str) -> int:
    """The feature that colours the cloud, or the first core feature if none of the cluster's does."""
    named = color.removeprefix("feature-") if color.startswith("feature-") else ""
    return int(named) if named and int(named) in geometry.atoms.tolist() else int(geometry.atoms[0])


def _side(geometry: ClusterGeometry, vocabulary: Vocabulary, labels: LabelTable, chosen: int) -> Element:
    """One feature in detail. Its logits come first because they are short and requested by a button."""
    detail = feature_detail(geometry, vocabulary, labels, chosen)
    ask = html.Button("Show logits", id=ids.FEATURE_ASK, type="button", className="button small")
    title = html.H3(feature_title(geometry, chosen), id=ids.FEATURE_TITLE)
    return html.Div(
        [
            html.Div([title, ask], className="feature-ask"),
            html.Div(html.P(LENS, className="muted small"), id=ids.FEATURE_LOGITS, role="status"),
            html.Div(detail, id=ids.FEATURE_DETAIL),
        ],
        className="feature-side",
        tabIndex="0",
    )


def _table(
    rows: list[FeatureRow], vocabulary: Vocabulary, labels: LabelTable, chosen: int, neuronpedia_id: str
) -> Element:
    first, *others = COLUMNS
    columns = (first, *([NAMED] if len(labels) else []), *others, *([ELSEWHERE] if neuronpedia_id else []))
    head = [
        html.Th(
            html.Button(name, type="button", title=meaning, className="sort"),
            scope="col",
            **attributes(aria_sort="none"),
        )
        for name, meaning in columns
    ]
    body = [_row(row, vocabulary, labels, row.feature == chosen, neuronpedia_id) for row in rows]
    filled = html.Table([html.Thead(html.Tr(head)), html.Tbody(body)], className="small sortable", id=ids.FEATURES)
    meanings = details("column definitions", [table(("column", "meaning"), columns)], "small no-picture no-data")
    return html.Div([html.Div(filled, className="scroll feature-rows", tabIndex="0"), meanings])


def _row(row: FeatureRow, vocabulary: Vocabulary, labels: LabelTable, chosen: bool, neuronpedia_id: str) -> Element:
    tokens = ", ".join(visible(vocabulary.text(token)).strip() for token in row.top_tokens[:TOP_TOKENS])
    name = html.Button(
        f"{row.role} {row.feature}",
        type="button",
        className="feature-name",
        **attributes(data_feature=str(row.feature), aria_pressed="false"),
    )
    cells = [
        html.Th(name, scope="row", **_sort(row.atom)),
        *([label_cell(labels.of(row.feature))] if len(labels) else []),
        _number(count(row.fires), row.fires),
        _number(percent(row.here), row.here),
        _number(percent(row.gain), row.gain),
        _number("–" if row.role == "core" else percent(row.null), row.null),
        html.Td(row.peak if row.varies else UNTUNED, **_sort(row.at if row.varies else 2.0)),
        _number(percent(row.spread), row.spread),
        html.Td(className="bins", **_histogram(row)),
        html.Td(tokens, className="top"),
        *([_elsewhere(neuronpedia_id, row.feature)] if neuronpedia_id else []),
    ]
    return html.Tr(cells, className="shown" if chosen else "", **attributes(data_feature=str(row.feature)))


def _elsewhere(neuronpedia_id: str, feature: int) -> Element:
    """A link that leaves the app; copying the table copies its address."""
    address = feature_address(neuronpedia_id, feature)
    label = attributes(aria_label=f"Feature {feature} on Neuronpedia, in a new tab")
    link = html.A("open ↗", href=address, target="_blank", rel="noopener noreferrer", **label)
    return html.Td(link, **attributes(data_value=address, data_sort=str(feature)))


def _histogram(row: FeatureRow) -> dict[str, Any]:
    """Bins for the script that draws them, and as text for screen readers and copied tables."""
    bars = ",".join(map(str, row.histogram))
    label = f"{count(sum(row.histogram))} drawn tokens, activations up to {number(row.strongest)}"
    return attributes(data_bins=bars, data_sort=str(row.strongest), data_value=bars, aria_label=label) | {
        "title": label
    }


def _number(text: str, value: float) -> Element:
    return html.Td(text, className="number", **_sort(value))


def _sort(value: float) -> dict[str, Any]:
    return attributes(data_sort=f"{value:.6g}")


def _examples(rows: list[tuple[str, list[Node]]]) -> Element:
    items = [
        html.Li([html.Span(context, className="context"), html.Span(text, className="number-cell")])
        for text, context in rows
    ]
    return html.Ul(items or [html.Li("none", className="muted")], className="feature-examples")


SITE = "https://www.neuronpedia.org"


def feature_address(neuronpedia_id: str, feature: int) -> str:
    """URL of a feature on Neuronpedia.

    Args:
        neuronpedia_id: model and source of the SAE, in the form of `NEURONPEDIA_ID` in the records.
        feature: feature id, the same as in the SAE.
    """
    return f"{SITE}/{neuronpedia_id}/{feature}"
