"""Steering benchmark: cost of steered work relative to plain work.

Absolute times on shared machines are noisy, so only ratios are reported: each round runs both workloads of a pair, in
alternating order, and takes the ratio of their times.
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
"""The arms that are timed together."""
HEADER = ["steered work", "beside", "times as long", "10 % to 90 % of rounds", "wanted"]

_TEXTS = 4
Job = Callable[[], object]


class SteerBenchSettings(Settings):
    """Length and device of the measurement."""

    rounds: int = Field(default=20, ge=3)
    """Each round runs both workloads once."""
    tokens: int = Field(default=48, ge=2)
    """Tokens generated per text."""
    waypoints: int = Field(default=50, ge=2)
    """Points per path."""
    device: str = "cpu"
    dtype: str = "float32"


@dataclass(frozen=True)
class Comparison:
    """A steered workload and its baseline, timed alternately."""

    work: str
    """The steered workload."""
    beside: str
    """The baseline workload."""
    ratio: float
    """Median over the rounds of steered time over baseline time."""
    low: float
    """10th percentile over the rounds."""
    high: float
    """90th percentile over the rounds."""
    wanted: float
    """Upper bound wanted for the median."""


@dataclass(frozen=True)
class _Bench:
    """The context and cluster on which the workloads run."""

    engine: Engine
    run: str
    """Run id."""
    cluster: int
    """Id of a cluster with a curve."""
    prepared: PreparedCluster
    """The cluster, prepared for steering."""
    ids: list[int]
    """Token ids of the context."""
    settings: SteerBenchSettings


def time_steering(
    run_path: Path, settings: SteerBenchSettings | None = None, *, progress: Progress = silent
) -> tuple[Comparison, ...]:
    """Time generation, hooks and behaviour on a run's first steerable cluster with a curve.

    Args:
        run_path: the run's folder.
        settings: rounds, tokens, waypoints and device; the defaults if None.
        progress: called after every comparison.

    Raises:
        RequestError: no cluster has a curve with ordered values.
        RunError, SubjectError, HostMismatch: as in ``open_engine``.
    """
    settings = settings or SteerBenchSettings()
    engine = open_engine(run_path, device=settings.device, dtype=settings.dtype)
    with fitting_threads(engine.subject.loaded.model):
        bench = _open(engine, settings)
        works = list(_works(bench))
        found = []
        for done, (work, baseline, steered, plain, wanted) in enumerate(works, start=1):
            found.append(
                Comparison(
                    work, baseline, *ratio_of(steered, plain, settings.rounds, engine.subject.loaded.device), wanted
                )
            )
            progress("time", done, len(works))
    return tuple(found)


def report_rows(found: tuple[Comparison, ...]) -> tuple[str, list[str], list[list[str]]]:
    """Format the table for people."""
    return "What steering costs (medians of ratios within a round)", HEADER, comparison_rows(found)


def comparison_rows(found: tuple[Comparison, ...]) -> list[list[str]]:
    """One row per comparison, with the columns of ``HEADER``."""
    return [
        [one.work, one.beside, f"{one.ratio:.2f}", f"{one.low:.2f} to {one.high:.2f}", f"at most {one.wanted:.2f}"]
        for one in found
    ]


def report_values(found: tuple[Comparison, ...]) -> list[dict[str, JsonValue]]:
    """Unrounded values for programs."""
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
    raise RequestError("run", run.id, "one with a curve and ordered values")


def _works(bench: _Bench) -> Iterator[tuple[str, str, Job, Job, float]]:
    """Comparisons: both names, the steered job, the plain job and the ratio wanted."""
    tokens, waypoints = bench.settings.tokens, bench.settings.waypoints
    rows = _rows(bench)
    moved = np.vstack([np.zeros_like(rows[:1]), rows])
    text = f"{len(ARMS)} arms and the baseline write {tokens} tokens"
    yield text, "generate() writes one text", _generate_rows(bench, moved), _generate_plain(bench), 1.6
    hooked = f"every token of {len(rows)} rows is moved"
    yield hooked, "their first tokens alone", _steps(bench, rows, True), _steps(bench, rows, False), 1.05
    many = f"{_TEXTS} texts of {len(moved)} rows write {tokens} tokens, put together"
    yield many, "the same texts taking turns", _batched(bench, moved, 1), _batched(bench, moved, _TEXTS), 0.75
    strips = f"behaviour at {waypoints} waypoints of {len(ARMS)} arms, a drag on one prompt"
    yield strips, "one forward of the prompt, last logits", _behaviour(bench), _forward(bench), 3.0
    last = "one forward of the last token on the kept cache"
    yield "the same drag, its whole reply written as JSON", last, _behaviour_json(bench), _last_token(bench), 3.0


def _rows(bench: _Bench) -> Float[np.ndarray, "arm d_model"]:
    """Displacement of each arm at the end point of a path to another value."""
    residual = bench.engine.model.read_prefix(bench.ids).residual
    end = float(bench.prepared.place[len(bench.prepared.place) // 2])
    manifold, t = bench.prepared.manifold, np.linspace(0.0, 1.0, bench.settings.waypoints)
    path = path_between(curve_position(manifold, residual).coordinate, end, t, closed=manifold.closed, anchored=True)
    displacements = arm_displacements(Trajectory.of(manifold, residual, path), ARMS, seed=0)
    return np.stack([move.displacement[-1] for move in displacements])


def _generate_rows(bench: _Bench, rows: Float[np.ndarray, "row d_model"]) -> Job:
    """The host's work for text after an uncached prompt: every row generates all its tokens."""
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


def _generate_plain(bench: _Bench) -> Job:
    """Plain greedy generation without an end-of-text token, since no token ends the steered rows either."""
    model, device = bench.engine.subject.loaded.model, bench.engine.subject.loaded.device
    vocab = int(model.config.vocab_size)
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=bench.settings.tokens, do_sample=False, eos_token_id=vocab, pad_token_id=0
    )
    ids = torch.tensor([bench.ids], device=device)

    def work() -> None:
        with torch.inference_mode():
            generated = model.generate(  # type: ignore[operator]
                ids, attention_mask=torch.ones_like(ids), generation_config=config
            )
        assert generated.shape[1] == len(bench.ids) + bench.settings.tokens

    return work


def _steps(bench: _Bench, rows: Float[np.ndarray, "row d_model"], every_token: bool) -> Job:
    engine = bench.engine
    prefix = engine.model.read_prefix(bench.ids)

    def work() -> None:
        steps = engine.model.decoder(prefix, rows, every_token=every_token, tokens=bench.settings.tokens)
        for _ in range(bench.settings.tokens):
            steps.sample(0.0, 0.0)
            steps.feed(np.full(len(rows), bench.ids[-1]))

    return work


def _batched(bench: _Bench, rows: Float[np.ndarray, "row d_model"], turns: int) -> Job:
    """Texts after prompts of different lengths, in ``turns`` batches; each batch is one forward pass per token."""
    engine = bench.engine
    prefixes = [engine.model.read_prefix(bench.ids[: max(1, len(bench.ids) - cut)]) for cut in range(_TEXTS)]

    def work() -> None:
        texts = [engine.model.decoder(one, rows, every_token=True, tokens=bench.settings.tokens) for one in prefixes]
        for _ in range(bench.settings.tokens):
            for part in (texts[turn::turns] for turn in range(turns)):
                samples = sample_batch([GenerationStep(one, 0.0, 0.0) for one in part])
                for one, chosen in zip(part, samples, strict=True):
                    assert isinstance(chosen, SampledTokens)
                    one.feed(chosen.token_ids)

    return work


def _behaviour(bench: _Bench) -> Callable[[], BehaviourReply]:
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


def _behaviour_json(bench: _Bench) -> Job:
    behave = _behaviour(bench)
    return lambda: behave().model_dump_json()


def _forward(bench: _Bench) -> Job:
    model, device = bench.engine.subject.loaded.model, bench.engine.subject.loaded.device
    ids = torch.tensor([bench.ids], device=device)

    def work() -> None:
        with torch.inference_mode():
            model(input_ids=ids, use_cache=False, logits_to_keep=1)

    return work


def _last_token(bench: _Bench) -> Job:
    """A transformers forward pass of the last token, with all earlier tokens in a cache that is restored afterwards."""
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
    """Median, 10th and 90th percentile of the within-round time ratio; the order alternates between rounds.

    Both jobs run once untimed, as a warm-up.
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
