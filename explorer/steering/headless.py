"""Steering without a browser: one result as plain JSON, every arm, for one move or for all pairs of a cluster."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import TypeVar, cast, get_args

import numpy as np
from pydantic import JsonValue, ValidationError

from explorer.errors import RequestError
from explorer.steering.answers import Answers
from explorer.steering.engine import Engine
from explorer.steering.pairs import PairSettings, Trial, all_pairs, arm_isometry
from explorer.steering.protocol import MOVES_AT_LEAST, Arm, BehaviourReply, BehaviourRequest, RowDoneEvent, SteerRequest
from explorer.steering.subject import open_engine

_CONTROL_FACTOR = 2.0

Request = TypeVar("Request", BehaviourRequest, SteerRequest)


def steer_headless(
    run_path: Path | str,
    cluster: int,
    *,
    prompts: Sequence[str] = (),
    start: str | float | None = None,
    end: str | float | None = None,
    strength: float = 1.0,
    max_tokens: int = 0,
    arms: Sequence[str] = ("manifold", "linear", "chord"),
    seed: int = 0,
    waypoints: int = 50,
    prompts_per_value: int = 4,
    device: str = "cpu",
    dtype: str = "float32",
    model: str | None = None,
    sae: str | None = None,
) -> dict[str, JsonValue]:
    """Steer a run's subject.

    With ``end``, from ``start`` (None: the prompt's own place) on each prompt. Without either, between all values that
    are not neighbours, from stored contexts of each value.

    Args:
        run_path: the run's folder.
        cluster: which cluster.
        prompts: texts whose last token is steered.
        start: a value's name, or a coordinate in [0, 1].
        end: likewise.
        strength: multiple of the move.
        max_tokens: text to write after each prompt, every arm; 0 writes none.
        arms: which arms.
        seed: decides random directions, shuffled orders and draws.
        waypoints: points of each path.
        prompts_per_value: stored contexts of each value, for all pairs.
        device: torch device.
        dtype: number format.
        model: the language model, where it is not at the place that the run names.
        sae: the SAE, likewise.

    Returns:
        ``run``, ``fingerprint``, ``cluster``, ``label``, ``closed``, ``values``, ``strength``, ``seed``,
        ``waypoints``; ``e_bc``: {arm: {mean, se}}, se over prompts or over pairs, None for one; ``reach``: {arm:
        {p_target, visited}}; ``moves_model``; ``hook_fired``: {arm: count}. For a move also ``start``, ``end``,
        ``probabilities``: {arm: [waypoint][value and other]} as the mean over prompts, ``results``: one
        BehaviourReply a prompt, ``prompts`` and ``texts``. For all pairs also ``n_pairs``, ``n_trials``,
        ``pairs`` and ``isometry``: {arm: r}.

    Raises:
        RequestError: a name, number or arm that the cluster or the limits do not allow.
        RunError, SubjectError, HostMismatch: as in ``open_engine``.
    """
    chosen = _arms(arms)
    _check_move(prompts, start, end)
    engine = open_engine(run_path, device=device, dtype=dtype, model=model, sae=sae)
    run = next(iter(engine.runs))
    told = _about(engine, run, cluster) | {"strength": strength, "seed": seed, "waypoints": waypoints}
    if end is None:
        settings = PairSettings(chosen, prompts_per_value, waypoints, strength, seed)
        return told | pairs_table(engine, all_pairs(engine, run, cluster, settings), run, cluster)
    names = engine.prepared(run, cluster).summary.order
    common = {
        "run": run,
        "fingerprint": engine.subject.fingerprint,
        "cluster": cluster,
        "start": _place(start, names),
        "end": _place(end, names),
        "strength": float(strength),
        "arms": chosen,
        "seed": seed,
    }
    replies = [
        Answers(engine).behaviour(_checked(BehaviourRequest, common | {"prompt": prompt, "waypoints": waypoints}))
        for prompt in prompts
    ]
    texts: list[JsonValue] = [
        _texts(engine, _checked(SteerRequest, common | {"prompt": prompt, "max_tokens": max_tokens}))
        for prompt in prompts
        if max_tokens
    ]
    return told | move_table(replies) | {"prompts": list(prompts), "texts": texts}


def pairs_table(engine: Engine, trials: list[Trial], run: str, cluster: int) -> dict[str, JsonValue]:
    """Averages of trials over pairs: a pair's contexts are averaged first, so that every pair counts alike."""
    names = engine.prepared(run, cluster).summary.order
    arms = list(dict.fromkeys(trial.arm for trial in trials))
    pairs = sorted({(trial.start, trial.end) for trial in trials})
    grouped = {
        (arm, pair): [t for t in trials if t.arm == arm and (t.start, t.end) == pair] for arm in arms for pair in pairs
    }
    shown: list[JsonValue] = [
        {
            "start": names[pair[0]],
            "end": names[pair[1]],
            "arm": arm,
            "e_bc": fmean(t.e_bc for t in same),
            "p_target": fmean(t.p_target for t in same),
            "visited": _mean_known([t.visited for t in same]),
            "prompts": len(same),
        }
        for (arm, pair), same in grouped.items()
    ]
    energies = {arm: [fmean(t.e_bc for t in grouped[arm, pair]) for pair in pairs] for arm in arms}
    along = [t for t in trials if t.arm == "manifold"]
    return {
        "n_pairs": len(pairs),
        "n_trials": len(trials) // max(len(arms), 1),
        "e_bc": {arm: _mean_se(energies[arm]) for arm in arms},
        "reach": {
            arm: {
                "p_target": fmean(fmean(t.p_target for t in grouped[arm, pair]) for pair in pairs),
                "visited": _mean_known([t.visited for t in trials if t.arm == arm]),
            }
            for arm in arms
        },
        "isometry": {arm: arm_isometry(trials, arm) for arm in arms},
        "moves_model": _moves_model(along),
        "hook_fired": {arm: len([t for t in trials if t.arm == arm]) for arm in arms},
        "pairs": shown,
    }


def move_table(replies: list[BehaviourReply]) -> dict[str, JsonValue]:
    """Averages of one move over its prompts, and every reply."""
    arms = list(dict.fromkeys(arm.arm for arm in replies[0].arms))
    by_arm = {arm: [found for reply in replies for found in reply.arms if found.arm == arm] for arm in arms}
    return {
        "start": replies[0].start,
        "end": replies[0].end,
        "values": list(replies[0].values),
        "e_bc": {arm: _mean_se([found.e_bc for found in by_arm[arm] if found.e_bc is not None]) for arm in arms},
        "reach": {
            arm: {
                "p_target": _mean_known([found.reach.p_target for found in by_arm[arm] if found.reach]),
                "visited": _mean_known([found.reach.visited for found in by_arm[arm] if found.reach]),
            }
            for arm in arms
        },
        "moves_model": all(reply.effect.moves_model for reply in replies if reply.effect)
        if any(reply.effect for reply in replies)
        else None,
        "hook_fired": {arm: sum(found.hook_fired for found in by_arm[arm]) for arm in arms},
        "probabilities": {
            arm: np.mean([found.probabilities for found in by_arm[arm]], axis=0).tolist() for arm in arms
        },
        "results": [reply.model_dump(mode="json") for reply in replies],
    }


def _about(engine: Engine, run: str, cluster: int) -> dict[str, JsonValue]:
    prepared = engine.prepared(run, cluster)
    return {
        "run": run,
        "fingerprint": engine.subject.fingerprint,
        "cluster": cluster,
        "label": prepared.summary.label,
        "closed": prepared.closed,
        "values": list(prepared.summary.order),
    }


def _texts(engine: Engine, request: SteerRequest) -> dict[str, JsonValue]:
    done = [event for event in Answers(engine).generate(request) if isinstance(event, RowDoneEvent)]
    rows: dict[str, JsonValue] = {
        event.row: {"text": event.text, "finish": event.finish, "hook_fired": event.hook_fired} for event in done
    }
    return {"prompt": request.prompt, "rows": rows}


def _moves_model(along: list[Trial]) -> bool | None:
    """Whether the manifold arm changes p(target) more than chance directions do, on average over trials."""
    if not along:
        return None
    shift, control = fmean(t.shift for t in along), fmean(t.control for t in along)
    return shift >= MOVES_AT_LEAST and shift > _CONTROL_FACTOR * control


def _mean_se(values: list[float]) -> dict[str, JsonValue]:
    if not values:
        return {"mean": None, "se": None}
    return {"mean": fmean(values), "se": stdev(values) / len(values) ** 0.5 if len(values) > 1 else None}


def _mean_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _arms(arms: Sequence[str]) -> tuple[Arm, ...]:
    unknown = [arm for arm in arms if arm not in get_args(Arm)]
    if unknown or not arms:
        raise RequestError("arms", ", ".join(unknown) or "nothing", ", ".join(get_args(Arm)))
    return cast(tuple[Arm, ...], tuple(dict.fromkeys(arms)))


def _check_move(prompts: Sequence[str], start: str | float | None, end: str | float | None) -> None:
    if end is None and (start is not None or prompts):
        raise RequestError("--to", "nothing", "a value or a coordinate; without --prompt and --from, all pairs")
    if end is not None and not prompts:
        raise RequestError("--prompt", "nothing", "a text whose last token is steered")


def _place(place: str | float | None, names: Sequence[str]) -> str | float | None:
    """A value's name, or the number that a text stands for where no value has that name."""
    if not isinstance(place, str) or place in names or place.strip() in [name.strip() for name in names]:
        return place
    try:
        return float(place)
    except ValueError:
        return place


def _checked(kind: type[Request], fields: Mapping[str, object]) -> Request:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(".".join(map(str, first["loc"][:1])), repr(first["input"]), first["msg"]) from error
