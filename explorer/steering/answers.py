"""Answers a host's requests: checks them against the subject, plans the moves, runs them, measures."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from explorer.errors import RequestError
from explorer.maths.steering import Path
from explorer.steering.encode_protocol import EncodeReply, EncodeRequest
from explorer.steering.encoding import Encoder
from explorer.steering.engine import Engine, Prompt
from explorer.steering.measure import Aim, aim_of, arm_behaviour, effect_of
from explorer.steering.moves import Move, controls, moves, off_curve, own_place, path_from, place_of
from explorer.steering.natural import Prepared
from explorer.steering.protocol import (
    ARMS,
    PROTOCOL_VERSION,
    BehaviourReply,
    BehaviourRequest,
    DoneEvent,
    Effect,
    ErrorEvent,
    Row,
    RowDoneEvent,
    ServedRun,
    StartEvent,
    SteerRequest,
    SubjectReply,
    TokenEvent,
    TopToken,
)
from explorer.steering.readout import Readout, custom_readout
from explorer.steering.writing import write

Event: TypeAlias = StartEvent | TokenEvent | RowDoneEvent | DoneEvent | ErrorEvent

CONTROLS = 8
"""Random directions that the manifold arm is held against."""
PATH_POINTS = 50
"""Waypoints of the path that generation picks its one place from."""


@dataclass(frozen=True)
class _Plan:
    """A request as the subject understands it."""

    prepared: Prepared
    readout: Readout
    prompt: Prompt
    path: Path
    arms: list[Move]


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

    def behaviour(self, request: BehaviourRequest) -> BehaviourReply:
        """Next-token behaviour at every waypoint of every arm, in one batch with the unsteered row.

        Raises:
            RequestError: a field is out of its range for this subject and cluster.
            Refusal: another subject or run, or logits that are not finite.
            HookNotFired: the edit did not happen.
        """
        if request.waypoints > self.engine.limits.max_waypoints:
            raise RequestError("waypoints", str(request.waypoints), f"at most {self.engine.limits.max_waypoints}")
        t = np.linspace(0.0, 1.0, request.waypoints)
        plan = self._plan(request, t, room=0, random_repeats=request.random_repeats)
        chance = controls(plan.prepared.manifold, plan.prompt.prefix.residual, plan.path, seed=request.seed,
                          strength=request.strength, count=CONTROLS)  # fmt: skip
        p = self.engine.next_probabilities(plan.prompt.prefix, [*(move.displacement for move in plan.arms), chance])
        return self._reply(request, plan, p[0], p[1:-1], p[-1])

    def encode(self, request: EncodeRequest) -> EncodeReply:
        """For each token of a text the clusters that fire there; raises as Encoder.encode."""
        return self._encoder.encode(request)

    def generate(self, request: SteerRequest) -> Iterator[Event]:
        """Text of every arm beside the unsteered model's, one token a row at a time. Closing the iterator stops it.

        Raises:
            RequestError, Refusal, HookNotFired: as in behaviour; before the first event, or in the middle.
        """
        engine = self.engine
        if request.max_tokens > engine.limits.max_new_tokens:
            raise RequestError("max_tokens", str(request.max_tokens), f"at most {engine.limits.max_new_tokens}")
        at = round(request.position * (PATH_POINTS - 1))
        t = np.linspace(0.0, 1.0, PATH_POINTS)
        t[at] = request.position
        plan = self._plan(request, t, room=1, random_repeats=1)
        prefix, manifold = plan.prompt.prefix, plan.prepared.manifold
        names: tuple[Row, ...] = ("baseline", *(move.arm for move in plan.arms))
        rows = np.stack([np.zeros(len(prefix.residual)), *(move.displacement[at] for move in plan.arms)])
        off = off_curve(manifold, prefix.residual, rows) / plan.prepared.spread
        yield StartEvent(
            fingerprint=engine.subject.fingerprint,
            rows=names,
            own_coordinate=own_place(manifold, prefix.residual)[0],
            coordinate=float(plan.path.u[at]),
            off_manifold=dict(zip(names, off.tolist(), strict=True)),
            prompt_tokens=plan.prompt.tokens,
        )
        yield from write(
            engine.steps(prefix, rows, every_token=request.where == "generated", skip_special=request.skip_special),
            names,
            engine.decode,
            plan.prompt.token_ids,
            engine.ends,
            max_tokens=min(request.max_tokens, engine.subject.loaded.max_context - len(plan.prompt.token_ids)),
            temperature=request.temperature,
            rng=np.random.default_rng(request.seed),
        )

    def _plan(
        self,
        request: BehaviourRequest | SteerRequest,
        t: Float[np.ndarray, "waypoint"],
        *,
        room: int,
        random_repeats: int,
    ) -> _Plan:
        self.engine.served(request.run, request.fingerprint)
        largest = self.engine.limits.max_strength
        if abs(request.strength) > largest:
            raise RequestError("strength", f"{request.strength:g}", f"from -{largest:g} to {largest:g}")
        prepared = self.engine.prepared(request.run, request.cluster)
        readout = self._readout(request, prepared)
        start = None if request.start is None else place_of(request.start, "start", prepared)
        end = place_of(request.end, "end", prepared)
        prompt = self.engine.read(request, room=room)
        residual = prompt.prefix.residual
        path = path_from(prepared.manifold, residual, start, end, t)
        arms = moves(prepared.manifold, residual, path, request.arms, seed=request.seed, strength=request.strength,
                     random_repeats=random_repeats)  # fmt: skip
        return _Plan(prepared, readout, prompt, path, arms)

    def _readout(self, request: BehaviourRequest | SteerRequest, prepared: Prepared) -> Readout:
        if isinstance(request, SteerRequest):
            return prepared.readout
        if request.values is not None:
            return custom_readout(request.values, prepared.readout, self.engine.tokenize)
        if not prepared.readout.names:
            raise RequestError("values", "none, and the cluster names none", "readout values")
        return prepared.readout

    def _reply(
        self,
        request: BehaviourRequest,
        plan: _Plan,
        baseline: Float[np.ndarray, "one vocab"],
        along: list[Float[np.ndarray, "waypoint vocab"]],
        chance: Float[np.ndarray, "control vocab"],
    ) -> BehaviourReply:
        prepared, readout, path, residual = plan.prepared, plan.readout, plan.path, plan.prompt.prefix.residual
        aim = aim_of(readout, path, request.end, closed=prepared.closed)
        own, off = own_place(prepared.manifold, residual)
        measured = tuple(
            arm_behaviour(prepared, readout, residual, path, aim, move, p, baseline[0], self._tops(request.run, p))
            for move, p in zip(plan.arms, along, strict=True)
        )
        return BehaviourReply(
            fingerprint=self.engine.subject.fingerprint,
            run=request.run,
            cluster=request.cluster,
            closed=prepared.closed,
            values=readout.names,
            value_coordinate=readout.coordinate,
            partial_values=readout.partial,
            own_coordinate=own,
            own_off_manifold=off / prepared.spread,
            start=float(path.u[0]),
            end=path.end,
            strength=request.strength,
            seed=request.seed,
            baseline=tuple(readout.probabilities(baseline)[0].tolist()),
            baseline_top=self._tops(request.run, baseline)[0],
            arms=measured,
            effect=_effect(plan, aim, baseline, along, chance),
            prompt_tokens=plan.prompt.tokens,
        )

    def _tops(self, run: str, p: Float[np.ndarray, "row vocab"]) -> tuple[TopToken, ...]:
        """Likeliest next token of each row."""
        texts, best = self.engine.vocabulary(run), p.argmax(axis=1).tolist()
        return tuple(
            TopToken(text=texts.text(token) if token < len(texts) else "", probability=min(float(row[token]), 1.0))
            for token, row in zip(best, p, strict=True)
        )


def _effect(
    plan: _Plan,
    aim: Aim,
    baseline: Float[np.ndarray, "one vocab"],
    along: list[Float[np.ndarray, "waypoint vocab"]],
    chance: Float[np.ndarray, "control vocab"],
) -> Effect | None:
    read = plan.readout.probabilities
    for move, p in zip(plan.arms, along, strict=True):
        if move.arm == "manifold":
            return effect_of(aim, read(baseline)[0], read(p), read(chance))
    return None
