"""A cluster with everything that its page reads."""

from dataclasses import dataclass
from functools import cached_property

from explorer.app.figures.strips import StripsView, strips_view
from explorer.records import ClusterGeometry, ClusterSummary, Vocabulary
from explorer.runs.run.reader import Run


@dataclass(frozen=True)
class OpenCluster:
    """One cluster with all that its page reads."""

    run: Run
    """Its run."""
    summary: ClusterSummary
    """What the manifest says of it."""
    geometry: ClusterGeometry
    """Its arrays."""
    vocabulary: Vocabulary
    """Texts of the tokens."""

    @cached_property
    def strips(self) -> StripsView:
        """Where its features fire, as it is drawn and as a table."""
        return strips_view(self.summary, self.geometry)


def open_cluster(run: Run, number: int) -> OpenCluster:
    """Read a cluster; raises RunError where there is none."""
    return OpenCluster(run, run.summary(number), run.cluster(number), run.vocabulary())
