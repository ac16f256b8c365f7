"""Requests of the steering panel: from the values of its fields to calls of the host and views of the replies."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from explorer.app.site.addresses import run_and_cluster
from explorer.app.site.hosts import NO_HOST, SteeringHost, host_words
from explorer.app.site.site import Site
from explorer.app.steering.bands import bands_view
from explorer.app.steering.checks import check_view, phrases_view, sweep_view
from explorer.app.steering.panel import HERE
from explorer.app.steering.readout_text import proposed_readout, read_readout, same_readout
from explorer.app.view.state import MAX_STRENGTH, MAX_TEXT, Ask, Where, decode_place
from explorer.errors import HostError, RequestError, RunError
from explorer.runs.run.reader import Run
from explorer.steering.protocol.behaviour import BehaviourRequest, PathRequest, ReadoutValue
from explorer.steering.protocol.checks import CheckRequest, PhrasesRequest, SweepRequest
from explorer.steering.protocol.wire import DEFAULT_ARMS

AnyPathRequest = TypeVar("AnyPathRequest", bound=PathRequest)

WAYPOINTS = 50
"""Points of the path, as in published energies."""
DOSES = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Strengths of a dose sweep, of both signs; a host that allows less refuses the request."""
PLACES = tuple(step / 10 for step in range(11))
"""Shares of the path in a dose sweep."""


@dataclass(frozen=True)
class HostAnswer:
    """Result of one request."""

    data: dict[str, Any] | None
    """Request, reply and view; None on failure, so that no stale result remains."""
    problem: str
    """Error message; "" on success."""


@dataclass(frozen=True)
class SteeringFields:
    """Values of the panel's fields."""

    prompt: str | None
    """Text whose last token is steered."""
    start: str | None
    """Start of the path as an option of the drop-down."""
    end: str | None
    """End of the path as an option of the drop-down."""
    strength: float | None
    """Multiple of the full displacement."""
    ask: Ask | None
    """Whether the prompt is text to continue or a chat message."""
    where: Where | None
    readout: str | None
    """Readout classes, one per line."""


Call = Callable[[SteeringHost, Run, int], Awaitable[tuple[Any, Any, Any]]]
"""Makes one request about a cluster and returns request, reply and view."""


async def request_behaviour(site: Site, path: str, fields: SteeringFields) -> HostAnswer:
    """Request the behaviour along the whole path; errors are returned as messages."""

    async def call(host: SteeringHost, run: Run, cluster: int) -> tuple[Any, Any, Any]:
        request = behaviour_request(run, cluster, fields)
        reply = await host.ask(request)
        return request, reply, asdict(bands_view(reply, request.prompt))

    return await _answer(site, path, call)


async def request_check(site: Site, path: str, fields: SteeringFields) -> HostAnswer:
    """Request the controls of the path; errors as in ``request_behaviour``."""

    async def call(host: SteeringHost, run: Run, cluster: int) -> tuple[Any, Any, Any]:
        same = behaviour_request(run, cluster, fields).model_dump(exclude={"arms", "random_repeats"})
        request = CheckRequest.model_validate(same)
        reply = await host.ask(request)
        return request, reply, asdict(check_view(reply))

    return await _answer(site, path, call)


async def request_sweep(site: Site, path: str, fields: SteeringFields) -> HostAnswer:
    """Request every strength at every position of the path; errors as in ``request_behaviour``."""

    async def call(host: SteeringHost, run: Run, cluster: int) -> tuple[Any, Any, Any]:
        left = {"arms", "waypoints", "random_repeats", "strength"}
        same = behaviour_request(run, cluster, fields).model_dump(exclude=left)
        request = SweepRequest.model_validate(same | {"strengths": DOSES, "positions": PLACES})
        reply = await host.ask(request)
        return request, reply, asdict(sweep_view(reply, *target_place(run, cluster, reply.target)))

    return await _answer(site, path, call)


async def request_phrases(site: Site, path: str, fields: SteeringFields, phrases: str | None) -> HostAnswer:
    """Request the log-probabilities of phrases along the path; errors as in ``request_behaviour``."""

    async def call(host: SteeringHost, run: Run, cluster: int) -> tuple[Any, Any, Any]:
        left = {"waypoints", "random_repeats", "values"}
        same = behaviour_request(run, cluster, fields).model_dump(exclude=left)
        request = _validated(PhrasesRequest, same | {"phrases": phrase_lines(phrases)})
        reply = await host.ask(request)
        return request, reply, [asdict(one) for one in phrases_view(reply)]

    return await _answer(site, path, call)


async def _answer(site: Site, path: str, call: Call) -> HostAnswer:
    try:
        run, cluster = run_and_cluster(site, path)
        host = site.hosts.of(run.id)
        if host is None:
            return HostAnswer(None, NO_HOST)
        request, reply, view = await call(host, run, cluster)
    except HostError as error:
        return HostAnswer(None, host_words(error))
    except (RequestError, RunError) as error:
        return HostAnswer(None, f"{error.where}: found {error.found}, wanted {error.wanted}.")
    sent, got = request.model_dump(mode="json"), reply.model_dump(mode="json")
    return HostAnswer({"request": sent, "reply": got, "view": view}, "")


def behaviour_request(run: Run, cluster: int, fields: SteeringFields) -> BehaviourRequest:
    """Build a request from the panel's fields.

    Raises:
        RequestError: an empty prompt, no end, a strength that is not a number in range, an unreadable readout, or a run
            without a subject.
    """
    subject, prompt, strength = run.manifest.subject, fields.prompt, fields.strength
    if subject is None or not subject.fingerprint:
        raise RequestError("run", "no subject", "a run that a host can serve")
    if not prompt or not prompt.strip():
        raise RequestError("prompt", "nothing", "text, whose last token is steered")
    if strength is None or abs(strength) > MAX_STRENGTH:
        raise RequestError("strength", "no number in range", "a number such as 1, or 0 for the unsteered model")
    place = decode_place(fields.end or "")
    if place is None:
        raise RequestError("to", "nothing", "a value at which the path ends")
    parameters = {
        "run": run.id,
        "fingerprint": subject.fingerprint,
        "cluster": cluster,
        "prompt": prompt.strip(),
        "chat": () if fields.ask == "message" else None,
        "where": fields.where or "last_prompt",
        "start": None if fields.start in (None, "", HERE) else decode_place(fields.start),
        "end": place,
        "strength": float(strength),
        "waypoints": WAYPOINTS,
        "arms": DEFAULT_ARMS,
        "values": own_readout(run, cluster, fields.readout),
    }
    return _validated(BehaviourRequest, parameters)


def own_readout(run: Run, cluster: int, text: str | None) -> tuple[ReadoutValue, ...] | None:
    """Readout classes as edited; None if the field is empty or holds the cluster's own."""
    if not text or not text.strip():
        return None
    proposed = proposed_readout(run.summary(cluster), run.cluster(cluster), run.vocabulary())
    return None if same_readout(text, proposed) else read_readout(text)


def phrase_lines(text: str | None) -> tuple[str, ...]:
    """Phrases, one per line.

    Raises:
        RequestError: no phrase, or too much text.
    """
    lines = tuple(dict.fromkeys(line.strip() for line in (text or "").splitlines() if line.strip()))
    if not lines or len(text or "") > MAX_TEXT:
        raise RequestError("phrases", f"{len(lines)} in {len(text or '')} characters", "phrases, one per line")
    return lines


def target_place(run: Run, cluster: int, target: str) -> tuple[bool, float | None]:
    """Whether the curve is closed, and the coordinate of a value; None for a class that is no value of the cluster."""
    summary = run.summary(cluster)
    names = [name.strip() for name in summary.order]
    closed = summary.shape == "closed curve"
    if target.strip() not in names:
        return closed, None
    return closed, float(run.cluster(cluster).value_coordinate[names.index(target.strip())])


def _validated(kind: type[AnyPathRequest], fields: dict[str, object]) -> AnyPathRequest:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(".".join(map(str, first["loc"])), str(first["input"])[:40], str(first["msg"])) from error
