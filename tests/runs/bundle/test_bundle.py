"""Feature bundles round-trip, streamed or whole, and are never visible half-written."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from explorer.errors import BundleError
from explorer.records.bundle import Codes, Concept, FeatureLabel
from explorer.records.subject import DatasetInfo, ModelInfo, SaeInfo
from explorer.runs.bundle.reader import open_bundle
from explorer.runs.bundle.writer import BundleWriter
from explorer.runs.report.check import check
from tests.planted import DATASET, MODEL, SAE, planted_world, sparse, write_planted_bundle

TINY = (ModelInfo("m", "", 0, "mlp_out", 3, 1), SaeInfo("s", 4, "standard"), DatasetInfo("d", 1, 5))


@st.composite
def dense_codes(draw: st.DrawFn) -> np.ndarray:
    n_tokens, n_features = draw(st.integers(1, 12)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    on = rng.uniform(size=(n_tokens, n_features)) < draw(st.floats(0, 1))
    return (on * rng.uniform(0.1, 5, on.shape)).astype(draw(st.sampled_from([np.float16, np.float32])))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(codes=dense_codes(), shards=st.integers(1, 4), data=st.data())
def test_round_trip(tmp_path: Path, codes: np.ndarray, shards: int, data: st.DataObject) -> None:
    n_tokens, n_features = codes.shape
    texts = data.draw(st.lists(st.text(max_size=6), min_size=1, max_size=5))
    ids = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=n_tokens, max_size=n_tokens))
    shards = min(shards, n_tokens)
    with BundleWriter(tmp_path / "b") as writer:
        for part in map(sparse, np.array_split(codes, shards)):
            writer.write_codes(part.indptr, part.features, part.values)
        writer.write_decoder(np.ones((n_features, 2), np.float32), np.zeros(2, np.float32))
        writer.write_tokens(np.array(ids, np.int32), np.array([0, n_tokens]), texts)
        writer.finish(ModelInfo("m", "r", 0, "attn_out", 2, 1), SaeInfo("s", n_features, "topk"), TINY[2], {"a": [1]})
    bundle = open_bundle(tmp_path / "b")
    assert bundle.extra == {"a": [1]}
    assert len(bundle.sha256) == shards + 2
    whole = bundle.codes()
    np.testing.assert_array_equal(_dense(whole), codes)
    budget = data.draw(st.integers(1, 20))
    parts = list(bundle.code_shards(budget))
    assert all(len(part.features) <= max(budget, n_features) for part in parts)
    np.testing.assert_array_equal(np.concatenate([_dense(part) for part in parts]), codes)
    tokens = bundle.tokens()
    assert tokens.token_ids.tolist() == ids
    assert [tokens.vocabulary.text(k) for k in range(len(texts))] == texts
    assert check(tmp_path / "b").ok


def _dense(codes: Codes) -> np.ndarray:
    dense = np.zeros((codes.n_tokens, codes.n_features), codes.values.dtype)
    dense[np.repeat(np.arange(codes.n_tokens), np.diff(codes.indptr)), codes.features] = codes.values
    return dense


def tiny_writer(writer: BundleWriter) -> BundleWriter:
    """Write everything except the manifest."""
    writer.write_codes(np.array([0, 1, 1, 3, 3, 4]), np.array([2, 0, 3, 1], np.uint32), np.ones(4, np.float16))
    writer.write_decoder(np.ones((4, 3), np.float32), np.zeros(3, np.float32))
    writer.write_tokens(np.arange(5, dtype=np.int32), np.array([0, 2, 5]), list("abcde"))
    return writer


def interrupted(writer: BundleWriter) -> None:
    """Simulates Ctrl-C."""
    writer.write_labels([])
    raise KeyboardInterrupt


def test_optional_parts(tmp_path: Path) -> None:
    concepts = (Concept(0, "day", "Mon", 0.0, 7.0), Concept(4, "colour", "rouge é", None, None))
    labels = (FeatureLabel(1, "a <b>", "hand"),)
    with BundleWriter(tmp_path / "b") as writer:
        tiny_writer(writer).write_concepts(iter(concepts))
        writer.write_labels(labels)
        writer.write_blocks([[0, 2], [1]])
        writer.write_activations(np.ones((2, 3), np.float32), np.array([1, 4]))
        writer.finish(*TINY)
    bundle = open_bundle(tmp_path / "b")
    assert bundle.concepts() == concepts
    assert bundle.labels() == labels
    assert bundle.blocks() == ((0, 2), (1,))
    residuals = bundle.residuals()
    assert residuals is not None
    assert residuals.token_index.tolist() == [1, 4]
    assert check(tmp_path / "b").ok


def test_without_optional_parts(tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "b") as writer:
        tiny_writer(writer).finish(*TINY)
    bundle = open_bundle(tmp_path / "b")
    assert (bundle.concepts(), bundle.labels(), bundle.blocks(), bundle.residuals()) == ((), (), None, None)


def test_nothing_is_visible_before_the_bundle_is_complete(tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "b") as writer:
        tiny_writer(writer).finish(*TINY)
        assert not (tmp_path / "b").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["b"]


def test_a_failed_writer_leaves_the_old_bundle(tmp_path: Path) -> None:
    write_planted_bundle(tmp_path / "b")
    before = open_bundle(tmp_path / "b").digest
    with pytest.raises(KeyboardInterrupt), BundleWriter(tmp_path / "b") as writer:
        interrupted(tiny_writer(writer))
    with pytest.raises(BundleError, match="a call of finish"), BundleWriter(tmp_path / "b") as writer:
        tiny_writer(writer)
    assert open_bundle(tmp_path / "b").digest == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["b"]


def test_same_bytes_and_streamed_in_shards(tmp_path: Path) -> None:
    first = open_bundle(write_planted_bundle(tmp_path / "first"))
    assert open_bundle(write_planted_bundle(tmp_path / "second")).digest == first.digest
    sharded = open_bundle(write_planted_bundle(tmp_path / "sharded", shards=3))
    assert [name for name in sharded.sha256 if name.startswith("codes")] == [
        f"codes-0000{number}-of-00003.safetensors" for number in range(3)
    ]
    np.testing.assert_array_equal(sharded.codes().indptr, first.codes().indptr)
    np.testing.assert_array_equal(sharded.codes().values, first.codes().values)


def test_the_writer_replaces_only_bundles(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("a file")
    for name, found in (("home", "a folder that holds 'thesis.tex'"), ("file", "not a folder")):
        with pytest.raises(BundleError, match=found), BundleWriter(tmp_path / name):
            pass
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years of work"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "home"]


def test_two_writers(tmp_path: Path) -> None:
    with BundleWriter(tmp_path / "b") as writer:
        with pytest.raises(BundleError, match="one writer at a time"), BundleWriter(tmp_path / "b"):
            pass
        tiny_writer(writer).finish(*TINY)
    assert check(tmp_path / "b").ok


def _codes(indptr: list[int], features: list[int], values: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.array(indptr), np.array(features, np.uint32), np.array(values, np.float32)


BAD_CODES = {
    "finite": _codes([0, 1], [0], [np.nan]),
    "finite numbers": _codes([0, 1], [0], [np.inf]),
    "at least 0": _codes([0, 1], [0], [-1.0]),
    "ascend": _codes([0, 2], [1, 1], [1.0, 1.0]),
    "ascending": _codes([0, 0, 2], [2, 1], [1.0, 1.0]),
    "0 to 1": _codes([0, 2], [1], [1.0]),
    "0 to 2": _codes([1, 2], [1, 2], [1.0, 1.0]),
    "never decrease": _codes([0, 2, 1, 3], [0, 1, 0], [1.0, 1.0, 1.0]),
}


@pytest.mark.parametrize("message", BAD_CODES)
def test_bad_codes_are_not_written(tmp_path: Path, message: str) -> None:
    with pytest.raises(BundleError, match=message), BundleWriter(tmp_path / "b") as writer:
        writer.write_codes(*BAD_CODES[message])
    assert list(tmp_path.iterdir()) == []


def finish_with_a_small_decoder(writer: BundleWriter) -> None:
    """Write codes of features that the decoder lacks."""
    writer.write_decoder(np.ones((2, 3), np.float32), np.zeros(3, np.float32))
    writer.finish(TINY[0], SaeInfo("s", 2, "standard"), TINY[2])


def finish_with_a_late_concept(writer: BundleWriter) -> None:
    """Write a concept at a missing token."""
    writer.write_concepts([Concept(5, "day", "Mon", 0.0, 7.0)])
    writer.finish(*TINY)


def test_inconsistent_parts_are_not_published(tmp_path: Path) -> None:
    narrow = ModelInfo("m", "", 0, "mlp_out", 2, 1)
    with (
        pytest.raises(BundleError, match=r"b/decoder.safetensors: found 'W_dec'"),
        BundleWriter(tmp_path / "b") as writer,
    ):
        tiny_writer(writer).finish(narrow, *TINY[1:])
    with pytest.raises(BundleError, match="less than the decoder's 2"), BundleWriter(tmp_path / "b") as writer:
        finish_with_a_small_decoder(tiny_writer(writer))
    with pytest.raises(BundleError, match="less than the codes' 5"), BundleWriter(tmp_path / "b") as writer:
        finish_with_a_late_concept(tiny_writer(writer))
    assert list(tmp_path.iterdir()) == []


def test_activations_beyond_float16_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="float16"), BundleWriter(tmp_path / "b") as writer:
        writer.write_activations(np.full((1, 3), 1e6, np.float32), np.array([0]))


def test_planted_manifest(planted_bundle: Path) -> None:
    bundle = open_bundle(planted_bundle)
    assert (bundle.model, bundle.sae, bundle.dataset) == (MODEL, SAE, DATASET)
    assert bundle.counts.nnz == int((planted_world().codes > 0).sum())
