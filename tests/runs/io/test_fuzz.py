"""Three values and no fourth: a mutated bundle or run reads and checks well, or fails with an InputError.

A file is changed in one place and the manifest's hash mended or not, so that the checks behind the hash are reached
too. Hundreds of cases here; `--slow` runs thousands.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from explorer.errors import InputError
from explorer.runs.bundle.reader import open_bundle
from explorer.runs.report.check import check
from explorer.runs.report.show import cluster_table, run_table
from explorer.runs.run.reader import open_run
from tests.planted import write_planted_run
from tests.runs.tiny_bundle import write_tiny_bundle

QUICK, LONG = 250, 2000


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """One random change; for safetensors often in the header, where it matters most."""
    changed = bytearray(data)
    place = int(rng.integers(min(len(changed), 600) if rng.random() < 0.6 else len(changed)))
    kind = rng.integers(6)
    if kind == 0:
        changed[place] ^= 1 << rng.integers(8)
    elif kind == 1:
        changed[place] = rng.choice(list(b'0129{}[]",:-eN\x00\xff'))
    elif kind == 2:
        del changed[place:]
    elif kind == 3:
        changed += rng.bytes(int(rng.integers(1, 9)))
    elif kind == 4:
        del changed[place : place + int(rng.integers(1, 9))]
    else:
        changed[place:place] = rng.choice([b"-", b"9" * 30, b'"a":1,', b"[" * 50, b"null", b"1e999", b"\\ud800"])
    return bytes(changed)


def mend_hash(folder: Path, manifest: str, name: str) -> None:
    """Update the manifest with the file's current hash."""
    content = json.loads((folder / manifest).read_bytes())
    content["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / manifest).write_text(json.dumps(content))


def use_bundle(folder: Path) -> None:
    bundle = open_bundle(folder)
    list(bundle.code_shards(3))
    for read in (bundle.codes, bundle.decoder, bundle.tokens, bundle.residuals, bundle.concepts, bundle.labels):
        read()
    bundle.blocks()


def use_run(folder: Path) -> None:
    run = open_run(folder)
    json.dumps(run_table(run), allow_nan=False)
    for number in range(len(run.manifest.clusters)):
        json.dumps(cluster_table(run, number), allow_nan=False)
        run.thumbnail(number)
    run.tree()
    run.features()
    run.graph()


KINDS = {
    "bundle": ("bundle.json", use_bundle, lambda path: write_tiny_bundle(path, 1)),
    "run": ("run.json", use_run, write_planted_run),
}


def one_case(folder: Path, kind: str, rng: np.random.Generator) -> str:
    """Mutate one file, use the folder, and restore it; returns which of the two valid outcomes occurred."""
    manifest, use, _ = KINDS[kind]
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    name = str(rng.choice(names))
    original = {file: (folder / file).read_bytes() for file in (name, manifest)}
    (folder / name).write_bytes(mutated(original[name], rng))
    if name != manifest and rng.random() < 0.8:
        mend_hash(folder, manifest, name)
    try:
        return three_valued(folder, use)
    finally:
        for place, data in original.items():
            (folder / place).write_bytes(data)


def three_valued(folder: Path, use: object) -> str:
    assert callable(use)
    report = check(folder)
    try:
        use(folder)
    except InputError as fault:
        line = str(fault)
        assert line.isprintable(), line
        assert len(line) < 600, line
        assert not report.ok, f"check is content and reading fails: {line}"
        return "refused"
    assert report.ok, f"reading is content and check is not: {report.problems}"
    return "read"


def fuzz(tmp_path: Path, kind: str, cases: int, seed: int) -> None:
    folder = KINDS[kind][2](tmp_path / kind)
    rng = np.random.default_rng(seed)
    ends = [one_case(folder, kind, rng) for _ in range(cases)]
    assert ends.count("refused") > cases / 2
    assert ends.count("read") > 0
    assert check(folder).ok


@pytest.mark.parametrize("kind", KINDS)
def test_mutations(tmp_path: Path, kind: str) -> None:
    fuzz(tmp_path, kind, QUICK, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutations(tmp_path: Path, kind: str) -> None:
    fuzz(tmp_path, kind, LONG, seed=2)


def test_missing_files(tmp_path: Path) -> None:
    for kind, (manifest, _, write) in KINDS.items():
        folder = write(tmp_path / kind)
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or path.name == manifest:
                continue
            away = shutil.move(path, tmp_path / "away")
            assert any(problem.found == "nothing there" for problem in check(folder).problems), path
            shutil.move(away, path)
        assert check(folder).ok
