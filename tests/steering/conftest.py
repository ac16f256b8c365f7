"""Fixtures: a tiny random subject with a planted run, opened once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.steering.answers.handlers import Handlers
from explorer.steering.engine.engine import Engine, open_engine
from explorer.steering.engine.subject import fitting_threads
from explorer.steering.protocol.behaviour import BehaviourRequest
from explorer.steering.protocol.steer import SteerRequest
from tests.steering.tiny import write_steerable_run


@pytest.fixture(scope="session")
def steerable_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_steerable_run(tmp_path_factory.mktemp("steerable") / "planted", reach=4.0)


@pytest.fixture(scope="session")
def chat_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a tokenizer that has a chat template."""
    return write_steerable_run(tmp_path_factory.mktemp("chat") / "planted", reach=4.0, chat=True)


@pytest.fixture(scope="session")
def engine(steerable_run: Path, device: str) -> Iterator[Engine]:
    """Computes with as many threads as a host does; the exact batches were probed with these."""
    opened = open_engine(steerable_run, device=device)
    with fitting_threads(opened.subject.loaded.model):
        yield opened


@pytest.fixture(scope="session")
def answers(engine: Engine) -> Handlers:
    return Handlers(engine)


def behaviour_request(engine: Engine, **changes: object) -> BehaviourRequest:
    fields = {
        "run": "planted", "fingerprint": engine.subject.fingerprint, "cluster": 0,
        "prompt": "the parcel was sent on Monday", "end": "Thursday", "waypoints": 6,
    }  # fmt: skip
    return BehaviourRequest.model_validate(fields | changes)


def steer_request(engine: Engine, **changes: object) -> SteerRequest:
    fields = {
        "run": "planted", "fingerprint": engine.subject.fingerprint, "cluster": 0,
        "prompt": "the parcel was sent on Monday", "end": "Thursday", "max_tokens": 6,
    }  # fmt: skip
    return SteerRequest.model_validate(fields | changes)
