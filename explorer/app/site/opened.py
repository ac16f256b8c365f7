"""A cluster with everything that its page needs."""

from dataclasses import dataclass
from functools import cached_property

from explorer.app.figures.strips import StripsView, strips_view
from explorer.records.bundle import Vocabulary
from explorer.records.cluster import ClusterGeometry, ClusterSummary
from explorer.runs.run.reader import Run


@dataclass(frozen=True)
class OpenCluster:
    """A cluster's summary, arrays and vocabulary."""

    run: Run
    summary: ClusterSummary
    geometry: ClusterGeometry
    vocabulary: Vocabulary

    @cached_property
    def strips(self) -> StripsView:
        """Activation of its features along the shape, as drawn and as a table."""
        return strips_view(self.summary, self.geometry)


def open_cluster(run: Run, number: int) -> OpenCluster:
    """Read a cluster; raises RunError if there is none."""
    return OpenCluster(run, run.summary(number), run.cluster(number), run.vocabulary())
