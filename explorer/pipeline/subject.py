"""Names a subject: in a run, from what harvest left in the bundle, and in errors, as the user gave it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from explorer.errors import SubjectError
from explorer.records import SubjectInfo
from explorer.runs.bundle.reader import Bundle
from explorer.runs.run.manifest import SUBJECT


def subject_of(bundle: Bundle, run: Path) -> SubjectInfo | None:
    """The subject that a host must hold, or None where the bundle does not tell (one that was written by hand).

    Paths inside the ``subject/`` of the run, or of a run beside it, are told relative to the run, so that the run, or
    the folder of runs, can be moved.
    """
    told = bundle.extra.get("subject")
    if not isinstance(told, dict):
        return None
    return SubjectInfo(
        fingerprint=str(told.get("fingerprint", "")),
        model=bundle.model,
        sae=bundle.sae,
        model_path=_relative(str(told.get("model_path", "")), run),
        sae_path=_relative(str(told.get("sae_path", "")), run),
    )


def _relative(path: str, run: Path) -> str:
    given, here = Path(path).resolve(), run.resolve()
    below = given.relative_to(here.parent).parts if given.is_relative_to(here.parent) else ()
    return Path(os.path.relpath(given, here)).as_posix() if below[1:2] == (SUBJECT.strip("/"),) else path


@contextmanager
def told_of(given: str) -> Iterator[None]:
    """Name in a SubjectError what the user gave, in place of what it became in memory."""
    try:
        yield
    except SubjectError as fault:
        raise SubjectError(given, fault.found, fault.wanted) from fault
