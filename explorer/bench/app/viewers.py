"""The app's server under load: opening tiles one at a time, and many concurrent viewers."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx

from explorer.bench.app.server import ServedApp, at_path, opening
from explorer.records.progress import Progress

TIMEOUT_SECONDS = 60.0
"""A response that takes longer counts as an error."""
CONNECTIONS = 6
"""Per viewer, as in a browser."""
THUMBNAILS = 9
"""Thumbnails fetched per visit to the atlas: as many as one screen shows."""


@dataclass(frozen=True)
class Opened:
    """Cost of opening tiles on the server."""

    cpu: tuple[float, ...]
    """CPU milliseconds of the server process, one per tile."""
    wall: tuple[float, ...]
    """Milliseconds from request to complete response, including other load on the machine."""


@dataclass(frozen=True)
class Crowd:
    """Results of many concurrent viewers."""

    pages: tuple[float, ...]
    """Milliseconds per opened page."""
    requests: int
    """All requests: pages, thumbnails, the map, tooltips."""
    errors: int
    """Requests without a successful response."""
    seconds: float
    """Duration."""


def open_tiles(app: ServedApp, run: str, clusters: Sequence[int], progress: Progress) -> Opened:
    """Open the pages of clusters one after another.

    The first page warms the app up and is not counted; every cluster is opened for the first time.
    """
    cpu, wall = [], []
    with httpx.Client(timeout=TIMEOUT_SECONDS) as client:
        address, body = opening(client, app.url)
        for done, cluster in enumerate(clusters):
            before, start = app.cpu(), time.perf_counter()
            client.post(address, json=at_path(body, f"/run/{run}/cluster/{cluster}")).raise_for_status()
            wall.append(1000 * (time.perf_counter() - start))
            cpu.append(1000 * (app.cpu() - before))
            progress("open tiles", done + 1, len(clusters))
    return Opened(tuple(cpu[1:]), tuple(wall[1:]))


def crowd(
    app: ServedApp, run: str, clusters: Sequence[int], viewers: int, seconds: float, think: float, seed: int
) -> Crowd:
    """Simulate viewers: the atlas, then tile after tile, with map, thumbnails and tooltips.

    Args:
        app: the app.
        run: id of the run.
        clusters: ids of its clusters.
        viewers: number of concurrent viewers.
        seconds: duration; pages in flight at the end are completed.
        think: mean seconds between two pages, uniform between zero and twice the mean.
        seed: seeds the choice of pages.
    """
    return asyncio.run(_crowd(app, run, clusters, viewers, seconds, think, seed))


async def _crowd(
    app: ServedApp, run: str, clusters: Sequence[int], viewers: int, seconds: float, think: float, seed: int
) -> Crowd:
    with httpx.Client(timeout=TIMEOUT_SECONDS) as client:
        address, body = opening(client, app.url)
    # Each viewer has its own connection pool: a shared one scans every connection on every request, which costs more
    # than the server itself. There are no certificates to verify.
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with AsyncExitStack() as stack:
        all_viewers = [
            _Viewer(
                await stack.enter_async_context(
                    httpx.AsyncClient(timeout=TIMEOUT_SECONDS, limits=limits, verify=False)
                ),
                app.url,
                run,
                address,
                body,
            )
            for _ in range(viewers)
        ]
        start = time.perf_counter()
        browsing = [
            _browse(viewer, clusters, start + seconds, think, random.Random(f"{seed} {number}"))
            for number, viewer in enumerate(all_viewers)
        ]
        await asyncio.gather(*browsing)
    return Crowd(
        tuple(page for viewer in all_viewers for page in viewer.pages),
        sum(viewer.requests for viewer in all_viewers),
        sum(viewer.errors for viewer in all_viewers),
        time.perf_counter() - start,
    )


class _Viewer:
    """One simulated viewer: requests pages with their resources and counts."""

    def __init__(self, client: httpx.AsyncClient, url: str, run: str, address: str, body: dict[str, object]) -> None:
        self.client = client
        self.data = f"{url}/api/run/{run}"
        self.run = run
        self.address = address
        self.body = body
        self.pages: list[float] = []
        self.requests = 0
        self.errors = 0

    async def page(self, path: str) -> None:
        start = time.perf_counter()
        await self._count(self.client.post(self.address, json=at_path(self.body, path)))
        self.pages.append(1000 * (time.perf_counter() - start))

    async def data_of(self, parts: Sequence[str]) -> None:
        await asyncio.gather(*(self._count(self.client.get(f"{self.data}/{part}")) for part in parts))

    async def _count(self, request: "asyncio.Future[httpx.Response] | object") -> None:
        self.requests += 1
        try:
            response = await request  # type: ignore[misc]
        except httpx.HTTPError:
            self.errors += 1
            return
        self.errors += response.status_code != 200 or not response.content


async def _browse(viewer: _Viewer, clusters: Sequence[int], end: float, think: float, draw: random.Random) -> None:
    await asyncio.sleep(draw.uniform(0, 2 * think))
    while time.perf_counter() < end:
        if draw.random() < 0.3:
            await viewer.page(f"/run/{viewer.run}")
            pictures = draw.sample(list(clusters), min(THUMBNAILS, len(clusters)))
            await viewer.data_of(["clusters", "points", *(f"thumbnail/{cluster}.svg" for cluster in pictures)])
        else:
            cluster = draw.choice(clusters)
            await viewer.page(f"/run/{viewer.run}/cluster/{cluster}")
            await viewer.data_of([f"cluster/{cluster}/sample/{index}" for index in range(2)])
        await asyncio.sleep(draw.uniform(0, 2 * think))
