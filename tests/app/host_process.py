"""A steering host as a process of its own, with the fake model of `fake_host` behind the real routes: it can be killed.

python -m tests.app.host_process RUN PORT TOKEN FINGERPRINT
"""

import asyncio
import sys
from collections.abc import Sequence

import uvicorn

from explorer.runs.run.reader import open_run
from explorer.steering.host.server import create_app
from explorer.steering.protocol.refusal import Refusal
from explorer.steering.protocol.steer import Event, SteerRequest
from explorer.steering.protocol.subject import SubjectReply
from explorer.steering.protocol.wire import Reply, Request
from explorer.steering.scheduler.cooperative import Cooperative, Task
from tests.app.fake_host import FakeHost

PAUSE = 0.25
"""Seconds between two tokens: long enough to be killed in the middle."""


class Blocking:
    """The fake's answers as a host's thread asks for them."""

    def __init__(self, fake: FakeHost, fingerprint: str) -> None:
        self._fake = fake
        self._loop = asyncio.new_event_loop()
        self._held = fingerprint
        self._subject = asyncio.run(fake.subject()).model_copy(update={"fingerprint": fingerprint})

    def subject(self) -> SubjectReply:
        return self._subject

    def ask(self, request: Request[Reply]) -> Cooperative[Reply]:
        yield from ()
        self._check(request.fingerprint)
        return self._loop.run_until_complete(self._fake.ask(request))

    def steer(self, request: SteerRequest) -> Task[Event]:
        self._check(request.fingerprint)
        events = self._fake.steer(request)
        while (event := self._loop.run_until_complete(anext(events, None))) is not None:
            yield event  # type: ignore[misc]
            yield None

    def _check(self, fingerprint: str) -> None:
        if fingerprint != self._held:
            raise Refusal(
                409, "fingerprint_mismatch", f"this host holds {self._held}, the request is for {fingerprint}"
            )

    def run_batch(self, steps: Sequence[object]) -> Sequence[object]:
        raise NotImplementedError("no text of this host wants a step")


def main(run: str, port: str, token: str, fingerprint: str) -> None:
    """Serve until killed."""
    answers = Blocking(FakeHost(open_run(run), pause=PAUSE), fingerprint)
    uvicorn.run(create_app(answers, token=token), host="127.0.0.1", port=int(port), log_level="error")


if __name__ == "__main__":
    main(*sys.argv[1:])
