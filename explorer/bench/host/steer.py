"""The steering bench: what steered work costs beside plain work, timed in turn on the same machine.

Machines are shared and noisy, so nothing is told in seconds: each pair of works is run in alternating order, round
after round, and the ratio of their times is taken within a round.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, JsonValue
from transformers import GenerationConfig

from explorer.config import Settings
from explorer.errors import RequestError
from explorer.lm.generation.batched_edits import read_prefix
from explorer.lm.generation.cache import empty_cache
from explorer.maths.steering.arms import Trajectory, path_between
from explorer.records.cluster import CURVES
from explorer.records.progress import Progress, silent
from explorer.steering.answers.displacements import arm_displacements, curve_position
from explorer.steering.answers.handlers import Handlers
from explorer.steering.engine.engine import Engine, open_engine
from explorer.steering.engine.generation import GenerationStep, SampledTokens, generate_rows, sample_batch
from explorer.steering.engine.prepared import PreparedCluster
from explorer.steering.engine.subject import fitting_threads
from explorer.steering.protocol.behaviour import BehaviourReply, BehaviourRequest
from explorer.steering.protocol.wire import Arm, Row
from explorer.steering.scheduler.cooperative import run_alone

ARMS: tuple[Arm, ...] = ("manifold", "linear", "chord", "random")
"""The four arms that are timed together."""
HEADER = ["steered work", "beside", "times as long", "10 % to 90 % of rounds", "wanted"]

_TEXTS = 4
Job = Callable[[], object]


class SteerBenchSettings(Settings):
    """How long is measured."""

    rounds: int = Field(default=20, ge=3)
    """Rounds; each runs both works once."""
    tokens: int = Field(default=48, ge=2)
    """Tokens that are written."""
    waypoints: int = Field(default=50, ge=2)
    """Points of a path."""
    device: str = "cpu"
    """Torch device."""
    dtype: str = "float32"
    """Number format."""


@dataclass(frozen=True)
class Comparison:
    """Two works, timed in turn."""

    work: str
    """The steered one."""
    beside: str
    """What it is held against."""
    ratio: float
    """Median over the rounds of how many times as long it takes."""
    low: float
    """Tenth percentile of the rounds."""
    high: float
    """Ninetieth percentile of the rounds."""
    wanted: float
    """Largest ratio that is good."""


@dataclass(frozen=True)
class _Bench:
    """What is timed on: one context of one cluster."""

    engine: Engine
    """Holds the subject."""
    run: str
    """Its run."""
    cluster: int
    """A cluster with a curve."""
    prepared: PreparedCluster
    """It, ready for steering."""
    ids: list[int]
    """A context's tokens."""
    settings: SteerBenchSettings
    """How long."""


def time_steering(
    run_path: Path, settings: SteerBenchSettings | None = None, *, progress: Progress = silent
) -> tuple[Comparison, ...]:
    """Time text, hooks and behaviour on a run's first steerable cluster with a curve.

    Args:
        run_path: the run's folder.
        settings: rounds, tokens and waypoints.
        progress: told after every comparison.

    Raises:
        RequestError: no cluster has a curve along which values lie.
        RunError, SubjectError, HostMismatch: as in ``open_engine``.
    """
    settings = settings or SteerBenchSettings()
    engine = open_engine(run_path, device=settings.device, dtype=settings.dtype)
    with fitting_threads(engine.subject.loaded.model):
        bench = _open(engine, settings)
        works = list(_works(bench))
        found = []
        for done, (work, beside, steered, plain, wanted) in enumerate(works, start=1):
            found.append(
                Comparison(
                    work, beside, *ratio_of(steered, plain, settings.rounds, engine.subject.loaded.device), wanted
                )
            )
            progress("time", done, len(works))
    return tuple(found)


def report_rows(found: tuple[Comparison, ...]) -> tuple[str, list[str], list[list[str]]]:
    """Give the table for people."""
    return "What steering costs (medians of ratios within a round)", HEADER, comparison_rows(found)


def comparison_rows(found: tuple[Comparison, ...]) -> list[list[str]]:
    """Give a row for each comparison, under HEADER."""
    return [
        [one.work, one.beside, f"{one.ratio:.2f}", f"{one.low:.2f} to {one.high:.2f}", f"at most {one.wanted:.2f}"]
        for one in found
    ]


def report_values(found: tuple[Comparison, ...]) -> list[dict[str, JsonValue]]:
    """Give every ratio unrounded, for programs."""
    return [dict(asdict(one)) for one in found]


def _open(engine: Engine, settings: SteerBenchSettings) -> _Bench:
    (run,) = engine.runs.values()
    for summary in run.manifest.clusters:
        if summary.shape not in CURVES or len(summary.order) < 2:
            continue
        prepared = engine.prepared(run.id, summary.id)
        contexts = prepared.typical(0, 1)
        if contexts:
            return _Bench(engine, run.id, summary.id, prepared, contexts[0], settings)
    raise RequestError("run", run.id, "one with a curve along which values lie")


def _works(bench: _Bench) -> Iterator[tuple[str, str, Job, Job, float]]:
    """Each comparison: names, the steered work, the plain one, the ratio wanted."""
    tokens, waypoints = bench.settings.tokens, bench.settings.waypoints
    rows = _rows(bench)
    moved = np.vstack([np.zeros_like(rows[:1]), rows])
    text = f"{len(ARMS)} arms and the baseline write {tokens} tokens"
    yield text, "generate() writes one text", _writing(bench, moved), _generating(bench), 1.6
    hooked = f"every token of {len(rows)} rows is moved"
    yield hooked, "their first tokens alone", _stepping(bench, rows, True), _stepping(bench, rows, False), 1.05
    many = f"{_TEXTS} texts of {len(moved)} rows write {tokens} tokens, put together"
    yield many, "the same texts taking turns", _together(bench, moved, 1), _together(bench, moved, _TEXTS), 0.75
    strips = f"behaviour at {waypoints} waypoints of {len(ARMS)} arms, a drag on one prompt"
    yield strips, "one forward of the prompt, last logits", _behaving(bench), _forward(bench), 3.0
    last = "one forward of the last token on the kept cache"
    yield "the same drag, its whole reply written as JSON", last, _telling(bench), _last_token(bench), 3.0


def _rows(bench: _Bench) -> Float[np.ndarray, "arm d_model"]:
    """Displacement of each arm at the end of a path to another value."""
    residual = bench.engine.model.read_prefix(bench.ids).residual
    end = float(bench.prepared.place[len(bench.prepared.place) // 2])
    manifold, t = bench.prepared.manifold, np.linspace(0.0, 1.0, bench.settings.waypoints)
    path = path_between(curve_position(manifold, residual).coordinate, end, t, closed=manifold.closed, anchored=True)
    found = arm_displacements(Trajectory.of(manifold, residual, path), ARMS, seed=0)
    return np.stack([move.displacement[-1] for move in found])


def _writing(bench: _Bench, rows: Float[np.ndarray, "row d_model"]) -> Job:
    """What the host does for text on a prompt that it has not read: every row writes all its tokens."""
    engine = bench.engine
    ids = torch.tensor([bench.ids], device=engine.subject.loaded.device)
    names: tuple[Row, ...] = ("baseline", *ARMS)

    def work() -> None:
        steps = engine.model.decoder(
            read_prefix(engine.subject.place, ids), rows, every_token=True, tokens=bench.settings.tokens
        )
        written = generate_rows(
            steps,
            names,
            engine.tokenizer.decode,
            bench.ids,
            frozenset(),
            max_tokens=bench.settings.tokens,
            temperature=0.0,
            rng=np.random.default_rng(0),
        )
        for _ in run_alone(written, sample_batch):
            pass

    return work


def _generating(bench: _Bench) -> Job:
    """What anybody would write: greedy generation, which no token ends, as no token ends the rows."""
    model, device = bench.engine.subject.loaded.model, bench.engine.subject.loaded.device
    vocab = int(model.config.vocab_size)
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=bench.settings.tokens, do_sample=False, eos_token_id=vocab, pad_token_id=0
    )
    ids = torch.tensor([bench.ids], device=device)

    def work() -> None:
        with torch.inference_mode():
            found = model.generate(  # type: ignore[operator]
                ids, attention_mask=torch.ones_like(ids), generation_config=config
            )
        assert found.shape[1] == len(bench.ids) + bench.settings.tokens

    return work


def _stepping(bench: _Bench, rows: Float[np.ndarray, "row d_model"], every_token: bool) -> Job:
    engine = bench.engine
    prefix = engine.model.read_prefix(bench.ids)

    def work() -> None:
        steps = engine.model.decoder(prefix, rows, every_token=every_token, tokens=bench.settings.tokens)
        for _ in range(bench.settings.tokens):
            steps.sample(0.0, 0.0)
            steps.feed(np.full(len(rows), bench.ids[-1]))

    return work


def _together(bench: _Bench, rows: Float[np.ndarray, "row d_model"], turns: int) -> Job:
    """Several texts after prompts of several lengths, all in one forward pass a token, or in so many turns."""
    engine = bench.engine
    prefixes = [engine.model.read_prefix(bench.ids[: max(1, len(bench.ids) - cut)]) for cut in range(_TEXTS)]

    def work() -> None:
        texts = [engine.model.decoder(one, rows, every_token=True, tokens=bench.settings.tokens) for one in prefixes]
        for _ in range(bench.settings.tokens):
            for part in (texts[turn::turns] for turn in range(turns)):
                came = sample_batch([GenerationStep(one, 0.0, 0.0) for one in part])
                for one, chosen in zip(part, came, strict=True):
                    assert isinstance(chosen, SampledTokens)
                    one.feed(chosen.token_ids)

    return work


def _behaving(bench: _Bench) -> Callable[[], BehaviourReply]:
    answers = Handlers(bench.engine)
    end = bench.prepared.summary.order[len(bench.prepared.place) // 2]
    request = BehaviourRequest(
        run=bench.run,
        fingerprint=bench.engine.subject.fingerprint,
        cluster=bench.cluster,
        prompt=bench.engine.tokenizer.decode(
            bench.ids[1:] if bench.engine.tokenizer.bos == bench.ids[0] else bench.ids
        ),
        end=end,
        arms=ARMS,
        waypoints=bench.settings.waypoints,
    )
    return lambda: answers.answer(request)


def _telling(bench: _Bench) -> Job:
    behave = _behaving(bench)
    return lambda: behave().model_dump_json()


def _forward(bench: _Bench) -> Job:
    model, device = bench.engine.subject.loaded.model, bench.engine.subject.loaded.device
    ids = torch.tensor([bench.ids], device=device)

    def work() -> None:
        with torch.inference_mode():
            model(input_ids=ids, use_cache=False, logits_to_keep=1)

    return work


def _last_token(bench: _Bench) -> Job:
    """What transformers takes for the last token where all before it is in its own cache, which stays as it is."""
    model, device = bench.engine.subject.loaded.model, bench.engine.subject.loaded.device
    ids, cache = torch.tensor([bench.ids], device=device), empty_cache(model)
    with torch.inference_mode():
        model(input_ids=ids[:, :-1], past_key_values=cache, logits_to_keep=1)

    def work() -> None:
        with torch.inference_mode():
            model(input_ids=ids[:, -1:], past_key_values=cache, logits_to_keep=1)
            cache.crop(-1)

    return work


def ratio_of(steered: Job, plain: Job, rounds: int, device: torch.device) -> tuple[float, float, float]:
    """Median, tenth and ninetieth percentile of the ratio within a round; who goes first alternates.

    Both are run once before they are timed.
    """
    ratios = []
    for job in (steered, plain):
        job()
    for turn in range(rounds):
        pair = (steered, plain) if turn % 2 == 0 else (plain, steered)
        spent = {job: _seconds(job, device) for job in pair}
        ratios.append(spent[steered] / spent[plain])
    return float(np.median(ratios)), float(np.quantile(ratios, 0.1)), float(np.quantile(ratios, 0.9))


def _seconds(job: Job, device: torch.device) -> float:
    start = time.perf_counter()
    job()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
