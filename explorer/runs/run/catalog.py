"""The runs in a folder; broken ones carry their reason."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import RunError
from explorer.runs.io.files import RUN_MANIFEST, file_name, quoted, require_folder
from explorer.runs.run.reader import Run, open_run

_ATTEMPTS = 3
"""Attempts at opening a run that is being replaced."""


@dataclass(frozen=True)
class BrokenRun:
    """A folder with a run's manifest that cannot be opened."""

    id: str
    reason: str
    """One line: file, found, wanted."""


@dataclass(frozen=True)
class _Entry:
    path: Path
    stamp: tuple[int, int, int]
    entry: Run | RunError


class Catalog:
    """The runs of one folder by id, sorted by name.

    `run` reopens a run that has changed; a new `scan` finds added and removed runs.
    """

    def __init__(self, root: Path, entries: Mapping[str, _Entry]) -> None:
        self.root = root
        self._entries = dict(entries)

    @property
    def entries(self) -> tuple[Run | BrokenRun, ...]:
        """Every run, intact or broken."""
        return tuple(
            BrokenRun(name, str(found.entry)) if isinstance(found.entry, RunError) else found.entry
            for name, found in self._entries.items()
        )

    def run(self, run_id: str) -> Run:
        """The run with this id, as it is on disk now.

        Raises:
            RunError: there is no such run, or it is broken.
        """
        known = self._entries.get(run_id)
        if known is None:
            raise RunError(file_name(self.root), f"no run {quoted(run_id)}", "one of the listed runs")
        if known.stamp != _manifest_stamp(known.path):
            known = self._entries[run_id] = (
                _open_entry(known.path) if known.path == self.root else _open_child(known.path)
            )
        if isinstance(known.entry, RunError):
            raise RunError(known.entry.where, known.entry.found, known.entry.wanted)
        return known.entry


def scan(root: Path | str) -> Catalog:
    """Find the runs of a folder: the folder itself if it is a run, else every subfolder with a run.json.

    Hidden folders, which writers use for staging, are skipped. Symbolic links are not followed.

    Args:
        root: a run or a folder of runs.

    Raises:
        RunError: `root` is not a folder.
    """
    folder = Path(root)
    require_folder(folder, "a run or a folder of runs", RunError)
    if os.path.lexists(folder / RUN_MANIFEST):
        return Catalog(folder, {folder.resolve().name: _open_entry(folder)})
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    except OSError as fault:
        raise RunError(folder, f"a folder that cannot be read ({fault.strerror})", "a folder of runs") from fault
    return Catalog(folder, {name: _open_child(folder / name) for name in names if _is_candidate(folder / name)})


def _is_candidate(path: Path) -> bool:
    return os.path.isdir(path) and os.path.lexists(path / RUN_MANIFEST)


def _open_child(path: Path) -> _Entry:
    if path.is_symlink():
        return _Entry(path, _manifest_stamp(path), RunError(file_name(path), "a symbolic link", "a folder"))
    return _open_entry(path)


def _open_entry(path: Path) -> _Entry:
    for _ in range(_ATTEMPTS):
        stamp = _manifest_stamp(path)
        try:
            return _Entry(path, stamp, open_run(path))
        except RunError as fault:
            entry = _Entry(path, stamp, fault)
        if _manifest_stamp(path) == stamp:
            break
    return entry


def _manifest_stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = (path / RUN_MANIFEST).lstat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_ctime_ns)
