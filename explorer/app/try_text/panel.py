"""The panel that probes a text: its tokens as chips, and the clusters that fire on them."""

from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element
from explorer.app.ui.parts import Node, attributes, labelled
from explorer.app.view import ids
from explorer.app.view.links import Links
from explorer.app.view.state import MAX_TRIED
from explorer.runs.run.reader import Run


def try_panel(run: Run, links: Links, text: str, has_host: bool, cluster: int | None = None) -> Element:
    """The panel in its initial state: opening a page computes nothing on the host.

    Args:
        run: the current run.
        links: addresses.
        text: initial content of the field.
        has_host: whether a host is configured that may serve the run's subject.
        cluster: cluster of the page; None on the atlas, where the panel also shows the state of the host.
    """
    found = [
        html.P(id=ids.TRY_STATUS, className="problem", role="alert"),
        html.Div(id=ids.TRY_TOKENS, className="chips", role="toolbar", **attributes(aria_label="Tokens of the text")),
        html.Div(id=ids.TRY_DETAIL, className="try-detail", role="status"),
    ]
    return html.Section(
        [_form(text, has_host, cluster is None), *found, *_stores(run, links, cluster)],
        className="try panel",
        **attributes(aria_label="Try text"),
    )


def _form(text: str, has_host: bool, shows_host: bool) -> Element:
    host: list[Node] = [html.Div(id=ids.HOST_STATE, className="host-line small", children="contacting the model…")]
    buttons = [
        html.Button("Try", id=ids.TRY_RUN, type="button", className="button primary", disabled=not has_host),
        html.Button("Clear", id=ids.TRY_CLEAR, type="button", className="button", hidden=True),
    ]
    field = dcc.Input(
        id=ids.TRY_TEXT, value=text, className="field", debounce=True, maxLength=MAX_TRIED, autoComplete="off",
        placeholder="Enter a sentence to see which clusters fire on it",
    )  # fmt: skip
    parts: list[Node] = [labelled("Try text", field, "grow"), html.Div(buttons, className="buttons")]
    parts += host if shows_host else []
    return html.Div(parts, className="try-form", role="group")


def _stores(run: Run, links: Links, cluster: int | None) -> list[Node]:
    subject = run.manifest.subject
    page = {
        "run": run.id,
        "cluster": cluster,
        "base": links.clusters(run.id),
        "api": links.api(),
        "fingerprint": subject.fingerprint if subject else "",
    }
    return [dcc.Store(id=ids.TRY_STORE, data=page), *(dcc.Store(id=one) for one in (ids.TRY_ANSWER, ids.TRY_COUNTS))]
