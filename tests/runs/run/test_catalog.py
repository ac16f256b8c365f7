"""The catalog lists intact runs, broken runs with their reason, and nothing else."""

import shutil
from pathlib import Path

import pytest

from explorer.errors import RunError
from explorer.runs.run.catalog import BrokenRun, scan
from explorer.runs.run.reader import Run
from tests.planted import write_planted_run


@pytest.fixture
def root(tmp_path: Path, planted_run: Path) -> Path:
    """A folder with an intact run, two broken ones, and other entries."""
    root = tmp_path / "runs"
    for name in ("good", "cut", "outdated"):
        shutil.copytree(planted_run, root / name)
    manifest = root / "cut" / "run.json"
    manifest.write_bytes(manifest.read_bytes()[:-10])
    manifest = root / "outdated" / "run.json"
    manifest.write_text(manifest.read_text().replace('"format_version": 1', '"format_version": 2'))
    shutil.copytree(planted_run, root / ".good.building")
    shutil.copytree(planted_run, root / "half")
    (root / "half" / "run.json").unlink()
    (root / "FORMAT.md").write_text("text")
    shutil.copytree(planted_run, tmp_path / "outside")
    (root / "link").symlink_to(tmp_path / "outside")
    return root


def test_scan(root: Path) -> None:
    entries = {entry.id: entry for entry in scan(root).entries}
    assert list(entries) == ["cut", "good", "link", "outdated"]
    assert isinstance(entries["good"], Run)
    for name, reason in (("cut", "bad JSON"), ("link", "a symbolic link"), ("outdated", "a newer explorer wrote it")):
        broken = entries[name]
        assert isinstance(broken, BrokenRun)
        assert reason in broken.reason


def test_a_single_run(planted_run: Path) -> None:
    catalog = scan(planted_run)
    assert [entry.id for entry in catalog.entries] == ["run"]
    assert catalog.run("run").features().cluster.shape


def test_by_id(root: Path) -> None:
    catalog = scan(root)
    assert catalog.run("good").id == "good"
    with pytest.raises(RunError, match="bad JSON"):
        catalog.run("cut")
    for name in ("half", "../outside", "link", ".good.building", "", "nobody"):
        with pytest.raises(RunError):
            catalog.run(name)


def test_a_run_that_changes(root: Path) -> None:
    catalog = scan(root)
    first = catalog.run("good")
    assert catalog.run("good") is first
    write_planted_run(root / "good", seed=1)
    second = catalog.run("good")
    assert second.digest != first.digest
    second.cluster(0)
    shutil.rmtree(root / "good")
    with pytest.raises(RunError, match="nothing there"):
        catalog.run("good")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing there"):
        scan(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="not a folder"):
        scan(tmp_path / "file")
    assert scan(tmp_path).entries == ()
