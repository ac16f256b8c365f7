"""Steering without a browser: one result as plain JSON, every arm, for one move or for all pairs of a cluster."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast, get_args

from pydantic import JsonValue, ValidationError

from explorer.errors import RequestError
from explorer.steering.answers import Answers
from explorer.steering.engine import Engine, fitting_threads
from explorer.steering.pairs import PairSettings, all_pairs
from explorer.steering.protocol import Arm, BehaviourRequest, RowDoneEvent, SteerRequest
from explorer.steering.subject import open_engine
from explorer.steering.tables import move_table, pairs_table

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
    prompts_per_value: int = 8,
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
    with fitting_threads(engine.subject.loaded.model):
        told = _about(engine, run, cluster) | {"strength": strength, "seed": seed, "waypoints": waypoints}
        if end is None:
            settings = PairSettings(chosen, prompts_per_value, waypoints, strength, seed)
            trials = all_pairs(engine, run, cluster, settings)
            return told | pairs_table(trials, engine.prepared(run, cluster).summary.order)
        names = engine.prepared(run, cluster).summary.order
        asked = {
            "run": run,
            "fingerprint": engine.subject.fingerprint,
            "cluster": cluster,
            "start": _place(start, names),
            "end": _place(end, names),
            "strength": float(strength),
            "arms": chosen,
            "seed": seed,
        }
        return told | _move(Answers(engine), asked, prompts, waypoints, max_tokens)


def _move(
    answers: Answers, asked: Mapping[str, object], prompts: Sequence[str], waypoints: int, max_tokens: int
) -> dict[str, JsonValue]:
    """One move on every prompt, and the text that follows where any is wanted."""
    behaviour = {**asked, "waypoints": waypoints}
    replies = [answers.behaviour(_checked(BehaviourRequest, behaviour | {"prompt": prompt})) for prompt in prompts]
    steer = {**asked, "max_tokens": max_tokens}
    texts: list[JsonValue] = [
        _texts(answers, _checked(SteerRequest, steer | {"prompt": prompt})) for prompt in prompts if max_tokens
    ]
    return move_table(replies) | {"prompts": list(prompts), "texts": texts}


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


def _texts(answers: Answers, request: SteerRequest) -> dict[str, JsonValue]:
    done = [event for event in answers.generate(request) if isinstance(event, RowDoneEvent)]
    rows: dict[str, JsonValue] = {
        event.row: {"text": event.text, "finish": event.finish, "hook_fired": event.hook_fired} for event in done
    }
    return {"prompt": request.prompt, "rows": rows}


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
