"""Two clusters as a comparison draws them: both open, the right one turned onto the left one."""

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


def open_pair(left: tuple[MatchingInput, int], right: tuple[MatchingInput, int]) -> OpenPair:
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


@dataclass(frozen=True)
class Side:
    """One side of a comparison."""

    run: Run
    """Its run."""
    cluster: int | None
    """Its cluster; None where the whole run is compared."""


def sides_of(site: Site, view: View) -> tuple[Side, Side]:
    """Both sides of a view, both with a cluster or both without.

    Raises:
        RequestError: there is no run to compare.
        RunError: a run or a cluster that is not there, or is broken.
    """
    whole = [entry.id for entry in site.catalog.entries if isinstance(entry, Run)]
    if not whole:
        raise RequestError("compare", "no run", "a folder of runs with one that can be read")
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
    """A side with the cluster that is most like the other side's, where it names none and the other does."""
    if side.cluster is not None or other.cluster is None:
        return side
    readings = site.comparisons.reading(other.run), site.comparisons.reading(side.run)
    return Side(side.run, counterpart(readings[0], other.cluster, readings[1]))
