"""Messages as JSON and as server-sent events, and token files."""

import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from explorer.errors import RequestError
from explorer.steering.protocol.behaviour import BehaviourRequest
from explorer.steering.protocol.steer import TokenEvent, event_from_json, event_to_sse
from explorer.steering.protocol.token_file import read_token
from tests.fake_host import asked


def test_a_request_round_trips_through_json() -> None:
    request = BehaviourRequest.model_validate(asked(start="Monday", arms=("linear", "random"), seed=7))
    assert BehaviourRequest.model_validate_json(request.model_dump_json()) == request


def test_an_event_is_one_line_of_data_for_any_text() -> None:
    event = TokenEvent(row="manifold", index=0, text='a\r\n\n"data: x\u2028', token_id=3, logprob=-1.5)
    head, data, *rest = event_to_sse(event).split("\n")
    assert head == "event: token"
    assert rest == ["", ""]
    assert event_from_json(data.removeprefix("data:")) == event


def test_messages_are_frozen_and_refuse_unknown_keys() -> None:
    with pytest.raises(ValidationError):
        event_from_json('{"type":"token","row":"manifold","index":0,"text":"","token_id":0,"logprob":0,"more":1}')
    with pytest.raises(ValidationError):
        BehaviourRequest.model_validate(asked()).strength = 2.0  # type: ignore[misc]


def test_a_missing_token_file_is_created_readable_by_its_owner_only(tmp_path: Path) -> None:
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


def test_the_error_names_a_token_file_that_cannot_be_created(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="nowhere"):
        read_token(tmp_path / "nowhere" / "token")
