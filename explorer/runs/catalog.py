"""The runs below a folder, the broken ones with their reason."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import RunError
from explorer.runs.files import file_name, quoted
from explorer.runs.manifest import MANIFEST
from explorer.runs.run import Run, open_run


@dataclass(frozen=True)
class BrokenRun:
    """A folder that says it is a run and cannot be read as one."""

    id: str
    """The folder's name."""
    reason: str
    """One line: file, what was found, what was wanted."""


@dataclass(frozen=True)
class _Entry:
    path: Path
    stamp: tuple[int, int, int]
    entry: Run | BrokenRun


class Catalog:
    """The runs of one folder by id, in the order of their names.

    `run` looks again at a run that has changed since; `scan` again finds runs that have come and gone.
    """

    def __init__(self, root: Path, entries: Mapping[str, _Entry]) -> None:
        self.root = root
        self._entries = dict(entries)

    @property
    def entries(self) -> tuple[Run | BrokenRun, ...]:
        """Every run, whole or broken."""
        return tuple(found.entry for found in self._entries.values())

    def run(self, run_id: str) -> Run:
        """The run with this id, as it is on disk now.

        Raises:
            RunError: there is none, or it is broken.
        """
        known = self._entries.get(run_id)
        if known is None:
            raise RunError(file_name(self.root), f"no run {quoted(run_id)}", "one that the list of runs names")
        if known.stamp != _stamp(known.path):
            known = self._entries[run_id] = _look(known.path, run_id)
        if isinstance(known.entry, BrokenRun):
            # Asked for by name, a broken run fails with its own error.
            return open_run(known.path)
        return known.entry


def scan(root: Path | str) -> Catalog:
    """Find the runs of a folder: the folder itself where it is a run, else every folder in it that holds a run.json.

    Names that begin with a dot are passed over: there the writers prepare. Symbolic links are not followed.

    Args:
        root: a run or a folder of runs.

    Raises:
        RunError: `root` is no folder.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise RunError(folder, "no folder" if folder.exists() else "nothing there", "a run or a folder of runs")
    if os.path.lexists(folder / MANIFEST):
        name = folder.resolve().name
        return Catalog(folder, {name: _look(folder, name)})
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    except OSError as fault:
        raise RunError(folder, f"a folder that cannot be read ({fault.strerror})", "a folder of runs") from fault
    return Catalog(folder, {name: _look(folder / name, name) for name in names if _is_candidate(folder / name)})


def _is_candidate(path: Path) -> bool:
    try:
        return path.is_dir() and os.path.lexists(path / MANIFEST)
    except OSError:
        return False


def _look(path: Path, name: str) -> _Entry:
    stamp = _stamp(path)
    if path.is_symlink() and name == path.name:
        return _Entry(path, stamp, BrokenRun(name, f"{file_name(path)}: found a symbolic link, wanted a folder"))
    try:
        return _Entry(path, stamp, open_run(path))
    except RunError as fault:
        return _Entry(path, stamp, BrokenRun(name, str(fault)))


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = (path / MANIFEST).lstat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_ctime_ns)
