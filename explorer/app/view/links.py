"""Addresses inside the app, under whatever path a proxy serves it."""

from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import quote, unquote

from explorer.app.view.state import View, encode


@dataclass(frozen=True)
class GalleryRoute:
    """`/`: the runs."""


@dataclass(frozen=True)
class AtlasRoute:
    """`/run/<id>`: one run's map and tiles."""

    run: str
    """Id of the run in the catalog."""


@dataclass(frozen=True)
class ClusterRoute:
    """`/run/<id>/cluster/<n>`: one manifold."""

    run: str
    """Id of the run in the catalog."""
    cluster: int
    """Cluster number."""


@dataclass(frozen=True)
class SharedRoute:
    """`/s/<id>`: one stored steering result."""

    share: str
    """Its id."""


@dataclass(frozen=True)
class TourRoute:
    """`/tour/<id>`: one tour in the presenter."""

    tour: str
    """Name of its folder."""


@dataclass(frozen=True)
class CollectionRoute:
    """`/collection#keep=...`: a collection of views in the presenter; only the browser sees what follows the "#"."""


@dataclass(frozen=True)
class CompareRoute:
    """`/compare?a=...&b=...`: two clusters or two runs side by side; which, the query says."""


@dataclass(frozen=True)
class NoRoute:
    """An address that the app does not have."""


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
"""Paths that answer with the app's page."""


@dataclass(frozen=True)
class Links:
    """Builds and reads addresses."""

    prefix: str = "/"
    """Path under which the app is served, with a slash at both ends."""

    def gallery(self) -> str:
        """Address of the gallery."""
        return self.prefix

    def atlas(self, run: str, view: View | None = None) -> str:
        """Address of a run."""
        return f"{self.prefix}run/{quote(run, safe='')}{encode(view) if view else ''}"

    def cluster(self, run: str, cluster: int, view: View | None = None) -> str:
        """Address of one manifold."""
        return f"{self.atlas(run)}/cluster/{cluster}{encode(view) if view else ''}"

    def clusters(self, run: str) -> str:
        """What the addresses of a run's manifolds begin with."""
        return f"{self.atlas(run)}/cluster/"

    def thumbnail(self, run: str, cluster: int) -> str:
        """Address of a tile's picture."""
        return f"{self.prefix}api/run/{quote(run, safe='')}/thumbnail/{cluster}.svg"

    def data(self, run: str) -> str:
        """What the addresses of a run's data begin with."""
        return f"{self.prefix}api/run/{quote(run, safe='')}"

    def cluster_data(self, run: str, cluster: int) -> str:
        """What the addresses of a manifold's data begin with."""
        return f"{self.data(run)}/cluster/{cluster}"

    def api(self) -> str:
        """What the addresses of the app's API begin with."""
        return f"{self.prefix}api"

    def shared(self, share: str) -> str:
        """Address of a stored result."""
        return f"{self.prefix}s/{share}"

    def tour(self, tour: str) -> str:
        """Address of a tour."""
        return f"{self.prefix}tour/{quote(tour, safe='')}"

    def compare(self, left: str, right: str = "") -> str:
        """Address of a comparison; each side is a run's id, or "run/cluster"."""
        return f"{self.prefix}compare{encode(View(left=left, right=right))}"

    def compare_points(self, left: str, right: str) -> str:
        """Address of two clusters' drawn tokens as text; each is "run/cluster"."""
        return f"{self.api()}/compare/points.tsv{encode(View(left=left, right=right))}"

    def read(self, path: str | None) -> Route:
        """Tell which page an address names."""
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
"""Stands for no single cluster."""


def side_of(run: str, cluster: int | None) -> str:
    """A side as a link names it."""
    return run if cluster is None else f"{run}/{cluster}"
