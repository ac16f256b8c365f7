"""Atomic files and folders, and a lock that admits one builder at a time."""

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from explorer.errors import ExplorerError, InputError, RunError

_EXCHANGE = 2
"""RENAME_EXCHANGE of renameat2(2)."""
_AT_FDCWD = -100
_LOCK_TRIES = 20
_NO_EXCHANGE = {errno.EINVAL, errno.ENOSYS, errno.EXDEV, errno.ENOTSUP, errno.EPERM}


def sync_folder(path: Path) -> None:
    """Flush a folder's directory entries to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Write a file under a temporary name in its folder; it is renamed when the block succeeds.

    Args:
        path: the file.
        durable: fsync before renaming; unnecessary in a folder that `publish_folder` publishes.

    Raises:
        ExplorerError: the system refuses: no space, no permission, a broken disk.
    """
    temporary = path.with_name(f".{path.name}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as out:
            yield out
            out.flush()
            if durable:
                os.fsync(out.fileno())
        temporary.replace(path)
        if durable:
            sync_folder(path.parent)
    except BaseException as fault:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(fault, OSError):
            raise ExplorerError(f"{path}: cannot be written ({fault.strerror})") from fault
        raise


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a small file atomically; `durable` as in `atomic_file`."""
    with atomic_file(path, durable=durable) as out:
        out.write(data)


@contextmanager
def builder_lock(work: Path, target: Path, error: type[InputError] = RunError) -> Iterator[None]:
    """Hold the lock of a work folder, which is created if missing; a second builder fails at once.

    Args:
        work: hidden folder of the builder; the lock is a file in it.
        target: what is being built, for the message.
        error: raised when another process holds the lock.
    """
    descriptor = _locked(work, target, error)
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(work: Path, target: Path, error: type[InputError]) -> int:
    for _ in range(_LOCK_TRIES):
        lock = work / "lock"
        try:
            work.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            continue
        except OSError as fault:
            found = f"a location that cannot be written ({fault.strerror})"
            raise error(target, found, "a writable folder") from fault
        if _holds(descriptor, lock):
            return descriptor
        os.close(descriptor)
    raise error(target, "another process writing it", "one writer at a time")


def _holds(descriptor: int, lock: Path) -> bool:
    """Whether the lock is ours: its previous holder may have removed the file between our open and our lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock.stat().st_ino == os.fstat(descriptor).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def work_folder(target: Path) -> Path:
    """The hidden folder next to `target` in which it is prepared."""
    whole = Path(os.path.abspath(target))
    return whole.parent / f".{whole.name}.building"


def check_replaceable(target: Path, ours: Callable[[str], bool], error: type[InputError]) -> None:
    """Raise `error` unless `target` may be created or replaced by a writer.

    Args:
        target: where a bundle or a run will be.
        ours: whether a top-level name may exist there already.
        error: the error to raise.
    """
    if not os.path.lexists(target):
        nearest = next(parent for parent in Path(os.path.abspath(target)).parents if os.path.lexists(parent))
        if not os.path.isdir(nearest):
            raise error(target, f"{nearest} above it, which is not a folder", "a path below folders")
        return
    if target.is_symlink() or not os.path.isdir(target):
        raise error(target, "something that is not a folder", "a new folder, or one to overwrite")
    foreign = sorted(entry.name for entry in target.iterdir() if not ours(entry.name))
    if foreign:
        raise error(target, f"a folder that holds {foreign[0]!a}", "a new or empty folder, or one to overwrite")


def link_tree(source: Path, target: Path) -> None:
    """Hard-link every regular file below `source` into `target`, or copy it where links are not possible."""
    target.mkdir(exist_ok=True)
    for entry in sorted(source.iterdir()):
        linked = target / entry.name
        if entry.is_symlink():
            raise RunError(entry, "a symbolic link", "a regular file")
        if entry.is_dir():
            link_tree(entry, linked)
            continue
        try:
            os.link(entry, linked, follow_symlinks=False)
        except OSError:
            shutil.copy2(entry, linked, follow_symlinks=False)


def publish_folder(staged: Path, target: Path, manifest: str, keep: Collection[str] = ()) -> None:
    """Sync a complete folder to disk, and put it in place of `target`.

    Where the system can exchange two names, readers see either the old or the new folder at any moment. Elsewhere the
    old manifest is removed first and the new one is moved last, so that a half-written folder is never valid.

    Args:
        staged: the complete folder, on the same file system.
        target: its final path; an existing folder is replaced.
        manifest: the file without which the folder counts as absent.
        keep: names in `target` that are never removed; `staged` holds the same files under the same names.
    """
    try:
        _sync_tree(staged)
        if not target.exists():
            staged.rename(target)
        elif _exchange(staged, target):
            shutil.rmtree(staged)
        else:
            _replace_in_place(staged, target, manifest, keep)
        sync_folder(target.parent)
    except OSError as fault:
        raise ExplorerError(f"{target}: cannot be written ({fault.strerror})") from fault


def _sync_tree(folder: Path) -> None:
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync_file(Path(place) / name)
        sync_folder(Path(place))


def _exchange(first: Path, second: Path) -> bool:
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    code = rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _EXCHANGE)
    if code == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(second))


def _replace_in_place(staged: Path, target: Path, manifest: str, keep: Collection[str]) -> None:
    (target / manifest).unlink(missing_ok=True)
    sync_folder(target)
    remaining = {entry.name for entry in target.iterdir() if entry.name in keep}
    for entry in [entry for entry in target.iterdir() if entry.name not in remaining]:
        remove(entry)
    for name in sorted(entry.name for entry in staged.iterdir() if entry.name not in {manifest, *remaining}):
        (staged / name).rename(target / name)
    sync_folder(target)
    (staged / manifest).rename(target / manifest)
    sync_folder(target)
    shutil.rmtree(staged)


def remove(entry: Path) -> None:
    """Remove a file or a folder tree, if it exists."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        with suppress(FileNotFoundError):
            entry.unlink()


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _parents_removed_on_failure(path: Path) -> Iterator[None]:
    """On failure, remove the empty parent folders that were created for `path`."""
    missing = [parent for parent in Path(os.path.abspath(path)).parents if not parent.exists()]
    try:
        yield
    except BaseException:
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()
        raise


@contextmanager
def staged_folder(
    path: Path, manifest: str, ours: Callable[[str], bool], error: type[InputError] = RunError
) -> Iterator[Path]:
    """Prepare a folder out of sight; it replaces `path` when the block succeeds, and is removed otherwise.

    Args:
        path: final path of the folder.
        manifest: the file that makes it valid; the block writes it last.
        ours: whether a top-level name may be replaced; a folder with other names is refused before the block begins.
        error: raised where `path` cannot be replaced, or another process is writing it.
    """
    check_replaceable(path, ours, error)
    work = work_folder(path)
    with _parents_removed_on_failure(path), builder_lock(work, path, error):
        try:
            staged = work / "new"
            remove(staged)
            staged.mkdir()
            yield staged
            publish_folder(staged, path, manifest)
        finally:
            shutil.rmtree(work, ignore_errors=True)
