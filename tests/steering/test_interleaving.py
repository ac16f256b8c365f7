"""Random interleavings of steered, plain, aborted and failing requests: plain output never changes."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from explorer.errors import RequestError
from explorer.steering.answers import Answers
from explorer.steering.checks_protocol import CheckRequest, PhrasesRequest, SweepRequest
from explorer.steering.encode_protocol import EncodeRequest
from explorer.steering.protocol import ARMS, TokenEvent
from explorer.steering.refusal import Refusal
from tests.steering.conftest import behaviour_request, steer_request
from tests.steering.test_engine import nothing_is_left

PATH = {"run", "fingerprint", "cluster", "prompt", "end", "where"}
PROMPTS = ("the parcel was sent on Monday", "it rained", "arrived around Friday and")


class Interleaving(RuleBasedStateMachine):
    """Streams are open side by side, as the worker holds them, and stepped in any order."""

    answers: ClassVar[Answers]
    plain: ClassVar[dict[str, list[int]]]
    streams = Bundle("streams")

    @rule(
        target=streams,
        prompt=st.sampled_from(PROMPTS),
        strength=st.sampled_from([-2.0, 0.0, 1.0, 4.0]),
        where=st.sampled_from(["last_prompt", "all_prompt", "generated"]),
        cluster=st.sampled_from([0, 1]),
    )
    def open(self, prompt: str, strength: float, where: str, cluster: int) -> Iterator[object]:
        request = steer_request(self.answers.engine, prompt=prompt, strength=strength, where=where, cluster=cluster,
                                end=0.4, arms=ARMS)  # fmt: skip
        return self.answers.generate(request)

    @rule(stream=streams, count=st.integers(1, 9))
    def step(self, stream: Iterator[object], count: int) -> None:
        for _ in range(count):
            next(stream, None)

    @rule(stream=consumes(streams))
    def abort(self, stream: Iterator[object]) -> None:
        stream.close()  # type: ignore[attr-defined]

    @rule(where=st.sampled_from(["last_prompt", "all_prompt", "generated"]))
    def overflow(self, where: str) -> None:
        """A request that fails inside the model, its hook on."""
        engine = self.answers.engine
        prefix = engine.read(steer_request(engine, where=where)).prefix
        with pytest.raises(Refusal, match="not finite"):
            engine.steps(prefix, np.full((2, len(prefix.residual)), 1e39), every_token=True, tokens=1).choose(0.0, 0.0)

    @rule(strength=st.sampled_from([-4.0, 0.5, 4.0]))
    def drag(self, strength: float) -> None:
        self.answers.behaviour(behaviour_request(self.answers.engine, strength=strength, arms=ARMS))

    @rule(where=st.sampled_from(["last_prompt", "all_prompt", "generated"]), prompt=st.sampled_from(PROMPTS))
    def put_to_the_test(self, where: str, prompt: str) -> None:
        """Phrases, a sweep and a text's clusters, beside the open streams."""
        path = steer_request(self.answers.engine, prompt=prompt, where=where).model_dump(include=PATH)
        self.answers.phrases(PhrasesRequest.model_validate(path | {"phrases": ("it rained on",), "waypoints": 3}))
        self.answers.sweep(SweepRequest.model_validate(path | {"strengths": (-1.0, 2.0), "positions": (0.5, 1.0)}))
        self.answers.encode(EncodeRequest(run="planted", fingerprint=path["fingerprint"], text=prompt))

    @rule()
    def leave_a_check_in_the_middle(self) -> None:
        path = steer_request(self.answers.engine).model_dump(include=PATH)
        check = self.answers.checking(CheckRequest.model_validate(path | {"waypoints": 3, "prompts": 4}))
        next(check)
        check.close()

    @rule()
    def fail(self) -> None:
        with pytest.raises(RequestError):
            self.answers.behaviour(behaviour_request(self.answers.engine, end="Someday"))
        with pytest.raises(Refusal):
            next(self.answers.generate(steer_request(self.answers.engine, run="nowhere")))

    @rule(prompt=st.sampled_from(PROMPTS))
    def plain_text_is_unchanged(self, prompt: str) -> None:
        assert plain_text(self.answers, prompt) == self.plain[prompt]

    @invariant()
    def no_hook_stays(self) -> None:
        assert nothing_is_left(self.answers.engine)


def plain_text(answers: Answers, prompt: str) -> list[int]:
    request = steer_request(answers.engine, prompt=prompt, arms=("manifold",))
    return [e.token_id for e in answers.generate(request) if isinstance(e, TokenEvent) and e.row == "baseline"]


def test_interleaved_requests_never_touch_each_other(answers: Answers) -> None:
    Interleaving.answers = answers
    Interleaving.plain = {prompt: plain_text(answers, prompt) for prompt in PROMPTS}
    Interleaving.TestCase.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
    Interleaving.TestCase("runTest").runTest()
