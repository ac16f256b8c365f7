"""Robustness of each cluster: the clustering repeated on resampled documents, and on codes without co-firing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from explorer.config import BuildSettings
from explorer.maths.clustering.grouping import cluster_codes
from explorer.maths.clustering.hdbscan import ClusterTree
from explorer.maths.clustering.resample import ResampledCodes, resampled_documents, shuffled_within_documents
from explorer.maths.clustering.stability import (
    best_match_jaccard,
    cluster_statistics,
    null_p_values,
    summarise_stability,
)
from explorer.maths.cofiring.counts import FiringShard
from explorer.pipeline.build.code_stream import FiringStream, buffered, counted_on
from explorer.records.clustering import Evidence
from explorer.records.progress import Progress
from explorer.runs.bundle.reader import Bundle

RESAMPLES, SHUFFLES = 1, 2
"""Keys of independent random streams; the geometry of the clusters uses neither."""

Resampler = Callable[[Iterable[FiringShard], Int64[np.ndarray, "doc_plus_1"], np.random.Generator], ResampledCodes]


@dataclass(frozen=True)
class Robustness:
    """Evidence for the clusters from resampling and from shuffled codes."""

    jaccard: Float64[np.ndarray, "draw cluster"]
    """Jaccard similarity of each cluster to its best match in each resample; no rows without resamples."""
    chance_clusters: Int64[np.ndarray, "draw"]
    """Number of clusters in each shuffle."""
    chance_p: Float64[np.ndarray, "cluster"]
    """Fraction of the shuffles with a cluster at least as large and as persistent."""

    @property
    def evidence(self) -> Evidence | None:
        """The manifest's record; None without resamples and shuffles."""
        resamples, chance = len(self.jaccard), tuple(self.chance_clusters.tolist())
        return Evidence(resamples, chance) if resamples or chance else None

    def scores(self, number: int) -> dict[str, float]:
        """Scores of one cluster; a score without draws is absent."""
        scores: dict[str, float] = {}
        if len(self.jaccard):
            stability = summarise_stability(self.jaccard[:, [number]])
            scores |= {"stability": float(stability.jaccard[0]), "dissolved": float(stability.dissolved[0])}
        return scores | ({"chance_p": float(self.chance_p[number])} if len(self.chance_clusters) else {})


@dataclass(frozen=True)
class Resampling:
    """Repeats a build's clustering on resampled and on shuffled codes."""

    bundle: Bundle
    settings: BuildSettings
    """The build's settings."""
    progress: Progress
    """Called after every draw but the last, after which the stage itself reports."""
    device: str = "cpu"
    """Device that counts co-fires, as in ``build``."""

    def stability(self, found: ClusterTree) -> dict[str, np.ndarray]:
        """Arrays of the stage `stability`: every cluster's best match on documents drawn with replacement."""
        drawn = self._reclusterings("stability", resampled_documents, self.settings.evidence.resamples, RESAMPLES)
        label = found.clustering.label
        jaccard = [best_match_jaccard(label, again.clustering.label) for again in drawn]
        return {"jaccard": np.array(jaccard).reshape(len(jaccard), len(found.clustering.persistence))}

    def chance(self, found: ClusterTree) -> dict[str, np.ndarray]:
        """Arrays of the stage `chance`: clusters of codes shuffled within documents."""
        drawn = self._reclusterings("chance", shuffled_within_documents, self.settings.evidence.null_draws, SHUFFLES)
        draws = [cluster_statistics(again) for again in drawn]
        n_clusters = np.array([len(draw.size) for draw in draws], dtype=np.int64)
        return {"chance_clusters": n_clusters, "chance_p": null_p_values(cluster_statistics(found), draws)}

    def _reclusterings(self, stage: str, resample: Resampler, draws: int, stream: int) -> Iterator[ClusterTree]:
        if not draws:
            return
        doc_offsets, n_features = self.bundle.tokens().doc_offsets, self.bundle.counts.n_features
        seeds = np.random.SeedSequence(self.settings.seed, spawn_key=(stream,)).spawn(draws)
        for done, seed in enumerate(seeds):
            if done:
                self.progress(stage, done, draws)
            drawn = resample(FiringStream(self.bundle), doc_offsets, np.random.default_rng(seed))
            with buffered(drawn.shards) as shards:
                counted = counted_on(shards, self.device)
                found = cluster_codes(
                    counted, drawn.doc_offsets, n_features, self.settings.cofiring, self.settings.clustering
                )
            yield found
