"""Bundles and runs made to hurt: each is refused with one line that names the file, and `check` says the same."""

import hashlib
import io
import json
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
from explorer.runs.bundle import open_bundle
from explorer.runs.check import check
from explorer.runs.run import open_run
from explorer.runs.safetensors_io import SafetensorsFile
from explorer.runs.safetensors_write import write_safetensors
from tests.runs.tiny_bundle import write_tiny_bundle


class _Runs:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (os.system, ("touch pwned",))


def npz_bomb() -> bytes:
    """An archive that would unpack to 100 MB of zeros."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("codes.npy", bytes(100_000_000))
    return out.getvalue()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "bundle", 1)


@pytest.fixture
def run(tmp_path: Path, planted_run: Path) -> Path:
    return shutil.copytree(planted_run, tmp_path / "run")


def refused(folder: Path, told: str) -> None:
    """Opening or reading fails with one printable line, and the check finds the same."""
    for look in (lambda: use(folder), lambda: first_problem(folder)):
        with pytest.raises(InputError) as caught:
            look()
        line = str(caught.value)
        assert told in line, line
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
    told = json.loads(path.read_bytes())
    told.update(changes)
    path.write_text(json.dumps(told))


def rewrite(folder: Path, manifest: str, name: str, data: bytes | dict[str, np.ndarray]) -> None:
    """Replace a file and mend its hash, as somebody would who means harm."""
    if isinstance(data, dict):
        write_safetensors(folder / name, data)
    else:
        (folder / name).write_bytes(data)
    sha256 = json.loads((folder / manifest).read_bytes())["sha256"]
    edit(folder / manifest, sha256={**sha256, name: hashlib.sha256((folder / name).read_bytes()).hexdigest()})


@pytest.mark.parametrize("name", ["notes.pkl", "codes.npz", "weights.bin", ".hidden", "sub/file.json"])
def test_foreign_files(bundle: Path, run: Path, name: str) -> None:
    for folder in (bundle, run):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(npz_bomb() if name.endswith("npz") else pickle.dumps(_Runs()))
        refused(folder, "a foreign file")
    assert not Path("pwned").exists()


def test_a_pickle_under_a_good_name(bundle: Path, run: Path) -> None:
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


def test_pipes_are_not_waited_on(bundle: Path, run: Path) -> None:
    for folder, name in ((bundle, "tokens.safetensors"), (run, "thumbnails/00000.svg"), (run, "run.json")):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        refused(folder, "a pipe")


def test_manifest_that_is_a_link(bundle: Path, tmp_path: Path) -> None:
    shutil.move(bundle / "bundle.json", tmp_path / "outside.json")
    (bundle / "bundle.json").symlink_to(tmp_path / "outside.json")
    refused(bundle, "symbolic link")


def test_huge_manifests(bundle: Path, run: Path) -> None:
    for path in (bundle / "bundle.json", run / "run.json"):
        with path.open("r+b") as out:
            out.truncate(1 << 30)
        refused(path.parent, "1073741824 bytes")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"colour": 1}, "the unknown key 'colour'"),
        ({"format": "pickle"}, "format 'pickle'"),
        ({"format": ["feature-bundle"]}, "format ["),
        ({"format_version": 2}, "a newer explorer wrote it"),
        ({"format_version": True}, "format_version True"),
        ({"format_version": 0}, "format_version 0"),
        ({"counts": {"n_tokens": 5, "n_features": 4, "nnz": 4}}, "no key 'counts.n_docs'"),
        ({"counts": {"n_tokens": 5, "n_features": 4, "nnz": 4, "n_docs": 2, "x": 1}}, "the unknown key 'counts.x'"),
        ({"counts": {"n_tokens": 6, "n_features": 4, "nnz": 4, "n_docs": 2}}, "5 tokens, 4 entries"),
        ({"counts": {"n_tokens": 10**30, "n_features": 4, "nnz": 4, "n_docs": 2}}, "1" + "0" * 30),
        ({"counts": {"n_tokens": "5", "n_features": 4, "nnz": 4, "n_docs": 2}}, "'5' under 'counts.n_tokens'"),
        ({"sae": {"id": "s", "n_features": 5, "architecture": "topk"}}, "sae.n_features 5"),
        ({"sae": {"id": "s", "n_features": 4, "architecture": "topk", "cfg": {}}}, "the unknown key 'sae.cfg'"),
        ({"sha256": {}}, "no sha256 for"),
        ({"sha256": {"../../etc/passwd": "0" * 64}}, "the unknown file '../../etc/passwd'"),
        ({"model": None}, "under 'model'"),
    ],
)
def test_bundle_manifests(bundle: Path, changes: dict[str, object], told: str) -> None:
    edit(bundle / "bundle.json", **changes)
    refused(bundle, told)


def model(**changes: object) -> dict[str, object]:
    return {"id": "m", "revision": "", "layer": 0, "hook": "mlp_out", "d_model": 3, "n_layers": 1, **changes}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"d_model": 4}, "'W_dec' of shape [4, 3]"),
        ({"layer": 1}, "layer 1 of 1"),
        ({"hook": "logits"}, "'logits' under 'model.hook'"),
        ({"d_model": 0}, "d_model 0"),
        ({"layer": 0.5}, "0.5 under 'model.layer'"),
    ],
)
def test_bundle_models(bundle: Path, changes: dict[str, object], told: str) -> None:
    edit(bundle / "bundle.json", model=model(**changes))
    refused(bundle, told)


BAD_JSON = {
    "nested too deeply": b"[" * 5000 + b"]" * 5000,
    "stands there twice": b'{"format": "feature-bundle", "format": "feature-bundle"}',
    "no JSON number": b'{"format": NaN}',
    "too large a number": b'{"format": 1e999}',
    "bad JSON": b"{",
    "format None": b"{}",
    "bad JSON ": b"\xff\xfe",
}


@pytest.mark.parametrize("told", BAD_JSON)
def test_bad_json(bundle: Path, run: Path, told: str) -> None:
    for path in (bundle / "bundle.json", run / "run.json"):
        path.write_bytes(BAD_JSON[told])
        refused(path.parent, told)


CODES = {
    "indptr": np.array([0, 1, 1, 3, 3, 4]),
    "features": np.array([2, 0, 3, 1], np.uint32),
    "values": np.ones(4, np.float16),
}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"values": np.array([1, np.nan, 1, 1], np.float16)}, "NaN or infinity in 'values'"),
        ({"values": np.array([1, np.inf, 1, 1], np.float32)}, "NaN or infinity in 'values'"),
        ({"values": np.array([1, -1, 1, 1], np.float32)}, "'values' of -1.0"),
        ({"values": np.ones(4)}, "'values' of type F64"),
        ({"values": np.ones(3, np.float16)}, "'values' of shape [3]"),
        ({"features": np.array([4, 0, 3, 1], np.uint32)}, "'features' from 0 to 4"),
        ({"features": np.array([2, 3, 3, 1], np.uint32)}, "do not ascend"),
        ({"indptr": np.array([0, 1, 3, 1, 3, 4])}, "'indptr' that falls"),
        ({"indptr": np.array([1, 1, 1, 3, 3, 4])}, "'indptr' from 1 to 4"),
        ({"indptr": np.array([0, 1, 1, 3, 3, 9])}, "'indptr' from 0 to 9"),
        ({"indptr": np.array([0, -(2**62), 1, 3, 3, 4])}, "'indptr' that falls"),
        ({"more": np.zeros(1)}, "the unknown tensor 'more'"),
    ],
)
def test_bad_codes(bundle: Path, changes: dict[str, np.ndarray], told: str) -> None:
    rewrite(bundle, "bundle.json", "codes.safetensors", {**CODES, **changes})
    refused(bundle, told)


TOKENS = {
    "token_ids": np.arange(5, dtype=np.int32),
    "doc_offsets": np.array([0, 2, 5]),
    "text_bytes": np.frombuffer(b"abcde", np.uint8),
    "text_offsets": np.arange(6),
}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"token_ids": np.array([0, 1, 2, 3, 5], np.int32)}, "'token_ids' from 0 to 5"),
        ({"token_ids": np.array([0, 1, 2, 3, -1], np.int32)}, "'token_ids' from -1"),
        ({"doc_offsets": np.array([0, 3, 4])}, "'doc_offsets' from 0 to 4"),
        ({"doc_offsets": np.array([0, 5])}, "'doc_offsets' of shape [2]"),
        ({"text_offsets": np.array([0, 1, 2, 3, 9, 5])}, "'text_offsets' that falls"),
        ({"text_offsets": np.zeros(0, np.int64)}, "'text_offsets' of shape [0]"),
    ],
)
def test_bad_tokens(bundle: Path, changes: dict[str, np.ndarray], told: str) -> None:
    rewrite(bundle, "bundle.json", "tokens.safetensors", {**TOKENS, **changes})
    refused(bundle, told)


LINES = {
    "concepts.jsonl": {
        '{"token_index": 5, "concept": "a", "value": "b", "order": null}': "token_index 5",
        '{"token_index": -1, "concept": "a", "value": "b", "order": null}': "-1 under 'token_index'",
        '{"token_index": 0, "concept": "a", "value": "b", "order": NaN}': "no JSON number",
        '{"token_index": 0, "concept": "a", "value": "b", "order": 1, "period": 0}': "0 under 'period'",
        '{"token_index": 0, "concept": "a", "value": "b", "order": 1, "eval": "x"}': "the unknown key 'eval'",
        '{"token_index": 0, "concept": "a\\ud800", "value": "b", "order": 1}': "line 1",
        "[]": "line 1",
        '{"token_index": true, "concept": "a", "value": "b", "order": 1}': "True under 'token_index'",
    },
    "labels.jsonl": {'{"feature": 4, "label": "a", "source": "b"}': "feature 4", "x": "bad JSON"},
    "blocks.json": {
        "[[0, 0]]": "each feature in one block",
        "[[4]]": "features below 4",
        "{}": "the block",
        "[[0], [0]]": "once",
    },
}


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, lines in LINES.items() for line in lines])
def test_bad_lines(bundle: Path, name: str, line: str) -> None:
    rewrite(bundle, "bundle.json", name, line.encode())
    refused(bundle, LINES[name][line])
    refused(bundle, name)


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


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"colour": 1}, "the unknown key 'colour'"),
        ({"n_noise": 1}, "features clustered, noise or left out"),
        ({"clusters": []}, "0 features in clusters"),
        ({"bundle": "x"}, "'x' under 'bundle'"),
        ({"title": ""}, "under 'title'"),
        ({"settings": {"cofiring": {"colour": 1}}}, "the unknown key 'settings.cofiring.colour'"),
        ({"sha256": {"clusters/../../x": "0" * 64}}, "no sha256"),
    ],
)
def test_run_manifests(run: Path, changes: dict[str, object], told: str) -> None:
    edit(run / "run.json", **changes)
    refused(run, told)


@pytest.mark.parametrize(
    "name", ["subject/../x.json", "subject/model.pkl", "subject//x.json", "../x", "clusters/9.json"]
)
def test_run_manifests_that_list_other_files(run: Path, name: str) -> None:
    told = json.loads((run / "run.json").read_bytes())
    edit(run / "run.json", sha256={**told["sha256"], name: "0" * 64})
    refused(run, "the unknown file")


def cluster(**changes: object) -> Callable[[Path], None]:
    """Change keys of the first cluster's summary."""

    def change(path: Path) -> None:
        clusters = json.loads(path.read_bytes())["clusters"]
        edit(path, clusters=[{**clusters[0], **changes}, *clusters[1:]])

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (cluster(id=1), "found id 1"),
        (cluster(halo=[0]), "a feature that stands twice"),
        (cluster(halo=[10**9]), "an unknown feature"),
        (cluster(order=["a", "a"]), "a value that stands twice"),
        (cluster(shape="torus"), "'torus' under 'clusters.0.shape'"),
        (cluster(scores={"a": None}), "under 'clusters.0.scores.a'"),
        (cluster(html="<script>"), "the unknown key 'clusters.0.html'"),
        (cluster(order=["a"]), "7 values"),
    ],
)
def test_run_summaries(run: Path, change: Callable[[Path], None], told: str) -> None:
    change(run / "run.json")
    refused(run, told)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("points", lambda array: array[:-1], "'points' of shape [599, 3]"),
        ("curve", lambda array: array[:, :2], "'curve' of shape [128, 2]"),
        ("tuning", lambda array: array.astype(np.float64), "'tuning' of type F64"),
        ("value_count", lambda array: array[:-1], "'value_count' of shape [6]"),
        ("center", lambda array: array[:-1], "'center' of shape [31]"),
        ("context_ids", lambda array: array[:, :-1], "'context_ids' of shape [600, 32]"),
        ("basis", lambda array: np.zeros((0, len(array[0]) + 1), np.float32), "'basis' of shape [0, 33]"),
        ("n_core", lambda array: array.reshape(1, 1), "'n_core' of shape [1, 1]"),
        ("atoms", lambda array: array[:0], "'atoms' of shape [0]"),
    ],
)
def test_cluster_arrays(run: Path, name: str, change: Callable[[np.ndarray], np.ndarray], told: str) -> None:
    place = "clusters/00000.safetensors"
    with SafetensorsFile(run / place) as opened:
        arrays = {tensor: opened.read(tensor) for tensor in opened.header.tensors}
    rewrite(run, "run.json", place, {**arrays, name: change(arrays[name])})
    refused(run, f"{place}: found ")
    with pytest.raises(RunError) as caught:
        open_run(run).cluster(0)
    assert told in str(caught.value) or "with atom = 0" in str(caught.value)


def svg(inner: str, attributes: str = "") -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{inner}</svg>'


PICTURES = [
    svg("<script>alert(1)</script>"),
    svg('<a href="javascript:alert(1)"/>'),
    svg("", 'onload="alert(1)"'),
    svg('<g style="background:url(https://evil.example)"/>'),
    svg('<g fill="url(https://evil.example)"/>'),
    svg('<g fill="URL(#a)"/>'),
    svg('<image href="https://evil.example"/>'),
    svg('<use href="#a"/>'),
    svg("<foreignObject><b/></foreignObject>"),
    svg('<animate attributeName="x"/>'),
    svg("<style>*{}</style>"),
    svg("text"),
    svg("<g>text</g>"),
    svg("<g/>tail"),
    svg("<!-- comment -->"),
    svg("<![CDATA[x]]>"),
    svg("&lt;"),
    svg("<?php x ?>"),
    '<?xml version="1.0"?>' + svg(""),
    '<!DOCTYPE svg [<!ENTITY a "b">]>' + svg("&a;"),
    '<html xmlns="http://www.w3.org/1999/xhtml"/>',
    '<svg xmlns="http://www.w3.org/1999/xhtml"/>',
    "<svg/>",
    svg('<path xmlns="http://www.w3.org/1999/xhtml" d="M0 0"/>'),
    svg('<g xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="x"/>'),
    svg('<g xml:base="https://evil.example"/>'),
    svg('<path d="M0 0;"/>'),
    svg("<g>" * 30000 + "</g>" * 30000),
    "not XML",
    "",
    svg("<g/>" * 70_000),
]


@pytest.mark.parametrize("picture", PICTURES, ids=range(len(PICTURES)))
def test_pictures(run: Path, picture: str) -> None:
    rewrite(run, "run.json", "thumbnails/00000.svg", picture.encode())
    refused(run, "thumbnails/00000.svg")


def test_pictures_that_are_fine(run: Path) -> None:
    picture = svg(
        '<g transform="rotate(10)"><path d="M0 0L1,1Z" stroke="#abc" class="curve"/></g>', 'viewBox="0 0 9 9"'
    )
    rewrite(run, "run.json", "thumbnails/00000.svg", picture.encode())
    assert open_run(run).thumbnail(0) == picture
    assert check(run).ok


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
