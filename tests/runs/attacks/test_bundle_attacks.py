"""Bundles that break their format are refused."""

from pathlib import Path

import numpy as np
import pytest

from tests.runs.attacks.harm import CODES, edit, refused, rewrite


@pytest.mark.parametrize(
    ("changes", "message"),
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
def test_bundle_manifests(bundle: Path, changes: dict[str, object], message: str) -> None:
    edit(bundle / "bundle.json", **changes)
    refused(bundle, message)


def model(**changes: object) -> dict[str, object]:
    return {"id": "m", "revision": "", "layer": 0, "hook": "mlp_out", "d_model": 3, "n_layers": 1, **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 4}, "'W_dec' of shape [4, 3]"),
        ({"layer": 1}, "layer 1 of 1"),
        ({"hook": "logits"}, "'logits' under 'model.hook'"),
        ({"d_model": 0}, "d_model 0"),
        ({"layer": 0.5}, "0.5 under 'model.layer'"),
    ],
)
def test_bundle_models(bundle: Path, changes: dict[str, object], message: str) -> None:
    edit(bundle / "bundle.json", model=model(**changes))
    refused(bundle, message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.array([1, np.nan, 1, 1], np.float16)}, "NaN or infinity in 'values'"),
        ({"values": np.array([1, np.inf, 1, 1], np.float32)}, "NaN or infinity in 'values'"),
        ({"values": np.array([1, -1, 1, 1], np.float32)}, "'values' of -1.0"),
        ({"values": np.ones(4)}, "'values' of type F64"),
        ({"values": np.ones(3, np.float16)}, "'values' of shape [3]"),
        ({"features": np.array([4, 0, 3, 1], np.uint32)}, "'features' from 0 to 4"),
        ({"features": np.array([2, 3, 3, 1], np.uint32)}, "not ascending"),
        ({"indptr": np.array([0, 1, 3, 1, 3, 4])}, "decreasing 'indptr'"),
        ({"indptr": np.array([1, 1, 1, 3, 3, 4])}, "'indptr' from 1 to 4"),
        ({"indptr": np.array([0, 1, 1, 3, 3, 9])}, "'indptr' from 0 to 9"),
        ({"indptr": np.array([0, -(2**62), 1, 3, 3, 4])}, "decreasing 'indptr'"),
        ({"more": np.zeros(1)}, "the unknown tensor 'more'"),
    ],
)
def test_bad_codes(bundle: Path, changes: dict[str, np.ndarray], message: str) -> None:
    rewrite(bundle, "bundle.json", "codes.safetensors", {**CODES, **changes})
    refused(bundle, message)


TOKENS = {
    "token_ids": np.arange(5, dtype=np.int32),
    "doc_offsets": np.array([0, 2, 5]),
    "text_bytes": np.frombuffer(b"abcde", np.uint8),
    "text_offsets": np.arange(6),
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token_ids": np.array([0, 1, 2, 3, 5], np.int32)}, "'token_ids' from 0 to 5"),
        ({"token_ids": np.array([0, 1, 2, 3, -1], np.int32)}, "'token_ids' from -1"),
        ({"doc_offsets": np.array([0, 3, 4])}, "'doc_offsets' from 0 to 4"),
        ({"doc_offsets": np.array([0, 5])}, "'doc_offsets' of shape [2]"),
        ({"text_offsets": np.array([0, 1, 2, 3, 9, 5])}, "decreasing 'text_offsets'"),
        ({"text_offsets": np.zeros(0, np.int64)}, "'text_offsets' of shape [0]"),
    ],
)
def test_bad_tokens(bundle: Path, changes: dict[str, np.ndarray], message: str) -> None:
    rewrite(bundle, "bundle.json", "tokens.safetensors", {**TOKENS, **changes})
    refused(bundle, message)


LINES = {
    "concepts.jsonl": {
        '{"token_index": 5, "concept": "a", "value": "b", "order": null}': "token_index 5",
        '{"token_index": -1, "concept": "a", "value": "b", "order": null}': "-1 under 'token_index'",
        '{"token_index": 0, "concept": "a", "value": "b", "order": NaN}': "not a JSON number",
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
