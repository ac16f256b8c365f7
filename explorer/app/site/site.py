"""The app's resources, built once by the factory and passed to every slice."""

from dataclasses import dataclass, field

from explorer.app.site.comparisons import Comparisons
from explorer.app.site.hosts import SteeringHosts
from explorer.app.site.search import ClusterTexts, FeatureTexts
from explorer.app.site.shares import ShareStore
from explorer.app.view.links import Links
from explorer.runs.run.catalog import Catalog


@dataclass(frozen=True)
class Site:
    """Runs, steering hosts, stored results and caches."""

    catalog: Catalog
    hosts: SteeringHosts
    shares: ShareStore
    links: Links
    texts: ClusterTexts = field(default_factory=ClusterTexts)
    """Searchable text of clusters."""
    features: FeatureTexts = field(default_factory=FeatureTexts)
    """Searchable text of features."""
    comparisons: Comparisons = field(default_factory=Comparisons)
