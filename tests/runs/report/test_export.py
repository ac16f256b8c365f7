"""An export equals the run, in text that is safe in a spreadsheet."""

import csv
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from explorer.errors import InputError, RequestError, RunError
from explorer.records.bundle import Vocabulary
from explorer.runs.report.export import export_run
from explorer.runs.report.png import portrait_png
from explorer.runs.report.portrait import draw_portrait
from explorer.runs.report.tables import FORMULA, harmless
from explorer.runs.run.reader import open_run
from explorer.runs.run.writer import RunWriter
from tests.planted import LABELS, planted_parts, write_parts

HOSTILE = ("=cmd|' /C calc'!A0", "+1", "-2", "@SUM(A1)", "\t=1", "\r\n=1", " =1+1", "＝1", "'quoted", 'a","=b', "plain")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def original(cell: str) -> str:
    return cell[1:] if cell.startswith("'") else cell


def column(table: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([row[name] or "nan" for row in table], dtype=np.float32)


@pytest.fixture(scope="module")
def exported(planted_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "out"
    export_run(open_run(planted_run), out)
    return out


def test_features_are_those_of_the_run(planted_run: Path, exported: Path) -> None:
    found, table = rows(exported / "features.csv"), open_run(planted_run).features()
    assert [int(row["feature"]) for row in found] == list(range(len(table.cluster)))
    assert [int(row["cluster"]) for row in found] == table.cluster.tolist()
    assert [int(row["fires"]) for row in found] == table.fires.tolist()
    for name in ("membership", "mean_activation", "max_activation"):
        np.testing.assert_array_equal(column(found, name), getattr(table, name))
    np.testing.assert_array_equal(np.stack([column(found, "x"), column(found, "y")], axis=1), table.xy)
    assert np.isnan(column(found, "x")).sum() == 2, "features that are left out have no position"
    first = json.loads(found[0]["top_tokens"])
    vocabulary = open_run(planted_run).vocabulary()
    assert first == [vocabulary.text(int(token)) for token in table.top_tokens[0] if token >= 0]
    for row in found:
        given = [one for one in LABELS if one.feature == int(row["feature"])]
        assert json.loads(row["labels"]) == [one.label for one in given]
        assert json.loads(row["label_sources"]) == [one.source for one in given]


def test_clusters_are_those_of_the_manifest(planted_run: Path, exported: Path) -> None:
    found, summaries = rows(exported / "clusters.csv"), open_run(planted_run).manifest.clusters
    assert [int(row["id"]) for row in found] == [summary.id for summary in summaries]
    for row, summary in zip(found, summaries, strict=True):
        assert (row["label"], row["shape"], row["regime"]) == (summary.label, summary.shape, summary.regime)
        for name in ("features", "halo", "order", "feature_order"):
            assert json.loads(row[name]) == list(getattr(summary, name))
        assert {name: float(row[name]) for name in summary.scores} == pytest.approx(summary.scores)
        ends = summary.intervals.get("variance_explained", ("", ""))
        assert (row["variance_explained_low"], row["variance_explained_high"]) == tuple(map(str, ends))


@pytest.mark.parametrize("number", [0, 1])
def test_a_cluster_is_that_of_its_file(planted_run: Path, exported: Path, number: int) -> None:
    run, place = open_run(planted_run), exported / "clusters" / f"{number:05d}"
    summary, geometry = run.summary(number), run.cluster(number)
    values, points, curve = (rows(place / f"{name}.csv") for name in ("values", "points", "curve"))
    assert [row["value"] for row in values] == list(summary.order)
    np.testing.assert_array_equal(column(values, "coordinate"), geometry.value_coordinate)
    assert [int(row["tokens"]) for row in values] == geometry.value_count.tolist()
    for table, array in ((points, geometry.points), (curve, geometry.curve)):
        np.testing.assert_array_equal(np.stack([column(table, axis) for axis in "xyz"], axis=1), array)
    np.testing.assert_array_equal(column(points, "coordinate"), geometry.coordinate)
    assert [int(row["token_index"]) for row in points] == geometry.token_index.tolist()
    assert [row["value"] for row in points] == [summary.order[value] for value in geometry.value]
    assert [row["token"].strip() for row in points] == [row["value"] for row in points]
    assert float(curve[-1]["coordinate"]) == pytest.approx(1 - 1 / len(curve) if number == 0 else 1)


def test_svg_portraits_are_copied(planted_run: Path, exported: Path) -> None:
    for number in (0, 1):
        name = f"thumbnails/{number:05d}.svg"
        assert (exported / name).read_bytes() == (planted_run / name).read_bytes()


def test_png_portraits_are_rendered_from_the_geometry(planted_run: Path, tmp_path: Path) -> None:
    run, out = open_run(planted_run), tmp_path / "out"
    assert sorted(export_run(run, out, ["png"])) == ["thumbnails/00000.png", "thumbnails/00001.png"]
    for summary in run.manifest.clusters:
        geometry = run.cluster(summary.id)
        wanted = portrait_png(draw_portrait(geometry.points, geometry.coordinate, geometry.curve, summary.shape))
        assert (out / "thumbnails" / f"{summary.id:05d}.png").read_bytes() == wanted


def test_the_manifest_names_every_file_and_the_run(planted_run: Path, exported: Path) -> None:
    manifest = json.loads((exported / "export.json").read_text())
    files = {path.relative_to(exported).as_posix(): path for path in exported.rglob("*") if path.is_file()}
    del files["export.json"]
    assert manifest["sha256"] == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    assert (manifest["run"], manifest["digest"]) == (planted_run.name, open_run(planted_run).digest)


def test_formats_can_be_selected_and_an_earlier_export_is_replaced(planted_run: Path, tmp_path: Path) -> None:
    run, out = open_run(planted_run), tmp_path / "out"
    assert all(name.endswith(".csv") for name in export_run(run, out, ["csv"]))
    first = (out / "export.json").read_bytes()
    assert sorted(export_run(run, out, ["svg"])) == ["thumbnails/00000.svg", "thumbnails/00001.svg"]
    assert sorted(path.name for path in out.iterdir()) == ["export.json", "thumbnails"]
    export_run(run, out, ["csv"])
    assert (out / "export.json").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_invalid_exports_are_refused_and_write_nothing(planted_run: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="'xlsx', wanted csv or parquet or svg or png"):
        export_run(open_run(planted_run), tmp_path / "out", ["csv", "xlsx"])
    broken = tmp_path / "broken"
    shutil.copytree(planted_run, broken)
    cluster = broken / "clusters" / "00001.safetensors"
    cluster.write_bytes(cluster.read_bytes()[:-1] + b"\x01")
    with pytest.raises(RunError, match=r"00001\.safetensors"):
        export_run(open_run(broken), tmp_path / "deep" / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds 'notes\.txt'"):
        export_run(open_run(planted_run), tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "mine"]


def test_no_cell_of_a_hostile_run_is_a_formula(tmp_path: Path) -> None:
    parts = planted_parts()
    texts = [HOSTILE[token % len(HOSTILE)] for token in range(len(parts.vocabulary))]
    ring = replace(
        parts.summaries[0], label=HOSTILE[0], words=HOSTILE[3], order=HOSTILE[: len(parts.summaries[0].order)]
    )
    hostile = replace(parts, vocabulary=Vocabulary.pack(texts), summaries=(ring, parts.summaries[1]))
    with RunWriter(tmp_path / "run") as writer:
        write_parts(writer, hostile)
    export_run(open_run(tmp_path / "run"), tmp_path / "out")
    texts_of = {"features": {"top_tokens"}, "clusters": {"label", "words", "order"}, "values": {"value"},
                "points": {"before", "token", "after", "value"}, "curve": set()}  # fmt: skip
    for path in (tmp_path / "out").rglob("*.csv"):
        for row in rows(path):
            for name, cell in row.items():
                if name in texts_of[path.stem]:
                    assert cell.lstrip()[:1] not in {*FORMULA} - {""} or not cell, (path, name, cell)
                else:
                    assert not cell.startswith(("=", "+", "@"))
    points = rows(tmp_path / "out" / "clusters" / "00000" / "points.csv")
    assert {original(row["token"]) for row in points} <= set(HOSTILE)
    assert original(rows(tmp_path / "out" / "clusters.csv")[0]["label"]) == HOSTILE[0]


@given(st.text())
@example("\x1f=")
def test_harmless_text_is_never_a_formula_and_round_trips(text: str) -> None:
    cell = harmless(text)
    assert not cell.startswith(tuple(FORMULA))
    assert original(cell) == text
    assert harmless(f" {text}").lstrip()[:1] not in {"=", "+", "-", "@"}
