"""Malicious bundles and runs are refused with one line that names the file, and `check` reports the same."""

import io
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.errors import BundleError, InputError, RunError
from explorer.runs.bundle.reader import open_bundle
from explorer.runs.report.check import check
from explorer.runs.run.reader import open_run
from tests.runs.attacks.harm import CODES, refused, rewrite


class _Runs:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (os.system, ("touch pwned",))


def npz_bomb() -> bytes:
    """An archive that would unpack to 100 MB of zeros."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("codes.npy", bytes(100_000_000))
    return out.getvalue()


@pytest.mark.parametrize("name", ["notes.pkl", "codes.npz", "weights.bin", ".hidden", "sub/file.json"])
def test_foreign_files(bundle: Path, run: Path, name: str) -> None:
    for folder in (bundle, run):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(npz_bomb() if name.endswith("npz") else pickle.dumps(_Runs()))
        refused(folder, "a foreign file")
    assert not Path("pwned").exists()


def test_a_pickle_under_an_allowed_name(bundle: Path, run: Path) -> None:
    rewrite(bundle, "bundle.json", "codes.safetensors", pickle.dumps(_Runs()))
    refused(bundle, "codes.safetensors")
    rewrite(run, "run.json", "clusters/00000.safetensors", pickle.dumps(_Runs()))
    refused(run, "clusters/00000.safetensors")
    assert not Path("pwned").exists()


def test_links(bundle: Path, run: Path, tmp_path: Path) -> None:
    for folder, name in ((bundle, "codes.safetensors"), (run, "features.safetensors"), (run, "clusters")):
        outside = shutil.move(folder / name, tmp_path / "outside")
        (folder / name).symlink_to(outside)
        refused(folder, "symbolic link")
        (folder / name).unlink()
        shutil.move(outside, folder / name)
    assert check(run).ok


def test_pipes_do_not_block(bundle: Path, run: Path) -> None:
    for folder, name in ((bundle, "tokens.safetensors"), (run, "thumbnails/00000.svg"), (run, "run.json")):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        refused(folder, "a pipe")


def test_a_symbolic_link_as_manifest(bundle: Path, tmp_path: Path) -> None:
    shutil.move(bundle / "bundle.json", tmp_path / "outside.json")
    (bundle / "bundle.json").symlink_to(tmp_path / "outside.json")
    refused(bundle, "symbolic link")


def test_huge_manifests(bundle: Path, run: Path) -> None:
    for path in (bundle / "bundle.json", run / "run.json"):
        with path.open("r+b") as out:
            out.truncate(1 << 30)
        refused(path.parent, "1073741824 bytes")


BAD_JSON = {
    "nested too deeply": b"[" * 5000 + b"]" * 5000,
    "occurs twice": b'{"format": "feature-bundle", "format": "feature-bundle"}',
    "not a JSON number": b'{"format": NaN}',
    "too large a number": b'{"format": 1e999}',
    "bad JSON": b"{",
    "format None": b"{}",
    "bad JSON ": b"\xff\xfe",
}


@pytest.mark.parametrize("message", BAD_JSON)
def test_bad_json(bundle: Path, run: Path, message: str) -> None:
    for path in (bundle / "bundle.json", run / "run.json"):
        path.write_bytes(BAD_JSON[message])
        refused(path.parent, message)


def test_wrong_hash(bundle: Path, run: Path) -> None:
    for folder, name in ((bundle, "decoder.safetensors"), (run, "clusters/00000.safetensors")):
        data = bytearray((folder / name).read_bytes())
        data[-1] ^= 1
        (folder / name).write_bytes(data)
        refused(folder, f"{name}: found sha256")


def test_truncated_while_open(bundle: Path, run: Path) -> None:
    opened = open_bundle(bundle)
    os.truncate(bundle / "tokens.safetensors", 200)
    with pytest.raises(BundleError, match=r"tokens\.safetensors"):
        opened.tokens()
    live = open_run(run)
    live.cluster(0)
    os.truncate(run / "clusters" / "00000.safetensors", 5000)
    with pytest.raises(RunError, match=r"clusters/00000\.safetensors"):
        live.cluster(0)


def test_check_lists_every_problem(bundle: Path) -> None:
    (bundle / "a.pkl").write_bytes(b"x")
    (bundle / "labels.jsonl").unlink()
    rewrite(bundle, "bundle.json", "codes.safetensors", {**CODES, "values": np.full(4, np.nan, np.float16)})
    data = (bundle / "decoder.safetensors").read_bytes()
    (bundle / "decoder.safetensors").write_bytes(data[:-1] + b"\x01")
    report = check(bundle)
    files = {Path(problem.file).name for problem in report.problems}
    assert files == {"a.pkl", "labels.jsonl", "codes.safetensors", "decoder.safetensors"}


def test_neither_bundle_nor_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither bundle\.json nor run\.json"):
        check(tmp_path)
    with pytest.raises(InputError, match="nothing there"):
        check(tmp_path / "none")
    with pytest.raises(BundleError, match="nothing there"):
        open_bundle(tmp_path / "none")
    with pytest.raises(RunError, match="nothing there"):
        open_run(tmp_path)
