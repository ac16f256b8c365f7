"""The code in cached_runs/FORMAT.md writes a valid bundle, and its tables match the layouts."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from explorer.runs.bundle.manifest import CODES, DECODER, TOKENS, parse_bundle_manifest
from explorer.runs.bundle.reader import open_bundle
from explorer.runs.report.check import check
from explorer.runs.run.layout import CLUSTER, FEATURES, LABELS, TREE
from explorer.runs.run.manifest import MEASURED, RunManifest
from explorer.runs.run.thumbnail import ALLOWED_ATTRIBUTES, ALLOWED_ELEMENTS
from tests.planted import planted_world

TEXT = (Path(__file__).resolve().parents[3] / "cached_runs" / "FORMAT.md").read_text()


def code_block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_code_writes_a_bundle(tmp_path: Path) -> None:
    code = code_block("python")
    names: dict[str, object] = {}
    exec(compile(code, "FORMAT.md", "exec"), names)
    write = names["write_bundle"]
    assert callable(write)
    world = planted_world()
    model = {"id": "m", "revision": "", "layer": 0, "hook": "resid_post", "d_model": 32, "n_layers": 1}
    sae = {"id": "s", "n_features": world.codes.shape[1], "architecture": "topk"}
    dataset = {"name": "d", "n_docs": len(world.doc_offsets) - 1, "n_tokens": len(world.token_ids)}
    arrays = (world.codes, world.W_dec, world.b_dec, world.token_ids, world.doc_offsets, world.vocabulary)
    write(tmp_path / "b", *arrays, model, sae, dataset)
    assert check(tmp_path / "b").problems == ()
    codes = open_bundle(tmp_path / "b").codes()
    np.testing.assert_array_equal(codes.values, world.codes[world.codes > 0])


def test_the_code_is_short() -> None:
    body = code_block("python").split("def write_bundle")[1].strip().splitlines()
    assert len(body) <= 22


def test_the_documented_manifest_is_valid() -> None:
    manifest = json.loads(code_block("json"))
    manifest["sha256"] = dict.fromkeys(manifest["sha256"], "0" * 64)
    parse_bundle_manifest(json.dumps(manifest).encode(), Path("bundle.json"))


@pytest.mark.parametrize("layout", [CODES, DECODER, TOKENS, FEATURES, TREE, LABELS, CLUSTER])
def test_every_array_is_specified(layout: dict[str, object]) -> None:
    for name in layout:
        assert f"`{name}`" in TEXT


def test_every_key_of_the_manifest_is_specified() -> None:
    for name in RunManifest.model_fields:
        assert f"`{name}`" in TEXT


def test_every_robustness_score_is_specified() -> None:
    for name in MEASURED:
        assert f"`{name}`" in TEXT


def test_every_allowed_svg_element_and_attribute_is_specified() -> None:
    for name in (*ALLOWED_ELEMENTS, *ALLOWED_ATTRIBUTES):
        assert f"`{name}`" in TEXT
