"""How far to believe each cluster: the clustering done again on other documents, and on codes without co-firing."""

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
from explorer.pipeline.build.code_stream import FiringStream, counted_on
from explorer.pipeline.build.shard_files import kept
from explorer.records import Evidence, Progress
from explorer.runs.bundle.reader import Bundle

RESAMPLES, SHUFFLES = 1, 2
"""Streams of chance: neither shares a number with the other, nor with what the clusters' geometry draws."""

Redraw = Callable[[Iterable[FiringShard], Int64[np.ndarray, "doc_plus_1"], np.random.Generator], ResampledCodes]


@dataclass(frozen=True)
class Measured:
    """What a build knows of how far its clusters are to be believed."""

    jaccard: Float64[np.ndarray, "draw cluster"]
    """Similarity of each cluster to its best match in each resample; no rows where nothing was drawn."""
    chance_clusters: Int64[np.ndarray, "draw"]
    """Clusters in each shuffle."""
    chance_p: Float64[np.ndarray, "cluster"]
    """Share of the shuffles that hold a cluster at least as large and as persistent."""

    @property
    def evidence(self) -> Evidence | None:
        """For the manifest; None where nothing was drawn."""
        resamples, chance = len(self.jaccard), tuple(self.chance_clusters.tolist())
        return Evidence(resamples, chance) if resamples or chance else None

    def scores(self, number: int) -> dict[str, float]:
        """The scores of one cluster; those for which nothing was drawn are not there."""
        scores: dict[str, float] = {}
        if len(self.jaccard):
            stability = summarise_stability(self.jaccard[:, [number]])
            scores |= {"stability": float(stability.jaccard[0]), "dissolved": float(stability.dissolved[0])}
        return scores | ({"chance_p": float(self.chance_p[number])} if len(self.chance_clusters) else {})


@dataclass(frozen=True)
class Redrawing:
    """Clusters the features of a bundle again and again, as its build does."""

    bundle: Bundle
    """Whose codes are drawn anew."""
    settings: BuildSettings
    """Those of the build."""
    progress: Progress
    """Told after every draw but the last, after which the stage is done."""
    device: str = "cpu"
    """Where co-fires are counted; as in ``build``."""

    def stability(self, found: ClusterTree) -> dict[str, np.ndarray]:
        """The arrays of the stage that sees which clusters come back on documents drawn with replacement."""
        drawn = self._again("stability", resampled_documents, self.settings.evidence.resamples, RESAMPLES)
        label = found.clustering.label
        jaccard = [best_match_jaccard(label, again.clustering.label) for again in drawn]
        return {"jaccard": np.array(jaccard).reshape(len(jaccard), len(found.clustering.persistence))}

    def chance(self, found: ClusterTree) -> dict[str, np.ndarray]:
        """The arrays of the stage that sees which clusters chance makes of the same documents."""
        drawn = self._again("chance", shuffled_within_documents, self.settings.evidence.null_draws, SHUFFLES)
        draws = [cluster_statistics(again) for again in drawn]
        n_clusters = np.array([len(draw.size) for draw in draws], dtype=np.int64)
        return {"chance_clusters": n_clusters, "chance_p": null_p_values(cluster_statistics(found), draws)}

    def _again(self, stage: str, redraw: Redraw, draws: int, stream: int) -> Iterator[ClusterTree]:
        if not draws:
            return
        doc_offsets, n_features = self.bundle.tokens().doc_offsets, self.bundle.counts.n_features
        seeds = np.random.SeedSequence(self.settings.seed, spawn_key=(stream,)).spawn(draws)
        for done, seed in enumerate(seeds):
            if done:
                self.progress(stage, done, draws)
            anew = redraw(FiringStream(self.bundle), doc_offsets, np.random.default_rng(seed))
            with kept(anew.shards) as shards:
                counted = counted_on(shards, self.device)
                found = cluster_codes(
                    counted, anew.doc_offsets, n_features, self.settings.cofiring, self.settings.clustering
                )
            yield found
