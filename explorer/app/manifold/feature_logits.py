"""Direct effect of a feature on the next token's logits: one request to the host, errors as text."""

from explorer.app.manifold.features import LENS
from explorer.app.site.addresses import run_and_cluster
from explorer.app.site.hosts import NO_HOST, host_words
from explorer.app.site.site import Site
from explorer.app.ui import html
from explorer.app.ui.element import Element
from explorer.app.ui.format import visible
from explorer.app.ui.parts import Node
from explorer.errors import HostError, RequestError
from explorer.runs.run.reader import Run
from explorer.steering.protocol.features import FeatureReply, FeatureRequest, TokenLogit


async def request_logits(site: Site, path: str, feature: int) -> list[Node]:
    """Logits of the next token that a feature promotes and suppresses, or the reason why the host did not answer."""
    try:
        run, _ = run_and_cluster(site, path)
        host = site.hosts.of(run.id)
        if host is None:
            return [html.P(NO_HOST, className="muted small")]
        reply = await host.ask(feature_request(run, feature))
    except HostError as error:
        return [html.P(host_words(error), className="problem small")]
    except RequestError as error:
        return [html.P(f"{error.where}: found {error.found}, wanted {error.wanted}.", className="problem small")]
    return logits_block(reply)


def feature_request(run: Run, feature: int) -> FeatureRequest:
    """The request for a feature's logits.

    Raises:
        RequestError: the feature does not exist, or the run has no subject.
    """
    subject = run.manifest.subject
    if subject is None or not subject.fingerprint:
        raise RequestError("run", "no subject", "a run that a host can serve")
    if not 0 <= feature < run.manifest.n_features:
        raise RequestError("feature", str(feature), f"0 to {run.manifest.n_features - 1}")
    return FeatureRequest(run=run.id, fingerprint=subject.fingerprint, feature=feature)


def logits_block(reply: FeatureReply) -> list[Node]:
    """Tokens that a feature promotes and suppresses, strongest first, as bars and numbers."""
    largest = max((abs(one.logit) for one in (*reply.promoted, *reply.suppressed)), default=0.0) or 1.0
    columns = [
        html.Div([html.H5(title), html.Ul([_token(one, largest) for one in tokens])])
        for title, tokens in (("promotes", reply.promoted), ("suppresses", reply.suppressed))
    ]
    return [html.P(LENS, className="muted small"), html.Div(columns, className="logits")]


def _token(one: TokenLogit, largest: float) -> Element:
    width = f"{100 * abs(one.logit) / largest:.1f}%"
    bar = html.I(className="minus" if one.logit < 0 else "", style={"width": width})
    text = html.Span(visible(one.text).strip() or "␣")
    return html.Li([bar, text, html.Span(f"{one.logit:+.2f}", className="muted")])
