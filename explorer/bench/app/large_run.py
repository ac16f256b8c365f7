"""Builds an arbitrarily large run from copies of a small one."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from explorer.records.cluster import ClusterSummary
from explorer.records.clustering import NOISE, CondensedTree, FeatureTable, NeighbourGraph
from explorer.records.progress import Progress, silent
from explorer.runs.run.reader import Run
from explorer.runs.run.writer import RunWriter


def write_tiled_run(source: Run, path: Path, copies: int, per_copy: int, *, progress: Progress = silent) -> Path:
    """Write a run with ``copies`` times the features of another.

    Args:
        source: the run that is copied.
        path: the new run's folder.
        copies: how many copies; on the map they form a square grid.
        per_copy: clusters of each copy, the most manifold-like first; the features of all others become noise.
        progress: called after every cluster.

    Returns:
        The new run's folder. It names no subject, since no host serves that many features.
    """
    manifest = source.manifest
    order = sorted(manifest.clusters, key=lambda one: -one.scores.get("manifold_likeness", 0.0))[:per_copy]
    clusters = [(one, source.cluster(one.id), source.thumbnail(one.id)) for one in order]
    summaries: list[ClusterSummary] = []
    with RunWriter(path) as writer:
        writer.write_features(_table(source.features(), copies, [one.id for one in order]))
        writer.write_graph(_graph(source.graph(), copies))
        if (tree := source.tree()) is not None:
            writer.write_tree(_tree(tree, manifest.n_features, copies))
        writer.write_vocabulary(source.vocabulary())
        for copy in range(copies):
            for summary, geometry, picture in clusters:
                moved = _summary(summary, len(summaries), copy * manifest.n_features, copy)
                atoms = (geometry.atoms + copy * manifest.n_features).astype(np.int32)
                writer.write_cluster(moved.id, replace(geometry, atoms=atoms), picture)
                summaries.append(moved)
                progress("copy clusters", len(summaries), copies * len(clusters))
        writer.finish(
            title=f"{manifest.title}, {copies} times",
            model=manifest.model,
            sae=replace(manifest.sae, n_features=copies * manifest.n_features),
            subject=None,
            dataset=manifest.dataset,
            bundle=manifest.bundle,
            settings=manifest.settings,
            seeds=manifest.seeds,
            versions=manifest.versions,
            n_tokens=manifest.n_tokens,
            clusters=summaries,
            evidence=manifest.evidence,
        )
    return path


def _summary(one: ClusterSummary, number: int, first: int, copy: int) -> ClusterSummary:
    def moved(features: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(feature + first for feature in features)

    return replace(
        one,
        id=number,
        label=f"{one.label} · {copy + 1}",
        features=moved(one.features),
        halo=moved(one.halo),
        feature_order=moved(one.feature_order),
    )


def _table(table: FeatureTable, copies: int, chosen: list[int]) -> FeatureTable:
    renumbered = np.full(table.cluster.max(initial=-1) + 1, NOISE, dtype=np.int32)
    renumbered[chosen] = np.arange(len(chosen))
    own = np.where(table.cluster >= 0, renumbered[table.cluster], table.cluster)
    cluster = [np.where(own >= 0, own + copy * len(chosen), own) for copy in range(copies)]
    arrays = {field.name: _repeat(getattr(table, field.name), copies) for field in fields(table)}
    return FeatureTable(
        **{
            **arrays,
            "xy": np.concatenate(list(_places(table.xy, copies))),
            "cluster": np.concatenate(cluster).astype(np.int32),
        }
    )


def _places(xy: Float32[np.ndarray, "feature xy"], copies: int) -> Iterator[Float32[np.ndarray, "feature xy"]]:
    low, high = np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)
    side = int(np.ceil(np.sqrt(copies)))
    for copy in range(copies):
        yield (xy + (high - low) * np.array([copy % side, copy // side])).astype(np.float32)


def _repeat(array: np.ndarray, copies: int) -> np.ndarray:
    return np.concatenate([array] * copies)


def _graph(graph: NeighbourGraph, copies: int) -> NeighbourGraph:
    n = len(graph.neighbour)
    moved = [np.where(graph.neighbour >= 0, graph.neighbour + copy * n, -1) for copy in range(copies)]
    return NeighbourGraph(np.concatenate(moved).astype(np.int32), _repeat(graph.score, copies))


def _tree(tree: CondensedTree, n: int, copies: int) -> CondensedTree:
    """The copies' trees under one new root that splits at density 0."""
    groups, first = len(np.unique(tree.parent)), n * copies

    def moved(nodes: np.ndarray, copy: int) -> np.ndarray:
        return np.where(nodes < n, nodes + copy * n, first + 1 + copy * groups + nodes - n)

    size = int((tree.child < n).sum())
    roots = first + 1 + groups * np.arange(copies)
    return CondensedTree(
        parent=np.concatenate([np.full(copies, first), *(moved(tree.parent, copy) for copy in range(copies))]),
        child=np.concatenate([roots, *(moved(tree.child, copy) for copy in range(copies))]),
        density=np.concatenate([np.zeros(copies), _repeat(tree.density, copies)]),
        size=np.concatenate([np.full(copies, size), _repeat(tree.size, copies)]),
    )
