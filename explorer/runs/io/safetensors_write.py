"""Writer of safetensors files with deterministic bytes, bounded memory and a hash in the same pass.

Not `safetensors.serialize`, which orders tensors of equal width by type instead of name (other bytes than those of
existing runs) and builds the whole file in memory.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from explorer.runs.io.atomic import atomic_file
from explorer.runs.io.safetensors_io import DTYPES

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_STEP = 16 << 20


def write_safetensors(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    metadata: Mapping[str, str] | None = None,
    *,
    durable: bool = True,
) -> str:
    """Write arrays by name, and return the hexadecimal SHA-256 of the file.

    Wide types come first, then names ascend, so that every tensor is aligned to its type; the header is padded with
    spaces to a multiple of 8 bytes. The file is written to a temporary name, then renamed; no array is copied as a
    whole.

    Args:
        path: the file.
        arrays: its arrays by name.
        metadata: free text by name.
        durable: fsync the file; unnecessary in a folder that `publish_folder` publishes.

    Raises:
        TypeError: an array has an unsupported type.
    """
    tensors = {name: _plain(name, array) for name, array in arrays.items()}
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    digest = hashlib.sha256()
    with atomic_file(path, durable=durable) as out:
        for part in [_header(tensors, order, metadata), *(_bytes(tensors[name]) for name in order)]:
            for start in range(0, len(part), _STEP):
                piece = part[start : start + _STEP]
                digest.update(piece)
                out.write(piece)
    return digest.hexdigest()


def _plain(name: str, array: np.ndarray) -> np.ndarray:
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _NAMES:
        raise TypeError(f"{name} is of type {array.dtype}; the format takes {', '.join(DTYPES)}")
    return np.asarray(array, dtype=dtype, order="C")


def _bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _header(tensors: dict[str, np.ndarray], order: list[str], metadata: Mapping[str, str] | None) -> memoryview:
    entries: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    position = 0
    for name in order:
        array = tensors[name]
        stop = position + array.nbytes
        entries[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [position, stop]}
        position = stop
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    text += b" " * (-len(text) % 8)
    return memoryview(struct.pack("<Q", len(text)) + text)
