"""Cache of a build's stages, stored next to the run, so that an interrupted build resumes."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from explorer.errors import RunError
from explorer.runs.io.atomic import remove
from explorer.runs.io.safetensors_io import SafetensorsFile
from explorer.runs.io.safetensors_write import write_safetensors

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")


class StageCache:
    """One safetensors file per stage, with the key of its inputs and settings.

    Args:
        folder: location of the files; created when the first stage is saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used: set[Path] = set()

    def has(self, name: str, key: str) -> bool:
        """Whether a stage is cached under this key."""
        return self.load(name, key) is not None

    def load(self, name: str, key: str) -> dict[str, np.ndarray] | None:
        """The arrays of a stage, or None if it is missing, has another key, or is damaged."""
        try:
            with SafetensorsFile(self._path(name)) as opened:
                if opened.header.metadata.get("key") != key:
                    return None
                arrays = {tensor: opened.read(tensor, finite=False) for tensor in opened.header.tensors}
        except RunError:
            return None
        self._used.add(self._path(name))
        return arrays

    def save(self, name: str, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Save the arrays of a stage, atomically."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_safetensors(self._path(name), arrays, {"key": key})
        self._used.add(self._path(name))

    def prune(self) -> None:
        """Remove the stages that were neither loaded nor saved by this build."""
        if self.folder.is_dir():
            for entry in sorted(self.folder.iterdir()):
                if entry not in self._used:
                    remove(entry)

    def is_empty(self) -> bool:
        """Whether no stage is cached."""
        return not self.folder.is_dir() or not any(self.folder.iterdir())

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"stage names consist of a-z, 0-9, '_', '.' and '-', not {name!r}")
        return self.folder / f"{name}.safetensors"


def pack_json(value: object) -> UInt8[np.ndarray, "byte"]:
    """Pack a JSON value as a byte array, for stage results that are not numeric."""
    return np.frombuffer(json.dumps(value, sort_keys=True).encode("utf-8"), dtype=np.uint8)


def unpack_json(array: UInt8[np.ndarray, "byte"]) -> object:
    """The inverse of `pack_json`."""
    return json.loads(array.tobytes().decode("utf-8"))
