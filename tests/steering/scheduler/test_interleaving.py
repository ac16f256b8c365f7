"""Random interleavings of steered, plain, aborted and failing requests: plain output never changes."""

from typing import ClassVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from explorer.errors import RequestError
from explorer.steering.answers.handlers import Handlers
from explorer.steering.engine.generation import GenerationStep, SampledTokens
from explorer.steering.protocol.checks import CheckRequest, PhrasesRequest, SweepRequest
from explorer.steering.protocol.features import EncodeRequest
from explorer.steering.protocol.refusal import Refusal
from explorer.steering.protocol.steer import DoneEvent, Event, SteerRequest, TokenEvent
from explorer.steering.protocol.wire import ARMS, Arm
from explorer.steering.scheduler.cooperative import Batched
from tests.steering.conftest import behaviour_request, steer_request
from tests.steering.engine.test_engine import nothing_is_left

PATH = {"run", "fingerprint", "cluster", "prompt", "end", "where"}
PROMPTS = ("the parcel was sent on Monday", "it rained", "arrived around Friday and")


class OpenText:
    """A generation as the scheduler holds it: its events so far, and the step that it waits for."""

    def __init__(self, answers: Handlers, request: SteerRequest) -> None:
        self.request = request
        self.events: list[Event] = []
        self.wanted: GenerationStep | None = None
        self._work = answers.steer(request)
        self._advance(None)

    def get(self, outcome: SampledTokens | Exception) -> None:
        self._advance(outcome)

    def close(self) -> None:
        self._work.close()
        self.wanted = None

    def _advance(self, outcome: SampledTokens | Exception | None) -> None:
        self.wanted = None
        try:
            item = self._work.throw(outcome) if isinstance(outcome, Exception) else self._work.send(outcome)  # type: ignore[arg-type]
            while not isinstance(item, Batched):
                if item is not None:
                    self.events.append(item)
                item = next(self._work)
            self.wanted = item.operation
        except StopIteration:
            assert isinstance(self.events[-1], DoneEvent)


class Interleaving(RuleBasedStateMachine):
    """Open generations advance in any combination and order; each has the events that it has alone."""

    answers: ClassVar[Handlers]
    plain: ClassVar[dict[str, list[int]]]
    alone: ClassVar[dict[str, list[Event]]]
    most: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[OpenText] = []

    @initialize()
    def open_two(self) -> None:
        """Two generations, so that batches of several steps do not depend on the draw of rules."""
        for prompt, temperature in zip(PROMPTS, (0.0, 1.5), strict=False):
            request = steer_request(self.answers.engine, prompt=prompt, end=0.4, temperature=temperature)
            self.texts.append(OpenText(self.answers, request))

    @rule(
        prompt=st.sampled_from(PROMPTS),
        strength=st.sampled_from([-2.0, 0.0, 1.0, 4.0]),
        where=st.sampled_from(["last_prompt", "all_prompt", "generated"]),
        cluster=st.sampled_from([0, 1]),
        arms=st.sampled_from([ARMS, ARMS[:1], ARMS[1:4]]),
        temperature=st.sampled_from([0.0, 1.5]),
    )
    def open(
        self, prompt: str, strength: float, where: str, cluster: int, arms: tuple[Arm, ...], temperature: float
    ) -> None:
        request = steer_request(
            self.answers.engine, prompt=prompt, strength=strength, where=where, cluster=cluster, end=0.4, arms=arms,
            temperature=temperature, seed=len(arms),
        )  # fmt: skip
        self.texts.append(OpenText(self.answers, request))

    @rule(left_out=st.sets(st.integers(0, 7), max_size=3), count=st.integers(1, 7), fails=st.booleans())
    def advance_together(self, left_out: set[int], count: int, fails: bool) -> None:
        """Batched steps of most open texts, now and then with rows whose logits overflow."""
        texts = [text for number, text in enumerate(self.texts) if number not in left_out]
        for _ in range(count):
            going = [text for text in texts if text.wanted]
            steps = [text.wanted for text in going if text.wanted]
            bad = [self.overflowing()] if fails else []
            outcomes = self.answers.run_batch([*steps, *bad])
            assert all(isinstance(one, Refusal) for one in outcomes[len(steps) :])
            Interleaving.most = max(Interleaving.most, len(steps))
            for text, one in zip(going, outcomes, strict=False):
                text.get(one)
        for text in texts:
            self.assert_output_of_its_own(text)

    def overflowing(self) -> GenerationStep:
        prefix = self.answers.engine.read(steer_request(self.answers.engine)).prefix
        moves = np.full((2, len(prefix.residual)), 1e39)
        return GenerationStep(self.answers.engine.model.decoder(prefix, moves, every_token=True, tokens=1), 0.0, 0.0)

    def assert_output_of_its_own(self, text: OpenText) -> None:
        key = text.request.model_dump_json()
        if key not in self.alone:
            self.alone[key] = list(self.answers.generate(text.request))
        wanted = self.alone[key][: len(text.events)]
        if self.answers.engine.subject.batch_difference == 0.0:
            assert text.events == wanted, "bitwise, log-probabilities and read-back included"
        elif text.request.temperature == 0.0:
            assert written(text.events) == written(wanted)

    @rule(number=st.integers(0, 7), fault=st.booleans())
    def end_in_the_middle(self, number: int, fault: bool) -> None:
        """Its reader leaves or its step fails: it ends, and no other does."""
        for text in self.texts[number : number + 1]:
            if fault and text.wanted:
                with pytest.raises(ZeroDivisionError):
                    text.get(ZeroDivisionError())
            text.close()
            self.texts.remove(text)

    @rule(strength=st.sampled_from([-4.0, 0.5, 4.0]))
    def drag(self, strength: float) -> None:
        self.answers.answer(behaviour_request(self.answers.engine, strength=strength, arms=ARMS))

    @rule(where=st.sampled_from(["last_prompt", "all_prompt", "generated"]), prompt=st.sampled_from(PROMPTS))
    def run_checks(self, where: str, prompt: str) -> None:
        """Phrases, a sweep and an encoded text, while streams are open."""
        path = steer_request(self.answers.engine, prompt=prompt, where=where).model_dump(include=PATH)
        self.answers.answer(PhrasesRequest.model_validate(path | {"phrases": ("it rained on",), "waypoints": 3}))
        self.answers.answer(SweepRequest.model_validate(path | {"strengths": (-1.0, 2.0), "positions": (0.5, 1.0)}))
        self.answers.answer(EncodeRequest(run="planted", fingerprint=path["fingerprint"], text=prompt))

    @rule()
    def leave_a_check_in_the_middle(self) -> None:
        path = steer_request(self.answers.engine).model_dump(include=PATH)
        check = self.answers.ask(CheckRequest.model_validate(path | {"waypoints": 3, "prompts": 4}))
        next(check)
        check.close()

    @rule()
    def fail(self) -> None:
        with pytest.raises(RequestError):
            self.answers.answer(behaviour_request(self.answers.engine, end="Someday"))
        with pytest.raises(Refusal):
            next(self.answers.generate(steer_request(self.answers.engine, run="nowhere")))

    @rule(prompt=st.sampled_from(PROMPTS))
    def plain_text_is_unchanged(self, prompt: str) -> None:
        assert plain_text(self.answers, prompt) == self.plain[prompt]

    @invariant()
    def no_hook_stays(self) -> None:
        assert nothing_is_left(self.answers.engine)


def written(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.row, event.token_id) for event in events if isinstance(event, TokenEvent)]


def plain_text(answers: Handlers, prompt: str) -> list[int]:
    request = steer_request(answers.engine, prompt=prompt, arms=("manifold",))
    return [token for row, token in written(list(answers.generate(request))) if row == "baseline"]


def test_interleaved_requests_are_independent(answers: Handlers) -> None:
    Interleaving.answers = answers
    Interleaving.alone, Interleaving.most = {}, 0
    Interleaving.plain = {prompt: plain_text(answers, prompt) for prompt in PROMPTS}
    Interleaving.TestCase.settings = settings(max_examples=25, stateful_step_count=14, deadline=None)
    Interleaving.TestCase("runTest").runTest()
    assert Interleaving.most > 1, "several steps really ran as one batch"
