"""The wall of tiles: which clusters it shows, in which order; assets/js/atlas/wall.js draws those in sight."""

from collections.abc import Mapping
from typing import Any

from explorer.app.words import counted
from explorer.records import ClusterSummary


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
