"""A run with thousands of clusters, cheap to write: one feature each, hard-linked to the files of a planted cluster."""

import json
import os
from pathlib import Path

import numpy as np

from explorer.records.clustering import FeatureTable, NeighbourGraph
from explorer.runs.io.safetensors_write import write_safetensors
from explorer.runs.run.arrays import table_arrays
from explorer.runs.run.manifest import TREE, cluster_file, thumbnail_file
from tests.app.conftest import write_steerable_run

SHAPES = ("closed curve", "open curve", "surface", "blob")


def write_many_clusters(path: Path, clusters: int) -> Path:
    """Write the run. Its map, tile grid and thumbnails are valid; its cluster pages are not."""
    write_steerable_run(path)
    manifest = path / "run.json"
    content = json.loads(manifest.read_text())
    files = content["sha256"]
    (path / TREE).unlink()
    del files[TREE]
    files["features.safetensors"] = write_safetensors(path / "features.safetensors", table_arrays(_table(clusters)))
    graph = NeighbourGraph(np.full((clusters, 1), -1, np.int32), np.zeros((clusters, 1), np.float32))
    files["graph.safetensors"] = write_safetensors(path / "graph.safetensors", graph._asdict())
    (first, *_) = content["clusters"]
    content["clusters"] = [_cluster(first, number) for number in range(clusters)]
    for number in range(1, clusters):
        for name in (cluster_file, thumbnail_file):
            if number == 1:
                (path / name(number)).unlink()
            os.link(path / name(0), path / name(number))
            files[name(number)] = files[name(0)]
    content["n_features"] = content["n_clustered"] = clusters
    content["n_noise"] = content["n_left_out"] = 0
    content["sae"]["n_features"] = content["subject"]["sae"]["n_features"] = clusters
    manifest.write_text(json.dumps(content))
    return path


def _table(features: int) -> FeatureTable:
    rng = np.random.default_rng(0)
    return FeatureTable(
        xy=rng.normal(0, 1, (features, 2)).astype(np.float32),
        cluster=np.arange(features, dtype=np.int32),
        membership=np.ones(features, np.float32),
        fires=rng.integers(1, 1000, features),
        mean_activation=np.ones(features, np.float32),
        max_activation=np.ones(features, np.float32),
        top_tokens=np.zeros((features, 1), np.int32),
    )


def _cluster(first: dict[str, object], number: int) -> dict[str, object]:
    own = {
        "id": number,
        "features": [number],
        "halo": [],
        "feature_order": [number],
        "n_tokens": 1 + number % 900,
        "order": [],
    }
    return {**first, **own, "label": f"cluster number {number}", "shape": SHAPES[number % 4]}
