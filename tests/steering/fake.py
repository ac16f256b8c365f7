"""Handlers without a model, which a test can block, count and break, and a server for them."""

import socket
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import singledispatchmethod

import uvicorn
from fastapi import FastAPI

from explorer.config import SteeringLimits
from explorer.errors import HookNotFired
from explorer.steering.protocol.behaviour import (
    ArmBehaviour,
    BehaviourReply,
    BehaviourRequest,
    PathRequest,
    PromptToken,
    TopToken,
)
from explorer.steering.protocol.checks import (
    CheckReply,
    CheckRequest,
    Phrase,
    PhraseArm,
    PhrasesReply,
    PhrasesRequest,
    SweepArm,
    SweepReply,
    SweepRequest,
)
from explorer.steering.protocol.features import (
    EncodedToken,
    EncodeReply,
    EncodeRequest,
    FeatureReply,
    FeatureRequest,
    FiredCluster,
    Firing,
    TokenLogit,
)
from explorer.steering.protocol.refusal import overflow
from explorer.steering.protocol.steer import DoneEvent, Event, RowDoneEvent, StartEvent, SteerRequest, TokenEvent
from explorer.steering.protocol.subject import ServedRun, SubjectReply
from explorer.steering.protocol.wire import ARMS, PROTOCOL_VERSION, Reply, Request, Wire
from explorer.steering.scheduler.cooperative import Cooperative, Task

TOKEN = "an-example-token-of-32-characters"
FINGERPRINT = "sha256:" + "0" * 64
WAIT = 30.0
"""Longest wait of a test, in seconds."""


@dataclass
class FakeHandlers:
    """Controlled by the words of a prompt: "wait" blocks until `gate` opens, "slow" yields until then; after that
    "overflow", "deaf" and "broken" fail, a generation after its first token."""

    limits: SteeringLimits = field(default_factory=SteeringLimits)
    gate: threading.Event = field(default_factory=threading.Event)
    touched: int = 0
    """Number of requests that reached the model."""
    turns: int = 0
    """Number of yields before a reply."""
    stopped: int = 0
    """Number of streams that were closed before their end."""

    def subject(self) -> SubjectReply:
        return SubjectReply(
            protocol_version=PROTOCOL_VERSION, app_version="0", fingerprint=FINGERPRINT, model="fake", sae="fake",
            layer=0, hook="resid_post", d_model=4, device="cpu", dtype="float32", arms=ARMS, limits=self.limits,
            runs=(ServedRun(id="planted", clusters=1),),
        )  # fmt: skip

    def ask(self, request: Request[Reply]) -> Cooperative[Reply]:
        if isinstance(request, PathRequest):
            yield from self._prepare(request)
        answer = self._answer(request)
        return (yield from answer) if isinstance(answer, Generator) else answer

    @singledispatchmethod
    def _answer(self, request: Wire) -> Wire | Cooperative[Wire]:
        raise NotImplementedError

    @_answer.register
    def behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        self.touched += 1
        self._fail(request.prompt)
        if request.prompt == "wait":
            assert self.gate.wait(WAIT)
        top = TopToken(text=" Monday", probability=0.5)
        arms = tuple(
            ArmBehaviour(arm=arm, coordinate=None, probabilities=((0.5, 0.5),), top=(top,), off_manifold=(1.0,),
                         kl=(0.0,), e_bc=0.0, reach=None, hook_fired=1)
            for arm in request.arms
        )  # fmt: skip
        return BehaviourReply(
            fingerprint=FINGERPRINT, run=request.run, cluster=request.cluster, closed=True, values=("Monday",),
            value_coordinate=(0.0,), partial_values=(), own_coordinate=0.0, own_off_manifold=0.0, start=0.0, end=0.5,
            strength=request.strength, seed=request.seed, baseline=(0.5, 0.5), baseline_top=top, arms=arms, effect=None,
            prompt_tokens=(PromptToken(text=request.prompt, steered=True),),
        )  # fmt: skip

    @_answer.register
    def encode(self, request: EncodeRequest) -> Cooperative[EncodeReply]:
        yield
        self.touched += 1
        self._fail(request.text)
        if request.text == "wait":
            assert self.gate.wait(WAIT)
        firing = Firing(cluster=0, features=(1,), coordinate=0.5, off_manifold=1.0)
        return EncodeReply(
            fingerprint=FINGERPRINT, run=request.run,
            tokens=(EncodedToken(text=request.text, special=False, firing=(firing,)),),
            clusters=(FiredCluster(cluster=0, core=2, needed=1, tokens=1),),
        )  # fmt: skip

    def _prepare(self, request: PathRequest) -> Cooperative[None]:
        """A prompt with "slow" in it yields for as long as `gate` is closed."""
        while "slow" in request.prompt.split() and not self.gate.is_set():
            self.turns += 1
            time.sleep(0.001)  # a spinning thread would starve the server's
            yield

    @_answer.register
    def check(self, request: CheckRequest) -> CheckReply:
        asked = request.model_dump(exclude={"prompts"}) | {"arms": ("manifold", "flipped")}
        return CheckReply(controls=self.behaviour(BehaviourRequest.model_validate(asked)), across=None, adjacent=None)

    @_answer.register
    def sweep(self, request: SweepRequest) -> SweepReply:
        self.touched += 1
        self._fail(request.prompt)
        row = (0.5,) * len(request.positions)
        top = (TopToken(text=" Monday", probability=0.5),) * len(request.positions)
        grid, tops = (row,) * len(request.strengths), (top,) * len(request.strengths)
        arms = tuple(SweepArm(arm=arm, p_target=grid, off_manifold=grid, kl=grid, top=tops) for arm in request.arms)
        return SweepReply(
            fingerprint=FINGERPRINT, run=request.run, cluster=request.cluster, target="Monday",
            strengths=request.strengths, positions=request.positions, baseline=0.5, safe=2.0, arms=arms,
        )  # fmt: skip

    @_answer.register
    def phrases(self, request: PhrasesRequest) -> PhrasesReply:
        self.touched += 1
        self._fail(request.prompt)
        along = tuple(PhraseArm(arm=arm, logprob=(-1.0,) * request.waypoints) for arm in request.arms)
        read = tuple(Phrase(text=text, read=text, tokens=1, baseline=-1.0, arms=along) for text in request.phrases)
        return PhrasesReply(fingerprint=FINGERPRINT, run=request.run, cluster=request.cluster, phrases=read)

    @_answer.register
    def feature(self, request: FeatureRequest) -> FeatureReply:
        self.touched += 1
        said = TokenLogit(text=" Monday", logit=1.5)
        return FeatureReply(
            fingerprint=FINGERPRINT, run=request.run, feature=request.feature, promoted=(said,), suppressed=(said,)
        )

    def steer(self, request: SteerRequest) -> Task[Event]:
        yield from self._prepare(request)
        self.touched += 1
        finished = False
        try:
            if request.prompt == "wait":
                assert self.gate.wait(WAIT)
            yield StartEvent(fingerprint=FINGERPRINT, rows=("baseline",), own_coordinate=0.0, coordinate=0.5,
                             off_manifold={"baseline": 0.0}, prompt_tokens=())  # fmt: skip
            for index in range(request.max_tokens):
                yield TokenEvent(row="baseline", index=index, text="a", token_id=1, logprob=-1.0)
                yield None
                self._fail(request.prompt)
            yield RowDoneEvent(row="baseline", finish="length", text="a" * request.max_tokens, hook_fired=0)
            yield DoneEvent(hook_fired={"baseline": 0}, finish={"baseline": "length"}, tokens=request.max_tokens)
            finished = True
        finally:
            self.stopped += not finished

    def run_batch(self, steps: Sequence[object]) -> Sequence[object]:
        raise NotImplementedError("this host generates without batched steps")

    def _fail(self, prompt: str) -> None:
        words = prompt.split()
        if "overflow" in words:
            raise overflow()
        if "deaf" in words:
            raise HookNotFired("the hook fired 0 times, not 1")
        if "broken" in words:
            raise ZeroDivisionError("a fault with a secret in it")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free port; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = _Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        assert server.up.wait(WAIT)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(WAIT)
            assert not thread.is_alive()


def asked(prompt: str = "a prompt", **changes: object) -> dict[str, object]:
    """A request's body."""
    return {"run": "planted", "fingerprint": FINGERPRINT, "cluster": 0, "prompt": prompt, "end": 0.5} | changes


def asked_of_text(text: str = "a text", **changes: object) -> dict[str, object]:
    """The body of a request to encode a text."""
    return {"run": "planted", "fingerprint": FINGERPRINT, "text": text} | changes
