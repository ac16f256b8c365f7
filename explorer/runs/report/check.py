"""Checks a bundle or a run, and reports every problem with its location."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from explorer.errors import InputError
from explorer.runs.bundle.reader import bundle_problems, load_bundle
from explorer.runs.io.files import BUNDLE_MANIFEST, RUN_MANIFEST, file_name
from explorer.runs.run.reader import load_run, run_problems

Kind = Literal["bundle", "run", "tour"]
"""Kind of folder."""


@dataclass(frozen=True)
class Problem:
    """One problem."""

    file: str
    """Location."""
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.file}: found {self.found}, wanted {self.wanted}"


@dataclass(frozen=True)
class CheckReport:
    """Result of a check."""

    path: str
    """Checked folder."""
    kind: Kind
    n_files: int
    """Number of files in the manifest, itself included; 0 if the manifest cannot be read."""
    problems: tuple[Problem, ...]
    """All problems, each once."""

    @property
    def ok(self) -> bool:
        """Whether there are no problems."""
        return not self.problems


def check(path: Path | str) -> CheckReport:
    """Check every file of a bundle or a run: manifest, listing, hashes, headers, contents and their agreement.

    Args:
        path: its folder.

    Raises:
        InputError: `path` is neither a bundle nor a run.
    """
    root = Path(path)
    if os.path.lexists(root / BUNDLE_MANIFEST):
        return _check_bundle(root)
    if os.path.lexists(root / RUN_MANIFEST):
        return _check_run(root)
    found = "neither bundle.json nor run.json" if os.path.lexists(root) else "nothing there"
    raise InputError(file_name(root), found, "a feature bundle or a run")


def _check_bundle(root: Path) -> CheckReport:
    try:
        bundle = load_bundle(root)
    except InputError as fault:
        return problem_report(root, "bundle", 0, [fault])
    return problem_report(root, "bundle", len(bundle.sha256) + 1, bundle_problems(bundle))


def _check_run(root: Path) -> CheckReport:
    try:
        run = load_run(root)
    except InputError as fault:
        return problem_report(root, "run", 0, [fault])
    return problem_report(root, "run", len(run.manifest.sha256) + 1, run_problems(run))


def problem_report(root: Path, kind: Kind, n_files: int, faults: Iterable[InputError]) -> CheckReport:
    """Collect faults into a report, each once."""
    problems = dict.fromkeys(Problem(fault.where, fault.found, fault.wanted) for fault in faults)
    return CheckReport(str(root), kind, n_files, tuple(problems))
