"""Recovery benchmark: generate data with known groups, cluster it by every method, score what each recovers."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np
from pydantic import JsonValue

from explorer.bench.recovery.datasets import RecoveryDataset, plan_datasets
from explorer.bench.recovery.methods import Method, MethodNotApplicable, frequent_features, methods
from explorer.bench.recovery.scores import MIN_GROUP_SIZE, Recovery, score_recovery
from explorer.bench.settings import RecoverSettings
from explorer.records.progress import Progress, silent

HEADER = ["dataset", "method", "ARI", "noise recall", "largest", "clusters", "false", "recovered", "of", "seconds"]


@dataclass(frozen=True)
class RecoveryOutcome:
    """One method on one dataset from one seed."""

    work: str
    """Name of the dataset."""
    method: str
    seed: int
    """Seed of the dataset."""
    seconds: float
    """Wall time of the method."""
    score: Recovery


@dataclass(frozen=True)
class SkippedMethod:
    """A method that was not run on a dataset."""

    work: str
    """Name of the dataset."""
    method: str
    why: str
    """What it lacks."""


@dataclass(frozen=True)
class RecoverReport:
    """All results of the benchmark."""

    outcomes: tuple[RecoveryOutcome, ...]
    """In the order of datasets, seeds and methods."""
    skipped: tuple[SkippedMethod, ...]
    """Each dataset and method once."""


def recover(settings: RecoverSettings, *, progress: Progress = silent) -> RecoverReport:
    """Run every method on every dataset from every seed; all methods get the same codes.

    Args:
        settings: datasets, seeds and methods.
        progress: called after every dataset.
    """
    outcomes: list[RecoveryOutcome] = []
    skipped: dict[tuple[str, str], SkippedMethod] = {}
    seeds = range(settings.seed, settings.seed + settings.seeds)
    planned = list(product(plan_datasets(settings), seeds))
    by_name = methods(settings.coupling_c)
    for done, (plan, seed) in enumerate(planned):
        for result in _measure(plan.plant(seed), seed, by_name):
            if isinstance(result, RecoveryOutcome):
                outcomes.append(result)
            else:
                skipped[result.work, result.method] = result
        progress("recover", done + 1, len(planned))
    return RecoverReport(tuple(outcomes), tuple(skipped.values()))


def _measure(
    dataset: RecoveryDataset, seed: int, by_name: dict[str, Method]
) -> Iterator[RecoveryOutcome | SkippedMethod]:
    scored = frequent_features(dataset)
    for name, method in by_name.items():
        start = time.perf_counter()
        try:
            found = method(dataset)
        except MethodNotApplicable as reason:
            yield SkippedMethod(dataset.name, name, str(reason))
            continue
        seconds = time.perf_counter() - start
        yield RecoveryOutcome(dataset.name, name, seed, seconds, score_recovery(dataset.truth, found, scored))


def report_values(report: RecoverReport) -> dict[str, JsonValue]:
    """Every outcome unrounded, for programs."""
    return {
        "outcomes": [asdict(outcome) for outcome in report.outcomes],
        "not_run": [asdict(skipped) for skipped in report.skipped],
    }


def report_lines(report: RecoverReport) -> list[str]:
    """One line per skipped method and reason, with the datasets concerned."""
    datasets: dict[tuple[str, str], list[str]] = {}
    for skipped in report.skipped:
        datasets.setdefault((skipped.method, skipped.why), []).append(skipped.work)
    return [f"not run: {method} on {'; '.join(names)}: {why}" for (method, why), names in datasets.items()]


def report_rows(report: RecoverReport) -> tuple[str, list[str], list[list[str]]]:
    """The table: one row per dataset and method, mean over the seeds and range."""
    by_row: dict[tuple[str, str], list[RecoveryOutcome]] = {}
    for outcome in report.outcomes:
        by_row.setdefault((outcome.work, outcome.method), []).append(outcome)
    title = f"Planted groups recovered (mean, range over seeds; groups of at least {MIN_GROUP_SIZE} features)"
    return title, HEADER, [[*names, *_cells(outcomes)] for names, outcomes in by_row.items()]


def _cells(outcomes: list[RecoveryOutcome]) -> list[str]:
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
    """Mean, and the range if the values differ."""
    if not values:
        return "–"
    mean, low, high = (f"{number:.{digits}f}" for number in (np.mean(values), min(values), max(values)))
    return mean if low == high else f"{mean} ({low} to {high})"
