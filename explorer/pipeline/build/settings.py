"""Reads the settings of a build: a JSON file, overridden by command-line options."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from explorer.config import BuildSettings
from explorer.errors import InputError

MAX_BYTES = 1 << 20
"""Maximum size of a settings file in bytes."""


def read_build_settings(path: Path | None, *, similarity: str | None = None, seed: int | None = None) -> BuildSettings:
    """Effective settings of a build; unknown keys and values out of range are errors.

    Args:
        path: JSON file; None uses the defaults.
        similarity: overrides `cofiring.similarity`.
        seed: overrides `seed`.

    Raises:
        InputError: the file or a value is invalid; file and key are named.
    """
    raw: dict[str, Any] = {} if path is None else _read(path)
    if similarity is not None:
        group = raw.setdefault("cofiring", {})
        if isinstance(group, dict):
            group["similarity"] = similarity
    if seed is not None:
        raw["seed"] = seed
    try:
        return BuildSettings.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "settings"
        raise InputError(f"{path or 'settings'}, {key}", repr(first["input"]), first["msg"]) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(path, f"{path.stat().st_size} bytes", f"at most {MAX_BYTES}")
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or "no file", "a JSON file of settings") from error
    except ValueError as error:
        raise InputError(path, f"invalid JSON ({error})", "a JSON object of settings") from error
    if not isinstance(raw, dict) or not all(isinstance(part, dict | int) for part in raw.values()):
        raise InputError(path, type(raw).__name__, "a JSON object with one object for each group of settings")
    return raw
