"""Ways to break a folder, and the required reaction."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from explorer.errors import InputError
from explorer.runs.bundle.reader import open_bundle
from explorer.runs.io.safetensors_write import write_safetensors
from explorer.runs.report.check import check
from explorer.runs.run.reader import open_run

CODES = {
    "indptr": np.array([0, 1, 1, 3, 3, 4]),
    "features": np.array([2, 0, 3, 1], np.uint32),
    "values": np.ones(4, np.float16),
}
"""The codes of the tiny bundle."""


def refused(folder: Path, message: str) -> None:
    """Assert that opening or reading fails with one printable line, and that the check finds the same."""
    for look in (lambda: use(folder), lambda: first_problem(folder)):
        with pytest.raises(InputError) as caught:
            look()
        line = str(caught.value)
        assert message in line, line
        assert line.isprintable()
        assert len(line) < 600


def use(folder: Path) -> None:
    if (folder / "run.json").exists() or folder.name == "run":
        run = open_run(folder)
        run.features(), run.graph(), run.cluster(0), run.thumbnail(0)
    else:
        bundle = open_bundle(folder)
        bundle.codes(), bundle.decoder(), bundle.tokens(), bundle.residuals(), bundle.concepts(), bundle.labels()
        bundle.blocks()


def first_problem(folder: Path) -> None:
    for problem in check(folder).problems:
        raise InputError(problem.file, problem.found, problem.wanted)


def edit(path: Path, **changes: object) -> None:
    """Change keys of a manifest."""
    manifest = json.loads(path.read_bytes())
    manifest.update(changes)
    path.write_text(json.dumps(manifest))


def rewrite(folder: Path, manifest: str, name: str, data: bytes | dict[str, np.ndarray]) -> None:
    """Replace a file and update its hash, as an attacker would."""
    if isinstance(data, dict):
        write_safetensors(folder / name, data)
    else:
        (folder / name).write_bytes(data)
    sha256 = json.loads((folder / manifest).read_bytes())["sha256"]
    edit(folder / manifest, sha256={**sha256, name: hashlib.sha256((folder / name).read_bytes()).hexdigest()})
