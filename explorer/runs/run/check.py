"""Finds everything that is wrong with the files of a run."""

from collections.abc import Callable, Iterator
from functools import partial

from explorer.errors import InputError
from explorer.runs.io.files import RUN_MANIFEST
from explorer.runs.run.manifest import SUBJECT
from explorer.runs.run.reader import Run


def run_problems(run: Run) -> Iterator[InputError]:
    """Read every file of a run and yield what is wrong, in the order of the files.

    Args:
        run: an open run.
    """
    numbers = range(len(run.manifest.clusters))
    parts: list[Callable[[], object]] = [
        run.features,
        run.graph,
        run.tree,
        run.labels,
        run.vocabulary,
        *(partial(run.cluster, number) for number in numbers),
        *(partial(run.thumbnail, number) for number in numbers),
        *(partial(run.folder.verify, name) for name in run.folder.sha256 if name.startswith(SUBJECT)),
    ]
    yield from run.folder.listing_problems(RUN_MANIFEST)
    for part in parts:
        try:
            part()
        except InputError as fault:
            yield fault
