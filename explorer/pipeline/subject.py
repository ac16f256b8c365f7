"""Identifies a subject: in a run, from the bundle's manifest; in errors, as the user gave it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from explorer.errors import SubjectError
from explorer.records.subject import SubjectInfo
from explorer.runs.bundle.reader import Bundle
from explorer.runs.run.manifest import SUBJECT


def subject_of(bundle: Bundle, run: Path) -> SubjectInfo | None:
    """The subject that a host must serve, or None where the bundle does not name it (one not written by harvest).

    Paths inside the ``subject/`` of the run, or of a run next to it, are stored relative to the run, so that the run or
    its folder can be moved.
    """
    subject = bundle.extra.get("subject")
    if not isinstance(subject, dict):
        return None
    return SubjectInfo(
        fingerprint=str(subject.get("fingerprint", "")),
        model=bundle.model,
        sae=bundle.sae,
        model_path=_relative(str(subject.get("model_path", "")), run),
        sae_path=_relative(str(subject.get("sae_path", "")), run),
    )


def _relative(path: str, run: Path) -> str:
    given, here = Path(path).resolve(), run.resolve()
    below = given.relative_to(here.parent).parts if given.is_relative_to(here.parent) else ()
    return Path(os.path.relpath(given, here)).as_posix() if below[1:2] == (SUBJECT.strip("/"),) else path


@contextmanager
def named_as_given(given: str) -> Iterator[None]:
    """Replace the location in a SubjectError by the name that the user gave."""
    try:
        yield
    except SubjectError as fault:
        raise SubjectError(given, fault.found, fault.wanted) from fault
