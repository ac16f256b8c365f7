"""What the app works with: built once by the factory and handed to every part that needs it."""

from dataclasses import dataclass, field

from explorer.app.cluster_texts import ClusterTexts
from explorer.app.comparisons import Comparisons
from explorer.app.found_features import FeatureTexts
from explorer.app.links import Links
from explorer.app.relay import SteeringHosts
from explorer.app.shares import ShareStore
from explorer.runs.catalog import Catalog


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
