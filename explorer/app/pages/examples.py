"""Top examples of each feature: its strongest tokens in their context, the token marked."""

from dash import html
from dash.development.base_component import Component

from explorer.app.contexts import Context, read_context
from explorer.app.pages.parts import Node
from explorer.app.words import number, percent
from explorer.records import ClusterGeometry, Vocabulary

CONTEXT_CHARACTERS = 90
"""How much of what stands before the token is shown."""


def examples_block(geometry: ClusterGeometry, vocabulary: Vocabulary) -> Component:
    """One line a feature that opens on its examples."""
    lines = [_feature(geometry, vocabulary, atom) for atom in range(len(geometry.atoms))]
    return html.Div(lines, className="examples", tabIndex="0")


def context_line(context: Context) -> list[Node]:
    """A context with its token marked."""
    before = context.before
    if len(before) > CONTEXT_CHARACTERS:
        cut = before[-CONTEXT_CHARACTERS:]
        before = "… " + cut.partition(" ")[2] if " " in cut.strip() else "…" + cut
    token = context.token.lstrip() or context.token
    return [before + context.token[: len(context.token) - len(token)], html.Mark(token), context.after]


def _feature(geometry: ClusterGeometry, vocabulary: Vocabulary, atom: int) -> Component:
    activations = geometry.example_activation[atom]
    contexts = [read_context(vocabulary, ids) for ids in geometry.example_ids[atom][activations > 0]]
    role = "core" if atom < geometry.n_core else "halo"
    tops = ", ".join(dict.fromkeys(context.token.strip() for context in contexts))
    items = [
        html.Li(
            [
                html.Span(context_line(context), className="context"),
                html.Span(number(float(a)), className="number-cell"),
            ]
        )
        for context, a in zip(contexts, activations[activations > 0], strict=True)
    ]
    gain = f"adds {percent(float(geometry.atom_gain[atom]))}"
    meaning = "Share of the residual's variance on the cluster's tokens that this feature adds to those before it."
    head = [
        html.Span(f"{role} {int(geometry.atoms[atom])}"),
        html.Span(f"on {tops}", className="top"),
        html.Span(gain, className="muted", title=meaning),
    ]
    return html.Details([html.Summary(head), html.Ul(items)], className="feature-examples", open=atom == 0)
