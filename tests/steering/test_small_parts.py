"""Protocol, readout, text and token file."""

import dataclasses
import stat
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from explorer.errors import RequestError
from explorer.records import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary
from explorer.steering.engine.engine import Engine
from explorer.steering.engine.prepared import CONTEXTS_PER_VALUE, TextReader, context_text, mean_place, prepare
from explorer.steering.engine.readout import Readout, custom_readout
from explorer.steering.engine.tokenizer import IncrementalDetokenizer
from explorer.steering.host.auth import allowed_hosts
from explorer.steering.protocol.behaviour import BehaviourRequest, ReadoutValue
from explorer.steering.protocol.steer import TokenEvent, event_from_json, event_to_sse
from explorer.steering.protocol.token_file import read_token
from explorer.steering.scheduler.cooperative import Cooperative, run_to_completion
from explorer.steering.scheduler.lru import CooperativeCache, LruCache
from tests.steering.fake import asked

WORDS = {"a": [1], " a": [2], "b": [3], " b": [3], "c d": [4, 5], " c d": [6, 5], "c e": [4, 7], " c e": [6, 7]}
OWN = Readout(("a", "b"), ((1,), (3,)), (0.0, 0.9), ())


def values(*names: str) -> list[ReadoutValue]:
    return [ReadoutValue(name=name, spellings=(name, f" {name}")) for name in names]


def test_a_request_survives_the_wire() -> None:
    request = BehaviourRequest.model_validate(asked(start="Monday", arms=("linear", "random"), seed=7))
    assert BehaviourRequest.model_validate_json(request.model_dump_json()) == request


def test_an_event_is_one_line_of_data_whatever_its_text() -> None:
    event = TokenEvent(row="manifold", index=0, text='a\r\n\n"data: x\u2028', token_id=3, logprob=-1.5)
    head, data, *rest = event_to_sse(event).split("\n")
    assert head == "event: token"
    assert rest == ["", ""]
    assert event_from_json(data.removeprefix("data:")) == event


def test_protocol_records_are_frozen_and_closed() -> None:
    with pytest.raises(ValidationError):
        event_from_json('{"type":"token","row":"manifold","index":0,"text":"","token_id":0,"logprob":0,"more":1}')
    with pytest.raises(ValidationError):
        BehaviourRequest.model_validate(asked()).strength = 2.0  # type: ignore[misc]


def test_probabilities_are_summed_over_spellings_and_the_rest_is_other() -> None:
    readout = custom_readout(values("a", "b"), OWN, WORDS.__getitem__)
    assert readout.token_ids == ((1, 2), (3,))
    assert readout.coordinate == (0.0, 0.9)
    p = np.array([[0.1, 0.2, 0.3, 0.15, 0.25]])
    assert readout.probabilities(p)[0] == pytest.approx([0.5, 0.15, 0.35])


def test_a_value_of_several_tokens_is_read_by_its_first_and_said_to_be() -> None:
    readout = custom_readout(values("a", "c d"), OWN, WORDS.__getitem__)
    assert readout.token_ids == ((1, 2), (4, 6))
    assert readout.partial == ("c d",)
    assert readout.coordinate == (0.0, None)
    with pytest.raises(RequestError, match="no token of its own for 'c e'"):
        custom_readout(values("c d", "c e"), OWN, WORDS.__getitem__)


def test_the_nearest_value_is_found_round_the_ring() -> None:
    assert OWN.nearest(0.97, closed=True) == 0
    assert OWN.nearest(0.97, closed=False) == 1


def test_the_clusters_own_readout_is_the_tokens_that_the_run_saw(engine: Engine) -> None:
    readout = engine.prepared("planted", 0).readout
    assert readout.token_ids == tuple((number,) for number in range(7))
    assert readout.partial == ()


def test_characters_of_several_tokens_are_said_when_they_are_complete() -> None:
    pieces = [b"na", b"\xc3", b"\xaf", b"ve ", b"\xe6\x97", b"\xa5"]
    stream = IncrementalDetokenizer(lambda ids: b"".join(pieces[number] for number in ids).decode("utf-8", "replace"))
    assert [stream.push(number) for number in range(6)] == ["na", "", "ï", "ve ", "", "日"]


def test_a_tokens_text_takes_its_space_from_what_stands_before() -> None:
    stream = IncrementalDetokenizer(lambda ids: " ".join("xyz"[number] for number in ids), before=[0])
    assert [stream.push(1), stream.push(2)] == [" y", " z"]


def test_a_missing_token_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = read_token(path)
    assert len(token) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_token(path) == token


@pytest.mark.parametrize("content", [b"", b"short\n", b"two words are no token\n", b"\xff" * 40])
def test_a_token_file_without_a_token_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(RequestError) as error:
        read_token(path)
    assert error.value.where == str(path)


def test_a_token_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="nowhere"):
        read_token(tmp_path / "nowhere" / "token")


def test_names_that_a_host_answers_to() -> None:
    assert allowed_hosts("127.0.0.1") == {"127.0.0.1", "localhost", "[::1]"}
    assert allowed_hosts("10.0.0.7", ["gpu.lab"]) == {"10.0.0.7", "gpu.lab"}
    assert allowed_hosts("fe80::1") == {"[fe80::1]"}


def due(engine: Engine) -> tuple[ClusterSummary, ClusterGeometry]:
    """The planted weekdays as values that come next."""
    summary, geometry = engine.runs["planted"].summary(0), engine.runs["planted"].cluster(0)
    context_ids = geometry.context_ids.copy()
    context_ids[:, CONTEXT_BEFORE + 1] = context_ids[:, CONTEXT_BEFORE]
    return dataclasses.replace(summary, value_offset=1), dataclasses.replace(geometry, context_ids=context_ids)


def always(token: int, residual: np.ndarray) -> TextReader:
    """A model that always says one token, from one state."""

    def read(texts: list[list[int]], tokens: np.ndarray) -> Cooperative[tuple[np.ndarray, np.ndarray]]:
        yield
        return np.tile(residual, (len(texts), 1)), np.tile(np.eye(32)[token][tokens], (len(texts), 1))

    return read


def test_a_context_is_for_the_value_that_the_model_finds_likeliest(engine: Engine) -> None:
    summary, geometry = due(engine)
    prepared = run_to_completion(
        prepare(summary, geometry, engine.tokenizer.encode, None, always(6, geometry.value_residual[2]))
    )
    assert len(prepared.contexts.of(6)) == len(prepared.contexts.text) == 7 * CONTEXTS_PER_VALUE
    assert prepared.behaviour_manifold is None
    assert prepared.place[:6] == pytest.approx(geometry.value_coordinate[:6])
    assert prepared.place[6] == pytest.approx(geometry.value_coordinate[2], abs=0.02)
    assert prepared.manifold.value_residual[6] == pytest.approx(geometry.value_residual[2], abs=1e-5)


def test_where_the_model_answers_with_no_value_the_stored_ones_hold(engine: Engine) -> None:
    summary, geometry = due(engine)
    prepared = run_to_completion(
        prepare(summary, geometry, engine.tokenizer.encode, None, always(30, geometry.value_residual[2]))
    )
    assert [len(prepared.contexts.of(value)) for value in range(7)] == [CONTEXTS_PER_VALUE] * 7
    assert prepared.place == pytest.approx(geometry.value_coordinate)


def test_places_on_a_ring_are_averaged_round_the_seam() -> None:
    assert mean_place(np.array([0.98, 0.04]), closed=True) == pytest.approx(0.01)
    assert mean_place(np.array([0.98, 0.04]), closed=False) == pytest.approx(0.51)


def test_a_cut_context_begins_as_every_text_does() -> None:
    cut = np.arange(5, 38, dtype=np.int32)
    whole = np.where(np.arange(33) < 20, -1, cut).astype(np.int32)
    assert context_text(cut, 1) == [1, *range(5, 30)]
    assert context_text(whole, 1) == list(range(25, 30))
    assert context_text(cut, None) == list(range(5, 30))


def making(key: str, parts: list[str], count: int = 3) -> Cooperative[str]:
    for _ in range(count):
        parts.append(key)
        yield
    return key.upper()


def test_what_is_made_in_turns_is_made_once_for_all_who_ask_meanwhile() -> None:
    parts: list[str] = []
    made: CooperativeCache[str, str] = CooperativeCache(2, 2)
    first, second = (made.get("a", lambda: making("a", parts)) for _ in range(2))
    next(first)
    next(second)
    first.close()
    assert parts == ["a", "a"], "the second goes on where the first stood, and the first may leave"
    assert run_to_completion(second) == "A"
    assert run_to_completion(made.get("a", lambda: making("a", parts))) == "A"
    assert parts == ["a"] * 3


def test_what_fails_or_is_left_too_long_is_begun_anew() -> None:
    parts: list[str] = []
    made: CooperativeCache[str, str] = CooperativeCache(9, 2)

    def failing() -> Cooperative[str]:
        yield from making("f", parts, 1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_to_completion(made.get("f", failing))
    assert run_to_completion(made.get("f", lambda: making("f", parts))) == "F"
    assert parts == ["f"] * 4
    for key in "abc":
        next(made.get(key, lambda key=key: making(key, parts)))
    assert run_to_completion(made.get("a", lambda: making("a", parts))) == "A"
    assert parts[4:] == ["a", "b", "c", "a", "a", "a"]


def test_what_nobody_asked_for_the_longest_is_let_go() -> None:
    made: list[str] = []
    kept: LruCache[str, str] = LruCache(2)

    def ask(key: str) -> str:
        return kept.get(key, lambda: made.append(key) or key.upper())  # type: ignore[func-returns-value]

    assert [ask(key) for key in "abacab"] == list("ABACAB")
    assert made == ["a", "b", "c", "b"], "a was asked for again before c came, so b went"
