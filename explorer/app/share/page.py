"""The page of a stored steering result: texts and curves as they were recorded, without a host."""

from dataclasses import asdict
from typing import Any

from explorer.app.figures.cloud import cloud_figure
from explorer.app.manifold.cloud_card import cloud_space, curve_data
from explorer.app.site.shares import Share
from explorer.app.steering.bands import bands_view
from explorer.app.steering.checks import check_view, phrases_view, sweep_view
from explorer.app.steering.checks_card import stored_checks
from explorer.app.steering.panel import PLACES, stream_columns
from explorer.app.ui import dcc, html
from explorer.app.ui.format import number
from explorer.app.ui.page import Crumb, Page
from explorer.app.ui.parts import Node, key_values
from explorer.app.view import ids
from explorer.app.view.links import Links
from explorer.app.view.state import decode
from explorer.runs.run.reader import Run


def shared_page(share: Share, run: Run | None, links: Links) -> Page:
    """Page of a stored result.

    Args:
        share: the stored result.
        run: its run, if the catalog has it with the same subject; adds the cloud.
        links: addresses.
    """
    result = share.result
    view = bands_view(result.behaviour, result.behaviour_request.prompt)
    there = run if run is not None and result.behaviour.cluster < len(run.manifest.clusters) else None
    replay: dict[str, Any] = {
        "view": asdict(view),
        "prompt": [token.model_dump(mode="json") for token in result.behaviour.prompt_tokens],
        "position": decode(result.view).position,
        "texts": [text.model_dump(mode="json") for text in result.texts],
        "done": result.done.model_dump(mode="json") if result.done and result.start else None,
        "requested": result.start.coordinate if result.start else None,
        "checks": _checks(share),
        "cloud": None,
    }
    body: list[Node] = [
        html.Div(["Stored result. Opening this page computed nothing."], className="notice"),
        html.H1(result.label, style={"marginTop": "16px"}),
        html.P(view.verdict, className="words", style={"marginTop": "8px"}),
    ]
    if there is not None:
        body.append(_cloud(there, result.behaviour.cluster, replay))
    body += [
        html.Section(
            [
                html.H2(f"From {view.start_name} to {view.end_name}"),
                html.Div(id=ids.BANDS),
                html.Div(id=ids.STREAMS, className="streams", hidden=not result.texts, children=stream_columns()),
                stored_checks(list(replay["checks"])),
            ],
            className="steer panel",
        ),
        html.Section([html.H2("How this was made"), key_values(_facts(share))], className="panel steer"),
        dcc.Store(id=ids.REPLAY_STORE, data=replay),
        dcc.Store(id=ids.POSITION_STORE, data=replay["position"]),
    ]
    crumbs = (Crumb("Runs", links.gallery()), *_way_back(share, there, links), Crumb("shared result"))
    return Page(f"{result.label}: shared result", body, crumbs)


def _checks(share: Share) -> dict[str, Any]:
    """Drawing data of the checks stored with the result."""
    result = share.result
    checks: dict[str, Any] = {}
    if result.check:
        checks["check"] = asdict(check_view(result.check))
    if result.sweep:
        reply = result.behaviour
        place = dict(zip(reply.values, reply.value_coordinate, strict=True)).get(result.sweep.target)
        checks["sweep"] = asdict(sweep_view(result.sweep, reply.closed, place))
    if result.phrases:
        checks["phrases"] = [asdict(one) for one in phrases_view(result.phrases)]
    return checks


def _way_back(share: Share, run: Run | None, links: Links) -> tuple[Crumb, ...]:
    if run is None:
        return ()
    cluster = links.cluster(run.id, share.result.behaviour.cluster, decode(share.result.view))
    return (Crumb(run.manifest.title, links.atlas(run.id)), Crumb(share.result.label, cluster))


def _cloud(run: Run, cluster: int, replay: dict[str, Any]) -> Node:
    summary, geometry = run.summary(cluster), run.cluster(cluster)
    replay["cloud"] = {"figure": cloud_figure(summary, geometry, decode("")), "shape": curve_data(summary, geometry)}
    return html.Div(cloud_space(summary), className="cloud-box panel shared-cloud")


def _facts(share: Share) -> list[tuple[str, str]]:
    result = share.result
    request, reply = result.behaviour_request, result.behaviour
    pairs = [
        ("prompt", request.prompt),
        ("from", "the prompt's own position" if request.start is None else str(request.start)),
        ("to", str(request.end)),
        ("steered tokens", PLACES[request.where]),
        ("strength", number(request.strength)),
        ("seed", str(reply.seed)),
        ("run", f"{reply.run}, cluster {reply.cluster}"),
        ("subject", reply.fingerprint),
        ("rows steered", ", ".join(f"{arm.arm} {arm.hook_fired}" for arm in reply.arms)),
        ("stored", f"{share.created} by version {share.app_version}"),
    ]
    text = result.steer_request
    if text is not None:
        at = f"seed {text.seed}, at {number(text.position)} of the path"
        pairs.append(("text", f"{text.max_tokens} tokens at temperature {number(text.temperature)}, {at}"))
    return pairs
