"""A run's condensed tree: what its file must say beyond types and shapes, and how it fits the manifest."""

from dataclasses import fields

import numpy as np

from explorer.records import CondensedTree
from explorer.runs.io.contents import Fail, check_at_least, check_range
from explorer.runs.run.manifest import RunManifest

_TYPES = {"parent": np.int32, "child": np.int32, "density": np.float32, "size": np.int32}


def tree_arrays(tree: CondensedTree) -> dict[str, np.ndarray]:
    """The arrays of tree.safetensors."""
    return {field.name: getattr(tree, field.name).astype(_TYPES[field.name]) for field in fields(CondensedTree)}


def check_tree(fail: Fail, tree: CondensedTree, manifest: RunManifest) -> None:
    """Raise unless the rows are one tree over the features that were not left out.

    A group counts from the number of features on and has a larger number than the group that it leaves; it is left by
    as many features as it has, none of them before it began itself.
    """
    first, rows = manifest.n_features, len(tree.parent)
    check_range(fail, "parent", tree.parent, first, first + rows)
    check_range(fail, "child", tree.child, 0, first + rows)
    check_at_least(fail, "density", tree.density, 0.0)
    scored = manifest.n_features - manifest.n_left_out
    held = int((tree.child < first).sum())
    if held != (scored if scored > 1 else 0):
        raise fail(f"{held} features in the tree", f"{scored}, all that are not left out")
    if len(np.unique(tree.child)) != rows:
        raise fail("a child that stands twice", "each once")
    if bool((tree.child <= tree.parent)[tree.child >= first].any()):
        raise fail("a group that leaves a later one", "numbers that rise from the root on")
    _check_groups(fail, tree, first)


def _check_groups(fail: Fail, tree: CondensedTree, first: int) -> None:
    rows = len(tree.parent)
    size, began = np.zeros(rows, dtype=np.int64), np.zeros(rows)
    size[:1] = (tree.child < first).sum()
    inner = tree.child >= first
    size[tree.child[inner] - first] = tree.size[inner]
    began[tree.child[inner] - first] = tree.density[inner]
    left = np.bincount(tree.parent - first, weights=tree.size, minlength=rows)
    if bool((left != size).any()) or bool((tree.size[~inner] != 1).any()):
        raise fail("'size' that does not add up", "1 for a feature, the features below it for a group")
    if bool((tree.density < began[tree.parent - first]).any()):
        raise fail("'density' of a child below that of its group", "a density that rises from the root on")
