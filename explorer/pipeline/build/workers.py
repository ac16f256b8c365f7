"""Clusters built side by side: a few processes, each with its own copy of what a cluster is built from.

Every cluster draws from its own generator and computes on one thread, so how many work on it changes no byte.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from threadpoolctl import ThreadpoolController, threadpool_limits

from explorer.pipeline.build.manifold import ClusterBuilder, Manifold

_builder: ClusterBuilder | None = None


def build_clusters(builder: ClusterBuilder, numbers: Sequence[int], workers: int) -> Iterator[Manifold]:
    """Manifolds in the order of the numbers, each as soon as it and those before it are there.

    Args:
        builder: what every cluster is built from.
        numbers: clusters to build.
        workers: processes; with 1 the work is done in this one.
    """
    if workers < 2 or len(numbers) < 2:
        threads = ThreadpoolController()
        for number in numbers:
            with threads.limit(limits=1):
                manifold = builder.build(number)
            yield manifold
        return
    pool = ProcessPoolExecutor(
        min(workers, len(numbers)), mp_context=get_context("spawn"), initializer=_take, initargs=(builder,)
    )
    try:
        yield from pool.map(_work, numbers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _take(builder: ClusterBuilder) -> None:
    global _builder
    _builder = builder
    threadpool_limits(1)


def _work(number: int) -> Manifold:
    assert _builder is not None
    return _builder.build(number)
