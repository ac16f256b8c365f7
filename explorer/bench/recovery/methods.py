"""Ways to group features: ours under several scores, and the baselines that are run on the same codes."""

from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Bool, Int, Int64
from sklearn.cluster import SpectralClustering

from explorer.bench.baselines.ising import ising_couplings
from explorer.bench.baselines.leiden import leiden_communities
from explorer.bench.recovery.datasets import Work
from explorer.bench.recovery.scores import SMALLEST_GROUP
from explorer.config import BuildSettings
from explorer.errors import ExplorerError
from explorer.maths.clustering.grouping import graph_of_codes
from explorer.maths.clustering.hdbscan import cluster_graph
from explorer.maths.cofiring.counts import fire_counts, firing_shard
from explorer.records import NOISE, Similarity

Method = Callable[[Work], Int[np.ndarray, "feature"]]
"""Cluster of each feature, negative for those of none."""
MOST_COUPLED: Final = 2048
"""Couplings are solved for at most so many features: their cost grows with the square of this and more."""


class NotRun(ExplorerError):
    """A method does not apply to a work, or lacks a package; the message says which."""


def fires_of(work: Work) -> Int64[np.ndarray, "feature"]:
    """Tokens on which each feature fires."""
    shard = firing_shard(work.codes)
    return fire_counts(shard.indptr, shard.features, work.codes.n_features)


def often_enough(work: Work) -> Bool[np.ndarray, "feature"]:
    """Which features fire often enough to be clustered; every method leaves the others out."""
    return fires_of(work) >= BuildSettings().cofiring.min_fires


def ours(similarity: Similarity) -> Method:
    """HDBSCAN on the neighbour graph with all settings as they come, but for the score."""
    return lambda work: _cluster(work, similarity)


def _cluster(work: Work, similarity: Similarity) -> Int[np.ndarray, "feature"]:
    settings = BuildSettings()
    chosen = settings.cofiring.model_copy(update={"similarity": similarity})
    graph = graph_of_codes([firing_shard(work.codes)], work.doc_offsets, work.codes.n_features, chosen)
    return cluster_graph(graph, fires_of(work), settings.clustering, chosen.min_fires).label


def ising_leiden(C: float) -> Method:
    """Group by the published way: couplings by pseudolikelihood under a penalty of 1 / C, communities of |J| by Leiden.

    The method raises NotRun where there are too many features, or igraph and leidenalg are not installed.
    """
    return lambda work: _couple(work, C)


def _couple(work: Work, C: float) -> Int[np.ndarray, "feature"]:
    kept = often_enough(work)
    if kept.sum() > MOST_COUPLED:
        raise NotRun(f"{kept.sum()} features, couplings are solved for at most {MOST_COUPLED}")
    if leiden_communities is None:
        raise NotRun("igraph and leidenalg are not installed: pip install 'manifold-explorer[dev]'")
    couplings = ising_couplings(firing_shard(work.codes), work.codes.n_features, C=C)
    return _spread(leiden_communities(np.abs(couplings[np.ix_(kept, kept)])), kept)


def cosine_spectral(work: Work) -> Int[np.ndarray, "feature"]:
    """Group by the decoder alone: spectral clustering on |cosine|, told the true number of groups.

    Source: Engels et al. 2024, "Not all language model features are one-dimensionally linear" (arXiv 2405.14860), with
    the magnitude of the cosine as in arXiv 2604.28119.

    Raises:
        NotRun: the work has no decoder, or fewer than two groups.
    """
    if work.W_dec is None:
        raise NotRun("there is no decoder")
    kept = often_enough(work)
    direction = work.W_dec[kept] / np.linalg.norm(work.W_dec[kept], axis=1, keepdims=True)
    alike = np.abs(direction @ direction.T)
    n_groups = int((np.bincount(work.truth[work.truth >= 0]) >= SMALLEST_GROUP).sum())
    if n_groups < 2:
        raise NotRun("fewer than two groups are planted")
    spectral = SpectralClustering(n_groups, affinity="precomputed", random_state=0)
    return _spread(spectral.fit_predict(alike), kept)


def _spread(label: Int[np.ndarray, "kept"], kept: Bool[np.ndarray, "feature"]) -> Int64[np.ndarray, "feature"]:
    """Write the kept features' clusters over all features."""
    found = np.full(len(kept), NOISE, dtype=np.int64)
    found[kept] = label
    return found


def methods(coupling_c: tuple[float, ...]) -> dict[str, Method]:
    """Name all methods; the first is what a build does.

    Args:
        coupling_c: weights of the log-loss with which couplings are solved, one method each.
    """
    return {
        "signed + HDBSCAN (default)": ours("signed"),
        "NPMI + HDBSCAN": ours("npmi"),
        "|phi| + HDBSCAN": ours("abs_phi"),
        "exclusion + HDBSCAN": ours("exclusion"),
        **{f"|J| + Leiden, C = {C:g}": ising_leiden(C) for C in coupling_c},
        "decoder cosine + spectral": cosine_spectral,
        "Jaccard + HDBSCAN": ours("jaccard"),
    }
