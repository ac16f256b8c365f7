"""Finds everything that is wrong with the files of a feature bundle."""

from collections.abc import Callable, Iterator
from functools import partial

from explorer.errors import InputError
from explorer.runs.bundle.reader import Bundle
from explorer.runs.io.files import BUNDLE_MANIFEST


def bundle_problems(bundle: Bundle) -> Iterator[InputError]:
    """Read every file of a bundle and yield what is wrong; the codes are streamed.

    Args:
        bundle: a bundle whose manifest has been checked.
    """
    parts: list[Callable[[], object]] = [
        bundle.check_headers,
        *(partial(bundle.folder.verify, name) for name in sorted(bundle.sha256)),
        partial(_exhaust, bundle.code_shards),
        bundle.decoder,
        bundle.tokens,
        bundle.residuals,
        bundle.concepts,
        bundle.labels,
        bundle.blocks,
    ]
    yield from bundle.folder.listing_problems(BUNDLE_MANIFEST)
    for part in parts:
        try:
            part()
        except InputError as fault:
            yield fault


def _exhaust(stream: Callable[[], Iterator[object]]) -> None:
    for _ in stream():
        pass
