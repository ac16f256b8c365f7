"""Kills a writer before each of its write events, and checks what is left; run by test_crash.py."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from explorer.runs.bundle.writer import BundleWriter
from explorer.runs.io import atomic
from explorer.runs.report.check import check
from explorer.runs.run.catalog import BrokenRun, scan
from explorer.runs.run.writer import RunWriter
from tests.planted import RunParts, planted_parts, write_parts
from tests.runs.tiny_bundle import write_tiny_bundle

EVENTS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "ctypes.dlopen"}
LIMIT = 400


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def killed(work: Callable[[], None], number: int) -> bool:
    """Do the work in a fork that is killed before event `number`; False if it ends earlier."""
    child = os.fork()
    if child == 0:
        left = [number]

        def count(event: str, arguments: tuple[object, ...]) -> None:
            writes = event in EVENTS or (
                event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
            )
            if writes:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def build(path: Path, parts: RunParts) -> None:
    with RunWriter(path) as writer:
        if not writer.has("stage", "key"):
            writer.save_stage("stage", "key", {"membership": parts.table.membership})
        write_parts(writer, parts)


def run_left(path: Path, before: dict[str, bytes], after: dict[str, bytes], whole: bool) -> str:
    """Problem with what a killed build left, or ""."""
    entries = scan(path.parent).entries
    if not entries:
        return "the old run is gone" if whole and before else ""
    if isinstance(entries[0], BrokenRun) or not check(path).ok:
        return f"a half run: {entries[0]}"
    return "" if files(path) in (before, after) else "a mixture"


def main(folder: Path, scene: str) -> dict[str, object]:
    """Kill at one event after another until the work survives; returns the number of kills and all problems."""
    if scene == "bundle":
        return bundles(folder)
    parts, old = planted_parts(), planted_parts(1)
    clean, target, saved = folder / "clean" / "run", folder / "root" / "run", folder / "saved"
    exchanged = scene != "over an old run, names not exchanged"
    if not exchanged:
        atomic._exchange = lambda *_: False  # type: ignore[assignment]
    for place in (clean, target):
        place.parent.mkdir()
    before: dict[str, bytes] = {}
    if scene != "fresh":
        for place in (clean, target):
            (place / "subject").mkdir(parents=True)
            (place / "subject" / "weights.safetensors").write_bytes(b"weights")
        build(target, old)
        before = files(target)
    shutil.copytree(target.parent, saved)
    build(clean, parts)
    after, problems = files(clean), []
    for number in range(LIMIT):
        if not killed(lambda: build(target, parts), number):
            break
        problem = run_left(target, before, after, whole=exchanged)
        if scene != "fresh" and not (target / "subject" / "weights.safetensors").exists():
            problem = "the subject is gone"
        if problem:
            problems.append(f"kill {number}: {problem}")
        if number % 5 == 0:
            build(target, parts)
            if files(target.parent) != {f"run/{name}": data for name, data in after.items()}:
                problems.append(f"kill {number}: other bytes after going on")
        shutil.rmtree(target.parent)
        shutil.copytree(saved, target.parent)
    return {"kills": number, "problems": problems}


def bundles(folder: Path) -> dict[str, object]:
    """The same for a bundle over an old bundle."""
    clean, target = folder / "clean", folder / "bundle"
    write_tiny_bundle(clean, 2)
    write_tiny_bundle(target, 1)
    before, after, problems = files(target), files(clean), []

    def work() -> None:
        with BundleWriter(target) as writer:
            write_tiny_bundle(target, 2, writer)

    for number in range(LIMIT):
        if not killed(work, number):
            break
        if not check(target).ok or files(target) not in (before, after):
            problems.append(f"kill {number}: neither the old bundle nor the new one")
        write_tiny_bundle(target, 1)
    return {"kills": number, "problems": problems}


if __name__ == "__main__":
    # A kill loses nothing from the page cache, so fsync would only slow this down.
    os.fsync = lambda _: None
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
