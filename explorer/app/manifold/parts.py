"""The parts of a manifold's page that change with the colouring of its cloud and with the selection."""

from dataclasses import dataclass

from explorer.app.figures.colors import cloud_colors
from explorer.app.manifold.cloud_card import legend_nodes
from explorer.app.manifold.contexts_card import contexts_block, firing_counts
from explorer.app.manifold.features import atom_feature, feature_detail, feature_title
from explorer.app.site.addresses import run_and_cluster
from explorer.app.site.site import Site
from explorer.app.ui.parts import Node
from explorer.app.view.state import read_fields


@dataclass(frozen=True)
class ColorsPart:
    """The parts that depend on the colouring."""

    drawn: dict[str, object]
    """Colours of the points."""
    legend: list[Node]


def colors_at(site: Site, path: str, by: str) -> ColorsPart:
    """Colouring of the cloud at an address.

    Raises:
        RequestError: an unknown colouring, or an address without a manifold.
    """
    run, cluster = run_and_cluster(site, path)
    color = read_fields({"color": by}).color
    colors = cloud_colors(run.summary(cluster), run.cluster(cluster), color, run.vocabulary())
    drawn = {"numbers": colors.numbers.tolist(), "scale": colors.scale, "low": colors.low, "high": colors.high}
    return ColorsPart(drawn, legend_nodes(colors))


@dataclass(frozen=True)
class FeaturePart:
    """The detail of one feature."""

    feature: int
    """Feature id."""
    title: str
    detail: list[Node]


def feature_at(site: Site, path: str, by: str) -> FeaturePart | None:
    """Detail of the feature that colours the cloud at an address; None if the colouring is no feature of the cluster.

    Raises:
        RequestError: an unknown colouring, or an address without a manifold.
    """
    run, cluster = run_and_cluster(site, path)
    geometry = run.cluster(cluster)
    feature = atom_feature(geometry, by)
    if by != f"feature-{feature}":
        return None
    detail = feature_detail(geometry, run.vocabulary(), run.labels(), feature)
    return FeaturePart(feature, feature_title(geometry, feature), detail)


@dataclass(frozen=True)
class SelectionPart:
    """The parts that depend on the selected tokens."""

    contexts: list[Node]
    """Table of the selected tokens in context."""
    fires: dict[str, int]
    """Number of selected tokens on which each feature fires, by feature id."""


def selection_at(site: Site, path: str, pick: str) -> SelectionPart:
    """The selected tokens of the cloud at an address.

    Raises:
        RequestError: not a list of numbers, or an address without a manifold.
    """
    run, cluster = run_and_cluster(site, path)
    summary, geometry, data = run.summary(cluster), run.cluster(cluster), site.links.cluster_data(run.id, cluster)
    text = read_fields({"pick": pick}).pick
    block = contexts_block(summary, geometry, run.vocabulary(), text, f"{data}/points.tsv")
    return SelectionPart(block, firing_counts(geometry, text))
