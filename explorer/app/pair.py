"""Two clusters as a comparison draws them: both open, the right one turned onto the left one."""

from dataclasses import dataclass, replace

from explorer.app.compared import sides_of
from explorer.app.pages.manifold import OpenCluster, open_cluster
from explorer.app.site import Site
from explorer.app.state import View
from explorer.errors import RequestError
from explorer.runs.compare import PairComparison, RunReading, aligned, compare_clusters
from explorer.runs.tables import Cell, points_table, table_rows

SIDES = ("left", "right")
"""What the two are called, on the page and in tables."""


@dataclass(frozen=True)
class OpenPair:
    """Two clusters and what they have in common."""

    left: OpenCluster
    """The one."""
    right: OpenCluster
    """The other, as it is drawn: turned onto the left one."""
    found: PairComparison
    """What they have in common, and what changed."""

    @property
    def both(self) -> tuple[OpenCluster, OpenCluster]:
        """In the order of ``SIDES``."""
        return self.left, self.right


def open_pair(left: tuple[RunReading, int], right: tuple[RunReading, int]) -> OpenPair:
    """Read two clusters, each of a run that was read for matching, and lay the right one onto the left one.

    Raises:
        RunError: there is no such cluster, or its file is broken.
    """
    found = compare_clusters(*left, *right)
    mine, theirs = (open_cluster(reading.run, cluster) for reading, cluster in (left, right))
    turned = aligned(theirs.geometry, found.alignment, closed=theirs.summary.shape == "closed curve")
    return OpenPair(mine, replace(theirs, geometry=turned), found)


def asked_pair(site: Site, view: View) -> OpenPair:
    """The two clusters of a comparison's address.

    Raises:
        RequestError: it names no cluster.
        RunError: a run or a cluster that is not there, or is broken.
    """
    left, right = sides_of(site, view)
    if left.cluster is None or right.cluster is None:
        raise RequestError("compare", "two whole runs", "a cluster of one of them, such as almanac/3")
    return open_pair(
        (site.comparisons.reading(left.run), left.cluster), (site.comparisons.reading(right.run), right.cluster)
    )


def pair_rows(pair: OpenPair) -> list[tuple[Cell, ...]]:
    """Names of columns, then every drawn token of both as it is drawn, by side, run and cluster."""
    tables = [list(table_rows(points_table(one.summary, one.geometry, one.vocabulary))) for one in pair.both]
    head: tuple[Cell, ...] = ("side", "run", "cluster", *tables[0][0])
    told = zip(SIDES, pair.both, tables, strict=True)
    return [head, *((side, one.run.id, one.summary.id, *row) for side, one, rows in told for row in rows[1:])]
