"""Reads the text to harvest, document by document, in bounded memory."""

import importlib
import importlib.util
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import InputError

MAX_DOCUMENT = 64 << 20
"""Maximum size of a document, or of a line of a .jsonl, in bytes."""
MAX_JSON = 1 << 30
"""Maximum size of a .json in bytes, which is read whole."""
_WANTED = ".txt (documents separated by blank lines), .jsonl with a text field, .json list of strings"
_REASON_LENGTH = 300


@dataclass(frozen=True)
class TextSource:
    """Text to harvest."""

    name: str
    """File name, or dataset id."""
    documents: Iterable[str]
    """The documents in order; can be iterated once."""
    n_docs: int | None
    """Number of documents, None if unknown before they are read."""


def open_text(text: str) -> TextSource:
    """Open a text file, or a Hugging Face dataset by id.

    A ``.txt`` holds documents separated by blank lines; a ``.jsonl`` an object with a ``text`` field on each line; a
    ``.json`` a list of strings. Anything else is taken as a dataset id, whose split ``train`` is streamed.

    Raises:
        InputError: there is no such file or dataset. Faults inside a file are raised while it is read, with the line
            (from 1) or the item (from 0).
    """
    path = Path(text)
    readers = {".txt": _paragraphs, ".jsonl": _text_fields}
    suffix = path.suffix.lower()
    if suffix not in (*readers, ".json"):
        if path.exists():
            raise InputError(text, "a file of another kind", _WANTED)
        return TextSource(text, _dataset(text), None)
    if not path.is_file():
        raise InputError(text, "no such file", _WANTED)
    if suffix == ".json":
        found = _strings(path)
        return TextSource(path.name, found, len(found))
    return TextSource(path.name, readers[suffix](path), None)


def _paragraphs(path: Path) -> Iterator[str]:
    lines: list[str] = []
    size = 0
    for number, line in _lines(path):
        if line.strip():
            lines.append(line)
            size += len(line)
        elif lines:
            yield "\n".join(lines)
            lines, size = [], 0
        if size > MAX_DOCUMENT:
            raise InputError(f"{path}:{number}", f"a document of more than {MAX_DOCUMENT} bytes", "a blank line first")
    if lines:
        yield "\n".join(lines)


def _text_fields(path: Path) -> Iterator[str]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}:{number}", "a line that is not JSON", 'an object like {"text": "..."}') from error
        if not isinstance(found, dict) or not isinstance(found.get("text"), str):
            raise InputError(f"{path}:{number}", "no text", 'an object like {"text": "..."}')
        yield found["text"]


def _strings(path: Path) -> list[str]:
    size = path.stat().st_size
    if size > MAX_JSON:
        raise InputError(path, f"{size} bytes", f"at most {MAX_JSON}; a .jsonl may be of any size")
    content = path.read_bytes()
    try:
        found = json.loads(_decoded(path, 1, content))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}", error.msg, "a JSON list of strings") from error
    except RecursionError as error:
        raise InputError(path, "nested lists", "a JSON list of strings") from error
    if not isinstance(found, list):
        raise InputError(path, f"a JSON {type(found).__name__}", "a JSON list of strings")
    for number, item in enumerate(found):
        if not isinstance(item, str):
            raise InputError(path, f"a {type(item).__name__} as item {number}", "a JSON list of strings")
    return found


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers from 1, and lines without line endings."""
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(MAX_DOCUMENT + 1):
            number += 1
            if len(line) > MAX_DOCUMENT:
                raise InputError(f"{path}:{number}", f"a line of more than {MAX_DOCUMENT} bytes", "shorter lines")
            yield number, _decoded(path, number, line).rstrip("\r\n")


def _decoded(path: Path, first_line: int, content: bytes) -> str:
    """UTF-8 text without a leading byte order mark."""
    try:
        return content.decode("utf-8-sig" if first_line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line = first_line + content.count(b"\n", 0, error.start)
        raise InputError(f"{path}:{line}", f"the byte 0x{content[error.start]:02x}", "UTF-8 text") from error


def _dataset(name: str) -> Iterator[str]:
    """Documents of a Hugging Face dataset; needs the optional package `datasets`, and the network."""
    if importlib.util.find_spec("datasets") is None:
        wanted = f"a file: {_WANTED}; or the package `datasets`, to read a dataset by its id"
        raise InputError(name, "no such file", wanted)
    try:
        rows = importlib.import_module("datasets").load_dataset(name, split="train", streaming=True)
    except Exception as error:
        raise InputError(name, " ".join(str(error).split())[:_REASON_LENGTH], "a dataset that can be read") from error
    return _rows(name, rows)


def _rows(name: str, rows: Iterable[object]) -> Iterator[str]:
    for number, row in enumerate(rows):
        text = row.get("text") if isinstance(row, dict) else None
        if not isinstance(text, str):
            raise InputError(name, f"no text in row {number}", "a dataset with a text column")
        yield text
