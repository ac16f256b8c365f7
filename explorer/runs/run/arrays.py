"""The arrays of a run as records, and the constraints on their values: ranges, and agreement with the manifest."""

from dataclasses import fields

import numpy as np

from explorer.records.cluster import ClusterGeometry, ClusterSummary
from explorer.records.clustering import LEFT_OUT, NOISE, CondensedTree, FeatureTable, NeighbourGraph
from explorer.runs.io.array_checks import Fail, check_at_least, check_finite, check_range
from explorer.runs.run.manifest import GRAPH_NEIGHBOURS, RunManifest

_ORTHONORMAL = 1e-3
_ABOVE_ONE = float(np.nextafter(np.float32(1), np.float32(2)))


def geometry_arrays(geometry: ClusterGeometry) -> dict[str, np.ndarray]:
    """The arrays of one cluster's file; `n_core` becomes an int64 array of length 1."""
    arrays = {field.name: getattr(geometry, field.name) for field in fields(ClusterGeometry)}
    return {**arrays, "n_core": np.array([geometry.n_core], dtype=np.int64)}


def geometry_record(arrays: dict[str, np.ndarray]) -> ClusterGeometry:
    """The inverse of `geometry_arrays`."""
    return ClusterGeometry(**{**arrays, "n_core": int(arrays["n_core"][0])})  # type: ignore[arg-type]


def table_arrays(table: FeatureTable) -> dict[str, np.ndarray]:
    """The arrays of features.safetensors."""
    return {field.name: getattr(table, field.name) for field in fields(FeatureTable)}


def check_features(fail: Fail, table: FeatureTable, manifest: RunManifest, n_vocabulary: int) -> None:
    """Raise unless the feature table is in range and has the clusters of the manifest."""
    expected = np.full(manifest.n_features, NOISE, dtype=np.int32)
    expected[table.cluster == LEFT_OUT] = LEFT_OUT
    for summary in manifest.clusters:
        expected[list(summary.features)] = summary.id
    wrong = np.flatnonzero(expected != table.cluster)
    if len(wrong):
        feature = int(wrong[0])
        raise fail(f"feature {feature} in cluster {table.cluster[feature]}", f"{expected[feature]} as in the manifest")
    left_out = int((table.cluster == LEFT_OUT).sum())
    if left_out != manifest.n_left_out:
        raise fail(f"{left_out} features left out", f"{manifest.n_left_out} as in the manifest")
    check_finite(fail, "xy of features that are not left out", table.xy[table.cluster != LEFT_OUT])
    check_range(fail, "membership", table.membership, 0.0, _ABOVE_ONE)
    check_range(fail, "fires", table.fires, 0, manifest.n_tokens + 1)
    check_at_least(fail, "mean_activation", table.mean_activation, 0.0)
    check_at_least(fail, "max_activation", table.max_activation, 0.0)
    check_range(fail, "top_tokens", table.top_tokens, -1, n_vocabulary)


def check_graph(fail: Fail, graph: NeighbourGraph, manifest: RunManifest) -> None:
    """Raise unless every neighbour is a feature or -1, and there are at most GRAPH_NEIGHBOURS."""
    if graph.neighbour.shape[1] > GRAPH_NEIGHBOURS:
        raise fail(f"{graph.neighbour.shape[1]} neighbours", f"at most {GRAPH_NEIGHBOURS}")
    check_range(fail, "neighbour", graph.neighbour, -1, manifest.n_features)


def check_geometry(
    fail: Fail, geometry: ClusterGeometry, summary: ClusterSummary, manifest: RunManifest, n_vocabulary: int
) -> None:
    """Raise unless one cluster's arrays are in range and agree with its summary."""
    if geometry.atoms.tolist() != [*summary.features, *summary.halo]:
        raise fail("'atoms' of other features", "the core and the halo as in the manifest")
    if geometry.n_core != len(summary.features):
        raise fail(f"n_core {geometry.n_core}", f"{len(summary.features)} as in the manifest")
    if len(geometry.value_count) != len(summary.order):
        raise fail(f"{len(geometry.value_count)} values", f"{len(summary.order)} as in the manifest")
    check_range(fail, "token_index", geometry.token_index, 0, manifest.n_tokens)
    check_range(fail, "value", geometry.value, -1, len(summary.order))
    for name in ("coordinate", "value_coordinate"):
        check_range(fail, name, getattr(geometry, name), 0.0, _ABOVE_ONE)
    for name in ("codes", "tuning", "example_activation", "value_count"):
        check_at_least(fail, name, getattr(geometry, name), 0)
    for name in ("context_ids", "example_ids"):
        check_range(fail, name, getattr(geometry, name), -1, n_vocabulary)
    _check_basis(fail, geometry.basis.astype(np.float64))


def _check_basis(fail: Fail, basis: np.ndarray) -> None:
    if len(basis) > basis.shape[1]:
        raise fail(f"a basis of {len(basis)} axes in {basis.shape[1]} dimensions", "no more axes than d_model")
    error = np.abs(basis @ basis.T - np.eye(len(basis))).max(initial=0.0)
    if not error <= _ORTHONORMAL:
        raise fail(f"a basis that is {error:.2g} away from orthonormal", f"at most {_ORTHONORMAL}")


_TYPES = {"parent": np.int32, "child": np.int32, "density": np.float32, "size": np.int32}


def tree_arrays(tree: CondensedTree) -> dict[str, np.ndarray]:
    """The arrays of tree.safetensors, in its types."""
    return {field.name: getattr(tree, field.name).astype(_TYPES[field.name]) for field in fields(CondensedTree)}


def check_tree(fail: Fail, tree: CondensedTree, manifest: RunManifest) -> None:
    """Raise unless the rows form one tree over the features that are not left out.

    Groups are numbered from the number of features on, each above its parent group. As many features leave a group as
    it holds, none at a density below that at which the group itself appears.
    """
    first, rows = manifest.n_features, len(tree.parent)
    check_range(fail, "parent", tree.parent, first, first + rows)
    check_range(fail, "child", tree.child, 0, first + rows)
    check_at_least(fail, "density", tree.density, 0.0)
    scored = manifest.n_features - manifest.n_left_out
    leaves = int((tree.child < first).sum())
    if leaves != (scored if scored > 1 else 0):
        raise fail(f"{leaves} features in the tree", f"{scored}, all that are not left out")
    if len(np.unique(tree.child)) != rows:
        raise fail("a repeated child", "each once")
    if bool((tree.child <= tree.parent)[tree.child >= first].any()):
        raise fail("a group numbered below its parent", "numbers that ascend from the root")
    _check_groups(fail, tree, first)


def _check_groups(fail: Fail, tree: CondensedTree, first: int) -> None:
    rows = len(tree.parent)
    size, birth = np.zeros(rows, dtype=np.int64), np.zeros(rows)
    size[:1] = (tree.child < first).sum()
    inner = tree.child >= first
    size[tree.child[inner] - first] = tree.size[inner]
    birth[tree.child[inner] - first] = tree.density[inner]
    left = np.bincount(tree.parent - first, weights=tree.size, minlength=rows)
    if bool((left != size).any()) or bool((tree.size[~inner] != 1).any()):
        raise fail("'size' that does not add up", "1 for a feature, the features below it for a group")
    if bool((tree.density < birth[tree.parent - first]).any()):
        raise fail("'density' of a child below that of its group", "densities that ascend from the root")
