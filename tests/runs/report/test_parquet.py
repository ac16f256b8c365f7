"""Tables as Parquet: the columns and cells of the CSV, with their types."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import RequestError
from explorer.records.bundle import Vocabulary
from explorer.runs.report.export import export_run
from explorer.runs.report.parquet_file import as_parquet
from explorer.runs.report.tables import Column
from explorer.runs.run.reader import open_run
from explorer.runs.run.writer import RunWriter
from tests.planted import LABELS, planted_parts, write_parts
from tests.runs.report.test_export import HOSTILE, original, rows

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
CELLS = {
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float32": st.floats(width=32, allow_nan=False),
    "float64": st.floats(allow_nan=False),
    "text": TEXT,
    "texts": st.lists(TEXT, max_size=3),
    "integers": st.lists(st.integers(0, 2**31 - 1), max_size=3),
}
"""Cells of each kind, besides None."""


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose texts a spreadsheet would run as formulas: escaped in the CSV, unchanged in the Parquet."""
    parts, out = planted_parts(), tmp_path_factory.mktemp("runs") / "run"
    texts = [HOSTILE[token % len(HOSTILE)] for token in range(len(parts.vocabulary))]
    ring = replace(parts.summaries[0], label=HOSTILE[0], order=HOSTILE[: len(parts.summaries[0].order)])
    with RunWriter(out) as writer:
        write_parts(writer, replace(parts, vocabulary=Vocabulary.pack(texts), summaries=(ring, parts.summaries[1])))
    return out


@pytest.fixture(scope="module", params=["planted", "hostile"])
def exported(
    request: pytest.FixtureRequest, planted_run: Path, hostile_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Both formats in one folder."""
    out = tmp_path_factory.mktemp("export") / "out"
    export_run(open_run(planted_run if request.param == "planted" else hostile_run), out, ["csv", "parquet"])
    return out


def csv_text(cell: object) -> str:
    """A cell as in the CSV, unescaped."""
    if cell is None:
        return ""
    if isinstance(cell, list):
        return json.dumps(cell, ensure_ascii=False)
    return f"{cell:.9g}" if isinstance(cell, float) else str(cell)


def test_every_table_has_the_cells_of_the_csv(exported: Path) -> None:
    tables = sorted(exported.rglob("*.csv"))
    assert len(tables) == 2 + 2 * 3
    for path in tables:
        table = pq.read_table(path.with_suffix(".parquet"))
        found = rows(path)
        assert table.column_names == list(found[0])
        assert table.num_rows == len(found)
        for name in table.column_names:
            wanted = [original(row[name]) for row in found]
            assert [csv_text(cell) for cell in table[name].to_pylist()] == wanted, (path, name)


def test_numbers_are_those_of_the_run_and_keep_their_types(planted_run: Path, tmp_path: Path) -> None:
    run = open_run(planted_run)
    export_run(run, tmp_path / "out", ["parquet"])
    features, table = pq.read_table(tmp_path / "out" / "features.parquet"), run.features()
    assert features.schema.field("cluster").type == pa.int32()
    assert features.schema.field("fires").type == pa.int64()
    assert features.schema.field("x").type == pa.float32()
    assert features.schema.field("top_tokens").type == pa.list_(pa.string())
    for name in ("cluster", "fires", "membership", "mean_activation", "max_activation"):
        np.testing.assert_array_equal(features[name].to_numpy(), getattr(table, name))
    assert features["x"].null_count == np.isnan(table.xy[:, 0]).sum() == 2
    assert features["labels"].to_pylist()[0] == [one.label for one in LABELS[:2]]
    points = pq.read_table(tmp_path / "out" / "clusters" / "00001" / "points.parquet")
    np.testing.assert_array_equal(points["token_index"].to_numpy(), run.cluster(1).token_index)
    np.testing.assert_array_equal(points["z"].to_numpy(), run.cluster(1).points[:, 2])
    clusters = pq.read_table(tmp_path / "out" / "clusters.parquet")
    assert clusters["halo"].to_pylist() == [list(summary.halo) for summary in run.manifest.clusters]
    assert clusters["variance_explained_low"].to_pylist() == [0.96, None]


def test_equal_runs_give_equal_bytes_and_replace_an_earlier_export(planted_run: Path, tmp_path: Path) -> None:
    run, out = open_run(planted_run), tmp_path / "out"
    first = export_run(run, out, ["parquet"])
    assert all(name.endswith(".parquet") for name in first)
    assert export_run(run, out, ["parquet"]) == first
    assert not any(name.endswith(".parquet") for name in export_run(run, out, ["csv"]))


@given(st.data(), st.integers(0, 6))
def test_every_kind_of_cell_round_trips(data: st.DataObject, length: int) -> None:
    table = {
        kind: Column(kind, data.draw(st.lists(st.none() | cells, min_size=length, max_size=length)))
        for kind, cells in CELLS.items()
    }
    read = pq.read_table(pa.BufferReader(as_parquet(table)))
    assert {name: read[name].to_pylist() for name in read.column_names} == {
        name: column.cells for name, column in table.items()
    }


def test_a_missing_pyarrow_is_reported_in_one_line(
    planted_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "explorer.runs.report.parquet_file", raising=False)
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RequestError, match=r"found no pyarrow, wanted .*manifold-explorer\[parquet\]") as caught:
        export_run(open_run(planted_run), tmp_path / "out", ["csv", "parquet"])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
