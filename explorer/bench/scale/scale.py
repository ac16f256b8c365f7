"""Scaling benchmark: cost of each build stage as features, tokens and points grow.

Counting, clustering and the map are measured in CPU seconds of all threads, on one set of planted codes per size, and
the exponents of a power law are fitted. Clustering is also compared with HDBSCAN on the full distance matrix.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, get_args

import numpy as np
from jaxtyping import Int64
from pydantic import JsonValue

from explorer.bench.cost import timed
from explorer.bench.planted.codes import document_offsets
from explorer.bench.planted.point_clouds import circle
from explorer.bench.scale.code_files import write_codes
from explorer.bench.scale.dense import DenseComparison, compare_with_dense
from explorer.bench.scale.growth import exponent
from explorer.bench.scale.whole_run import RUN_HEADER, RunCost, measure_run, run_rows
from explorer.bench.settings import ScaleSettings
from explorer.config import BuildSettings
from explorer.maths.clustering.grouping import graph_of_codes
from explorer.maths.clustering.hdbscan import cluster_graph
from explorer.maths.clustering.umap import project_graph
from explorer.maths.cofiring.counts import FiringShard, fire_counts
from explorer.maths.shape.fit import fit_shape
from explorer.records.clustering import NeighbourGraph
from explorer.records.progress import Progress, silent

Stage = Literal["count", "cluster", "map"]
"""Stages whose cost depends on features and tokens."""
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
"""In the order of a build."""
WARM_UP: Final = (512, 5000)
"""Features and tokens of the codes on which all stages run first, to trigger compilation."""
HEADER = ["features", "tokens", *(f"{stage}, CPU s" for stage in STAGES), "clusters"]


@dataclass(frozen=True)
class SizeCost:
    """Cost of the stages at one size."""

    features: int
    tokens: int
    cpu: dict[Stage, float]
    """CPU seconds of each stage."""
    clusters: int
    """Number of clusters found, and so of shapes to fit after the map."""


@dataclass(frozen=True)
class ScaleReport:
    """Result of the scaling benchmark."""

    by_features: tuple[SizeCost, ...]
    """One entry per feature count, at the largest token count."""
    by_tokens: tuple[SizeCost, ...]
    """One entry per token count, at the median feature count."""
    by_points: dict[int, float]
    """CPU seconds of fitting the shape of a noisy ring, by number of points."""
    dense: DenseComparison | None
    """Comparison with dense HDBSCAN; None if no size has the requested feature count."""
    whole: RunCost | None
    """All stages of a run of the largest size; None if no shapes are requested."""


@dataclass(frozen=True)
class _Counted:
    """A neighbour graph and the fire counts of its features."""

    graph: NeighbourGraph
    fires: Int64[np.ndarray, "feature"]
    """Number of tokens on which each feature fires."""


def measure_scale(settings: ScaleSettings | None = None, *, progress: Progress = silent) -> ScaleReport:
    """Measure every size.

    Args:
        settings: features, tokens and points; the defaults if None.
        progress: called after every planted shard and every measured size.

    Raises:
        ExplorerError: as in ``compare_with_dense``.
    """
    settings = settings or ScaleSettings()
    most, middle = max(settings.tokens), sorted(settings.features)[len(settings.features) // 2]
    _warm_up(settings.seed)
    features: list[SizeCost] = []
    tokens: tuple[SizeCost, ...] = ()
    dense = None
    for done, n_features in enumerate(settings.features, start=1):
        with TemporaryDirectory(prefix="explorer-bench-") as folder:
            files = write_codes(Path(folder), n_features, most, seed=settings.seed, progress=progress)
            shard = files.whole()
        size, counted = _stages(shard, n_features)
        features.append(size)
        if n_features == middle:
            tokens = tuple(_shorter(shard, n_features, settings.tokens, size))
        if n_features == settings.dense:
            dense = compare_with_dense(counted.graph, counted.fires)
        progress("measure", done, len(settings.features))
    points = {n_points: _shape(n_points, settings.seed) for n_points in settings.points}
    whole = None
    if settings.shapes:
        largest = max(settings.features)
        whole = measure_run(largest, most, n_shapes=settings.shapes, seed=settings.seed, progress=progress)
    return ScaleReport(tuple(features), tokens, points, dense, whole)


def exponents(sizes: tuple[SizeCost, ...], along: Literal["features", "tokens"]) -> dict[Stage, float | None]:
    """Exponent of each stage's cost in the number of features or tokens; None where it cannot be fitted."""
    axis = [float(one.features if along == "features" else one.tokens) for one in sizes]
    return {stage: exponent(axis, [one.cpu[stage] for one in sizes]) for stage in STAGES}


def report_tables(report: ScaleReport) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Format the tables for people: by features, by tokens, by points, and for a whole run."""
    for along, sizes in (("features", report.by_features), ("tokens", report.by_tokens)):
        rows = [_row(size) for size in sizes]
        fitted = exponents(sizes, "features" if along == "features" else "tokens")
        rows.append(["exponent", f"of {along}", *(_number(fitted[stage]) for stage in STAGES), ""])
        yield f"What the stages of a build cost as {along} grow", HEADER, rows
    shapes = [[f"{n_points:,}", f"{cpu:.2f}"] for n_points, cpu in report.by_points.items()]
    fitted_points = exponent([float(n_points) for n_points in report.by_points], list(report.by_points.values()))
    shapes.append(["exponent", _number(fitted_points)])
    yield "The shape of one cloud, a noisy ring, as its points grow", ["points", "CPU s"], shapes
    if report.whole is not None:
        size = f"{report.whole.features:,} features and {report.whole.tokens:,} tokens"
        yield f"A whole run of {size}", RUN_HEADER, run_rows(report.whole)


def report_lines(report: ScaleReport) -> list[str]:
    """Remarks: graph clustering compared with dense clustering."""
    dense = report.dense
    if dense is None:
        return ["not run: HDBSCAN on the whole matrix, which needs --features 16384"]
    return [
        f"clustering {dense.features:,} features takes {dense.ratio:.1f} times less CPU than HDBSCAN on the whole"
        f" matrix, and {dense.dense.peak / dense.ours.peak:.1f} times less memory, imports and matrix included;"
        f" adjusted Rand index of the labels {dense.agreement:.4f},"
        f" {'equal' if dense.equal_untied else 'not equal'} once ties are broken alike"
    ]


def report_values(report: ScaleReport) -> dict[str, JsonValue]:
    """Unrounded values for programs."""
    ratio = report.dense.ratio if report.dense else None
    whole = report.whole
    sums: dict[str, JsonValue] = {"counting": whole.counting, "beyond_counting": whole.beyond} if whole else {}
    return {
        **asdict(report),
        "whole_run": sums,
        "cpu_ratio_to_dense": ratio,
        "exponents_in_features": {**exponents(report.by_features, "features")},
        "exponents_in_tokens": {**exponents(report.by_tokens, "tokens")},
    }


def _stages(shard: FiringShard, n_features: int) -> tuple[SizeCost, _Counted]:
    settings = BuildSettings()
    min_fires = settings.cofiring.min_fires
    counted, count = timed(lambda: _count(shard, n_features))
    clustering, cluster = timed(lambda: cluster_graph(counted.graph, counted.fires, settings.clustering, min_fires))
    included = counted.fires >= min_fires
    _, project = timed(lambda: project_graph(counted.graph, included, settings.projection, seed=settings.seed))
    cpu: dict[Stage, float] = {"count": count, "cluster": cluster, "map": project}
    n_clusters = int(clustering.label.max(initial=-1)) + 1
    return SizeCost(n_features, len(shard.indptr) - 1, cpu, n_clusters), counted


def _count(shard: FiringShard, n_features: int) -> _Counted:
    doc_offsets = document_offsets(len(shard.indptr) - 1)
    graph = graph_of_codes([shard], doc_offsets, n_features, BuildSettings().cofiring)
    return _Counted(graph, fire_counts(*shard, n_features))


def _shorter(shard: FiringShard, n_features: int, tokens: tuple[int, ...], whole: SizeCost) -> Iterator[SizeCost]:
    """Measure prefixes of the codes; the full length reuses the existing measurement."""
    for n_tokens in tokens:
        indptr = shard.indptr[: n_tokens + 1]
        yield (
            whole
            if n_tokens == whole.tokens
            else _stages(FiringShard(indptr, shard.features[: indptr[-1]]), n_features)[0]
        )


def _shape(n_points: int, seed: int) -> float:
    """CPU seconds of fitting one shape; a ring requires all null draws."""
    rng = np.random.default_rng([seed, n_points])
    cloud = circle(n_points, rng).points
    return timed(lambda: fit_shape(cloud, rng=rng))[1]


def _warm_up(seed: int) -> None:
    n_features, n_tokens = WARM_UP
    with TemporaryDirectory(prefix="explorer-bench-") as folder:
        files = write_codes(Path(folder), n_features, n_tokens, seed=seed, progress=silent)
        _stages(files.whole(), n_features)
    _shape(200, seed)


def _row(size: SizeCost) -> list[str]:
    return [
        f"{size.features:,}",
        f"{size.tokens:,}",
        *(f"{size.cpu[stage]:.2f}" for stage in STAGES),
        str(size.clusters),
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
