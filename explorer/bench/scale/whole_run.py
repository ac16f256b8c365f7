"""Cost of a whole run on planted codes: every build stage, and the resampling draws behind its evidence.

The codes come from ``explorer.bench.planted.stream``. To give readouts a signal, each token names one of the features
that fire on it, and the decoder places each group of tiles on a circle.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from jaxtyping import Float32, Int32, Int64

from explorer.bench.cost import timed
from explorer.bench.planted.codes import document_offsets
from explorer.bench.planted.stream import PlantedDictionary, draw_codes, plant_dictionary
from explorer.config import BuildSettings, EvidenceSettings
from explorer.maths.clustering.grouping import graph_of_codes
from explorer.maths.clustering.hdbscan import ClusterTree, cluster_tree
from explorer.maths.clustering.resample import resampled_documents, shuffled_within_documents
from explorer.maths.clustering.umap import project_graph
from explorer.maths.cofiring.counts import FiringShard, fire_counts, firing_shard
from explorer.pipeline.build.code_stream import CodeStream
from explorer.pipeline.build.firing import feature_table, firing_matrix
from explorer.pipeline.build.manifold import ClusterBuilder
from explorer.pipeline.build.robustness import Resampler
from explorer.pipeline.build.workers import build_clusters
from explorer.records.bundle import Codes
from explorer.records.cluster import CURVES
from explorer.records.clustering import LEFT_OUT, NeighbourGraph
from explorer.records.progress import Progress, silent
from explorer.records.subject import DatasetInfo, ModelInfo, SaeInfo
from explorer.runs.bundle.reader import Bundle, open_bundle
from explorer.runs.bundle.writer import BundleWriter

D_MODEL: Final = 256
"""Width of the planted residual stream."""
WARM_UP: Final = (512, 5000)
"""Features and tokens of the run that is measured first, to trigger compilation."""
RUN_HEADER: Final = ["stage", "times", "CPU s", "CPU s of all"]
HUB: Final = 0.6
"""Cosine between the direction of a tile and the centre of its group."""


@dataclass(frozen=True)
class DrawCost:
    """CPU seconds of one resampled clustering, as the evidence of a run repeats it."""

    redraw: float
    """Drawing the resampled codes."""
    count: float
    """Computing their neighbour graph."""
    cluster: float
    """Clustering the graph."""


@dataclass(frozen=True)
class RunCost:
    """Cost of a whole run, in CPU seconds of all threads."""

    features: int
    tokens: int
    clusters: int
    """Number of clusters; each has a shape to fit."""
    count: float
    """Building the neighbour graph."""
    read: float
    """Transposing the codes from tokens to features."""
    cluster: float
    """HDBSCAN on the graph."""
    map: float
    """UMAP on the graph."""
    table: float
    """Building the feature table of the map."""
    shapes: tuple[float, ...]
    """Building one cluster (tokens, halo, readout, shape, regime, portrait), for a sample of clusters."""
    curves: int
    """Number of sampled clusters whose shape is a curve."""
    resample: DrawCost
    """One bootstrap draw of documents."""
    shuffle: DrawCost
    """One shuffle of the codes within documents."""

    @property
    def counting(self) -> float:
        """The graph of the run and of every draw in a default build."""
        return self.count + sum(times * one.count for times, one in self._draws)

    @property
    def all_shapes(self) -> float:
        """All clusters, extrapolated from the mean of the sampled ones."""
        return float(np.mean(self.shapes)) * self.clusters if self.shapes else 0.0

    @property
    def beyond(self) -> float:
        """All stages except counting."""
        redrawn = sum(times * (one.redraw + one.cluster) for times, one in self._draws)
        return self.read + self.cluster + self.map + self.table + self.all_shapes + redrawn

    @property
    def _draws(self) -> tuple[tuple[int, DrawCost], ...]:
        draws = EvidenceSettings()
        return (draws.resamples, self.resample), (draws.null_draws, self.shuffle)


def measure_run(n_features: int, n_tokens: int, *, n_shapes: int, seed: int, progress: Progress) -> RunCost:
    """Plant a bundle and run the stages of a build on it, with the default settings.

    Only a random sample of the clusters is built: all clusters of a large SAE would take too long. Nothing is
    written except the temporary bundle.

    Args:
        n_features: number of features in the bundle.
        n_tokens: number of tokens in the bundle.
        n_shapes: number of clusters to build.
        seed: seed of all random draws.
        progress: called before every stage.
    """
    if (n_features, n_tokens) != WARM_UP:
        measure_run(*WARM_UP, n_shapes=3, seed=seed, progress=silent)
    settings = BuildSettings()
    with TemporaryDirectory(prefix="explorer-bench-") as folder:
        progress("plant", 0, None)
        bundle = _planted_bundle(Path(folder) / "bundle", n_features, n_tokens, seed)
        shard, offsets = firing_shard(bundle.codes()), bundle.tokens().doc_offsets
        progress("count", 0, None)
        graph, count = timed(lambda: graph_of_codes([shard], offsets, n_features, settings.cofiring))
        firing, read = timed(lambda: firing_matrix(CodeStream(bundle), n_features))
        progress("cluster", 0, None)
        found, cluster = timed(lambda: _clusters(graph, firing.counts, settings))
        progress("map", 0, None)
        included, clustering = found.clustering.label != LEFT_OUT, found.clustering
        xy, project = timed(lambda: project_graph(graph, included, settings.projection, seed=settings.seed))
        ids = bundle.tokens().token_ids
        _, table = timed(lambda: feature_table(firing, ids, xy, clustering.label, clustering.membership))
        builder = ClusterBuilder.of(bundle, firing, clustering, settings)
        n_clusters = len(clustering.persistence)
        chosen = np.random.default_rng([seed, 2]).permutation(n_clusters)[:n_shapes]
        manifolds, built = [], build_clusters(builder, [int(number) for number in chosen], 1)
        for done in range(len(chosen)):
            progress("shapes", done, len(chosen))
            manifolds.append(timed(lambda: next(built)))
    progress("draws", 0, None)
    drawn = [
        _draw(redraw, shard, offsets, settings, n_features)
        for redraw in (resampled_documents, shuffled_within_documents)
    ]
    curves = sum(manifold.summary.shape in CURVES for manifold, _ in manifolds)
    shapes = tuple(cpu for _, cpu in manifolds)
    return RunCost(n_features, n_tokens, n_clusters, count, read, cluster, project, table, shapes, curves, *drawn)


def run_rows(cost: RunCost) -> list[list[str]]:
    """Rows for people: stage, repetitions per run, CPU seconds of one and of all repetitions."""
    draws = EvidenceSettings()
    once = [
        ("neighbour graph (counting)", 1, cost.count),
        ("codes by feature", 1, cost.read),
        ("clusters", 1, cost.cluster),
        ("map", 1, cost.map),
        ("table of the features", 1, cost.table),
        (f"a cluster's shape, mean of {len(cost.shapes)}", cost.clusters, cost.all_shapes / max(cost.clusters, 1)),
    ]
    repeated = [
        (f"{name}: {part}", times, spent)
        for name, times, draw in (
            ("resample", draws.resamples, cost.resample),
            ("shuffle", draws.null_draws, cost.shuffle),
        )
        for part, spent in (("codes", draw.redraw), ("graph (counting)", draw.count), ("clusters", draw.cluster))
    ]
    rows = [[name, f"{times:,}", f"{spent:.2f}", f"{times * spent:.1f}"] for name, times, spent in (*once, *repeated)]
    return [
        *rows,
        ["all counting", "", "", f"{cost.counting:.0f}"],
        ["all beyond counting", "", "", f"{cost.beyond:.0f}"],
    ]


def _clusters(graph: NeighbourGraph, fires: Int64[np.ndarray, "feature"], settings: BuildSettings) -> ClusterTree:
    return cluster_tree(graph, fires, settings.clustering, settings.cofiring.min_fires)


def _draw(
    redraw: Resampler,
    shard: FiringShard,
    offsets: Int64[np.ndarray, "doc_plus_1"],
    settings: BuildSettings,
    n_features: int,
) -> DrawCost:
    def draw() -> tuple[list[FiringShard], Int64[np.ndarray, "doc_plus_1"]]:
        drawn = redraw([shard], offsets, np.random.default_rng(settings.seed))
        return list(drawn.shards), drawn.doc_offsets

    (shards, ends), drawing = timed(draw)
    fires = np.sum([fire_counts(*part, n_features) for part in shards], axis=0)
    graph, count = timed(lambda: graph_of_codes(shards, ends, n_features, settings.cofiring))
    _, cluster = timed(lambda: _clusters(graph, fires, settings))
    return DrawCost(drawing, count, cluster)


def _planted_bundle(path: Path, n_features: int, n_tokens: int, seed: int) -> Bundle:
    dictionary = plant_dictionary(n_features, rng=np.random.default_rng([seed, n_features]))
    codes = draw_codes(dictionary, n_tokens, rng=np.random.default_rng([seed, n_features, 0]))
    _write_bundle(path, dictionary, codes, np.random.default_rng([seed, n_features, 1]))
    return open_bundle(path)


def _write_bundle(path: Path, dictionary: PlantedDictionary, codes: Codes, rng: np.random.Generator) -> None:
    n_features = codes.n_features
    with BundleWriter(path) as writer:
        writer.write_codes(codes.indptr, codes.features.astype(np.uint32), codes.values)
        writer.write_decoder(_decoder(dictionary, rng), np.zeros(D_MODEL, np.float32))
        words = [*(f"w{number}" for number in range(n_features)), "."]
        writer.write_tokens(_tokens(codes, rng), document_offsets(codes.n_tokens), words)
        writer.finish(
            ModelInfo("planted/stream", "", 0, "resid_post", D_MODEL, 1),
            SaeInfo("planted", n_features, "topk"),
            DatasetInfo("planted", len(document_offsets(codes.n_tokens)) - 1, codes.n_tokens),
        )


def _tokens(codes: Codes, rng: np.random.Generator) -> Int32[np.ndarray, "token"]:
    """Token ids: a random feature that fires on each token, or the last word where none fires."""
    active = np.diff(codes.indptr)
    chosen = codes.indptr[:-1] + (rng.uniform(size=len(active)) * active).astype(np.int64)
    named = codes.features[np.minimum(chosen, len(codes.features) - 1)].astype(np.int32)
    return np.where(active > 0, named, np.int32(codes.n_features)).astype(np.int32)


def _decoder(dictionary: PlantedDictionary, rng: np.random.Generator) -> Float32[np.ndarray, "feature d_model"]:
    """Unit rows: the tiles of each group on a circle, all other features in random directions."""
    n_units, n_features = len(dictionary.size), len(dictionary.label)
    hub, across, along = rng.standard_normal((3, n_units, D_MODEL), dtype=np.float32) / np.float32(np.sqrt(D_MODEL))
    unit: Int64[np.ndarray, "feature"] = np.repeat(np.arange(n_units), dictionary.size)
    place = np.arange(n_features) - dictionary.first[unit]
    angle = (2 * np.pi * place / dictionary.size[unit]).astype(np.float32)[:, None]
    side = np.float32(np.sqrt(1 - HUB**2))
    rows = np.empty((n_features, D_MODEL), np.float32)
    rows[dictionary.feature_of_slot] = HUB * hub[unit] + side * (
        np.cos(angle) * across[unit] + np.sin(angle) * along[unit]
    )
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
