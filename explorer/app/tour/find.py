"""Finds the manifold that a tour means: by its values, so that a rebuilt run's new numbers do no harm."""

from collections.abc import Sequence

from explorer.app.site.cluster_filters import likeness
from explorer.app.tour.tour_file import NamedManifold
from explorer.errors import InputError
from explorer.records import ClusterSummary
from explorer.runs.io.files import quoted
from explorer.runs.run.catalog import Catalog
from explorer.runs.run.reader import Run

MOST = 0.75
"""A manifold is found where it holds at least this share of the values that name it."""


def find_manifold(catalog: Catalog, named: NamedManifold) -> tuple[Run, ClusterSummary]:
    """The run and the cluster that a tour names.

    Raises:
        InputError: there is no such run, or no cluster that holds MOST of the values.
    """
    run = catalog.run(named.run)
    if named.cluster is not None:
        return run, run.summary(named.cluster)
    best = max(run.manifest.clusters, key=lambda one: _fit(one, named.values), default=None)
    if best is None or _shared(best, named.values) < MOST * len(named.values):
        first = ", ".join(named.values[:3])
        raise InputError(f"run {quoted(named.run)}", f"no cluster with the values {first} ...", "one that holds them")
    return run, best


def _fit(summary: ClusterSummary, values: Sequence[str]) -> tuple[float, float]:
    """How much of both lists they share (Jaccard), then how much like a manifold it is."""
    shared = _shared(summary, values)
    return shared / (len(summary.order) + len(values) - shared), likeness(summary)


def _shared(summary: ClusterSummary, values: Sequence[str]) -> int:
    return len({name.strip() for name in summary.order} & {name.strip() for name in values})
