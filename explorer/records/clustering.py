"""The clustering of a bundle's features: neighbour graph, clusters, condensed tree and map.

Axes: ``feature`` (SAE latent), ``cluster``, ``row`` (of the condensed tree), ``xy``.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int32, Int64, Integer

PairScore = Literal["npmi", "jaccard", "phi", "abs_phi", "cosine", "exclusion"]
"""Score of a pair of features from its own cofire counts, independent of other pairs."""

Similarity = Literal["signed", "npmi", "jaccard", "phi", "abs_phi", "cosine", "exclusion"]
"""A PairScore, or "signed", which also accounts for documents and for the distribution over all pairs."""

NOISE = -1
"""Cluster number of a feature that HDBSCAN labels as noise."""

LEFT_OUT = -2
"""Cluster number of a feature that fires too rarely to be scored."""


class NeighbourGraph(NamedTuple):
    """The k nearest neighbours of each feature."""

    neighbour: Int32[np.ndarray, "feature neighbours"]
    """Feature numbers, most similar first; padded with -1."""
    score: Float32[np.ndarray, "feature neighbours"]
    """Similarity of each neighbour; padded with 0."""


@dataclass(frozen=True)
class Clustering:
    """A hard clustering of the features."""

    label: Int32[np.ndarray, "feature"]
    """Cluster number from 0, NOISE, or LEFT_OUT."""
    membership: Float32[np.ndarray, "feature"]
    """HDBSCAN's membership strength in [0, 1], 0 for noise."""
    persistence: Float32[np.ndarray, "cluster"]
    """HDBSCAN's relative excess of mass of each cluster, in [0, 1]."""


@dataclass(frozen=True)
class CondensedTree:
    """HDBSCAN's condensed tree: one row for every feature or group that leaves its parent group."""

    parent: Integer[np.ndarray, "row"]
    """Parent group; groups are numbered from the number of features on, the root first."""
    child: Integer[np.ndarray, "row"]
    """A feature or a group."""
    density: Float[np.ndarray, "row"]
    """1 / distance at which the child leaves."""
    size: Integer[np.ndarray, "row"]
    """Number of features in the child."""


@dataclass(frozen=True)
class Evidence:
    """Draws behind the robustness scores of a build."""

    resamples: int
    """Number of document resamples behind `stability` and `dissolved`."""
    chance_clusters: tuple[int, ...]
    """Number of clusters in each draw of codes shuffled within documents, behind `chance_p`."""


@dataclass(frozen=True)
class FeatureTable:
    """Per-feature data of a run's map."""

    xy: Float32[np.ndarray, "feature xy"]
    """Position on the map; NaN for features that are left out."""
    cluster: Int32[np.ndarray, "feature"]
    """Cluster number, NOISE or LEFT_OUT."""
    membership: Float32[np.ndarray, "feature"]
    """HDBSCAN's membership strength."""
    fires: Int64[np.ndarray, "feature"]
    """Number of tokens on which it fires."""
    mean_activation: Float32[np.ndarray, "feature"]
    """Mean over the tokens on which it fires."""
    max_activation: Float32[np.ndarray, "feature"]
    top_tokens: Int32[np.ndarray, "feature top"]
    """Token ids with the largest summed activation, best first; padded with -1."""
