"""Addresses inside the app: building and parsing them, under any path prefix."""

from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import quote, unquote

from explorer.app.view.state import View, encode


@dataclass(frozen=True)
class GalleryRoute:
    """`/`: the gallery of runs."""


@dataclass(frozen=True)
class AtlasRoute:
    """`/run/<id>`: map and tiles of one run."""

    run: str


@dataclass(frozen=True)
class ClusterRoute:
    """`/run/<id>/cluster/<n>`: one manifold."""

    run: str
    cluster: int


@dataclass(frozen=True)
class SharedRoute:
    """`/s/<id>`: one stored steering result."""

    share: str


@dataclass(frozen=True)
class TourRoute:
    """`/tour/<id>`: one tour in the presenter."""

    tour: str
    """Name of its folder."""


@dataclass(frozen=True)
class CollectionRoute:
    """`/collection#keep=...`: a collection of views in the presenter; the fragment never reaches the server."""


@dataclass(frozen=True)
class CompareRoute:
    """`/compare?a=...&b=...`: two clusters or two runs side by side."""


@dataclass(frozen=True)
class NoRoute:
    """Any other address."""


Route = GalleryRoute | AtlasRoute | ClusterRoute | SharedRoute | TourRoute | CollectionRoute | CompareRoute | NoRoute
PagePath = Literal[
    "/",
    "/run/{run_id}",
    "/run/{run_id}/cluster/{cluster}",
    "/s/{share_id}",
    "/tour/{tour_id}",
    "/collection",
    "/compare",
]
PAGE_PATHS: tuple[PagePath, ...] = get_args(PagePath)
"""Paths that serve the app's page."""


@dataclass(frozen=True)
class Links:
    """Builds and parses addresses."""

    prefix: str = "/"
    """Path under which the app is served, with a slash at both ends."""

    def gallery(self) -> str:
        """The gallery."""
        return self.prefix

    def atlas(self, run: str, view: View | None = None) -> str:
        """A run's atlas."""
        return f"{self.prefix}run/{quote(run, safe='')}{encode(view) if view else ''}"

    def cluster(self, run: str, cluster: int, view: View | None = None) -> str:
        """The page of one manifold."""
        return f"{self.atlas(run)}/cluster/{cluster}{encode(view) if view else ''}"

    def clusters(self, run: str) -> str:
        """Prefix of a run's manifold pages."""
        return f"{self.atlas(run)}/cluster/"

    def thumbnail(self, run: str, cluster: int) -> str:
        """The thumbnail of a tile."""
        return f"{self.prefix}api/run/{quote(run, safe='')}/thumbnail/{cluster}.svg"

    def data(self, run: str) -> str:
        """Prefix of a run's data."""
        return f"{self.prefix}api/run/{quote(run, safe='')}"

    def cluster_data(self, run: str, cluster: int) -> str:
        """Prefix of a manifold's data."""
        return f"{self.data(run)}/cluster/{cluster}"

    def api(self) -> str:
        """Prefix of the API."""
        return f"{self.prefix}api"

    def shared(self, share: str) -> str:
        """A stored result."""
        return f"{self.prefix}s/{share}"

    def tour(self, tour: str) -> str:
        """A tour."""
        return f"{self.prefix}tour/{quote(tour, safe='')}"

    def compare(self, left: str, right: str = "") -> str:
        """A comparison; each side is "run" or "run/cluster"."""
        return f"{self.prefix}compare{encode(View(left=left, right=right))}"

    def compare_points(self, left: str, right: str) -> str:
        """Sampled tokens of two clusters as tab-separated text; each side is "run/cluster"."""
        return f"{self.api()}/compare/points.tsv{encode(View(left=left, right=right))}"

    def read(self, path: str | None) -> Route:
        """Parse the path of an address."""
        inside = (path or "/").removeprefix(self.prefix.rstrip("/"))
        match [unquote(part) for part in inside.strip("/").split("/")]:
            case [""]:
                return GalleryRoute()
            case ["run", run]:
                return AtlasRoute(run)
            case ["run", run, "cluster", number] if number.isascii() and number.isdigit() and len(number) < 10:
                return ClusterRoute(run, int(number))
            case ["s", share]:
                return SharedRoute(share)
            case ["collection"]:
                return CollectionRoute()
            case ["tour", tour]:
                return TourRoute(tour)
            case ["compare"]:
                return CompareRoute()
            case _:
                return NoRoute()


WHOLE = "all"
"""In a cluster drop-down: the whole run."""


def side_of(run: str, cluster: int | None) -> str:
    """One side of a comparison, as a link spells it."""
    return run if cluster is None else f"{run}/{cluster}"
