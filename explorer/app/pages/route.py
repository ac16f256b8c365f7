"""From an address to a page; what is wrong with the address or the run is said in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from explorer.app.choose import choose_tiles
from explorer.app.compared import sides_of
from explorer.app.figures.cloud_colors import cloud_colors
from explorer.app.found_features import find_features
from explorer.app.links import (
    AtlasRoute,
    ClusterRoute,
    CollectionRoute,
    CompareRoute,
    GalleryRoute,
    Route,
    SharedRoute,
    TourRoute,
)
from explorer.app.pages.atlas import atlas_page
from explorer.app.pages.cloud import legend_nodes
from explorer.app.pages.compare import pair_page
from explorer.app.pages.compare_runs import runs_page
from explorer.app.pages.contexts import contexts_block, picked_fires
from explorer.app.pages.features import atom_feature, feature_detail, feature_title
from explorer.app.pages.found import MOST_FOUND, found_features
from explorer.app.pages.gallery import gallery_page
from explorer.app.pages.manifold import manifold_page, open_cluster
from explorer.app.pages.messages import broken, link_notice, not_found
from explorer.app.pages.page import Page
from explorer.app.pages.parts import Node
from explorer.app.pages.shared import shared_page
from explorer.app.pages.tiles import tile_count, wall_data
from explorer.app.pages.tour import COLLECTION, tour_cards, tour_link, tour_page
from explorer.app.site import Site
from explorer.app.state import View, decode, read_fields
from explorer.app.tours.slides import make_slides
from explorer.app.tours.tour_file import tour_folders
from explorer.errors import InputError, RequestError
from explorer.runs.compare import compare_clusters, most_alike
from explorer.runs.run import Run

CANDIDATES = 6
"""Clusters that a comparison offers in place of the right one."""


def page_at(site: Site, path: str | None, query: str | None) -> Page:
    """The page of an address. A query that cannot be read is said above the page's usual view."""
    try:
        view, problem = decode(query or ""), ""
    except RequestError as error:
        view, problem = View(), str(error)
    try:
        page = _page(site, site.links.read(path), view)
    except InputError as error:
        return broken(site.links, f"{error.found}: wanted {error.wanted}")
    return page if not problem else Page(page.title, [link_notice(problem), *page.body], page.crumbs, page.actions)


def _page(site: Site, route: Route, view: View) -> Page:
    match route:
        case GalleryRoute():
            return _gallery(site)
        case AtlasRoute(run) if _known(site, run):
            return _atlas(site, site.catalog.run(run), view)
        case ClusterRoute(run, cluster) if _known(site, run):
            return _manifold(site, site.catalog.run(run), cluster, view)
        case SharedRoute(share):
            return _shared(site, share)
        case CollectionRoute():
            return tour_page(COLLECTION, site.links)
        case TourRoute(tour):
            return _tour(site, tour)
        case CompareRoute():
            return _compare(site, view)
        case AtlasRoute(run) | ClusterRoute(run, _):
            return not_found(site.links, f"There is no run called “{run[:80]}” here.")
        case _:
            return not_found(site.links, "There is no page at this address.")


def _known(site: Site, run: str) -> bool:
    return any(entry.id == run for entry in site.catalog.entries)


def _gallery(site: Site) -> Page:
    whole = [(entry.id, entry.manifest) for entry in site.catalog.entries if isinstance(entry, Run)]
    broken_runs = [
        (entry.id, without_folder(entry.reason, site.catalog.root))
        for entry in site.catalog.entries
        if not isinstance(entry, Run)
    ]
    return gallery_page(whole, broken_runs, site.links, tour_cards(site.catalog.root))


def without_folder(reason: str, root: Path) -> str:
    """A reason without the folder that the runs lie in: a page tells names, not this machine's paths."""
    return reason.replace(f"{root.resolve()}/", "").replace(f"{root}/", "")


def _atlas(site: Site, run: Run, view: View) -> Page:
    tiles = choose_tiles(run.manifest.clusters, view, site.texts.of(run))
    page = atlas_page(run, tiles, _found(site, run, view), site.links, view, _steerable(site, run))
    tours = [tour_link(tour, site.links) for tour in tour_cards(site.catalog.root) if run.id in tour.runs]
    return replace(page, actions=[*tours, *page.actions])


def _found(site: Site, run: Run, view: View) -> list[Node]:
    return found_features(run, find_features(run, view.query, site.features, MOST_FOUND), site.links, view)


def _manifold(site: Site, run: Run, cluster: int, view: View) -> Page:
    if cluster >= len(run.manifest.clusters):
        return not_found(site.links, f"{run.manifest.title} has no cluster {cluster}.")
    return manifold_page(open_cluster(run, cluster), site.links, view, _steerable(site, run))


def _steerable(site: Site, run: Run) -> bool:
    return site.hosts.of(run.id) is not None and run.manifest.subject is not None


def _compare(site: Site, view: View) -> Page:
    left, right = sides_of(site, view)
    runs = [entry for entry in site.catalog.entries if isinstance(entry, Run)]
    if left.cluster is None or right.cluster is None:
        return runs_page(left.run, right.run, site.comparisons.of(left.run, right.run), runs, site.links)
    both = site.comparisons.reading(left.run), site.comparisons.reading(right.run)
    found = compare_clusters(both[0], left.cluster, both[1], right.cluster)
    others = most_alike(both[0], left.cluster, both[1], CANDIDATES)
    opened = [open_cluster(side.run, cluster) for side, cluster in ((left, left.cluster), (right, right.cluster))]
    return pair_page(opened[0], opened[1], found, others, runs, site.links, view)


def _shared(site: Site, share_id: str) -> Page:
    share = site.shares.get(share_id)
    if share is None:
        return not_found(site.links, "There is no shared result under this link.")
    behaviour = share.result.behaviour
    if not _known(site, behaviour.run):
        return shared_page(share, None, site.links)
    run = site.catalog.run(behaviour.run)
    subject = run.manifest.subject
    same = subject is not None and subject.fingerprint == behaviour.fingerprint
    return shared_page(share, run if same else None, site.links)


def _tour(site: Site, tour_id: str) -> Page:
    folder = next((one for one in tour_folders(site.catalog.root) if one.id == tour_id), None)
    if folder is None:
        return not_found(site.links, f"There is no tour called “{tour_id[:80]}” here.")
    slides = make_slides(
        folder,
        site.catalog,
        lambda run, summary: site.links.cluster(run.id, summary.id),
        lambda run, summary: site.links.thumbnail(run.id, summary.id),
    )
    return tour_page(slides, site.links)


@dataclass(frozen=True)
class TilesPart:
    """The changing part of the atlas."""

    count: str
    """How many of how many."""
    wall: dict[str, Any]
    """What the wall shows; see ``wall_data``."""
    found: list[Node] = field(default_factory=list)
    """Features that the search finds."""


def tiles_at(site: Site, path: str, chosen: dict[str, str], fires: Mapping[str, int] | None = None) -> TilesPart:
    """The tiles of the atlas at an address, under other filters.

    Args:
        site: the app's resources.
        path: the address.
        chosen: fields of the view that differ from its defaults.
        fires: on how many tokens of a tried text each cluster fires, by its number; these come first.

    Raises:
        RequestError: a filter that does not exist, or no atlas at that address.
    """
    run, view = _atlas_run(site, path), read_fields(chosen)
    tiles = choose_tiles(run.manifest.clusters, view, site.texts.of(run))
    wall = wall_data(tiles, fires)
    told = tile_count(len(tiles), len(run.manifest.clusters), len(wall["fires"]))
    return TilesPart(told, wall, _found(site, run, view))


@dataclass(frozen=True)
class ColorsPart:
    """What changes on a manifold's page with what colours its cloud."""

    drawn: dict[str, object]
    """The points' colours."""
    legend: list[Node]
    """What they mean."""


def colors_at(site: Site, path: str, by: str) -> ColorsPart:
    """The colours of the cloud at an address.

    Raises:
        RequestError: nothing that can colour a cloud, or no manifold at that address.
    """
    run, cluster = run_and_cluster(site, path)
    color = read_fields({"color": by}).color
    colors = cloud_colors(run.summary(cluster), run.cluster(cluster), color, run.vocabulary())
    drawn = {"numbers": colors.numbers.tolist(), "scale": colors.scale, "low": colors.low, "high": colors.high}
    return ColorsPart(drawn, legend_nodes(colors))


@dataclass(frozen=True)
class FeaturePart:
    """What stands beside the table of features."""

    feature: int
    """Feature number."""
    title: str
    """Its heading."""
    detail: list[Node]
    """What there is to know of it."""


def feature_at(site: Site, path: str, by: str) -> FeaturePart | None:
    """The feature that colours the cloud at an address; None where none of the cluster's does.

    Raises:
        RequestError: nothing that can colour a cloud, or no manifold at that address.
    """
    run, cluster = run_and_cluster(site, path)
    geometry = run.cluster(cluster)
    feature = atom_feature(geometry, by)
    if by != f"feature-{feature}":
        return None
    detail = feature_detail(geometry, run.vocabulary(), run.labels(), feature)
    return FeaturePart(feature, feature_title(geometry, feature), detail)


@dataclass(frozen=True)
class PickedPart:
    """What changes on a manifold's page with the tokens that are picked."""

    contexts: list[Node]
    """The picked tokens in their contexts."""
    fires: dict[str, int]
    """On how many of them each feature fires."""


def picked_at(site: Site, path: str, pick: str) -> PickedPart:
    """The tokens that are picked in the cloud at an address.

    Raises:
        RequestError: no list of numbers, or no manifold at that address.
    """
    run, cluster = run_and_cluster(site, path)
    summary, geometry, data = run.summary(cluster), run.cluster(cluster), site.links.cluster_data(run.id, cluster)
    text = read_fields({"pick": pick}).pick
    block = contexts_block(summary, geometry, run.vocabulary(), text, f"{data}/points.tsv")
    return PickedPart(block, picked_fires(geometry, text))


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
