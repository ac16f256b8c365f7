"""The app's server under load: how long it takes to open tiles one by one, and how it bears many viewers at once."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx

from explorer.bench.app.server import ServedApp, at_path, opening
from explorer.records import Progress

HOLD_SECONDS = 60.0
"""Longest wait for an answer; later is an error."""
CONNECTIONS = 6
"""Of each viewer, as in a browser."""
PICTURES = 9
"""Tile pictures that a look at the atlas fetches: as many as a screen shows."""


@dataclass(frozen=True)
class Opened:
    """What opening a tile took on the server."""

    cpu: tuple[float, ...]
    """Milliseconds of CPU of the server's process, one a tile."""
    wall: tuple[float, ...]
    """Milliseconds from the request to the whole answer, the machine's other load included."""


@dataclass(frozen=True)
class Crowd:
    """What many viewers got."""

    pages: tuple[float, ...]
    """Milliseconds of each page that was opened."""
    requests: int
    """All requests: pages, tile pictures, the map, hovered points."""
    errors: int
    """Those that were not answered with what was asked for."""
    seconds: float
    """How long they looked around."""


def open_tiles(app: ServedApp, run: str, clusters: Sequence[int], progress: Progress) -> Opened:
    """Open the pages of clusters one after another.

    The app is warm: the page of one cluster was opened before. Each cluster is opened for the first time.
    """
    cpu, wall = [], []
    with httpx.Client(timeout=HOLD_SECONDS) as client:
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
    """Let viewers look around: the atlas, then tile after tile, with the map, pictures and tooltips that belong to it.

    Args:
        app: the app.
        run: the run that they look at.
        clusters: numbers of its clusters.
        viewers: how many.
        seconds: how long; a page that was begun is still waited for.
        think: seconds between two pages on average, uniform from none to twice as many.
        seed: decides who looks where.
    """
    return asyncio.run(_crowd(app, run, clusters, viewers, seconds, think, seed))


async def _crowd(
    app: ServedApp, run: str, clusters: Sequence[int], viewers: int, seconds: float, think: float, seed: int
) -> Crowd:
    with httpx.Client(timeout=HOLD_SECONDS) as client:
        address, body = opening(client, app.url)
    # Each viewer has connections of its own, as many as a browser: one pool for all of them looks through every
    # connection at every request, which costs more than the server does. Certificates are not read, there are none.
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with AsyncExitStack() as stack:
        viewing = [
            _Asking(
                await stack.enter_async_context(httpx.AsyncClient(timeout=HOLD_SECONDS, limits=limits, verify=False)),
                app.url,
                run,
                address,
                body,
            )
            for _ in range(viewers)
        ]
        start = time.perf_counter()
        looking = [
            _look(ask, clusters, start + seconds, think, random.Random(f"{seed} {number}"))
            for number, ask in enumerate(viewing)
        ]
        await asyncio.gather(*looking)
    return Crowd(
        tuple(page for ask in viewing for page in ask.pages),
        sum(ask.requests for ask in viewing),
        sum(ask.errors for ask in viewing),
        time.perf_counter() - start,
    )


class _Asking:
    """Asks for pages and what belongs to them as one viewer, and counts."""

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

    async def _count(self, asked: "asyncio.Future[httpx.Response] | object") -> None:
        self.requests += 1
        try:
            reply = await asked  # type: ignore[misc]
        except httpx.HTTPError:
            self.errors += 1
            return
        self.errors += reply.status_code != 200 or not reply.content


async def _look(ask: _Asking, clusters: Sequence[int], end: float, think: float, draw: random.Random) -> None:
    await asyncio.sleep(draw.uniform(0, 2 * think))
    while time.perf_counter() < end:
        if draw.random() < 0.3:
            await ask.page(f"/run/{ask.run}")
            pictures = draw.sample(list(clusters), min(PICTURES, len(clusters)))
            await ask.data_of(["clusters", "points", *(f"thumbnail/{cluster}.svg" for cluster in pictures)])
        else:
            cluster = draw.choice(clusters)
            await ask.page(f"/run/{ask.run}/cluster/{cluster}")
            await ask.data_of([f"cluster/{cluster}/sample/{index}" for index in range(2)])
        await asyncio.sleep(draw.uniform(0, 2 * think))
