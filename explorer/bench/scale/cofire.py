"""Co-firing benchmark: CPU time and memory of the co-firing graph compared with scipy's sparse product.

Every round runs both on the same planted codes, each in a new process, in alternating order. Absolute times on shared
machines are noisy, so the table leads with ratios within a round. Where the product does not fit into memory, only our
kernel runs, streaming shards that are never in memory together.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from pydantic import JsonValue

from explorer.bench.baselines.plain_cofiring import plain_cofiring
from explorer.bench.cost import Cost, Work, measure
from explorer.bench.scale.code_files import CodeFiles, write_codes
from explorer.bench.scale.same_graph import GraphMatch, match_graphs
from explorer.bench.settings import CofireSettings
from explorer.config import CofiringSettings
from explorer.errors import RequestError
from explorer.maths.cofiring.counts import UINT16_COUNTS, FiringShard, cofiring_graph_of_shards
from explorer.pipeline.build.code_stream import counted_by_torch
from explorer.records.clustering import NeighbourGraph
from explorer.records.progress import Progress, silent

MOST_COMPARED: Final = 32_768
"""Largest feature count for scipy: its product stores nearly every pair, 8 GB at this size."""
PLAIN: Final = "scipy, one thread"
"""The baseline; scipy's sparse product is single-threaded."""
_Way = tuple[Callable[..., Work], tuple[int | str, ...]]
"""Function that prepares a workload, and its arguments after the codes."""
HEADER = ["size", "beside scipy", "less CPU", "less time", "less memory", "same graph", "CPU s", "s", "GB", "GB in all"]


@dataclass(frozen=True)
class Measured:
    """One method at one size."""

    features: int
    tokens: int
    way: str
    """Name of the method."""
    costs: tuple[Cost, ...]
    """Cost per round."""
    cpu_ratio: tuple[float, ...]
    """CPU time of scipy over that of this method, per round; empty for scipy and where scipy was not run."""
    wall_ratio: tuple[float, ...]
    """The same for wall time."""
    memory_ratio: tuple[float, ...]
    """The same for memory."""
    match: GraphMatch | None
    """Comparison with the graph of scipy; None where the ratios are empty."""


def measure_cofiring(settings: CofireSettings | None = None, *, progress: Progress = silent) -> tuple[Measured, ...]:
    """Measure every size.

    Args:
        settings: sizes, threads, rounds and torch device; the defaults if None.
        progress: called after every planted shard and every measured process.

    Raises:
        RequestError: the numbers of feature counts and token counts differ.
        SubjectError: the torch device is unavailable.
        ExplorerError: as in ``measure``.
    """
    settings = settings or CofireSettings()
    if len(settings.features) != len(settings.tokens):
        raise RequestError("--tokens", f"{len(settings.tokens)} numbers", f"{len(settings.features)}, one a --features")
    if settings.device is not None:
        counted_by_torch((), settings.device)  # fails before anything is planted
    found: list[Measured] = []
    for n_features, n_tokens in zip(settings.features, settings.tokens, strict=True):
        with TemporaryDirectory(prefix="explorer-bench-") as folder:
            files = write_codes(Path(folder), n_features, n_tokens, seed=settings.seed, progress=progress)
            found += _measure_size(files, n_tokens, settings, progress)
    return tuple(found)


def report_rows(found: tuple[Measured, ...]) -> tuple[str, list[str], list[list[str]]]:
    """Format the table for people."""
    title = "Counting which features fire together (medians over the rounds, range of the ratios in brackets)"
    return title, HEADER, [_row(one) for one in found]


def report_values(found: tuple[Measured, ...]) -> list[dict[str, JsonValue]]:
    """Unrounded values for programs."""
    return [{**asdict(one), "same_graph": one.match.same if one.match else None} for one in found]


def report_lines(found: tuple[Measured, ...]) -> list[str]:
    """Remarks: sizes without scipy, and how closely the graphs agree."""
    lines = [
        f"scipy is not run on {one.features} features: its product would hold up to {8 * one.features**2 / 1e9:.0f} GB"
        for one in found
        if one.features > MOST_COMPARED
    ]
    for one in found:
        if one.match:
            gap, strangers = one.match.score_gap, one.match.strangers
            lines.append(
                f"{one.features} features, {one.way}: scores differ by at most {gap:.0e}, {strangers} partners"
            )
    return list(dict.fromkeys(lines))


def _measure_size(files: CodeFiles, n_tokens: int, settings: CofireSettings, progress: Progress) -> list[Measured]:
    compared = files.n_features <= MOST_COMPARED
    ways: dict[str, _Way] = {PLAIN: (_prepare_plain, ())} if compared else {}
    ways |= {_way(threads, compared): (_prepare_ours, (threads,)) for threads in settings.threads}
    if settings.device is not None:
        ways[f"ours, torch on {settings.device}"] = (_prepare_ours, (max(settings.threads), settings.device))
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    graphs: dict[str, NeighbourGraph] = {}
    for turn in range(settings.rounds):
        for way in list(ways) if turn % 2 == 0 else list(reversed(ways)):
            prepared, chosen = ways[way]
            cost, graph = measure(prepared, files, *chosen)
            costs[way].append(cost)
            graphs[way] = NeighbourGraph(**graph)
            stage = f"count {files.n_features} features"
            progress(stage, sum(map(len, costs.values())), settings.rounds * len(ways))
    return [_compare(files.n_features, n_tokens, way, costs, graphs) for way in ways]


def _way(threads: int, compared: bool) -> str:
    return f"ours, {threads} thread{'s' * (threads > 1)}{'' if compared else ', streamed'}"


def _prepare_plain(files: CodeFiles) -> Work:
    whole = files.whole()
    return lambda: plain_cofiring(whole, files.n_features, **_chosen())._asdict()


def _prepare_ours(files: CodeFiles, threads: int, device: str | None = None) -> Work:
    """Warm up on a few tokens and on counts beyond 16 bits, so that both compiled kernels exist."""

    def count(shards: Iterable[FiringShard]) -> NeighbourGraph:
        counted = shards if device is None else counted_by_torch(shards, device)
        return cofiring_graph_of_shards(counted, files.n_features, similarity="npmi", threads=threads, **_chosen())

    codes = [files.whole()] if files.n_features <= MOST_COMPARED else files
    few, often = _few(next(iter(codes))), _often()
    for warm_up in ([few], [often], [few, often]):
        count(warm_up)
    return lambda: count(codes)._asdict()


def _few(shard: FiringShard) -> FiringShard:
    indptr = shard.indptr[:100]
    return FiringShard(indptr, shard.features[: indptr[-1]])


def _often() -> FiringShard:
    """Two features whose joint count exceeds 16 bits."""
    return FiringShard(np.arange(0, 2 * UINT16_COUNTS + 1, 2), np.tile(np.arange(2, dtype=np.uint32), UINT16_COUNTS))


def _chosen() -> dict[str, int]:
    defaults = CofiringSettings()
    return {"neighbours": defaults.neighbours, "min_count": defaults.min_count}


def _compare(
    n_features: int, n_tokens: int, way: str, costs: dict[str, list[Cost]], graphs: dict[str, NeighbourGraph]
) -> Measured:
    mine = tuple(costs[way])
    plain = costs[PLAIN] if PLAIN in costs and way != PLAIN else []
    pairs = list(zip(plain, mine, strict=True)) if plain else []
    return Measured(
        n_features,
        n_tokens,
        way,
        mine,
        tuple(theirs.cpu / ours.cpu for theirs, ours in pairs),
        tuple(theirs.wall / ours.wall for theirs, ours in pairs),
        tuple(theirs.memory / max(ours.memory, 1) for theirs, ours in pairs),
        match_graphs(graphs[way], graphs[PLAIN]) if pairs else None,
    )


def _row(one: Measured) -> list[str]:
    same = "–" if one.match is None else "yes" if one.match.same else "no"
    costs = one.costs
    return [
        f"{one.features:,} features, {one.tokens:,} tokens",
        one.way,
        *(_spread(ratios) for ratios in (one.cpu_ratio, one.wall_ratio, one.memory_ratio)),
        same,
        f"{np.median([cost.cpu for cost in costs]):.1f}",
        f"{np.median([cost.wall for cost in costs]):.1f}",
        f"{np.median([cost.memory for cost in costs]) / 1e9:.2f}",
        f"{np.median([cost.peak for cost in costs]) / 1e9:.2f}",
    ]


def _spread(ratios: Sequence[float]) -> str:
    """Median, with the range if the values differ."""
    if not ratios:
        return "–"
    middle, low, high = (f"{number:.1f}" for number in (np.median(ratios), min(ratios), max(ratios)))
    return middle if low == high else f"{middle} ({low} to {high})"
