"""Routes an address to its page; a bad address or a broken run becomes a page that says so."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from dash import Dash, Input, Output

from explorer.app.atlas.page import atlas_page
from explorer.app.atlas.tiles import _found
from explorer.app.compare.clusters_page import clusters_page
from explorer.app.compare.compared_clusters import open_compared, sides_of
from explorer.app.compare.runs_page import runs_page
from explorer.app.gallery.page import gallery_page
from explorer.app.manifold.page import manifold_page
from explorer.app.share.page import shared_page
from explorer.app.site.cluster_filters import choose_tiles
from explorer.app.site.opened import open_cluster
from explorer.app.site.site import Site
from explorer.app.tour.page import COLLECTION, tour_cards, tour_link, tour_page
from explorer.app.tour.slides import make_slides
from explorer.app.tour.tour_file import tour_folders
from explorer.app.ui.element import in_browser
from explorer.app.ui.page import Page, broken, header, link_notice, not_found
from explorer.app.view import ids
from explorer.app.view.links import (
    AtlasRoute,
    ClusterRoute,
    CollectionRoute,
    CompareRoute,
    GalleryRoute,
    Route,
    SharedRoute,
    TourRoute,
)
from explorer.app.view.state import View, decode
from explorer.errors import InputError, RequestError
from explorer.runs.compare.matching import most_alike
from explorer.runs.run.reader import Run

CANDIDATES = 6
"""Similar clusters that a comparison offers as alternatives to the right one."""


def register(app: Dash, site: Site) -> None:
    """Register the callbacks of the page frame: routing, title, theme and sharing."""

    @app.callback(
        Output(ids.HEADER, "children"),
        Output(ids.PAGE, "children"),
        Output(ids.TITLE, "data"),
        Input(ids.URL, "pathname"),
        Input(ids.URL, "search"),
    )
    def open_page(path: str | None, query: str | None) -> tuple[Any, Any, str]:
        page = page_at(site, path, query)
        return header(page, site.links.gallery()), page.body, page.title

    in_browser(app, "title", Input(ids.TITLE, "data"))
    in_browser(app, "theme", Input(ids.THEME_TOGGLE, "n_clicks"))
    in_browser(app, "shareView", Input(ids.SHARE_VIEW, "n_clicks"))


def page_at(site: Site, path: str | None, query: str | None) -> Page:
    """The page of an address. An invalid query gives the default view with a notice."""
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
    """A reason without the root folder: pages show names, not paths of the server."""
    return reason.replace(f"{root.resolve()}/", "").replace(f"{root}/", "")


def _atlas(site: Site, run: Run, view: View) -> Page:
    tiles = choose_tiles(run.manifest.clusters, view, site.texts.of(run))
    page = atlas_page(run, tiles, _found(site, run, view), site.links, view, _steerable(site, run))
    tours = [tour_link(tour, site.links) for tour in tour_cards(site.catalog.root) if run.id in tour.runs]
    return replace(page, actions=[*tours, *page.actions])


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
    others = most_alike(both[0], left.cluster, both[1], CANDIDATES)
    pair = open_compared((both[0], left.cluster), (both[1], right.cluster))
    return clusters_page(pair, others, runs, site.links, view)


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
