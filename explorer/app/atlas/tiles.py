"""What the wall of tiles is told: which clusters it shows, in which order; assets/js/wall.js draws those in sight."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from explorer.app.atlas.found_features import MOST_FOUND, found_features
from explorer.app.site.addresses import atlas_run_at
from explorer.app.site.cluster_filters import choose_tiles
from explorer.app.site.search import find_features
from explorer.app.site.site import Site
from explorer.app.ui.format import counted
from explorer.app.ui.parts import Node
from explorer.app.view.state import View, read_fields
from explorer.records import ClusterSummary
from explorer.runs.run.reader import Run


def wall_data(tiles: list[ClusterSummary], fires: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Numbers of the clusters of a view in its order, those that fire on a tried text first.

    Args:
        tiles: the clusters that the view shows, in its order.
        fires: on how many tokens of a tried text each cluster fires, by its number.
    """
    firing = {str(one.id): count for one in tiles if (count := (fires or {}).get(str(one.id), 0))}
    return {"order": [one.id for one in sorted(tiles, key=lambda one: str(one.id) not in firing)], "fires": firing}


def tile_count(shown: int, total: int, firing: int = 0) -> str:
    """How many of how many clusters are there, and how many of them fire on a tried text."""
    there = counted(total, "cluster") if shown == total else f"{shown:,} of {counted(total, 'cluster')}"
    return f"{there}, {firing} {'fires' if firing == 1 else 'fire'}" if firing else there


def _found(site: Site, run: Run, view: View) -> list[Node]:
    return found_features(run, find_features(run, view.query, site.features, MOST_FOUND), site.links, view)


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
    run, view = atlas_run_at(site, path), read_fields(chosen)
    tiles = choose_tiles(run.manifest.clusters, view, site.texts.of(run))
    wall = wall_data(tiles, fires)
    told = tile_count(len(tiles), len(run.manifest.clusters), len(wall["fires"]))
    return TilesPart(told, wall, _found(site, run, view))
