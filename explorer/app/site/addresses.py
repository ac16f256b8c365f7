"""From the address of a page to its run and cluster."""

from explorer.app.site.site import Site
from explorer.app.view.links import AtlasRoute, ClusterRoute
from explorer.errors import RequestError
from explorer.runs.run.reader import Run


def run_at(site: Site, path: str) -> Run:
    """The run of an address, the run's own page or a manifold's.

    Raises:
        RequestError: it is neither.
        RunError: there is no such run.
    """
    route = site.links.read(path)
    if not isinstance(route, (AtlasRoute, ClusterRoute)):
        raise RequestError("address", path[:80], "the address of a run")
    return site.catalog.run(route.run)


def run_and_cluster(site: Site, path: str) -> tuple[Run, int]:
    """Run and cluster of an address.

    Raises:
        RequestError: it is no manifold's.
        RunError: there is no such run or cluster.
    """
    route = site.links.read(path)
    if not isinstance(route, ClusterRoute):
        raise RequestError("address", path[:80], "the address of a manifold")
    return site.catalog.run(route.run), route.cluster


def _atlas_run(site: Site, path: str) -> Run:
    route = site.links.read(path)
    if not isinstance(route, AtlasRoute):
        raise RequestError("address", path[:80], "the address of a run")
    return site.catalog.run(route.run)
