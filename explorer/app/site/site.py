"""What the app works with: built once by the factory and handed to every part that needs it."""

from dataclasses import dataclass, field

from explorer.app.site.comparisons import Comparisons
from explorer.app.site.hosts import SteeringHosts
from explorer.app.site.search import ClusterTexts, FeatureTexts
from explorer.app.site.shares import ShareStore
from explorer.app.view.links import Links
from explorer.runs.run.catalog import Catalog


@dataclass(frozen=True)
class Site:
    """The app's resources."""

    catalog: Catalog
    """The runs."""
    hosts: SteeringHosts
    """Who is asked about which run."""
    shares: ShareStore
    """Stored results."""
    links: Links
    """Addresses."""
    texts: ClusterTexts = field(default_factory=ClusterTexts)
    """What searches for clusters look through."""
    features: FeatureTexts = field(default_factory=FeatureTexts)
    """What searches for features look through."""
    comparisons: Comparisons = field(default_factory=Comparisons)
    """Runs that were read whole to be compared."""
