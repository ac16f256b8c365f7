"""Builds clusters in parallel processes, each with its own copy of the inputs.

Every cluster has its own random generator and computes on one thread, so the number of processes changes no byte.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from threadpoolctl import ThreadpoolController, threadpool_limits

from explorer.pipeline.build.manifold import ClusterBuilder, RecoveredManifold

_builder: ClusterBuilder | None = None


def build_clusters(builder: ClusterBuilder, numbers: Sequence[int], workers: int) -> Iterator[RecoveredManifold]:
    """Build clusters, and yield their manifolds in the order of the numbers.

    Args:
        builder: the inputs of every cluster.
        numbers: clusters to build.
        workers: number of processes; with 1 the work is done in this one.
    """
    if workers < 2 or len(numbers) < 2:
        threads = ThreadpoolController()
        for number in numbers:
            with threads.limit(limits=1):
                manifold = builder.build(number)
            yield manifold
        return
    pool = ProcessPoolExecutor(
        min(workers, len(numbers)), mp_context=get_context("spawn"), initializer=_set_builder, initargs=(builder,)
    )
    try:
        yield from pool.map(_build_one, numbers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _set_builder(builder: ClusterBuilder) -> None:
    global _builder
    _builder = builder
    threadpool_limits(1)


def _build_one(number: int) -> RecoveredManifold:
    assert _builder is not None
    return _builder.build(number)
