"""What a link compares: two clusters, or two runs. What it leaves open is the run beside, or the cluster most alike."""

from dataclasses import dataclass

from explorer.app.site import Site
from explorer.app.state import View
from explorer.errors import RequestError
from explorer.runs.compare import counterpart
from explorer.runs.run import Run


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
