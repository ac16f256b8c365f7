"""The parts of a manifold's page that change with what colours its cloud and which tokens are selected."""

from dataclasses import dataclass

from explorer.app.figures.cloud_colors import cloud_colors
from explorer.app.manifold.cloud_card import legend_nodes
from explorer.app.manifold.contexts_card import contexts_block, picked_fires
from explorer.app.manifold.features import atom_feature, feature_detail, feature_title
from explorer.app.site.addresses import run_and_cluster
from explorer.app.site.site import Site
from explorer.app.ui.parts import Node
from explorer.app.view.state import read_fields


@dataclass(frozen=True)
class ColorsPart:
    """What changes on a manifold's page with what colours its cloud."""

    drawn: dict[str, object]
    """The points' colours."""
    legend: list[Node]
    """What they mean."""


def colors_at(site: Site, path: str, by: str) -> ColorsPart:
    """The colours of the cloud at an address.

    Raises:
        RequestError: nothing that can colour a cloud, or no manifold at that address.
    """
    run, cluster = run_and_cluster(site, path)
    color = read_fields({"color": by}).color
    colors = cloud_colors(run.summary(cluster), run.cluster(cluster), color, run.vocabulary())
    drawn = {"numbers": colors.numbers.tolist(), "scale": colors.scale, "low": colors.low, "high": colors.high}
    return ColorsPart(drawn, legend_nodes(colors))


@dataclass(frozen=True)
class FeaturePart:
    """What stands beside the table of features."""

    feature: int
    """Feature number."""
    title: str
    """Its heading."""
    detail: list[Node]
    """What there is to know of it."""


def feature_at(site: Site, path: str, by: str) -> FeaturePart | None:
    """The feature that colours the cloud at an address; None where none of the cluster's does.

    Raises:
        RequestError: nothing that can colour a cloud, or no manifold at that address.
    """
    run, cluster = run_and_cluster(site, path)
    geometry = run.cluster(cluster)
    feature = atom_feature(geometry, by)
    if by != f"feature-{feature}":
        return None
    detail = feature_detail(geometry, run.vocabulary(), run.labels(), feature)
    return FeaturePart(feature, feature_title(geometry, feature), detail)


@dataclass(frozen=True)
class PickedPart:
    """What changes on a manifold's page with the tokens that are picked."""

    contexts: list[Node]
    """The picked tokens in their contexts."""
    fires: dict[str, int]
    """On how many of them each feature fires."""


def picked_at(site: Site, path: str, pick: str) -> PickedPart:
    """The tokens that are picked in the cloud at an address.

    Raises:
        RequestError: no list of numbers, or no manifold at that address.
    """
    run, cluster = run_and_cluster(site, path)
    summary, geometry, data = run.summary(cluster), run.cluster(cluster), site.links.cluster_data(run.id, cluster)
    text = read_fields({"pick": pick}).pick
    block = contexts_block(summary, geometry, run.vocabulary(), text, f"{data}/points.tsv")
    return PickedPart(block, picked_fires(geometry, text))
