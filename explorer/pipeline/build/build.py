"""Builds a run from a feature bundle.

Every stage is a pure function of the bundle and the settings. Its result is cached under the hash of both, so that an
interrupted build resumes, and a changed setting redoes only the stages that depend on it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from explorer.config import BuildSettings, Settings
from explorer.errors import RequestError
from explorer.maths.clustering.grouping import graph_of_codes
from explorer.maths.clustering.hdbscan import ClusterTree, cluster_tree
from explorer.maths.clustering.umap import project_graph
from explorer.pipeline.build.code_digest import code_digest
from explorer.pipeline.build.code_stream import CodeStream, FiringStream, counted_on
from explorer.pipeline.build.firing import FiringMatrix, feature_table, firing_matrix
from explorer.pipeline.build.manifold import ClusterBuilder, RecoveredManifold
from explorer.pipeline.build.robustness import Resampling, Robustness
from explorer.pipeline.build.workers import build_clusters
from explorer.pipeline.subject import subject_of
from explorer.records.cluster import ClusterSummary
from explorer.records.clustering import LEFT_OUT, Clustering, CondensedTree, NeighbourGraph
from explorer.records.progress import Progress, silent
from explorer.runs.bundle.reader import Bundle, bundle_problems, open_bundle
from explorer.runs.io.files import RUN_MANIFEST
from explorer.runs.run.label_file import LabelTable
from explorer.runs.run.manifest import MAX_TITLE, SUBJECT
from explorer.runs.run.reader import Run, load_run, open_run, run_problems
from explorer.runs.run.writer import RunWriter

Arrays = dict[str, np.ndarray]

DECISIVE = ("numpy", "scipy", "numba", "hdbscan", "umap-learn", "scikit-learn")
"""Packages whose version may change the result."""
CODE = "manifold-explorer code"
"""Key of the code digest among a run's versions."""


@dataclass(frozen=True)
class _Sources:
    """The inputs of every stage, and of its cache key."""

    bundle: Bundle
    settings: BuildSettings
    versions: Mapping[str, str]
    """Versions of the decisive packages, and the code digest."""
    device: str
    """Device that counts co-fires. Counts are equal on every device, so no key depends on it."""

    def key(self, *parts: object) -> str:
        """Cache key: hash of the bundle without its labels, the versions and all else that a stage depends on."""
        text = json.dumps([self.bundle.deciding, dict(self.versions), *map(_as_json, parts)], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


def build(
    bundle_path: Path,
    out: Path,
    settings: BuildSettings,
    *,
    title: str | None = None,
    workers: int = 1,
    device: str = "cpu",
    progress: Progress = silent,
) -> Run:
    """Cluster a bundle's features, recover each cluster's geometry, and write a run.

    The same bundle, settings and machine give the same bytes. If ``out`` already is that run and intact, nothing is
    written. The whole bundle is checked before anything is written.

    Args:
        bundle_path: folder of a feature bundle v1.
        out: folder of the run; a ``subject/`` in it is preserved.
        settings: all settings.
        title: display name; None uses model and layer.
        workers: processes that recover geometries in parallel, each with a copy of the bundle's arrays.
        device: counts co-fires, such as "cuda". It affects only the speed, so it is neither a setting nor stored in the
            run.
        progress: called after every stage and cluster.

    Raises:
        BundleError: the bundle breaks its format.
        RunError: something other than a run exists at ``out``.
        RequestError: the title is too long.
        SubjectError: the device does not exist.
    """
    if title is not None and len(title) > MAX_TITLE:
        raise RequestError("title", f"{len(title)} characters", f"at most {MAX_TITLE}")
    counted_on((), device)  # fails early where the device does not exist
    bundle = open_bundle(bundle_path)
    for problem in bundle_problems(bundle):
        raise problem
    sources = _Sources(bundle, settings, {name: version(name) for name in DECISIVE} | {CODE: code_digest()}, device)
    title = title or f"{Path(bundle.model.id).name}, layer {bundle.model.layer}"[-MAX_TITLE:]
    current = _current(out, sources, title)
    if current is not None:
        progress("unchanged", 1, 1)
        return current
    with RunWriter(out, keep_stages=True) as writer:
        _write(writer, sources, title, workers, progress)
    return open_run(out)


def _current(out: Path, sources: _Sources, title: str) -> Run | None:
    """The run at ``out`` if it equals what would be built and is intact, else None.

    Raises:
        RunError: its manifest is broken or newer than this program, or the folder holds foreign files.
    """
    if not (out / RUN_MANIFEST).is_file():
        return None
    run = load_run(out)
    run.folder.check_listing(RUN_MANIFEST, ignore=SUBJECT)
    manifest = run.manifest
    wanted = (
        sources.bundle.digest,
        sources.settings,
        dict(sources.versions),
        title,
        f"manifold-explorer {version('manifold-explorer')}",
    )
    same = (manifest.bundle, manifest.settings, manifest.versions, manifest.title, manifest.created_by) == wanted
    return run if same and not any(run_problems(run)) else None


def _write(writer: RunWriter, sources: _Sources, title: str, workers: int, progress: Progress) -> None:
    bundle, settings = sources.bundle, sources.settings
    graph = _graph(writer, sources, progress)
    progress("read codes", 0, None)
    firing = firing_matrix(CodeStream(bundle), bundle.counts.n_features)
    found = _clustering(writer, sources, graph, firing, progress)
    clustering, robustness = found.clustering, _robustness(writer, sources, found, progress)
    xy = _map(writer, sources, graph, clustering, progress)
    tokens = bundle.tokens()
    writer.write_features(feature_table(firing, tokens.token_ids, xy, clustering.label, clustering.membership))
    writer.write_graph(graph)
    if bundle.blocks() is None:
        writer.write_tree(found.tree)
    writer.write_vocabulary(tokens.vocabulary)
    labels = bundle.labels()
    named = [one for one in labels if one.label.strip()]
    if named:
        writer.write_labels(LabelTable.pack(named))
    summaries = _manifolds(writer, sources, firing, clustering, workers, progress)
    writer.finish(
        title=title,
        model=bundle.model,
        sae=bundle.sae,
        subject=subject_of(bundle, writer.path),
        dataset=bundle.dataset,
        bundle=bundle.digest,
        settings=settings,
        seeds={"build": settings.seed},
        versions=sources.versions,
        n_tokens=bundle.counts.n_tokens,
        clusters=[replace(one, scores=one.scores | robustness.scores(one.id)) for one in summaries],
        dropped={"blank labels": blank} if (blank := len(labels) - len(named)) else {},
        evidence=robustness.evidence,
    )


def _graph(writer: RunWriter, sources: _Sources, progress: Progress) -> NeighbourGraph:
    chosen = sources.settings.cofiring

    def work() -> Arrays:
        bundle = sources.bundle
        doc_offsets = bundle.tokens().doc_offsets
        shards = counted_on(FiringStream(bundle), sources.device)
        return graph_of_codes(shards, doc_offsets, bundle.counts.n_features, chosen)._asdict()

    return NeighbourGraph(**_stage(writer, "graph", sources.key(chosen), work, progress))


def _clustering(
    writer: RunWriter, sources: _Sources, graph: NeighbourGraph, firing: FiringMatrix, progress: Progress
) -> ClusterTree:
    settings = sources.settings

    def work() -> Arrays:
        blocks = sources.bundle.blocks()
        if blocks is not None:
            found = _blocks_as_clusters(blocks, firing, settings.cofiring.min_fires)
        else:
            found = cluster_tree(graph, firing.counts, settings.clustering, settings.cofiring.min_fires)
        return vars(found.clustering) | vars(found.tree)

    key = sources.key(settings.cofiring, settings.clustering)
    arrays = _stage(writer, "clusters", key, work, progress)
    tree = {field.name: arrays.pop(field.name) for field in fields(CondensedTree)}
    return ClusterTree(Clustering(**arrays), CondensedTree(**tree))


def _robustness(writer: RunWriter, sources: _Sources, found: ClusterTree, progress: Progress) -> Robustness:
    """Robustness of the clusters; not measured for blocks, which are given rather than found."""
    settings, n_clusters = sources.settings, len(found.clustering.persistence)
    if sources.bundle.blocks() is not None:
        return Robustness(np.zeros((0, n_clusters)), np.zeros(0, np.int64), np.ones(n_clusters))
    resampling = Resampling(sources.bundle, settings, progress, sources.device)

    def stage(name: str, draws: int, work: Callable[[ClusterTree], Arrays]) -> Arrays:
        key = sources.key(settings.cofiring, settings.clustering, settings.seed, draws)
        return _stage(writer, name, key, lambda: work(found), progress)

    stability = stage("stability", settings.evidence.resamples, resampling.stability)
    chance = stage("chance", settings.evidence.null_draws, resampling.chance)
    return Robustness(**stability, **chance)


def _blocks_as_clusters(blocks: tuple[tuple[int, ...], ...], firing: FiringMatrix, min_fires: int) -> ClusterTree:
    """Blocks of a block-sparse featurizer as clusters (arXiv 2606.25234), without a tree."""
    label = np.full(firing.n_features, -1, np.int32)
    for number, block in enumerate(blocks):
        label[list(block)] = number
    label[(label < 0) & (firing.counts < min_fires)] = LEFT_OUT
    none = np.zeros(0, np.int64)
    clustering = Clustering(label, (label >= 0).astype(np.float32), np.ones(len(blocks), np.float32))
    return ClusterTree(clustering, CondensedTree(none, none, np.zeros(0), none))


def _map(
    writer: RunWriter, sources: _Sources, graph: NeighbourGraph, clustering: Clustering, progress: Progress
) -> np.ndarray:
    settings = sources.settings

    def work() -> Arrays:
        included = clustering.label != LEFT_OUT
        return {"xy": project_graph(graph, included, settings.projection, seed=settings.seed)}

    key = sources.key(settings.cofiring, settings.projection, settings.seed)
    return _stage(writer, "map", key, work, progress)["xy"]


def _manifolds(
    writer: RunWriter, sources: _Sources, firing: FiringMatrix, clustering: Clustering, workers: int, progress: Progress
) -> list[ClusterSummary]:
    settings = sources.settings
    n_clusters = int(clustering.label.max(initial=-1)) + 1

    def stage_of(number: int) -> tuple[str, str]:
        core = np.flatnonzero(clustering.label == number).tolist()
        persistence = float(clustering.persistence[number])
        key = sources.key(settings.halo, settings.geometry, settings.seed, number, core, persistence)
        return f"cluster-{number}", key

    stages = [stage_of(number) for number in range(n_clusters)]
    missing = [number for number in range(n_clusters) if writer.stage(*stages[number]) is None]
    builder = ClusterBuilder.of(sources.bundle, firing, clustering, settings)
    built = build_clusters(builder, missing, workers)
    summaries = []
    for number in range(n_clusters):
        saved = writer.stage(*stages[number])
        manifold = next(built) if saved is None else RecoveredManifold.from_arrays(saved)
        if saved is None:
            writer.save_stage(*stages[number], manifold.to_arrays())
        writer.write_cluster(number, manifold.geometry, manifold.portrait)
        summaries.append(manifold.summary)
        progress("shapes", number + 1, n_clusters)
    return summaries


def _stage(writer: RunWriter, name: str, key: str, work: Callable[[], Arrays], progress: Progress) -> Arrays:
    progress(name, 0, 1)
    arrays = writer.stage(name, key)
    if arrays is None:
        arrays = work()
        writer.save_stage(name, key, arrays)
    progress(name, 1, 1)
    return arrays


def _as_json(part: object) -> object:
    return part.model_dump(mode="json") if isinstance(part, Settings) else part
