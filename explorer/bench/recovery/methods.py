"""Methods of grouping features: HDBSCAN under several similarities, and published baselines on the same codes."""

from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Bool, Int, Int64
from sklearn.cluster import SpectralClustering

from explorer.bench.baselines.ising import ising_couplings
from explorer.bench.baselines.leiden import leiden_communities
from explorer.bench.recovery.datasets import RecoveryDataset
from explorer.bench.recovery.scores import MIN_GROUP_SIZE
from explorer.config import BuildSettings
from explorer.errors import ExplorerError
from explorer.maths.clustering.grouping import graph_of_codes
from explorer.maths.clustering.hdbscan import cluster_graph
from explorer.maths.cofiring.counts import fire_counts, firing_shard
from explorer.records.clustering import NOISE, Similarity

Method = Callable[[RecoveryDataset], Int[np.ndarray, "feature"]]
"""Cluster of each feature, negative for none."""
MAX_COUPLED: Final = 2048
"""Maximum number of features for couplings: their cost grows faster than quadratically."""


class MethodNotApplicable(ExplorerError):
    """A method does not apply to a dataset, or lacks a package; the message states the reason."""


def fires_of(dataset: RecoveryDataset) -> Int64[np.ndarray, "feature"]:
    """Tokens on which each feature fires."""
    shard = firing_shard(dataset.codes)
    return fire_counts(shard.indptr, shard.features, dataset.codes.n_features)


def frequent_features(dataset: RecoveryDataset) -> Bool[np.ndarray, "feature"]:
    """Which features fire often enough to be clustered; every method leaves the others out."""
    return fires_of(dataset) >= BuildSettings().cofiring.min_fires


def hdbscan_on_graph(similarity: Similarity) -> Method:
    """HDBSCAN on the neighbour graph, with default settings except for the similarity."""
    return lambda dataset: _cluster(dataset, similarity)


def _cluster(dataset: RecoveryDataset, similarity: Similarity) -> Int[np.ndarray, "feature"]:
    settings = BuildSettings()
    chosen = settings.cofiring.model_copy(update={"similarity": similarity})
    graph = graph_of_codes([firing_shard(dataset.codes)], dataset.doc_offsets, dataset.codes.n_features, chosen)
    return cluster_graph(graph, fires_of(dataset), settings.clustering, chosen.min_fires).label


def ising_leiden(C: float) -> Method:
    """The published grouping: couplings by pseudolikelihood with penalty 1 / C, communities of |J| by Leiden.

    The method raises MethodNotApplicable if there are too many features, or igraph and leidenalg are not installed.
    """
    return lambda dataset: _couple(dataset, C)


def _couple(dataset: RecoveryDataset, C: float) -> Int[np.ndarray, "feature"]:
    frequent = frequent_features(dataset)
    if frequent.sum() > MAX_COUPLED:
        raise MethodNotApplicable(f"{frequent.sum()} features, couplings are solved for at most {MAX_COUPLED}")
    if leiden_communities is None:
        raise MethodNotApplicable("igraph and leidenalg are not installed: pip install 'manifold-explorer[dev]'")
    couplings = ising_couplings(firing_shard(dataset.codes), dataset.codes.n_features, C=C)
    return _expand(leiden_communities(np.abs(couplings[np.ix_(frequent, frequent)])), frequent)


def cosine_spectral(dataset: RecoveryDataset) -> Int[np.ndarray, "feature"]:
    """Grouping by the decoder alone: spectral clustering on |cosine|, given the true number of groups.

    Source: Engels et al. 2024, "Not all language model features are one-dimensionally linear" (arXiv 2405.14860), with
    the magnitude of the cosine as in arXiv 2604.28119.

    Raises:
        MethodNotApplicable: the dataset has no decoder, or fewer than two groups.
    """
    if dataset.W_dec is None:
        raise MethodNotApplicable("there is no decoder")
    frequent = frequent_features(dataset)
    direction = dataset.W_dec[frequent] / np.linalg.norm(dataset.W_dec[frequent], axis=1, keepdims=True)
    affinity = np.abs(direction @ direction.T)
    n_groups = int((np.bincount(dataset.truth[dataset.truth >= 0]) >= MIN_GROUP_SIZE).sum())
    if n_groups < 2:
        raise MethodNotApplicable("fewer than two groups are planted")
    spectral = SpectralClustering(n_groups, affinity="precomputed", random_state=0)
    return _expand(spectral.fit_predict(affinity), frequent)


def _expand(label: Int[np.ndarray, "frequent"], frequent: Bool[np.ndarray, "feature"]) -> Int64[np.ndarray, "feature"]:
    """Expand the frequent features' clusters to all features."""
    found = np.full(len(frequent), NOISE, dtype=np.int64)
    found[frequent] = label
    return found


def methods(coupling_c: tuple[float, ...]) -> dict[str, Method]:
    """All methods by name; the first is the build's default.

    Args:
        coupling_c: values of C for the couplings, one method each.
    """
    return {
        "signed + HDBSCAN (default)": hdbscan_on_graph("signed"),
        "NPMI + HDBSCAN": hdbscan_on_graph("npmi"),
        "|phi| + HDBSCAN": hdbscan_on_graph("abs_phi"),
        "exclusion + HDBSCAN": hdbscan_on_graph("exclusion"),
        **{f"|J| + Leiden, C = {C:g}": ising_leiden(C) for C in coupling_c},
        "decoder cosine + spectral": cosine_spectral,
        "Jaccard + HDBSCAN": hdbscan_on_graph("jaccard"),
    }
