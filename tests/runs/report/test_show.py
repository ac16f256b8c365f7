"""The JSON of `explorer show` has the keys of the stable contract and plain values."""

import json
from dataclasses import asdict, replace
from pathlib import Path

from explorer.records.bundle import FeatureLabel
from explorer.runs.report.check import Problem
from explorer.runs.report.show import (
    cluster_facts,
    cluster_rows,
    cluster_table,
    gather_curves,
    label_rows,
    run_rows,
    run_table,
)
from explorer.runs.run.label_file import LabelTable
from explorer.runs.run.reader import open_run
from explorer.runs.run.writer import RunWriter
from tests.planted import LABELS, planted_parts, write_parts

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "golden" / "run-v1"


def test_run_table(planted_run: Path) -> None:
    table = json.loads(json.dumps(run_table(open_run(planted_run)), allow_nan=False))
    assert {"format_version", "subject", "settings", "n_features", "n_noise", "clusters"} <= table.keys()
    assert table["format_version"] == 1
    assert table["n_features"] == table["n_clustered"] + table["n_noise"] + table["n_left_out"]
    wanted = {"id", "features", "halo", "n_tokens", "label", "shape", "intrinsic_dim", "regime", "order"}
    for cluster in table["clusters"]:
        assert wanted | {"feature_order", "scores"} <= cluster.keys()
    assert table["clusters"][0]["order"][0] == "Monday"
    assert table["settings"]["cofiring"]["similarity"] == "signed"
    assert table["evidence"]["resamples"] == 10
    assert table["chance_clusters"] == 1.0
    assert table["clusters"][0]["scores"]["stability"] == 0.93
    assert table["clusters"][0]["intervals"]["variance_explained"] == [0.96, 0.98]
    assert table["clusters"][1]["intervals"] == {}


def test_an_older_run_has_no_robustness_scores() -> None:
    run = open_run(GOLDEN)
    table = run_table(run)
    assert table["evidence"] is None
    assert table["chance_clusters"] is None
    title, header, rows = run_rows(run)
    assert "shuffled" not in title
    assert [row[header.index("stable")] for row in rows] == ["-", "-"]


def test_cluster_table(planted_run: Path) -> None:
    table = json.loads(json.dumps(cluster_table(open_run(planted_run), 1), allow_nan=False))
    samples = len(table["points"])
    assert samples == len(table["coordinate"]) == len(table["token_text"]) == len(table["value"]) > 100
    assert all(len(point) == 3 for point in table["points"] + table["curve"])
    assert table["variance_explained"] == 0.97
    assert table["id"] == 1
    assert len(table["clusters"]) == 2
    assert table["labels"] == [asdict(one) for one in LABELS if one.feature in (*table["features"], *table["halo"])]
    values = [table["order"][value] for value in table["value"]]
    assert [text.strip() for text in table["token_text"]] == values


def test_rows(planted_run: Path) -> None:
    run = open_run(planted_run)
    title, header, rows = run_rows(run)
    assert title.startswith("Planted rings: 64 features, 22 in 2 clusters, 40 noise, 2 left out")
    assert title.endswith("; codes shuffled within documents give 1 clusters")
    assert [len(row) for row in rows] == [len(header)] * 2
    assert [row[header.index("stable")] for row in rows] == ["0.93", "0.55"]
    assert [row[header.index("chance p")] for row in rows] == ["0.05", "0.20"]
    title, header, rows = cluster_facts(run, 0)
    assert run.summary(0).label in title
    assert run.summary(0).words in title
    assert all(len(row) == len(header) for row in rows)
    facts = dict(rows)
    assert facts["core"].startswith("12: 0, 1, 2, ")
    assert (facts["variance_explained"], facts["intrinsic_dim"]) == ("0.97 (0.96 to 0.98)", "1.1 (1.02 to 1.18)")
    assert set(run.summary(0).scores) < facts.keys()
    title, header, rows = cluster_rows(run, 0)
    assert "7 values" in title
    assert [row[0] for row in rows] == list(run.summary(0).order)
    assert all(len(row) == len(header) for row in rows)


def test_cluster_labels_cannot_control_the_terminal(planted_run: Path) -> None:
    run = open_run(planted_run)
    summary = replace(run.summary(0), label="a\x1b[2J\nb")
    run.manifest = run.manifest.model_copy(update={"clusters": (summary, *run.manifest.clusters[1:])})
    assert run_rows(run)[2][0][1] == "a\ufffd[2J\ufffdb"
    assert "\x1b" not in cluster_facts(run, 0)[0]


def test_a_problem_is_one_line() -> None:
    assert str(Problem("a", "b", "c")) == "a: found b, wanted c"


def test_curves_over_atoms_are_sorted_by_atoms(planted_run: Path) -> None:
    run = open_run(planted_run)
    scores = {"r2_at_16": 0.95, "r2_at_2": 0.5, "overlap": 2.0}
    summary = replace(run.summary(0), scores=scores)
    run.manifest = run.manifest.model_copy(update={"clusters": (summary, *run.manifest.clusters[1:])})
    assert cluster_facts(run, 0)[2][-2:] == [["overlap", "2"], ["r2_at", "0.5 by 2, 0.95 by 16"]]


def test_labels_of_a_clusters_features_as_a_table(planted_run: Path) -> None:
    title, header, rows = label_rows(open_run(planted_run), 0)
    assert title == "\n3 labels of its features"
    assert header == ["feature", "label", "source"]
    assert rows == [[str(one.feature), one.label, one.source] for one in (LABELS[0], LABELS[1], LABELS[3])]
    assert label_rows(open_run(GOLDEN), 0)[2] == []


def test_feature_labels_cannot_control_the_terminal(tmp_path: Path) -> None:
    hostile = LabelTable.pack([FeatureLabel(0, "a\x1b[2J\nb", "\u202ec")])
    with RunWriter(tmp_path / "run") as writer:
        write_parts(writer, replace(planted_parts(), labels=hostile))
    assert label_rows(open_run(tmp_path / "run"), 0)[2] == [["0", "a\ufffd[2J\ufffdb", "\ufffdc"]]


def test_gather_curves_sorts_by_atoms_and_keeps_other_scores() -> None:
    scores = {"overlap": 2.0, "r2_at_16": 0.9, "r2_at_2": 0.4, "pca_holds_1": 0.5, "r2_at_most": 1.0, "layer_2": 3.0}
    single, curves = gather_curves(scores)
    assert single == {"overlap": 2.0, "r2_at_most": 1.0, "layer_2": 3.0}
    assert list(curves["r2_at"].items()) == [(2, 0.4), (16, 0.9)]
    assert curves["pca_holds"] == {1: 0.5}
