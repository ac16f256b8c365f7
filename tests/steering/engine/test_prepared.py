"""Prepared clusters and incremental detokenization."""

import dataclasses

import numpy as np
import pytest

from explorer.records.cluster import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary
from explorer.steering.engine.engine import Engine
from explorer.steering.engine.prepared import CONTEXTS_PER_VALUE, TextReader, context_text, mean_place, prepare
from explorer.steering.engine.tokenizer import IncrementalDetokenizer
from explorer.steering.scheduler.cooperative import Cooperative, run_to_completion


def due(engine: Engine) -> tuple[ClusterSummary, ClusterGeometry]:
    """The planted weekdays as next-token values."""
    summary, geometry = engine.runs["planted"].summary(0), engine.runs["planted"].cluster(0)
    context_ids = geometry.context_ids.copy()
    context_ids[:, CONTEXT_BEFORE + 1] = context_ids[:, CONTEXT_BEFORE]
    return dataclasses.replace(summary, value_offset=1), dataclasses.replace(geometry, context_ids=context_ids)


def always(token: int, residual: np.ndarray) -> TextReader:
    """A model that always predicts one token, from one state."""

    def read(texts: list[list[int]], tokens: np.ndarray) -> Cooperative[tuple[np.ndarray, np.ndarray]]:
        yield
        return np.tile(residual, (len(texts), 1)), np.tile(np.eye(32)[token][tokens], (len(texts), 1))

    return read


def test_a_context_belongs_to_the_value_that_the_model_predicts(engine: Engine) -> None:
    summary, geometry = due(engine)
    prepared = run_to_completion(
        prepare(summary, geometry, engine.tokenizer.encode, None, always(6, geometry.value_residual[2]))
    )
    assert len(prepared.contexts.of(6)) == len(prepared.contexts.text) == 7 * CONTEXTS_PER_VALUE
    assert prepared.behaviour_manifold is None
    assert prepared.place[:6] == pytest.approx(geometry.value_coordinate[:6])
    assert prepared.place[6] == pytest.approx(geometry.value_coordinate[2], abs=0.02)
    assert prepared.manifold.value_residual[6] == pytest.approx(geometry.value_residual[2], abs=1e-5)


def test_stored_values_are_used_where_the_model_predicts_none(engine: Engine) -> None:
    summary, geometry = due(engine)
    prepared = run_to_completion(
        prepare(summary, geometry, engine.tokenizer.encode, None, always(30, geometry.value_residual[2]))
    )
    assert [len(prepared.contexts.of(value)) for value in range(7)] == [CONTEXTS_PER_VALUE] * 7
    assert prepared.place == pytest.approx(geometry.value_coordinate)


def test_coordinates_on_a_closed_curve_have_a_circular_mean() -> None:
    assert mean_place(np.array([0.98, 0.04]), closed=True) == pytest.approx(0.01)
    assert mean_place(np.array([0.98, 0.04]), closed=False) == pytest.approx(0.51)


def test_a_truncated_context_gets_the_bos_token() -> None:
    cut = np.arange(5, 38, dtype=np.int32)
    whole = np.where(np.arange(33) < 20, -1, cut).astype(np.int32)
    assert context_text(cut, 1) == [1, *range(5, 30)]
    assert context_text(whole, 1) == list(range(25, 30))
    assert context_text(cut, None) == list(range(5, 30))


def test_a_character_of_several_tokens_comes_with_its_last_token() -> None:
    pieces = [b"na", b"\xc3", b"\xaf", b"ve ", b"\xe6\x97", b"\xa5"]
    stream = IncrementalDetokenizer(lambda ids: b"".join(pieces[number] for number in ids).decode("utf-8", "replace"))
    assert [stream.push(number) for number in range(6)] == ["na", "", "ï", "ve ", "", "日"]


def test_a_tokens_space_depends_on_the_token_before() -> None:
    stream = IncrementalDetokenizer(lambda ids: " ".join("xyz"[number] for number in ids), before=[0])
    assert [stream.push(1), stream.push(2)] == [" y", " z"]
