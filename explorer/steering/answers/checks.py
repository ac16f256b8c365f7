"""Checks of a steering result: controls, other prompts, adjacent values, a dose sweep, phrases along the path."""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from explorer.errors import RequestError
from explorer.lm.generation.next_tokens import NextTokens
from explorer.steering.answers.behaviour import behaviour
from explorer.steering.answers.displacements import ArmDisplacements, off_curve
from explorer.steering.answers.measure import safe_distance, top_tokens
from explorer.steering.answers.pairs import PairSettings, Trial, from_context, mean_known
from explorer.steering.answers.plan import SteeringPlan, check_readout, check_strength, check_waypoints, plan
from explorer.steering.engine.engine import Engine
from explorer.steering.protocol.behaviour import BehaviourRequest
from explorer.steering.protocol.checks import (
    CONTROL_ARMS,
    AcrossPrompts,
    ArmSpread,
    CheckReply,
    CheckRequest,
    Phrase,
    PhraseArm,
    PhrasesReply,
    PhrasesRequest,
    Spread,
    SweepArm,
    SweepReply,
    SweepRequest,
)
from explorer.steering.protocol.wire import DEFAULT_ARMS
from explorer.steering.scheduler.cooperative import Cooperative


class _AcrossPrompts(NamedTuple):
    """The same move from other prompts: to the path's end, and to the next value only."""

    across: AcrossPrompts | None
    adjacent: AcrossPrompts | None


def check(engine: Engine, request: CheckRequest) -> Cooperative[CheckReply]:
    """The controls of a path, and the same move from other prompts.

    Raises:
        RequestError, Refusal, HookNotFired: as in ``behaviour``.
    """
    controls = request.model_dump(exclude={"prompts"}) | {"arms": CONTROL_ARMS}
    reply = behaviour(engine, BehaviourRequest.model_validate(controls))
    others = yield from _across_prompts(engine, request)
    return CheckReply(controls=reply, across=others.across, adjacent=others.adjacent)


def _across_prompts(engine: Engine, request: CheckRequest) -> Cooperative[_AcrossPrompts]:
    """Repeat a move from stored contexts of its first value, one context at a time.

    Both results are None where the path does not start and end at different values, where the first value has no
    stored context, or where there is no behaviour manifold to measure the energy against.
    """
    if request.values is not None:
        return _AcrossPrompts(None, None)
    planned = plan(engine, request, np.linspace(0.0, 1.0, request.waypoints), ("manifold",), strength=request.strength)
    cluster, start, target = planned.cluster, planned.classes.start, planned.classes.target
    contexts = [] if start is None else cluster.typical(start, request.prompts)
    if start is None or target is None or start == target or not contexts or cluster.behaviour_manifold is None:
        return _AcrossPrompts(None, None)
    ends = list(dict.fromkeys((target, _next_value(planned, start, target))))
    settings = PairSettings(DEFAULT_ARMS, len(contexts), request.waypoints, request.strength, request.seed)
    trials: list[Trial] = []
    for text in contexts:
        yield
        prefix = engine.model.read_prefix(text, engine.tokenizer.steered_positions(request, text))
        trials += from_context(engine, cluster, prefix, start, ends, settings)
    return _AcrossPrompts(*(_summarise(trials, end, planned.readout.names) for end in (ends[0], ends[-1])))


def sweep(engine: Engine, request: SweepRequest) -> SweepReply:
    """Every strength at every position of a path, all arms in one batch with the unsteered row.

    Raises:
        RequestError: more rows than the host allows, a repeated strength or position, an end without a readout value,
            or a field out of its range for this subject and cluster.
        Refusal: another subject or run, or logits that are not finite.
        HookNotFired: the edit was not applied.
    """
    cells = len(request.strengths) * len(request.positions)
    if cells * len(request.arms) > engine.limits.max_rows:
        wanted = f"at most {engine.limits.max_rows}: strengths times positions times arms"
        raise RequestError("strengths", f"{cells * len(request.arms)} rows", wanted)
    _check_once("strengths", request.strengths)
    _check_once("positions", request.positions)
    for strength in request.strengths:
        check_strength(engine, strength, "strengths")
    planned = plan(engine, request, np.array(request.positions), request.arms, values=request.values)
    check_readout(planned.readout)
    if planned.classes.target is None:
        raise RequestError("end", repr(request.end), "a place that has a readout value")
    doses = np.array(request.strengths)[:, None, None]
    rows = [(doses * arm.displacement).reshape(-1, arm.displacement.shape[1]) for arm in planned.arms]
    baseline, *along = engine.model.next_tokens(planned.prompt.prefix, rows, planned.readout.tokens)
    target = planned.classes.target
    return SweepReply(
        fingerprint=engine.subject.fingerprint,
        run=request.run,
        cluster=request.cluster,
        target=planned.readout.names[target],
        strengths=request.strengths,
        positions=request.positions,
        baseline=float(planned.readout.behaviour(baseline.requested)[0, target]),
        safe=safe_distance(planned.cluster, planned.own),
        arms=tuple(
            _sweep_arm(engine, request, planned, *columns) for columns in zip(planned.arms, rows, along, strict=True)
        ),
    )


def read_phrases(engine: Engine, request: PhrasesRequest) -> PhrasesReply:
    """Log-probability of each phrase after the prompt, unsteered and at every waypoint of every arm.

    One forward pass for all rows and tokens of a phrase. As in generation, the request's ``where`` decides which tokens
    are steered (methods.md section 5).

    Raises:
        RequestError: too many, too long or repeated phrases, or a field out of its range for this subject and cluster.
        Refusal, HookNotFired: as in sweep.
    """
    limits = engine.limits
    check_waypoints(engine, request.waypoints)
    if len(request.phrases) > limits.max_phrases:
        raise RequestError("phrases", str(len(request.phrases)), f"at most {limits.max_phrases}")
    _check_once("phrases", request.phrases)
    tokens = [engine.tokenizer.phrase_ids(request, phrase) for phrase in request.phrases]
    for phrase, ids in zip(request.phrases, tokens, strict=True):
        if not 1 <= len(ids) <= limits.max_phrase_tokens:
            raise RequestError("phrases", f"{len(ids)} tokens in {phrase!r}", f"1 to {limits.max_phrase_tokens}")
    t = np.linspace(0.0, 1.0, request.waypoints)
    planned = plan(engine, request, t, request.arms, strength=request.strength, room=max(map(len, tokens)))
    prefix = planned.prompt.prefix
    rows = np.concatenate([np.zeros((1, len(prefix.residual))), *(arm.displacement for arm in planned.arms)])
    every = request.where == "generated"
    logprobs = [engine.model.log_probability(prefix, rows, ids, every_token=every, skip_special=request.skip_special)
            for ids in tokens]  # fmt: skip
    return PhrasesReply(
        fingerprint=engine.subject.fingerprint,
        run=request.run,
        cluster=request.cluster,
        phrases=tuple(
            _phrase(text, engine.tokenizer.decode(ids).strip(), len(ids), logprob, planned.arms)
            for text, ids, logprob in zip(request.phrases, tokens, logprobs, strict=True)
        ),
    )


def _check_once(field: str, given: Sequence[object]) -> None:
    if len(set(given)) < len(given):
        raise RequestError(field, "a repeated one", "each once")


def _next_value(planned: SteeringPlan, start: int, target: int) -> int:
    """The first value after the start on the way to the target; the target where there is none between."""
    place, path = planned.cluster.place, planned.path
    ahead = (place - place[start]) * np.sign(path.length)
    ahead = ahead % 1.0 if path.closed else ahead
    ahead[start] = np.inf
    first = int(np.where(ahead > 0, ahead, np.inf).argmin())
    return first if ahead[first] < ahead[target] else target


def _summarise(trials: Sequence[Trial], end: int, names: Sequence[str]) -> AcrossPrompts:
    mine = [trial for trial in trials if trial.end == end]
    by_arm = {arm: [trial for trial in mine if trial.arm == arm] for arm in DEFAULT_ARMS}
    arms = tuple(
        ArmSpread(
            arm=arm,
            e_bc=_spread([trial.e_bc for trial in same]),
            p_target=_spread([trial.p_target for trial in same]),
            visited=mean_known([trial.visited for trial in same]),
        )
        for arm, same in by_arm.items()
    )
    prompts = len(by_arm[DEFAULT_ARMS[0]])
    return AcrossPrompts(start=names[mine[0].start], end=names[end], prompts=prompts, arms=arms)


def _spread(numbers: list[float]) -> Spread:
    return Spread(mean=fmean(numbers), sd=stdev(numbers) if len(numbers) > 1 else None)


def _sweep_arm(
    engine: Engine,
    request: SweepRequest,
    planned: SteeringPlan,
    arm: ArmDisplacements,
    rows: Float[np.ndarray, "cell d_model"],
    next_tokens: NextTokens,
) -> SweepArm:
    cluster, residual, target = planned.cluster, planned.prompt.prefix.residual, planned.classes.target
    width = len(request.positions)
    top = top_tokens(engine, request.run, next_tokens)
    return SweepArm(
        arm=arm.arm,
        p_target=_grid(planned.readout.behaviour(next_tokens.requested)[:, target], width),
        off_manifold=_grid(off_curve(cluster.manifold, residual, rows) / cluster.spread, width),
        kl=_grid(next_tokens.kl, width),
        top=tuple(top[first : first + width] for first in range(0, len(top), width)),
    )


def _grid(cells: Float[np.ndarray, "cell"], width: int) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, cells.reshape(-1, width).tolist()))


def _phrase(
    text: str, read: str, tokens: int, logprob: Float[np.ndarray, "row"], arms: Sequence[ArmDisplacements]
) -> Phrase:
    ends = np.cumsum([1, *(len(arm.displacement) for arm in arms)])
    parts = zip(arms, np.split(logprob, ends[:-1])[1:], strict=True)
    along = tuple(PhraseArm(arm=arm.arm, logprob=tuple(part.tolist())) for arm, part in parts)
    return Phrase(text=text, read=read, tokens=tokens, baseline=float(logprob[0]), arms=along)
