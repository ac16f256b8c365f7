"""From the address of a page to its run and cluster."""

from explorer.app.site.site import Site
from explorer.app.view.links import AtlasRoute, ClusterRoute
from explorer.errors import RequestError
from explorer.runs.run.reader import Run


def run_at(site: Site, path: str | None) -> Run:
    """The run of an atlas or manifold page.

    Raises:
        RequestError: the address is neither; the browser sends None before the first page.
        RunError: there is no such run.
    """
    route = site.links.read(path)
    if not isinstance(route, (AtlasRoute, ClusterRoute)):
        raise _wrong_page(path, "the address of a run")
    return site.catalog.run(route.run)


def atlas_run_at(site: Site, path: str | None) -> Run:
    """The run of an atlas page; raises as ``run_at``."""
    route = site.links.read(path)
    if not isinstance(route, AtlasRoute):
        raise _wrong_page(path, "the address of a run")
    return site.catalog.run(route.run)


def run_and_cluster(site: Site, path: str | None) -> tuple[Run, int]:
    """Run and cluster number of a manifold page; raises as ``run_at``. The cluster need not exist."""
    route = site.links.read(path)
    if not isinstance(route, ClusterRoute):
        raise _wrong_page(path, "the address of a manifold")
    return site.catalog.run(route.run), route.cluster


def _wrong_page(path: str | None, wanted: str) -> RequestError:
    return RequestError("address", (path or "")[:80], wanted)
