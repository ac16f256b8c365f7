"""Two clusters under comparison: both opened, the right one aligned to the left one."""

from dataclasses import dataclass, replace

from explorer.app.site.opened import OpenCluster, open_cluster
from explorer.app.site.site import Site
from explorer.app.view.state import View
from explorer.errors import RequestError
from explorer.runs.compare.matching import counterpart
from explorer.runs.compare.pair import PairComparison, aligned, compare_clusters
from explorer.runs.compare.similarity import MatchingInput
from explorer.runs.report.tables import Cell, points_table, table_rows
from explorer.runs.run.reader import Run

SIDES = ("left", "right")
"""Names of the two sides, on the page and in tables."""


@dataclass(frozen=True)
class ComparedClusters:
    """Two clusters and their comparison."""

    left: OpenCluster
    right: OpenCluster
    """With geometry aligned to the left cluster."""
    found: PairComparison

    @property
    def both(self) -> tuple[OpenCluster, OpenCluster]:
        """Both clusters in the order of ``SIDES``."""
        return self.left, self.right


def open_compared(left: tuple[MatchingInput, int], right: tuple[MatchingInput, int]) -> ComparedClusters:
    """Open two clusters, each of a run that was read for matching, and align the right one to the left one.

    Raises:
        RunError: a cluster does not exist, or its file is broken.
    """
    found = compare_clusters(*left, *right)
    mine, theirs = (open_cluster(reading.run, cluster) for reading, cluster in (left, right))
    turned = aligned(theirs.geometry, found.alignment, closed=theirs.summary.shape == "closed curve")
    return ComparedClusters(mine, replace(theirs, geometry=turned), found)


def compared_at(site: Site, view: View) -> ComparedClusters:
    """The two clusters at the address of a comparison.

    Raises:
        RequestError: the address names no cluster.
        RunError: a run or a cluster does not exist, or is broken.
    """
    left, right = sides_of(site, view)
    if left.cluster is None or right.cluster is None:
        raise RequestError("compare", "two whole runs", "a cluster of one of them, such as almanac/3")
    return open_compared(
        (site.comparisons.reading(left.run), left.cluster), (site.comparisons.reading(right.run), right.cluster)
    )


def compared_points(pair: ComparedClusters) -> list[tuple[Cell, ...]]:
    """Header, then every drawn token of both clusters in the aligned coordinates, with side, run and cluster."""
    tables = [list(table_rows(points_table(one.summary, one.geometry, one.vocabulary))) for one in pair.both]
    head: tuple[Cell, ...] = ("side", "run", "cluster", *tables[0][0])
    sides = zip(SIDES, pair.both, tables, strict=True)
    return [head, *((side, one.run.id, one.summary.id, *row) for side, one, rows in sides for row in rows[1:])]


@dataclass(frozen=True)
class Side:
    """One side of a comparison."""

    run: Run
    cluster: int | None
    """Cluster id; None when whole runs are compared."""


def sides_of(site: Site, view: View) -> tuple[Side, Side]:
    """Both sides of a view: either both have a cluster or neither has.

    Raises:
        RequestError: the catalog has no readable run.
        RunError: a run or a cluster does not exist, or is broken.
    """
    whole = [entry.id for entry in site.catalog.entries if isinstance(entry, Run)]
    if not whole:
        raise RequestError("compare", "no run", "a folder with at least one readable run")
    left = _side(site, view.left or whole[0])
    others = [run for run in whole if run != left.run.id]
    right = _side(site, view.right or (others or whole)[0])
    for one, number in ((left, left.cluster), (right, right.cluster)):
        if number is not None:
            one.run.summary(number)
    return _with_counterpart(site, left, right), _with_counterpart(site, right, left)


def _side(site: Site, text: str) -> Side:
    run, _, cluster = text.partition("/")
    return Side(site.catalog.run(run), int(cluster) if cluster else None)


def _with_counterpart(site: Site, side: Side, other: Side) -> Side:
    """Fill in the cluster most similar to the other side's, if this side names none and the other does."""
    if side.cluster is not None or other.cluster is None:
        return side
    readings = site.comparisons.reading(other.run), site.comparisons.reading(side.run)
    return Side(side.run, counterpart(readings[0], other.cluster, readings[1]))
