"""One planted run that names a subject, for every test of the app."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from explorer.runs.run.label_file import LabelTable
from explorer.runs.run.reader import Run, open_run
from explorer.runs.run.writer import RunWriter
from tests.planted import planted_parts, write_parts, write_planted_run

FINGERPRINT = "sha256:" + "5e" * 32


def write_steerable_run(path: Path) -> Path:
    """A planted run whose subject has a fingerprint, so that a host can serve it."""
    write_planted_run(path)
    manifest = path / "run.json"
    told = json.loads(manifest.read_text())
    told["subject"]["fingerprint"] = FINGERPRINT
    manifest.write_text(json.dumps(told))
    return path


@pytest.fixture(scope="session")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same run, of whose features none has a label."""
    folder = tmp_path_factory.mktemp("unlabelled") / "planted"
    with RunWriter(folder) as writer:
        write_parts(writer, replace(planted_parts(), labels=LabelTable.pack(())))
    return open_run(folder)


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one whole run and one that cannot be read."""
    folder = tmp_path_factory.mktemp("runs")
    write_steerable_run(folder / "planted")
    broken = write_planted_run(folder / "broken")
    (broken / "features.safetensors").write_bytes(b"cut short")
    return folder


@pytest.fixture(scope="session")
def run(runs_folder: Path) -> Run:
    return open_run(runs_folder / "planted")
