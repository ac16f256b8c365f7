"""The JSON of `explorer show`: the stable contract's keys, in plain values."""

import json
from pathlib import Path

from explorer.runs.run import open_run
from explorer.runs.show import cluster_table, run_table


def test_run_table(planted_run: Path) -> None:
    table = json.loads(json.dumps(run_table(open_run(planted_run)), allow_nan=False))
    assert {"format_version", "subject", "settings", "n_features", "n_noise", "clusters"} <= table.keys()
    assert table["format_version"] == 1
    assert table["n_features"] == table["n_clustered"] + table["n_noise"] + table["n_left_out"]
    wanted = {"id", "features", "halo", "n_tokens", "label", "shape", "intrinsic_dim", "regime", "order"}
    for cluster in table["clusters"]:
        assert wanted | {"feature_order", "scores"} <= cluster.keys()
    assert table["clusters"][0]["order"][0] == "Monday"
    assert table["settings"]["cofiring"]["similarity"] == "npmi"


def test_cluster_table(planted_run: Path) -> None:
    table = json.loads(json.dumps(cluster_table(open_run(planted_run), 1), allow_nan=False))
    samples = len(table["points"])
    assert samples == len(table["coordinate"]) == len(table["token_text"]) == len(table["value"]) > 100
    assert all(len(point) == 3 for point in table["points"] + table["curve"])
    assert table["variance_explained"] == 0.97
    assert table["id"] == 1
    assert len(table["clusters"]) == 2
    values = [table["order"][value] for value in table["value"]]
    assert [text.strip() for text in table["token_text"]] == values
