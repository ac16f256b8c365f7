"""The features of a manifold: one row each, and beside them what there is to know of the one that is chosen."""

from typing import Any

from explorer.app import ids
from explorer.app.contexts import read_context
from explorer.app.elements import html
from explorer.app.elements.element import Element
from explorer.app.figures.features import FeatureRow, feature_rows, quantile_samples
from explorer.app.figures.strips import NO_PLACE
from explorer.app.neuronpedia import feature_address
from explorer.app.pages.card import card
from explorer.app.pages.contexts import context_line
from explorer.app.pages.labels import label_cell, label_lines
from explorer.app.pages.parts import Node, attributes, details, table
from explorer.app.words import count, number, percent, visible
from explorer.records import ClusterGeometry, ClusterSummary, Vocabulary
from explorer.runs.label_file import LabelTable
from explorer.runs.run import Run

TOP_TOKENS = 4
"""Tokens that a row names."""
COLUMNS = (
    ("feature", "Core: clustered because they fire together. Halo: carries position on the core's tokens."),
    ("fires on", "Tokens of the whole text."),
    ("here", "Share of this cluster's drawn tokens that it fires on."),
    ("adds", "Share of the activations' variance on the cluster's tokens that it adds to the features before it."),
    ("null", "What the best feature would add at that step on codes shuffled over the tokens. Not drawn for the core."),
    ("fires most at", "Place along the shape where its mean activation is largest, if places differ beyond chance."),
    ("width", "Share of the shape on which its mean activation is at least half of that."),
    ("activations", "Drawn tokens by activation, in equal steps from 0 to its largest here; silent ones left out."),
    ("top tokens", "Tokens on which it fires most in sum, over the whole text."),
)
"""Columns of the table and what they mean."""
NAMED = ("label", "What people or programs call it, as the feature bundle says. It decided nothing.")
"""One after the first, where the run has labels."""
ELSEWHERE = ("Neuronpedia", "The same feature there, in a new tab. Nothing is asked of that site before you follow it.")
"""One more, where the SAE has a name on Neuronpedia."""

LENS = "The feature's direction alone, through the model's last norm and unembedding: which next words it speaks for."
"""What is asked of the model."""


def features_card(
    run: Run, summary: ClusterSummary, geometry: ClusterGeometry, vocabulary: Vocabulary, chosen: int
) -> Element:
    """The card of a manifold's page.

    Args:
        run: its run.
        summary: the cluster.
        geometry: its arrays.
        vocabulary: texts of the tokens.
        chosen: feature that is shown beside the table.
    """
    rows = feature_rows(summary, geometry, run.features())
    halo = len(rows) - geometry.n_core
    title = html.H2(f"{count(geometry.n_core)} core and {count(halo)} halo features")
    hint = html.Span("Choose one to colour the cloud by it. A heading sorts.", className="muted small")
    labels = run.labels()
    filled = _table(rows, vocabulary, labels, chosen, run.manifest.sae.neuronpedia_id)
    body = [html.Div([filled, _side(geometry, vocabulary, labels, chosen)], className="features")]
    return card("features", title, body, controls=[hint], class_name="panel padded")


def feature_detail(geometry: ClusterGeometry, vocabulary: Vocabulary, labels: LabelTable, feature: int) -> list[Node]:
    """Labels of one feature, its strongest tokens in the whole text, and this cluster's from strong to weak."""
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
    steps = f"From strong to weak among the {count(firing)} of {count(len(codes))} drawn tokens that it fires on"
    named = label_lines(labels.of(feature))
    return [
        *([html.H4("Labels"), *named] if named else []),
        html.H4("Strongest in the whole text"),
        _examples(top),
        html.H4(steps),
        _examples(here),
    ]


def feature_title(geometry: ClusterGeometry, feature: int) -> str:
    """Its number and what it is in the cluster."""
    role = "core" if geometry.atoms.tolist().index(feature) < geometry.n_core else "halo"
    return f"Feature {feature} ({role})"


def atom_feature(geometry: ClusterGeometry, color: str) -> int:
    """The feature that colours a cloud; the first of the core where none does, or where it is none of the cluster's."""
    named = color.removeprefix("feature-") if color.startswith("feature-") else ""
    return int(named) if named and int(named) in geometry.atoms.tolist() else int(geometry.atoms[0])


def _side(geometry: ClusterGeometry, vocabulary: Vocabulary, labels: LabelTable, chosen: int) -> Element:
    """What the model would say because of the feature comes first: it is short, and asked for by a button."""
    detail = feature_detail(geometry, vocabulary, labels, chosen)
    ask = html.Button("Ask the model", id=ids.FEATURE_ASK, type="button", className="button small")
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
    meanings = details("what the columns mean", [table(("column", "meaning"), columns)], "small no-picture no-data")
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
        html.Td(row.peak if row.varies else NO_PLACE, **_sort(row.at if row.varies else 2.0)),
        _number(percent(row.spread), row.spread),
        html.Td(className="bins", **_histogram(row)),
        html.Td(tokens, className="top"),
        *([_elsewhere(neuronpedia_id, row.feature)] if neuronpedia_id else []),
    ]
    return html.Tr(cells, className="shown" if chosen else "", **attributes(data_feature=str(row.feature)))


def _elsewhere(neuronpedia_id: str, feature: int) -> Element:
    """A link that leaves the app; who copies the table gets its address."""
    address = feature_address(neuronpedia_id, feature)
    told = attributes(aria_label=f"Feature {feature} on Neuronpedia, in a new tab")
    link = html.A("open ↗", href=address, target="_blank", rel="noopener noreferrer", **told)
    return html.Td(link, **attributes(data_value=address, data_sort=str(feature)))


def _histogram(row: FeatureRow) -> dict[str, Any]:
    """Bars for the script that draws them, and the same for whoever reads or copies the table."""
    bars = ",".join(map(str, row.histogram))
    told = f"{count(sum(row.histogram))} drawn tokens, activations up to {number(row.strongest)}"
    return attributes(data_bins=bars, data_sort=str(row.strongest), data_value=bars, aria_label=told) | {"title": told}


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
