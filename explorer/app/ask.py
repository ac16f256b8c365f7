"""From what stands in the panel's fields to a request that the host understands."""

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from explorer.app.figures.bands import bands_view
from explorer.app.pages.route import run_and_cluster
from explorer.app.pages.steering import HERE
from explorer.app.relay import NO_HOST, host_words
from explorer.app.site import Site
from explorer.app.state import MAX_STRENGTH, Ask, Where, decode_place
from explorer.errors import HostError, RequestError
from explorer.runs.run import Run
from explorer.steering.protocol import DEFAULT_ARMS, BehaviourRequest

WAYPOINTS = 50
"""Points of the path, as in the energies that the field publishes."""


@dataclass(frozen=True)
class HostAnswer:
    """What the panel gets for one request."""

    data: dict[str, Any] | None
    """Request, reply and what is drawn of it; None where there is no reply, so that nothing stale stays."""
    problem: str
    """Why there is none, in words; "" where there is one."""


async def ask_host(
    site: Site,
    path: str,
    prompt: str | None,
    start: str | None,
    end: str | None,
    strength: float | None,
    ask: Ask | None = "text",
    where: Where | None = "last_prompt",
) -> HostAnswer:
    """Ask for the whole path's behaviour once; whatever goes wrong is told in words."""
    if site.host is None:
        return HostAnswer(None, NO_HOST)
    try:
        run, cluster = run_and_cluster(site, path)
        request = behaviour_request(run, cluster, prompt, start, end, strength, ask, where)
        reply = await site.host.behaviour(request)
    except HostError as error:
        return HostAnswer(None, host_words(error))
    except RequestError as error:
        return HostAnswer(None, f"{error.where}: found {error.found}, wanted {error.wanted}.")
    view = bands_view(reply, request.prompt)
    sent, got = request.model_dump(mode="json"), reply.model_dump(mode="json")
    return HostAnswer({"request": sent, "reply": got, "view": asdict(view)}, "")


def behaviour_request(
    run: Run,
    cluster: int,
    prompt: str | None,
    start: str | None,
    end: str | None,
    strength: float | None,
    ask: Ask | None = "text",
    where: Where | None = "last_prompt",
) -> BehaviourRequest:
    """Read the panel's fields.

    Raises:
        RequestError: an empty prompt, no end, a strength that is no number, or a run without a subject.
    """
    subject = run.manifest.subject
    if subject is None or not subject.fingerprint:
        raise RequestError("run", "no model named in it", "a run that a host can serve")
    if not prompt or not prompt.strip():
        raise RequestError("prompt", "nothing", "some text, whose last token is steered")
    if strength is None or abs(strength) > MAX_STRENGTH:
        raise RequestError("strength", "no number in range", "a number such as 1, and 0 for the model left alone")
    place = decode_place(end or "")
    if place is None:
        raise RequestError("to", "nothing", "a value at which the path ends")
    begin = None if start in (None, "", HERE) else decode_place(start)
    try:
        return BehaviourRequest(
            run=run.id,
            fingerprint=subject.fingerprint,
            cluster=cluster,
            prompt=prompt.strip(),
            chat=() if ask == "message" else None,
            where=where or "last_prompt",
            start=begin,
            end=place,
            strength=float(strength),
            waypoints=WAYPOINTS,
            arms=DEFAULT_ARMS,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(".".join(map(str, first["loc"])), str(first["input"])[:40], str(first["msg"])) from error
