"""Runs round-trip, stages resume, and a subject is never lost."""

import contextlib
import errno
import os
import subprocess
import sys
import threading
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from explorer.errors import ExplorerError, RunError
from explorer.records.cluster import ClusterGeometry
from explorer.records.clustering import FeatureTable
from explorer.runs.report.check import check
from explorer.runs.run.catalog import scan
from explorer.runs.run.manifest import GRAPH_NEIGHBOURS
from explorer.runs.run.reader import open_run
from explorer.runs.run.stages import pack_json, unpack_json
from explorer.runs.run.writer import RunWriter
from tests.planted import RunParts, planted_parts, write_parts, write_planted_run

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def parts() -> RunParts:
    return planted_parts()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_round_trip(planted_run: Path, parts: RunParts) -> None:
    run = open_run(planted_run)
    table = run.features()
    for field in fields(FeatureTable):
        np.testing.assert_array_equal(getattr(table, field.name), getattr(parts.table, field.name))
    np.testing.assert_array_equal(run.graph().neighbour, parts.graph.neighbour[:, :GRAPH_NEIGHBOURS])
    vocabulary = run.vocabulary()
    assert [vocabulary.text(k) for k in (0, 6)] == [" Monday", " Sunday"]
    for number, geometry in enumerate(parts.geometries):
        read = run.cluster(number)
        for field in fields(ClusterGeometry):
            np.testing.assert_array_equal(getattr(read, field.name), getattr(geometry, field.name))
        assert run.thumbnail(number).startswith("<svg")
        assert run.summary(number) == parts.summaries[number]
    assert check(planted_run).problems == ()


def test_clusters_out_of_range(planted_run: Path) -> None:
    run = open_run(planted_run)
    for number in (-1, 2, 10**9):
        for read in (run.cluster, run.thumbnail, run.summary):
            with pytest.raises(RunError, match="no cluster"):
                read(number)


def test_same_bytes(tmp_path: Path, planted_run: Path) -> None:
    again = write_planted_run(tmp_path / "run")
    assert files(again) == files(planted_run)
    assert open_run(again).digest == open_run(planted_run).digest
    other = write_planted_run(tmp_path / "other", seed=1)
    assert open_run(other).digest != open_run(planted_run).digest


def interrupted_after_a_stage(writer: RunWriter) -> None:
    """Simulates Ctrl-C."""
    assert writer.stage("cofiring", "key") is None
    writer.save_stage("cofiring", "key", {"counts": np.arange(3), "extra": pack_json({"a": 1})})
    raise KeyboardInterrupt


def test_stages_survive_an_interrupt_and_are_removed_at_the_end(tmp_path: Path, parts: RunParts) -> None:
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt), RunWriter(path) as writer:
        interrupted_after_a_stage(writer)
    assert not path.exists()
    with RunWriter(path) as writer:
        assert not writer.has("cofiring", "other key")
        assert writer.has("cofiring", "key")
        saved = writer.stage("cofiring", "key")
        assert saved is not None
        assert saved["counts"].tolist() == [0, 1, 2]
        assert unpack_json(saved["extra"]) == {"a": 1}
        write_parts(writer, parts)
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_stages_are_kept_on_request(tmp_path: Path, parts: RunParts) -> None:
    with RunWriter(tmp_path / "run", keep_stages=True) as writer:
        writer.save_stage("graph", "key", {"a": np.arange(2)})
        writer.save_stage("cluster-7", "key", {"a": np.arange(2)})
        write_parts(writer, parts)
    with RunWriter(tmp_path / "run", keep_stages=True) as writer:
        assert writer.has("graph", "key")
        write_parts(writer, parts)
    with RunWriter(tmp_path / "run") as writer:
        assert writer.has("graph", "key")
        assert not writer.has("cluster-7", "key"), "a stage that the last build did not ask for"
        write_parts(writer, parts)
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_a_damaged_stage_is_recomputed(tmp_path: Path, parts: RunParts) -> None:
    with RunWriter(tmp_path / "run") as writer:
        writer.save_stage("graph", "key", {"a": np.arange(200)})
        (saved,) = tmp_path.rglob("graph.safetensors")
        saved.write_bytes(saved.read_bytes()[:-1])
        assert writer.stage("graph", "key") is None
        write_parts(writer, parts)


def test_a_failed_build_leaves_nothing_new(tmp_path: Path, parts: RunParts) -> None:
    write_planted_run(tmp_path / "run")
    before = files(tmp_path)
    with pytest.raises(RunError, match="a call of finish"), RunWriter(tmp_path / "run") as writer:
        writer.write_features(parts.table)
    assert files(tmp_path) == before


def test_a_subject_is_preserved_and_listed(tmp_path: Path) -> None:
    weights = tmp_path / "run" / "subject" / "model" / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    for _ in range(2):
        run = open_run(write_planted_run(tmp_path / "run"))
        assert weights.read_bytes() == b"weights"
        assert "subject/model/model.safetensors" in run.manifest.sha256
    weights.write_bytes(b"others")
    open_run(tmp_path / "run").cluster(0)
    (problem,) = check(tmp_path / "run").problems
    assert problem.file.endswith("model.safetensors")


def test_a_subject_with_a_pickle(tmp_path: Path) -> None:
    weights = tmp_path / "run" / "subject" / "pytorch_model.bin"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    with pytest.raises(RunError, match=r"pytorch_model\.bin"):
        write_planted_run(tmp_path / "run")
    assert weights.read_bytes() == b"weights"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run"]


def test_publishing_without_atomic_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.runs.io.atomic._exchange", lambda *_: False)
    weights = tmp_path / "run" / "subject" / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    first = files(write_planted_run(tmp_path / "run", seed=1))
    second = files(write_planted_run(tmp_path / "run"))
    assert first.keys() == second.keys()
    assert weights.read_bytes() == b"weights"
    assert check(tmp_path / "run").ok
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_a_reader_sees_either_the_old_or_the_new_run(tmp_path: Path) -> None:
    old = open_run(write_planted_run(tmp_path / "run"))
    old.cluster(0)
    write_planted_run(tmp_path / "run", seed=1)
    with pytest.raises(RunError, match="as in the manifest"):
        old.cluster(0)
    open_run(tmp_path / "run").cluster(0)


@pytest.mark.parametrize("name", ["a b", ".hidden", "-x", "ü", "x" * 129])
def test_names_that_cannot_be_used_in_a_link(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="the folder name"), RunWriter(tmp_path / name):
        pass
    assert list(tmp_path.iterdir()) == []


def bad_geometries(geometry: ClusterGeometry) -> dict[str, ClusterGeometry]:
    """Malformed geometries, by part of the error message."""

    def changed(name: str, place: object, value: float) -> ClusterGeometry:
        array = getattr(geometry, name).copy()
        array[place] = value
        return replace(geometry, **{name: array})

    return {
        "other features": changed("atoms", 0, 60),
        "n_core 3": replace(geometry, n_core=3),
        "'token_index' from": changed("token_index", 0, 10**7),
        "'coordinate' from": changed("coordinate", 0, 1.5),
        "'value' from": changed("value", 0, 7),
        "NaN or infinity in 'points'": changed("points", (0, 0), np.nan),
        "NaN or infinity in 'codes'": changed("codes", (0, 0), np.inf),
        "'codes' of -1": changed("codes", (0, 0), -1),
        "'context_ids' from -2": changed("context_ids", (0, 0), -2),
        "'example_ids' from": changed("example_ids", (0, 0, 0), 10**6),
        "away from orthonormal": changed("basis", (0, 0), 5),
    }


@pytest.mark.parametrize("message", bad_geometries(planted_parts().geometries[0]))
def test_bad_geometry_is_not_published(tmp_path: Path, parts: RunParts, message: str) -> None:
    bad = bad_geometries(parts.geometries[0])[message]
    with (
        pytest.raises(RunError, match=f"run/clusters/00000.safetensors: found .*{message}"),
        RunWriter(tmp_path / "run") as writer,
    ):
        write_parts(writer, replace(parts, geometries=(bad, parts.geometries[1])))
    assert list(tmp_path.iterdir()) == []


def test_bad_tables_are_not_published(tmp_path: Path, parts: RunParts) -> None:
    table, graph = parts.table, parts.graph
    xy, cluster = table.xy.copy(), table.cluster.copy()
    xy[0, 0], cluster[0] = np.nan, 1
    swapped = tuple(reversed(parts.summaries))
    bad = {
        "xy of features that are not left out": replace(parts, table=replace(table, xy=xy)),
        "feature 0 in cluster 1": replace(parts, table=replace(table, cluster=cluster)),
        "'neighbour' from": replace(parts, graph=graph._replace(neighbour=graph.neighbour + 1000)),
        "'top_tokens' from": replace(parts, table=replace(table, top_tokens=table.top_tokens + 1000)),
        "found id 1": replace(parts, summaries=swapped, geometries=tuple(reversed(parts.geometries))),
    }
    for message, broken in bad.items():
        with pytest.raises(RunError, match=message), RunWriter(tmp_path / "run") as writer:
            write_parts(writer, broken)
        assert list(tmp_path.iterdir()) == [], message


def test_a_reader_during_a_rebuild(tmp_path: Path, parts: RunParts) -> None:
    """Every run that opens is either the old or the new one; a read during the replacement fails with a RunError."""
    other = planted_parts(1)
    path = write_planted_run(tmp_path / "run")
    known = {open_run(path).digest}
    known.add(open_run(write_planted_run(tmp_path / "other", seed=1)).digest)
    catalog, done = scan(path), threading.Event()

    def build() -> None:
        try:
            for round_ in range(12):
                with RunWriter(path) as writer:
                    write_parts(writer, (other, parts)[round_ % 2])
        finally:
            done.set()

    builder = threading.Thread(target=build)
    builder.start()
    seen, whole = set(), 0
    while not done.is_set():
        run = catalog.run("run")
        seen.add(run.digest)
        with contextlib.suppress(RunError):
            run.features(), run.cluster(0), run.cluster(1), run.thumbnail(1)
            whole += 1
    builder.join()
    assert seen == known
    assert whole > 0
    assert check(path).ok


def test_no_space(tmp_path: Path, parts: RunParts, monkeypatch: pytest.MonkeyPatch) -> None:
    write_planted_run(tmp_path / "run", seed=1)
    before, left = files(tmp_path), [6]

    def full(_: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExplorerError, match="No space left on device"), RunWriter(tmp_path / "run") as writer:
        write_parts(writer, parts)
    assert files(tmp_path) == before


def test_an_unwritable_location(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="above it, which is not a folder"), RunWriter(tmp_path / "file" / "run"):
        pass


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Asia/Kathmandu"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "0"},
    ],
)
def test_same_bytes_everywhere(tmp_path: Path, planted_run: Path, environment: dict[str, str]) -> None:
    code = (
        "import os, sys; from pathlib import Path; os.umask(0o077)\n"
        "from tests.planted import write_planted_run; write_planted_run(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True, timeout=120)
    assert files(tmp_path / "run") == files(planted_run)
