"""What puts a steering result to the test: other prompts, adjacent values, a dose sweep, phrases along the path."""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from explorer.errors import RequestError
from explorer.lm.generation.next_tokens import NextTokens
from explorer.steering.answers.displacements import Move, off_curve
from explorer.steering.answers.measure import safe_distance
from explorer.steering.answers.pairs import PairSettings, Trial, from_context, mean_known
from explorer.steering.answers.plan import Plan, check_readout, check_strength, check_waypoints, plan, top_tokens
from explorer.steering.engine.engine import Engine
from explorer.steering.protocol.checks import (
    AcrossPrompts,
    ArmSpread,
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
from explorer.steering.scheduler.cooperative import Turns


class Across(NamedTuple):
    """The same move from other prompts."""

    across: AcrossPrompts | None
    """To the path's end."""
    adjacent: AcrossPrompts | None
    """To the next value only."""


def across_prompts(engine: Engine, request: CheckRequest) -> Turns[Across]:
    """Repeat a move from stored contexts of its first value, where it is asked for, and go to the next value from them;
    a context a turn.

    Neither where the path does not end at a value with a place, where its first value has no context, or where there is
    no behaviour manifold to hold the answers against.
    """
    if request.values is not None:
        return Across(None, None)
    planned = plan(engine, request, np.linspace(0.0, 1.0, request.waypoints), ("manifold",), strength=request.strength)
    prepared, aim = planned.prepared, planned.aim
    contexts = [] if aim.start is None else prepared.typical(aim.start, request.prompts)
    if aim.start is None or aim.target is None or aim.start == aim.target or not contexts or prepared.natural is None:
        return Across(None, None)
    ends = list(dict.fromkeys((aim.target, _next_value(planned, aim.start, aim.target))))
    settings = PairSettings(DEFAULT_ARMS, len(contexts), request.waypoints, request.strength, request.seed)
    trials: list[Trial] = []
    for text in contexts:
        yield
        prefix = engine.read_ids(text, engine.moved(request, text))
        trials += from_context(engine, prepared, prefix, aim.start, ends, settings)
    return Across(*(_told(trials, end, planned.readout.names) for end in (ends[0], ends[-1])))


def sweep(engine: Engine, request: SweepRequest) -> SweepReply:
    """Every strength at every position of a path, all arms in one batch with the unsteered row.

    Raises:
        RequestError: more rows than the host allows, a strength or a position twice, an end that no readout value
            belongs to, or a field out of its range for this subject and cluster.
        Refusal: another subject or run, or logits that are not finite.
        HookNotFired: the edit did not happen.
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
    if planned.aim.target is None:
        raise RequestError("end", repr(request.end), "a place that one of the readout's values belongs to")
    doses = np.array(request.strengths)[:, None, None]
    moved = [(doses * move.displacement).reshape(-1, move.displacement.shape[1]) for move in planned.arms]
    base, *along = engine.next_tokens(planned.prompt.prefix, moved, planned.readout.tokens)
    target = planned.aim.target
    return SweepReply(
        fingerprint=engine.subject.fingerprint,
        run=request.run,
        cluster=request.cluster,
        target=planned.readout.names[target],
        strengths=request.strengths,
        positions=request.positions,
        baseline=float(planned.readout.behaviour(base.asked)[0, target]),
        safe=safe_distance(planned.prepared, planned.own),
        arms=tuple(
            _sweep_arm(engine, request, planned, *found) for found in zip(planned.arms, moved, along, strict=True)
        ),
    )


def read_phrases(engine: Engine, request: PhrasesRequest) -> PhrasesReply:
    """Log-probability of each phrase after the prompt, unsteered and at every waypoint of every arm.

    All rows and tokens of a phrase are one forward pass; the tokens are steered that the request names, as in text
    (methods.md section 5).

    Raises:
        RequestError: too many or too long phrases, one twice, or a field out of its range for this subject and cluster.
        Refusal, HookNotFired: as in sweep.
    """
    limits = engine.limits
    check_waypoints(engine, request.waypoints)
    if len(request.phrases) > limits.max_phrases:
        raise RequestError("phrases", str(len(request.phrases)), f"at most {limits.max_phrases}")
    _check_once("phrases", request.phrases)
    tokens = [engine.phrase(request, phrase) for phrase in request.phrases]
    for phrase, ids in zip(request.phrases, tokens, strict=True):
        if not 1 <= len(ids) <= limits.max_phrase_tokens:
            raise RequestError("phrases", f"{len(ids)} tokens in {phrase!r}", f"1 to {limits.max_phrase_tokens}")
    t = np.linspace(0.0, 1.0, request.waypoints)
    planned = plan(engine, request, t, request.arms, strength=request.strength, room=max(map(len, tokens)))
    prefix = planned.prompt.prefix
    rows = np.concatenate([np.zeros((1, len(prefix.residual))), *(move.displacement for move in planned.arms)])
    every = request.where == "generated"
    told = [engine.log_probability(prefix, rows, ids, every_token=every, skip_special=request.skip_special)
            for ids in tokens]  # fmt: skip
    return PhrasesReply(
        fingerprint=engine.subject.fingerprint,
        run=request.run,
        cluster=request.cluster,
        phrases=tuple(
            _phrase(text, engine.decode(ids).strip(), len(ids), logprob, planned.arms)
            for text, ids, logprob in zip(request.phrases, tokens, told, strict=True)
        ),
    )


def _check_once(field: str, given: Sequence[object]) -> None:
    if len(set(given)) < len(given):
        raise RequestError(field, "one of them twice", "each once")


def _next_value(planned: Plan, start: int, target: int) -> int:
    """The first value after the start on the way to the target; the target where there is none between."""
    place, path = planned.prepared.place, planned.path
    ahead = (place - place[start]) * np.sign(path.away)
    ahead = ahead % 1.0 if path.closed else ahead
    ahead[start] = np.inf
    first = int(np.where(ahead > 0, ahead, np.inf).argmin())
    return first if ahead[first] < ahead[target] else target


def _told(trials: Sequence[Trial], end: int, names: Sequence[str]) -> AcrossPrompts:
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
    planned: Plan,
    move: Move,
    moved: Float[np.ndarray, "cell d_model"],
    said: NextTokens,
) -> SweepArm:
    prepared, residual, target = planned.prepared, planned.prompt.prefix.residual, planned.aim.target
    width = len(request.positions)
    top = top_tokens(engine, request.run, said)
    return SweepArm(
        arm=move.arm,
        p_target=_grid(planned.readout.behaviour(said.asked)[:, target], width),
        off_manifold=_grid(off_curve(prepared.manifold, residual, moved) / prepared.spread, width),
        kl=_grid(said.kl, width),
        top=tuple(top[first : first + width] for first in range(0, len(top), width)),
    )


def _grid(cells: Float[np.ndarray, "cell"], width: int) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, cells.reshape(-1, width).tolist()))


def _phrase(text: str, read: str, tokens: int, logprob: Float[np.ndarray, "row"], arms: Sequence[Move]) -> Phrase:
    ends = np.cumsum([1, *(len(move.displacement) for move in arms)])
    along = np.split(logprob, ends[:-1])[1:]
    told = tuple(PhraseArm(arm=move.arm, logprob=tuple(part.tolist())) for move, part in zip(arms, along, strict=True))
    return Phrase(text=text, read=read, tokens=tokens, baseline=float(logprob[0]), arms=told)
