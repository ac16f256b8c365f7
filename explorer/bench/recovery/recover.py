"""The recovery bench: plants the truth, groups the features in every way, scores what each way recovers."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np
from pydantic import JsonValue

from explorer.bench.recovery.datasets import Work, plan_works
from explorer.bench.recovery.methods import Method, NotRun, methods, often_enough
from explorer.bench.recovery.scores import SMALLEST_GROUP, Recovery, score_recovery
from explorer.bench.settings import RecoverSettings
from explorer.records import Progress, silent

HEADER = ["work", "method", "ARI", "noise recall", "largest", "clusters", "false", "recovered", "of", "seconds"]


@dataclass(frozen=True)
class Outcome:
    """One method on one work from one seed."""

    work: str
    """Name of the work."""
    method: str
    """Name of the method."""
    seed: int
    """What the work was planted from."""
    seconds: float
    """Wall time of the method."""
    score: Recovery
    """What it recovered."""


@dataclass(frozen=True)
class Skipped:
    """A method that was not run on a work."""

    work: str
    """Name of the work."""
    method: str
    """Name of the method."""
    why: str
    """What it lacks."""


@dataclass(frozen=True)
class RecoverReport:
    """Everything that was measured."""

    outcomes: tuple[Outcome, ...]
    """In the order of works, seeds and methods."""
    skipped: tuple[Skipped, ...]
    """Each work and method once."""


def recover(settings: RecoverSettings, *, progress: Progress = silent) -> RecoverReport:
    """Run every method on every work from every seed; all methods get the same codes.

    Args:
        settings: works, seeds and methods.
        progress: told after every work.
    """
    outcomes: list[Outcome] = []
    skipped: dict[tuple[str, str], Skipped] = {}
    seeds = range(settings.seed, settings.seed + settings.seeds)
    planned = list(product(plan_works(settings), seeds))
    named = methods(settings.coupling_c)
    for done, (plan, seed) in enumerate(planned):
        for result in _measure(plan.plant(seed), seed, named):
            if isinstance(result, Outcome):
                outcomes.append(result)
            else:
                skipped[result.work, result.method] = result
        progress("recover", done + 1, len(planned))
    return RecoverReport(tuple(outcomes), tuple(skipped.values()))


def _measure(work: Work, seed: int, named: dict[str, Method]) -> Iterator[Outcome | Skipped]:
    scored = often_enough(work)
    for name, method in named.items():
        start = time.perf_counter()
        try:
            found = method(work)
        except NotRun as reason:
            yield Skipped(work.name, name, str(reason))
            continue
        seconds = time.perf_counter() - start
        yield Outcome(work.name, name, seed, seconds, score_recovery(work.truth, found, scored))


def report_values(report: RecoverReport) -> dict[str, JsonValue]:
    """Give every outcome unrounded, for programs."""
    return {
        "outcomes": [asdict(outcome) for outcome in report.outcomes],
        "not_run": [asdict(skipped) for skipped in report.skipped],
    }


def report_lines(report: RecoverReport) -> list[str]:
    """Say in one line per method and reason what was not run, and where."""
    works: dict[tuple[str, str], list[str]] = {}
    for skipped in report.skipped:
        works.setdefault((skipped.method, skipped.why), []).append(skipped.work)
    return [f"not run: {method} on {'; '.join(names)}: {why}" for (method, why), names in works.items()]


def report_rows(report: RecoverReport) -> tuple[str, list[str], list[list[str]]]:
    """Give the table for people: one row a work and method, the mean over the seeds and their range."""
    together: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in report.outcomes:
        together.setdefault((outcome.work, outcome.method), []).append(outcome)
    title = f"Planted groups recovered (mean, range over seeds; groups of at least {SMALLEST_GROUP} features)"
    return title, HEADER, [[*names, *_cells(outcomes)] for names, outcomes in together.items()]


def _cells(outcomes: list[Outcome]) -> list[str]:
    scores = [outcome.score for outcome in outcomes]
    return [
        _spread([score.adjusted_rand for score in scores], 3),
        _spread([score.noise_recall for score in scores if score.noise_recall is not None], 3),
        _spread([score.largest for score in scores], 0),
        _spread([score.n_clusters for score in scores], 0),
        _spread([score.n_false for score in scores], 0),
        _spread([score.n_recovered / score.n_groups for score in scores if score.n_groups], 3),
        _spread([score.n_groups for score in scores], 0),
        _spread([outcome.seconds for outcome in outcomes], 2),
    ]


def _spread(values: Sequence[float], digits: int) -> str:
    """Mean, and the range where there is one."""
    if not values:
        return "–"
    mean, low, high = (f"{number:.{digits}f}" for number in (np.mean(values), min(values), max(values)))
    return mean if low == high else f"{mean} ({low} to {high})"
