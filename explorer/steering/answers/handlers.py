"""Answers a host's requests: checks them against the subject, plans the moves, runs them, measures."""

from collections.abc import Generator, Iterator, Sequence
from functools import singledispatchmethod
from importlib.metadata import version
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from explorer.errors import RequestError
from explorer.lm.generation.next_tokens import NextTokens
from explorer.steering.answers.checks import across_prompts, read_phrases, sweep
from explorer.steering.answers.displacements import controls, off_curve
from explorer.steering.answers.encoding import Encoder
from explorer.steering.answers.measure import arm_behaviours, effect_of, meter_of
from explorer.steering.answers.plan import Plan, check_readout, check_waypoints, plan, top_tokens
from explorer.steering.answers.read_back import read_back
from explorer.steering.engine.engine import Engine, choose_together
from explorer.steering.engine.generation import Chosen, Step, write
from explorer.steering.protocol.behaviour import BehaviourReply, BehaviourRequest, Effect, PathRequest
from explorer.steering.protocol.checks import (
    CONTROL_ARMS,
    CheckReply,
    CheckRequest,
    PhrasesReply,
    PhrasesRequest,
    SweepReply,
    SweepRequest,
)
from explorer.steering.protocol.endpoints import endpoint_of
from explorer.steering.protocol.features import EncodeReply, EncodeRequest, FeatureReply, FeatureRequest, TokenLogit
from explorer.steering.protocol.steer import Event, StartEvent, SteerRequest
from explorer.steering.protocol.subject import ServedRun, SubjectReply
from explorer.steering.protocol.wire import ARMS, PROTOCOL_VERSION, Reply, Request, Row, Wire
from explorer.steering.scheduler.batching import Wanted, by_itself
from explorer.steering.scheduler.cooperative import Turns, finish

Told: TypeAlias = Generator[Event | Wanted[Step] | None, Chosen, None]
"""A text as it is written: asks for its steps, and tells; None where others may have their turn."""

CONTROLS = 8
"""Random directions that the manifold arm is held against."""
PATH_POINTS = 50
"""Waypoints of the path that generation picks its one place from."""


class Answers:
    """What a host answers; one request at a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._encoder = Encoder(engine)

    def subject(self) -> SubjectReply:
        """What the host holds and what it allows."""
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
            kind=engine.kind,
            batch_difference=subject.batch_difference,
            arms=ARMS,
            limits=engine.limits,
            runs=tuple(ServedRun(id=run.id, clusters=len(run.manifest.clusters)) for run in engine.runs.values()),
        )

    def ask(self, request: Request[Reply]) -> Turns[Reply]:
        """The reply to one request, in turns; the first request about a cluster prepares it.

        Raises:
            RequestError: a field is out of its range for this subject and cluster.
            Refusal: another subject or run, or logits that are not finite.
            HookNotFired: the edit did not happen.
        """
        if isinstance(request, PathRequest):
            yield from self._prepare(request)
        answer = self._answer(request)
        reply = (yield from answer) if isinstance(answer, Generator) else answer
        assert isinstance(reply, endpoint_of(request).reply)
        return reply

    def answer(self, request: Request[Reply]) -> Reply:
        """All of ``ask`` at once."""
        return finish(self.ask(request))

    @singledispatchmethod
    def _answer(self, request: Wire) -> Wire | Turns[Wire]:
        """The handler of a request's type: gives its reply, or makes it in turns."""
        raise NotImplementedError(f"no handler for {type(request).__name__}")

    @_answer.register
    def _behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        """Next-token behaviour at every waypoint of every arm, in one batch with the unsteered row."""
        check_waypoints(self.engine, request.waypoints)
        t = np.linspace(0.0, 1.0, request.waypoints)
        planned = plan(self.engine, request, t, request.arms, strength=request.strength, values=request.values,
                       random_repeats=request.random_repeats)  # fmt: skip
        check_readout(planned.readout)
        chance = controls(planned.way, seed=request.seed, strength=request.strength, count=CONTROLS)
        moved = [*(move.displacement for move in planned.arms), chance]
        baseline, *along, by_chance = self.engine.next_tokens(planned.prompt.prefix, moved, planned.readout.tokens)
        return self._reply(request, planned, baseline, along, by_chance)

    def _prepare(self, request: PathRequest) -> Turns[None]:
        self.engine.served(request.run, request.fingerprint)
        yield from self.engine.preparing(request.run, request.cluster)

    @_answer.register
    def _check(self, request: CheckRequest) -> Turns[CheckReply]:
        """The controls of a path, and the same move from other prompts, in turns."""
        controls = request.model_dump(exclude={"prompts"}) | {"arms": CONTROL_ARMS}
        reply = self._behaviour(BehaviourRequest.model_validate(controls))
        across = yield from across_prompts(self.engine, request)
        return CheckReply(controls=reply, **across._asdict())

    @_answer.register
    def _sweep(self, request: SweepRequest) -> SweepReply:
        return sweep(self.engine, request)

    @_answer.register
    def _phrases(self, request: PhrasesRequest) -> PhrasesReply:
        return read_phrases(self.engine, request)

    @_answer.register
    def _encode(self, request: EncodeRequest) -> Turns[EncodeReply]:
        return self._encoder.encoding(request)

    @_answer.register
    def _feature(self, request: FeatureRequest) -> FeatureReply:
        """The tokens that a feature's direction speaks for and against, by itself."""
        run = self.engine.served(request.run, request.fingerprint)
        vocabulary = self.engine.vocabulary(run.id)
        logits = self.engine.feature_logits(request.feature)[: len(vocabulary)]
        order = np.argsort(-logits, kind="stable")
        ends = (order[: request.top], order[::-1][: request.top])
        promoted, suppressed = (
            tuple(TokenLogit(text=vocabulary.text(token), logit=float(logits[token])) for token in end.tolist())
            for end in ends
        )
        return FeatureReply(
            fingerprint=self.engine.subject.fingerprint,
            run=run.id,
            feature=request.feature,
            promoted=promoted,
            suppressed=suppressed,
        )

    def generate(self, request: SteerRequest) -> Iterator[Event]:
        """All of ``steer`` with every step alone. Closing the iterator stops it."""
        return by_itself(self.steer(request), self.choose)

    def choose(self, asked: Sequence[Step]) -> Sequence[Chosen | Exception]:
        """The next step of several texts at once; what fails for one is in its place and touches no other."""
        return choose_together(asked)

    def steer(self, request: SteerRequest) -> Told:
        """Text of every arm beside the unsteered model's, one token a row at a time. Closing the generator stops it.

        Raises:
            RequestError, Refusal, HookNotFired: as in ask; before the first event, or in the middle.
        """
        yield from self._prepare(request)
        engine = self.engine
        if request.max_tokens > engine.limits.max_new_tokens:
            raise RequestError("max_tokens", str(request.max_tokens), f"at most {engine.limits.max_new_tokens}")
        at = round(request.position * (PATH_POINTS - 1))
        t = np.linspace(0.0, 1.0, PATH_POINTS)
        t[at] = request.position
        planned = plan(engine, request, t, request.arms, strength=request.strength, room=1)
        prefix, prepared = planned.prompt.prefix, planned.prepared
        names: tuple[Row, ...] = ("baseline", *(move.arm for move in planned.arms))
        rows = np.stack([np.zeros(len(prefix.residual)), *(move.displacement[at] for move in planned.arms)])
        off = off_curve(prepared.manifold, prefix.residual, rows) / prepared.spread
        yield StartEvent(
            fingerprint=engine.subject.fingerprint,
            rows=names,
            own_coordinate=planned.own.coordinate,
            coordinate=float(planned.path.u[at]),
            off_manifold=dict(zip(names, off.tolist(), strict=True)),
            prompt_tokens=planned.prompt.tokens,
        )
        tokens = min(request.max_tokens, engine.subject.loaded.max_context - len(planned.prompt.token_ids))
        every = request.where == "generated"
        text = yield from write(
            engine.steps(prefix, rows, every_token=every, tokens=tokens, skip_special=request.skip_special),
            names,
            engine.decode,
            planned.prompt.token_ids,
            engine.ends,
            max_tokens=tokens,
            temperature=request.temperature,
            rng=np.random.default_rng(request.seed),
        )
        yield None
        written = read_back(engine, self._encoder, request, planned, text.said)
        yield text.done.model_copy(update={"written": written})

    def _reply(
        self,
        request: BehaviourRequest,
        planned: Plan,
        baseline: NextTokens,
        along: list[NextTokens],
        chance: NextTokens,
    ) -> BehaviourReply:
        prepared, readout, path, own = planned.prepared, planned.readout, planned.path, planned.own
        behaviour = readout.behaviour(np.concatenate([said.asked for said in (baseline, *along, chance)]))
        unsteered, by_arm, by_chance = behaviour[0], behaviour[1 : -len(chance.kl)], behaviour[-len(chance.kl) :]
        top = [top_tokens(self.engine, request.run, said) for said in along]
        measured = arm_behaviours(prepared, readout, planned.way, planned.aim, planned.arms, by_arm, along, top)
        return BehaviourReply(
            fingerprint=self.engine.subject.fingerprint,
            run=request.run,
            cluster=request.cluster,
            closed=prepared.closed,
            values=readout.names,
            value_coordinate=readout.coordinate,
            partial_values=readout.partial,
            own_coordinate=own.coordinate,
            own_off_manifold=own.distance / prepared.spread,
            start=float(path.u[0]),
            end=path.end,
            strength=request.strength,
            seed=request.seed,
            baseline=tuple(unsteered.tolist()),
            baseline_top=top_tokens(self.engine, request.run, baseline)[0],
            arms=measured,
            effect=_effect(planned, unsteered, by_arm, by_chance),
            prompt_tokens=planned.prompt.tokens,
            meter=meter_of(prepared, own, planned.way, self.engine.limits.max_strength),
        )


def _effect(
    planned: Plan,
    baseline: Float[np.ndarray, "behaviour"],
    by_arm: Float[np.ndarray, "point behaviour"],
    chance: Float[np.ndarray, "control behaviour"],
) -> Effect | None:
    for move, along in zip(planned.arms, np.split(by_arm, len(planned.arms)), strict=True):
        if move.arm == "manifold":
            return effect_of(planned.aim, baseline, along, chance)
    return None
