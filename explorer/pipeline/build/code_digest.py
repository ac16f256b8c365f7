"""Digest of the code that determines what a build writes, so that stages of older code are redone."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]
"""Folder of the package."""
ENTRY = "pipeline.build.build"
"""Module whose import closure determines the contents of a run."""
DIGITS = 16


@cache
def code_digest(package: Path = PACKAGE, entry: str = ENTRY) -> str:
    """First hexadecimal digits of a SHA-256 over the paths and contents of the build's modules.

    Args:
        package: folder of the package.
        entry: dotted name of a module, without the package.
    """
    digest = hashlib.sha256()
    for path in import_closure(package, entry):
        text = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()}\0{len(text)}\0".encode())
        digest.update(text)
    return digest.hexdigest()[:DIGITS]


def import_closure(package: Path, entry: str) -> list[Path]:
    """Files of a module and of every module of the package that it imports, directly or indirectly, sorted by path.

    Imports inside functions count: a kernel that is loaded on demand matters as much as one that is loaded at once.
    """
    found: set[Path] = set()
    waiting = [_module_file(package, entry)]
    while waiting:
        path = waiting.pop()
        if path is not None and path not in found:
            found.add(path)
            waiting += [_module_file(package, name) for name in _imports(path, package.name)]
    return sorted(found)


def _module_file(package: Path, name: str) -> Path | None:
    path = package.joinpath(*name.split(".")).with_suffix(".py")
    return path if path.is_file() else None


def _imports(path: Path, package: str) -> Iterator[str]:
    """Dotted names, without the package, of all modules that a file may import; members of modules are among them."""
    prefix = f"{package}."
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name.removeprefix(prefix) for name in names if name.startswith(prefix))
