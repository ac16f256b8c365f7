"""What features are called, and who says so: the words of others, which turn nothing around them (UAX 9)."""

from collections.abc import Sequence

from explorer.app.ui import html
from explorer.app.ui.element import Element
from explorer.app.ui.format import visible
from explorer.app.ui.parts import Node
from explorer.records import FeatureLabel


def label_cell(labels: Sequence[FeatureLabel]) -> Element:
    """The labels of a feature as one cell of a table; its title has them whole, each with its source."""
    told = "\n".join(f"{visible(one.label)}{_by(one)}" for one in labels)
    return html.Td(_joined([html.Bdi(visible(one.label)) for one in labels]), className="label", title=told)


def label_lines(labels: Sequence[FeatureLabel]) -> list[Node]:
    """One line a label, its source after it."""
    return [html.Div([html.Bdi(visible(one.label)), *_source(one)], className="feature-label") for one in labels]


def _source(one: FeatureLabel) -> list[Node]:
    return [" ", html.Bdi(_by(one).strip(), className="muted")] if one.source.strip() else []


def _by(one: FeatureLabel) -> str:
    return f" ({visible(one.source)})" if one.source.strip() else ""


def _joined(names: Sequence[Element]) -> list[Node]:
    return [node for name in names for node in ("; ", name)][1:]
