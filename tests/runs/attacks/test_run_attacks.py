"""Runs that break their format are refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from explorer.errors import RunError
from explorer.runs.io.safetensors_io import SafetensorsFile
from explorer.runs.run.reader import open_run
from tests.runs.attacks.harm import edit, refused, rewrite


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "the unknown key 'colour'"),
        ({"n_noise": 1}, "features clustered, noise or left out"),
        ({"clusters": []}, "0 features in clusters"),
        ({"bundle": "x"}, "'x' under 'bundle'"),
        ({"title": ""}, "under 'title'"),
        ({"settings": {"cofiring": {"colour": 1}}}, "the unknown key 'settings.cofiring.colour'"),
        *[
            (
                {"sae": {"id": "planted/sae", "n_features": 64, "architecture": "topk", "neuronpedia_id": name}},
                "under 'sae.neuronpedia_id'",
            )
            for name in ("../evil", "a/b/c", "a", "a/b?q", "a/..", "@evil.example/b", "a/b\n", "javascript:x/y", 7)
        ],
        ({"sha256": {"clusters/../../x": "0" * 64}}, "no sha256"),
    ],
)
def test_run_manifests(run: Path, changes: dict[str, object], message: str) -> None:
    edit(run / "run.json", **changes)
    refused(run, message)


@pytest.mark.parametrize(
    "name", ["subject/../x.json", "subject/model.pkl", "subject//x.json", "../x", "clusters/9.json"]
)
def test_run_manifests_with_foreign_files(run: Path, name: str) -> None:
    manifest = json.loads((run / "run.json").read_bytes())
    edit(run / "run.json", sha256={**manifest["sha256"], name: "0" * 64})
    refused(run, "the unknown file")


def cluster(**changes: object) -> Callable[[Path], None]:
    """Change keys of the first cluster's summary."""

    def change(path: Path) -> None:
        clusters = json.loads(path.read_bytes())["clusters"]
        edit(path, clusters=[{**clusters[0], **changes}, *clusters[1:]])

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cluster(id=1), "found id 1"),
        (cluster(halo=[0]), "a repeated feature"),
        (cluster(halo=[10**9]), "an unknown feature"),
        (cluster(order=["a", "a"]), "a repeated value"),
        (cluster(shape="torus"), "'torus' under 'clusters.0.shape'"),
        (cluster(scores={"a": None}), "under 'clusters.0.scores.a'"),
        (cluster(intervals={"intrinsic_dim": [1.2, 1.1]}), "the low end first"),
        (cluster(intervals={"intrinsic_dim": [1.2]}), "no key 'clusters.0.intervals.intrinsic_dim.1'"),
        (cluster(intervals={"intrinsic_dim": [1.2, None]}), "under 'clusters.0.intervals.intrinsic_dim.1'"),
        (cluster(html="<script>"), "the unknown key 'clusters.0.html'"),
        (cluster(order=["a"]), "7 values"),
    ],
)
def test_run_summaries(run: Path, change: Callable[[Path], None], message: str) -> None:
    change(run / "run.json")
    refused(run, message)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("points", lambda array: array[:-1], "'points' of shape [599, 3]"),
        ("curve", lambda array: array[:, :2], "'curve' of shape [128, 2]"),
        ("tuning", lambda array: array.astype(np.float64), "'tuning' of type F64"),
        ("value_count", lambda array: array[:-1], "'value_count' of shape [6]"),
        ("center", lambda array: array[:-1], "'center' of shape [31]"),
        ("context_ids", lambda array: array[:, :-1], "'context_ids' of shape [600, 32]"),
        ("basis", lambda array: np.zeros((0, len(array[0]) + 1), np.float32), "'basis' of shape [0, 33]"),
        ("n_core", lambda array: array.reshape(1, 1), "'n_core' of shape [1, 1]"),
        ("atoms", lambda array: array[:0], "'atoms' of shape [0]"),
    ],
)
def test_cluster_arrays(run: Path, name: str, change: Callable[[np.ndarray], np.ndarray], message: str) -> None:
    place = "clusters/00000.safetensors"
    with SafetensorsFile(run / place) as opened:
        arrays = {tensor: opened.read(tensor) for tensor in opened.header.tensors}
    rewrite(run, "run.json", place, {**arrays, name: change(arrays[name])})
    refused(run, f"{place}: found ")
    with pytest.raises(RunError) as caught:
        open_run(run).cluster(0)
    assert message in str(caught.value) or "with atom = 0" in str(caught.value)
