"""Answers requests about one subject: one handler for each endpoint, chosen by the type of the request."""

from collections.abc import Generator, Iterator, Sequence
from functools import singledispatchmethod
from importlib.metadata import version

import numpy as np

from explorer.steering.answers.behaviour import behaviour
from explorer.steering.answers.checks import check, read_phrases, sweep
from explorer.steering.answers.encoding import Encoder
from explorer.steering.answers.generation import SteerTask, steer
from explorer.steering.engine.engine import Engine
from explorer.steering.engine.generation import GenerationStep, SampledTokens, sample_batch
from explorer.steering.protocol.behaviour import BehaviourReply, BehaviourRequest, PathRequest
from explorer.steering.protocol.checks import (
    CheckReply,
    CheckRequest,
    PhrasesReply,
    PhrasesRequest,
    SweepReply,
    SweepRequest,
)
from explorer.steering.protocol.endpoints import endpoint_of
from explorer.steering.protocol.features import EncodeReply, EncodeRequest, FeatureReply, FeatureRequest, TokenLogit
from explorer.steering.protocol.steer import Event, SteerRequest
from explorer.steering.protocol.subject import ServedRun, SubjectReply
from explorer.steering.protocol.wire import ARMS, PROTOCOL_VERSION, Reply, Request, Wire
from explorer.steering.scheduler.cooperative import Cooperative, run_alone, run_to_completion


class Handlers:
    """The handlers of one engine. A handler returns its reply, or computes it cooperatively."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._encoder = Encoder(engine)

    def subject(self) -> SubjectReply:
        """The model, SAE and runs on offer, and the limits of a request."""
        subject, engine = self.engine.subject, self.engine
        return SubjectReply(
            protocol_version=PROTOCOL_VERSION,
            app_version=version("manifold-explorer"),
            fingerprint=subject.fingerprint,
            model=subject.info.model.id,
            sae=subject.info.sae.id,
            layer=subject.place.layer,
            hook=subject.place.hook,
            d_model=subject.loaded.d_model,
            device=str(subject.loaded.device),
            dtype=str(subject.loaded.dtype).removeprefix("torch."),
            kind=engine.tokenizer.kind,
            batch_difference=subject.batch_difference,
            arms=ARMS,
            limits=engine.limits,
            runs=tuple(ServedRun(id=run.id, clusters=len(run.manifest.clusters)) for run in engine.runs.values()),
        )

    def ask(self, request: Request[Reply]) -> Cooperative[Reply]:
        """Answer one request; the first request about a cluster prepares it.

        Raises:
            RequestError: a field is out of its range for this subject and cluster.
            Refusal: another subject or run, or numbers that are not finite.
            HookNotFired: the edit was not applied.
        """
        if isinstance(request, PathRequest):
            yield from self._prepare(request)
        answer = self._handle(request)
        reply = (yield from answer) if isinstance(answer, Generator) else answer
        assert isinstance(reply, endpoint_of(request).reply)
        return reply

    def answer(self, request: Request[Reply]) -> Reply:
        """``ask``, run to completion."""
        return run_to_completion(self.ask(request))

    def steer(self, request: SteerRequest) -> SteerTask:
        """Generate text for every arm and the unsteered model. Closing the generator stops it.

        Raises:
            RequestError, Refusal, HookNotFired: as in ``ask``, before the first event or between two.
        """
        yield from self._prepare(request)
        yield from steer(self.engine, self._encoder, request)

    def generate(self, request: SteerRequest) -> Iterator[Event]:
        """``steer`` without other requests: every step is a batch of its own. Closing the iterator stops it."""
        return run_alone(self.steer(request), self.run_batch)

    def run_batch(self, steps: Sequence[GenerationStep]) -> Sequence[SampledTokens | Exception]:
        """The next token of each row of several texts; a text that fails has its error in its place."""
        return sample_batch(steps)

    def _prepare(self, request: PathRequest) -> Cooperative[None]:
        self.engine.served(request.run, request.fingerprint)
        yield from self.engine.preparing(request.run, request.cluster)

    @singledispatchmethod
    def _handle(self, request: Wire) -> Wire | Cooperative[Wire]:
        raise NotImplementedError(f"no handler for {type(request).__name__}")

    @_handle.register
    def _behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        return behaviour(self.engine, request)

    @_handle.register
    def _check(self, request: CheckRequest) -> Cooperative[CheckReply]:
        return check(self.engine, request)

    @_handle.register
    def _sweep(self, request: SweepRequest) -> SweepReply:
        return sweep(self.engine, request)

    @_handle.register
    def _phrases(self, request: PhrasesRequest) -> PhrasesReply:
        return read_phrases(self.engine, request)

    @_handle.register
    def _encode(self, request: EncodeRequest) -> Cooperative[EncodeReply]:
        return self._encoder.encode(request)

    @_handle.register
    def _feature(self, request: FeatureRequest) -> FeatureReply:
        return feature_logits(self.engine, request)


def feature_logits(engine: Engine, request: FeatureRequest) -> FeatureReply:
    """The tokens that a feature's direction promotes and suppresses most (logit lens).

    Raises:
        RequestError: no such feature.
        Refusal: another subject or run, or logits that are not finite.
    """
    run = engine.served(request.run, request.fingerprint)
    vocabulary = engine.vocabulary(run.id)
    logits = engine.model.feature_logits(request.feature)[: len(vocabulary)]
    order = np.argsort(-logits, kind="stable")
    ends = (order[: request.top], order[::-1][: request.top])
    promoted, suppressed = (
        tuple(TokenLogit(text=vocabulary.text(token), logit=float(logits[token])) for token in end.tolist())
        for end in ends
    )
    return FeatureReply(
        fingerprint=engine.subject.fingerprint,
        run=run.id,
        feature=request.feature,
        promoted=promoted,
        suppressed=suppressed,
    )
