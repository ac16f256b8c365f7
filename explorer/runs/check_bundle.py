"""Every problem of a bundle that opens far enough to be read: one of each part at most."""

from collections.abc import Callable, Iterator
from functools import partial

from explorer.errors import InputError
from explorer.runs.bundle import Bundle
from explorer.runs.bundle_manifest import MANIFEST


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
    yield from bundle.folder.listing_problems(MANIFEST)
    for part in parts:
        try:
            part()
        except InputError as fault:
            yield fault


def _exhaust(stream: Callable[[], Iterator[object]]) -> None:
    for _ in stream():
        pass
