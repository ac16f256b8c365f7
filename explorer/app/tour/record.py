"""Records the steering results of a tour: one request each, replies stored verbatim."""

import asyncio
from pathlib import Path
from time import monotonic

from explorer.app.site.hosts import SteeringHost
from explorer.app.site.shares import SharedResult
from explorer.app.tour.tour_file import RESULTS, ResultSpec, Tour, TourFolder, find_manifold, result_file
from explorer.errors import HostNotReady, HostRefused, HostUnreachable, InputError
from explorer.records.cluster import ClusterSummary
from explorer.runs.io.atomic import write_bytes
from explorer.runs.io.strict_json import encode_line
from explorer.runs.run.catalog import Catalog, scan
from explorer.runs.run.reader import Run
from explorer.steering.protocol.behaviour import BehaviourRequest
from explorer.steering.protocol.steer import ErrorEvent, RowDoneEvent, StartEvent, SteerRequest
from explorer.steering.protocol.wire import DEFAULT_ARMS

WAYPOINTS = 50
"""Waypoints of a recorded path."""
PATIENCE = 180.0
"""Seconds to wait for a host to load its model."""


def record_tour(folder: TourFolder, host: SteeringHost) -> tuple[Path, ...]:
    """Request every result of a tour from the host and write them to files.

    Returns:
        The files written.

    Raises:
        InputError: the tour breaks its format, or names a run or manifold that does not exist.
        HostError: the host is unreachable, refuses the request, or serves another subject.
    """
    tour = folder.tour()
    catalog = scan(folder.root.parent.parent)
    results = asyncio.run(_results(tour, catalog, host))
    (folder.root / RESULTS).mkdir(exist_ok=True)
    files = []
    for name, result in results.items():
        path = folder.root / result_file(name)
        write_bytes(path, encode_line(result.model_dump(mode="json")), durable=False)
        files.append(path)
    return tuple(files)


async def _results(tour: Tour, catalog: Catalog, host: SteeringHost) -> dict[str, SharedResult]:
    await _loaded(host)
    return {
        name: await _result(*find_manifold(catalog, tour.manifolds[spec.of]), spec, host)
        for name, spec in tour.results.items()
    }


async def _loaded(host: SteeringHost) -> None:
    end = monotonic() + PATIENCE
    while True:
        try:
            await host.subject()
            return
        except (HostNotReady, HostUnreachable):
            if monotonic() > end:
                raise
            await asyncio.sleep(0.2)


async def _result(run: Run, summary: ClusterSummary, spec: ResultSpec, host: SteeringHost) -> SharedResult:
    subject = run.manifest.subject
    if subject is None:
        raise InputError(f"run {run.id}", "no subject", "a run that a host can serve")
    common = {
        "run": run.id,
        "fingerprint": subject.fingerprint,
        "cluster": summary.id,
        "prompt": spec.prompt,
        "start": spec.start,
        "end": spec.end,
        "strength": spec.strength,
        "arms": DEFAULT_ARMS,
    }
    request = BehaviourRequest.model_validate({**common, "waypoints": WAYPOINTS})
    reply = await host.ask(request)
    if not spec.max_tokens:
        return SharedResult(view="", label=summary.label, behaviour_request=request, behaviour=reply)
    steer = SteerRequest.model_validate({**common, "max_tokens": spec.max_tokens})
    start, texts = await _texts(host, steer)
    return SharedResult(
        view="", label=summary.label, behaviour_request=request, behaviour=reply,
        steer_request=steer, start=start, texts=texts,
    )  # fmt: skip


async def _texts(host: SteeringHost, request: SteerRequest) -> tuple[StartEvent | None, tuple[RowDoneEvent, ...]]:
    start, texts = None, []
    async for event in host.steer(request):
        if isinstance(event, StartEvent):
            start = event
        elif isinstance(event, RowDoneEvent):
            texts.append(event)
        elif isinstance(event, ErrorEvent):
            raise HostRefused(event.message)
    return start, tuple(texts)
