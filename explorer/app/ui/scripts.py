"""The ES modules of assets/js: what an entry imports, and one classic script of it for a page that opens from disk."""

import hashlib
import posixpath
import re
from pathlib import Path

from explorer.places import shipped_folder

_IMPORT = re.compile(r'^import (?:\{(?P<names>[^}]*)\} from )?"(?P<path>[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|const) (\w+))", re.MULTILINE)
_UNREAD = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def modules(entry: str) -> tuple[str, ...]:
    """Paths below assets/js of an entry and of all modules that it imports, each after its own imports.

    Raises:
        ValueError: modules import each other in a circle.
    """
    order: list[str] = []
    _visit(entry, order, ())
    return tuple(order)


def one_script(entry: str) -> str:
    """An entry and its imports as one classic script: modules cannot be loaded from disk, where there is no origin.

    Each module becomes a function that gives its exports, so that its own names stay its own.

    Raises:
        ValueError: a module imports or exports in a way that is not read here.
    """
    parts = [_as_function(path) for path in modules(entry)]
    return "\n".join(["(() => {", '"use strict";', *parts, "})();", ""])


def assets_digest() -> str:
    """Twelve digits that change with any asset. They are part of its address, so that a cache never mixes versions."""
    root, digest = shipped_folder("assets"), hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _visit(path: str, order: list[str], above: tuple[str, ...]) -> None:
    if path in above:
        raise ValueError(f"modules import each other: {' -> '.join((*above, path))}")
    if path in order:
        return
    for found in _IMPORT.finditer(_source(path)):
        _visit(_resolved(path, found["path"]), order, (*above, path))
    order.append(path)


def _source(path: str) -> str:
    text = Path(shipped_folder("assets"), "js", path).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _resolved(importer: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(importer), path))


def _name(path: str) -> str:
    return path.removesuffix(".js").replace("/", "_")


def _as_function(path: str) -> str:
    def constants(found: re.Match[str]) -> str:
        names = " ".join((found["names"] or "").split()).replace(" as ", ": ")
        return f"const {{ {names} }} = {_name(_resolved(path, found['path']))};" if names else ""

    body = _IMPORT.sub(constants, _source(path))
    exports = _EXPORT.findall(body)
    body = _EXPORT.sub("", body)
    if unread := _UNREAD.search(body):
        raise ValueError(f"{path}: no way to inline {unread[0]!r}")
    return f"const {_name(path)} = (() => {{\n{body}return {{ {', '.join(exports)} }};\n}})();"
