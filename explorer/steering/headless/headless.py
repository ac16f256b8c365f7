"""Steering without a browser or a host: one move, or all distant pairs of a cluster, as plain JSON."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar, cast, get_args

from pydantic import JsonValue, ValidationError

from explorer.errors import RequestError
from explorer.steering.answers.handlers import Handlers
from explorer.steering.answers.pairs import PairSettings, all_pairs
from explorer.steering.engine.engine import Engine, open_engine
from explorer.steering.engine.subject import fitting_threads
from explorer.steering.headless.tables import check_table, move_table, pairs_table
from explorer.steering.protocol.behaviour import BehaviourRequest, PathRequest, ReadoutValue
from explorer.steering.protocol.checks import CheckRequest, PhrasesRequest, SweepRequest
from explorer.steering.protocol.steer import DoneEvent, RowDoneEvent, SteerRequest
from explorer.steering.protocol.wire import Arm

AnyPathRequest = TypeVar("AnyPathRequest", bound=PathRequest)
SWEPT_STRENGTHS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Strengths of a sweep, both signs."""
SWEPT_POSITIONS = tuple(step / 10 for step in range(11))
"""Shares of the path of a sweep."""


class MoveOptions(NamedTuple):
    """What is measured of one move."""

    waypoints: int
    max_tokens: int
    """Tokens to generate after each prompt; 0 for none."""
    contexts: int
    """Stored contexts of the start value from which the move is repeated."""
    swept: bool
    """Whether strengths are swept."""
    phrases: tuple[str, ...]
    """Phrases whose log-probability is read along the path."""
    values: tuple[ReadoutValue, ...] | None
    """Readout classes; None takes the cluster's own values."""


def steer_headless(
    run_path: Path | str,
    cluster: int,
    *,
    prompts: Sequence[str] = (),
    where: str = "last_prompt",
    chat: bool = False,
    start: str | float | None = None,
    end: str | float | None = None,
    strength: float = 1.0,
    max_tokens: int = 0,
    arms: Sequence[str] = ("manifold", "linear", "chord"),
    seed: int = 0,
    waypoints: int = 50,
    prompts_per_value: int = 8,
    swept: bool = False,
    phrases: Sequence[str] = (),
    values: Sequence[ReadoutValue] = (),
    device: str = "cpu",
    dtype: str = "float32",
    model: str | None = None,
    sae: str | None = None,
) -> dict[str, JsonValue]:
    """Steer a run's subject.

    With ``end``: one move on each prompt, from ``start`` (None: the prompt's own position). Without either: between all
    values that are not neighbours, from stored contexts of each value.

    Args:
        run_path: the run's folder.
        cluster: cluster number.
        prompts: for a move, texts whose last token is steered.
        where: for a move, steered tokens: a ``Where``.
        chat: for a move, whether the prompts are messages to an instruct model, through its chat template.
        start: a value's name, or a coordinate in [0, 1].
        end: a value's name, or a coordinate in [0, 1].
        strength: multiple of the move.
        max_tokens: tokens to generate after each prompt under every arm; 0 for none.
        arms: names of arms.
        seed: seed of random directions, shuffled orders and sampling.
        waypoints: points of each path.
        prompts_per_value: stored contexts of each value, for all pairs; of the start value, for a move.
        swept: for a move, whether to try every strength of SWEPT_STRENGTHS at every position of SWEPT_POSITIONS.
        phrases: for a move, texts whose log-probability is read along the path.
        values: for a move, readout classes that replace the cluster's own; they have no behaviour manifold.
        device: torch device.
        dtype: number format of the computation.
        model: the language model, where it is not at the place that the run names.
        sae: the SAE, likewise.

    Returns:
        Always ``run``, ``fingerprint``, ``cluster``, ``label``, ``closed``, ``values``, ``strength``, ``seed`` and
        ``waypoints``; ``e_bc``: {arm: {mean, se}}, standard error over prompts or pairs, None for one; ``reach``: {arm:
        {p_target, visited}}; ``moves_model``; ``hook_fired``: {arm: count}; ``isometry``: {arm: r}.

        For all pairs also ``n_pairs``, ``n_trials`` and ``pairs``.

        For a move also ``where``, ``chat``, ``start``, ``end``, ``prompts``; ``probabilities``: {arm:
        [waypoint][value and other]} as the mean over prompts; ``other``, ``kl`` and ``off_manifold``: {arm: number} as
        means over prompts of the largest value along the path; ``results``: one BehaviourReply per prompt; ``texts`` as
        read by the unsteered model; one entry per prompt in ``realised``: {arm: [{requested, state, answer}]},
        ``effect``, ``across_prompts`` and ``adjacent`` (None where the contexts do not allow them); ``controls``: the
        same numbers of the control arms; and, where requested, ``sweep`` and ``phrases``: one reply per prompt.

    Raises:
        RequestError: a name, number or arm that the cluster or the limits do not allow.
        RunError, SubjectError, HostMismatch: as in ``open_engine``.
    """
    chosen = _arms(arms)
    _check_move(prompts, start, end, bool(swept or phrases or values or chat or where != "last_prompt"))
    engine = open_engine(run_path, device=device, dtype=dtype, model=model, sae=sae)
    run = next(iter(engine.runs))
    with fitting_threads(engine.subject.loaded.model):
        result = _about(engine, run, cluster) | {"strength": strength, "seed": seed, "waypoints": waypoints}
        if end is None:
            settings = PairSettings(chosen, prompts_per_value, waypoints, strength, seed)
            trials = all_pairs(engine, run, cluster, settings)
            return result | pairs_table(trials, engine.prepared(run, cluster).summary.order)
        names = engine.prepared(run, cluster).summary.order
        fields = {
            "run": run,
            "fingerprint": engine.subject.fingerprint,
            "cluster": cluster,
            "where": where,
            "chat": () if chat else None,
            "start": _place(start, names),
            "end": _place(end, names),
            "strength": float(strength),
            "arms": chosen,
            "seed": seed,
        }
        options = MoveOptions(waypoints, max_tokens, prompts_per_value, swept, tuple(phrases), tuple(values) or None)
        return result | {"where": where, "chat": chat} | _move(Handlers(engine), fields, prompts, options)


def _move(
    handlers: Handlers, fields: Mapping[str, object], prompts: Sequence[str], options: MoveOptions
) -> dict[str, JsonValue]:
    """One move on every prompt with its controls, and what else was requested."""
    per_prompt = [{**fields, "prompt": prompt} for prompt in prompts]
    without_arms = [{key: value for key, value in one.items() if key != "arms"} for one in per_prompt]
    readout, without_strength = {"values": options.values}, {"strength"}
    along = readout | {"waypoints": options.waypoints}
    replies = [handlers.answer(_checked(BehaviourRequest, one | along)) for one in per_prompt]
    contexts = {"prompts": options.contexts}
    checks = [handlers.answer(_checked(CheckRequest, one | along | contexts)) for one in without_arms]
    result = move_table(replies) | check_table(checks) | {"prompts": list(prompts)}
    written = [one | {"max_tokens": options.max_tokens} for one in per_prompt if options.max_tokens]
    result["texts"] = [_texts(handlers, _checked(SteerRequest, one)) for one in written]
    if options.swept:
        largest = handlers.engine.limits.max_strength
        grid = {
            "strengths": tuple(dose for dose in SWEPT_STRENGTHS if abs(dose) <= largest),
            "positions": SWEPT_POSITIONS,
        }
        doses = [
            {key: value for key, value in one.items() if key not in without_strength} | readout | grid
            for one in without_arms
        ]
        result["sweep"] = [handlers.answer(_checked(SweepRequest, one)).model_dump(mode="json") for one in doses]
    if options.phrases:
        monitored = [_checked(PhrasesRequest, one | {"phrases": options.phrases}) for one in per_prompt]
        result["phrases"] = [handlers.answer(one).model_dump(mode="json") for one in monitored]
    return result


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


def _texts(handlers: Handlers, request: SteerRequest) -> dict[str, JsonValue]:
    rows: dict[str, JsonValue] = {}
    ended: list[RowDoneEvent] = []
    for event in handlers.generate(request):
        if isinstance(event, RowDoneEvent):
            ended.append(event)
        if isinstance(event, DoneEvent):
            rows = {one.row: _row(one, event) for one in ended}
    return {"prompt": request.prompt, "rows": rows}


def _row(ended: RowDoneEvent, done: DoneEvent) -> dict[str, JsonValue]:
    result: dict[str, JsonValue] = ended.model_dump(mode="json", exclude={"type", "row"})
    return result | done.written[ended.row].model_dump(mode="json")


def _arms(arms: Sequence[str]) -> tuple[Arm, ...]:
    unknown = [arm for arm in arms if arm not in get_args(Arm)]
    if unknown or not arms:
        raise RequestError("arms", ", ".join(unknown) or "nothing", ", ".join(get_args(Arm)))
    return cast(tuple[Arm, ...], tuple(dict.fromkeys(arms)))


def _check_move(prompts: Sequence[str], start: str | float | None, end: str | float | None, tested: bool) -> None:
    if end is None and (start is not None or prompts or tested):
        others = "--prompt, --where, --chat, --from, --sweep, --phrase or --readout"
        wanted = f"a value or a coordinate; all pairs take no {others}"
        raise RequestError("--to", "nothing", wanted)
    if end is not None and not prompts:
        raise RequestError("--prompt", "nothing", "a text whose last token is steered")


def _place(place: str | float | None, names: Sequence[str]) -> str | float | None:
    """A value's name, or the number in a text where no value has that name."""
    if not isinstance(place, str) or place in names or place.strip() in [name.strip() for name in names]:
        return place
    try:
        return float(place)
    except ValueError:
        return place


def _checked(kind: type[AnyPathRequest], fields: Mapping[str, object]) -> AnyPathRequest:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(".".join(map(str, first["loc"][:1])), repr(first["input"]), first["msg"]) from error
