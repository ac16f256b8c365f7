"""Safe access to untrusted files: no symbolic links followed, no blocking on pipes, no short reads."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import InputError

_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_HASH_STEP = 1 << 20
_MAX_DEPTH = 8
"""Maximum depth of a listing; no format of this project is deeper."""
_MAX_ENTRIES = 200_000
"""Maximum number of files in one bundle or run."""


BUNDLE_MANIFEST = "bundle.json"
"""File that makes a folder a feature bundle."""
RUN_MANIFEST = "run.json"
"""File that makes a folder a run."""


@dataclass(frozen=True)
class OpenedFile:
    """A regular file opened for positional reads."""

    descriptor: int
    path: Path
    """For messages."""
    size: int
    """Size in bytes when it was opened."""
    identity: tuple[int, int, int, int]
    """Device, inode, size and change time in nanoseconds; differs whenever the content may differ."""

    def read_into(self, buffer: memoryview, offset: int, error: type[InputError]) -> None:
        """Fill `buffer` from byte `offset`; raises `error` if the file has shrunk since it was opened."""
        done = 0
        while done < len(buffer):
            try:
                count = os.preadv(self.descriptor, [buffer[done:]], offset + done)
            except OSError as fault:
                raise error(self.path, f"a read that failed ({fault.strerror})", f"{self.size} bytes") from fault
            if count == 0:
                wanted = f"the {self.size} bytes that it had when it was opened"
                raise error(self.path, f"a file that ends at byte {offset + done}", wanted)
            done += count

    def sha256(self, error: type[InputError]) -> str:
        """Hexadecimal SHA-256 of the whole file."""
        digest = hashlib.sha256()
        buffer = bytearray(min(_HASH_STEP, self.size))
        for start in range(0, self.size, _HASH_STEP):
            part = memoryview(buffer)[: min(_HASH_STEP, self.size - start)]
            self.read_into(part, start, error)
            digest.update(part)
        return digest.hexdigest()


def quoted(value: object, longest: int = 80) -> str:
    """A value from a file as one printable line, for an error message."""
    text = ascii(value)
    return text if len(text) <= longest else f"{text[:longest]}..."


def file_name(path: Path) -> str:
    """A path as one printable line, with control characters escaped."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


@contextmanager
def open_beneath(root: Path, name: str, error: type[InputError]) -> Iterator[OpenedFile]:
    """Open the regular file `name` inside the folder `root`.

    Symbolic links below `root` are refused at every step; pipes, devices and folders are refused without blocking.

    Args:
        root: a folder that the user named; links on the way to it are followed.
        name: relative path with `/` as separator, without `.` and `..`.
        error: raised for any fault, naming the file.
    """
    descriptor = _open_parts(root, name.split("/"), error)
    try:
        found = os.fstat(descriptor)
        path = root / name
        if not stat.S_ISREG(found.st_mode):
            raise error(file_name(path), _kind(found.st_mode), "a regular file")
        identity = (found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)
        yield OpenedFile(descriptor, path, found.st_size, identity)
    finally:
        os.close(descriptor)


def _open_parts(root: Path, parts: list[str], error: type[InputError]) -> int:
    path = root.joinpath(*parts)
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise error(file_name(root), f"the file name {quoted('/'.join(parts))}", "a path inside the folder")
    folder = _open_or_raise(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, None, root, error)
    try:
        for part in parts[:-1]:
            inner = _open_or_raise(part, _FOLDER_FLAGS, folder, path, error)
            os.close(folder)
            folder = inner
        return _open_or_raise(parts[-1], _FILE_FLAGS, folder, path, error)
    finally:
        os.close(folder)


def _open_or_raise(name: str | Path, flags: int, folder: int | None, path: Path, error: type[InputError]) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError as fault:
        raise error(file_name(path), "nothing there", "a file") from fault
    except OSError as fault:
        if path.is_symlink():
            raise error(file_name(path), "a symbolic link", "a regular file") from fault
        raise error(file_name(path), f"a file that cannot be opened ({fault.strerror})", "a regular file") from fault


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISLNK, "a symbolic link"))
    return next((words for test, words in kinds if test(mode)), "a device or a socket")


def read_small(root: Path, name: str, largest: int, error: type[InputError]) -> bytes:
    """Read a whole file of at most `largest` bytes."""
    with open_beneath(root, name, error) as opened:
        if opened.size > largest:
            raise error(file_name(opened.path), f"{opened.size} bytes", f"at most {largest} bytes")
        data = bytearray(opened.size)
        opened.read_into(memoryview(data), 0, error)
    return bytes(data)


def require_folder(path: Path, wanted: str, error: type[InputError]) -> None:
    """Raise `error` unless `path` is a folder or a link to one."""
    if not os.path.isdir(path):
        raise error(file_name(path), "not a folder" if os.path.lexists(path) else "nothing there", wanted)


def refuse_other(root: Path, manifest: str, other: tuple[str, str], wanted: str, error: type[InputError]) -> None:
    """Raise `error` if a folder lacks its manifest but has that of the other kind.

    Args:
        root: the folder.
        manifest: the manifest that it should have.
        other: manifest and description of the other kind of folder.
        wanted: description of the wanted kind.
        error: the error to raise.
    """
    name, kind = other
    if not os.path.lexists(root / manifest) and os.path.lexists(root / name):
        raise error(file_name(root), f"{kind} ({name})", f"{wanted} ({manifest})")


def hash_file(root: Path, name: str, error: type[InputError]) -> str:
    """Hexadecimal SHA-256 of one file inside a folder."""
    with open_beneath(root, name, error) as opened:
        return opened.sha256(error)


def list_files(root: Path, error: type[InputError]) -> dict[str, str]:
    """All entries below `root` other than folders: relative path to "" for a regular file, else to a description.

    Links are listed and never followed.
    """
    found: dict[str, str] = {}
    _list_into(root, "", 0, found, error)
    return dict(sorted(found.items()))


def _list_into(root: Path, prefix: str, depth: int, found: dict[str, str], error: type[InputError]) -> None:
    try:
        with os.scandir(root / prefix) as entries:
            listed = [(entry.name, entry.stat(follow_symlinks=False).st_mode) for entry in entries]
    except OSError as fault:
        raise error(file_name(root / prefix), f"a folder that cannot be read ({fault.strerror})", "a folder") from fault
    for name, mode in listed:
        if stat.S_ISDIR(mode) and depth < _MAX_DEPTH:
            _list_into(root, f"{prefix}{name}/", depth + 1, found, error)
        else:
            found[f"{prefix}{name}"] = "" if stat.S_ISREG(mode) else _kind(mode)
    if len(found) > _MAX_ENTRIES:
        raise error(file_name(root), f"more than {_MAX_ENTRIES} files", "a bundle or a run")
