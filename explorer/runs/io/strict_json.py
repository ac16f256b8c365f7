"""Parses untrusted JSON: depth, repeated keys and non-finite numbers are checked before use."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from explorer.errors import BundleError, InputError
from explorer.runs.io.files import file_name, quoted

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_MAX_DEPTH = 32


class Strict(BaseModel):
    """A frozen record of a file: unknown keys, wrong types and non-finite numbers are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Record = TypeVar("Record", bound=BaseModel)


def parse_json(data: bytes, where: str | Path, error: type[InputError]) -> object:
    """Parse one JSON document; raises `error` for bad UTF-8, excessive depth, repeated keys, NaN, Infinity and bad
    syntax."""
    name = file_name(Path(where))
    if _depth(data) > _MAX_DEPTH:
        raise error(name, "JSON nested too deeply", f"at most {_MAX_DEPTH} levels")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_finite)
    except (ValueError, RecursionError) as fault:
        raise error(name, f"bad JSON ({quoted(str(fault))[1:-1]})", "one JSON document") from fault


def parse_record(data: bytes, kind: type[Record], where: str | Path, error: type[InputError]) -> Record:
    """Parse one JSON document into a record; the error names the first offending key."""
    parse_json(data, where, error)
    try:
        return kind.model_validate_json(data)
    except ValidationError as fault:
        found, wanted = _first_fault(fault)
        raise error(file_name(Path(where)), found, wanted) from fault


def parse_lines(
    data: bytes, kind: type[Record], where: str | Path, error: type[InputError]
) -> Iterator[tuple[str, Record]]:
    """Parse a .jsonl file of one flat record per line; yields each line's location, for errors, and its record."""
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            location = f"{file_name(Path(where))} line {number}"
            yield location, parse_record(line, kind, location, error)


def encode_json(value: object) -> bytes:
    """Canonical JSON document: sorted keys, two spaces, a final newline."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=True, allow_nan=False)
    return text.encode("ascii") + b"\n"


def encode_line(value: object) -> bytes:
    """Canonical line of a .jsonl file."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def _depth(data: bytes) -> int:
    if data.count(b"{") + data.count(b"[") <= _MAX_DEPTH:
        return 0
    marks = np.frombuffer(_STRING.sub(b"", data), dtype=np.uint8)
    opening = (marks == ord("{")) | (marks == ord("["))
    closing = (marks == ord("}")) | (marks == ord("]"))
    return int(np.cumsum(opening.astype(np.int64) - closing).max(initial=0))


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {quoted(twice)} occurs twice")
    return found


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{quoted(digits)} is too large a number")
    return value


def _first_fault(fault: ValidationError) -> tuple[str, str]:
    first = fault.errors(include_url=False)[0]
    key = quoted(".".join(str(part) for part in first["loc"]))
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"the unknown key {key}", "only keys that the format names"
    if first["type"] in ("missing", "missing_argument"):
        return f"no key {key}", "every key that the format names"
    return f"{quoted(first['input'])} under {key}", first["msg"].removeprefix("Input should be ").replace("\n", " ")


MAX_COUNT = 2**31 - 1
"""Maximum number of features, and of token ids: both are stored as int32."""


def check_format(data: bytes, path: Path, name: str, version: int, error: type[InputError] = BundleError) -> None:
    """Raise unless a manifest has this format and a supported version; nothing else of it is read before."""
    parsed = parse_json(data, path, error)
    if not isinstance(parsed, dict) or parsed.get("format") != name:
        found = parsed.get("format") if isinstance(parsed, dict) else parsed
        raise error(file_name(path), f"format {quoted(found)}", f'format "{name}"')
    found = parsed.get("format_version")
    if type(found) is not int or found < 1:
        raise error(file_name(path), f"format_version {quoted(found)}", f"{version}")
    if found > version:
        raise error(file_name(path), f"format_version {quoted(found)}", f"at most {version}: a newer explorer wrote it")
