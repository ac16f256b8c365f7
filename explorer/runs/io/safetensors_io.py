"""Reader of untrusted safetensors files.

Header, names, types, shapes and offsets are checked against each other and against the file's size before anything is
allocated. Reads are positional. Files are never memory-mapped: truncation by another process would end this one
(SIGBUS). Format: https://github.com/huggingface/safetensors#format
"""

import math
import struct
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

from explorer.errors import InputError, RunError
from explorer.runs.io.array_checks import check_finite
from explorer.runs.io.files import OpenedFile, file_name, open_beneath, quoted
from explorer.runs.io.strict_json import parse_json

DTYPES: Mapping[str, np.dtype[np.generic]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
}
"""Supported types, by their safetensors names."""

MAX_HEADER = 16 << 20
"""Maximum size of a header in bytes."""
_MAX_TENSORS = 4096
_MAX_AXES = 8
_MAX_NAME = 256


@dataclass(frozen=True)
class TensorInfo:
    """Checked header entry of one tensor."""

    dtype: str
    """A key of DTYPES."""
    shape: tuple[int, ...]
    start: int
    """First byte in the file."""
    stop: int
    """End, exclusive."""

    @property
    def row_bytes(self) -> int:
        """Size of one row along the first axis in bytes."""
        return math.prod(self.shape[1:]) * DTYPES[self.dtype].itemsize


@dataclass(frozen=True)
class Header:
    """A checked header."""

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str] = field(default_factory=dict)
    """Free text of the writer."""


def read_header(path: Path, error: type[InputError] = RunError) -> Header:
    """Read and check the header of one file, without its tensors."""
    with SafetensorsFile(path, error=error) as opened:
        return opened.header


class SafetensorsFile:
    """An open file, used as a context manager.

    Args:
        path: the file.
        error: raised for every fault, naming the file, what was found and what was wanted.
        within: folder below which no symbolic link is followed; by default the file's own folder.
    """

    def __init__(
        self,
        path: Path,
        *,
        error: type[InputError] = RunError,
        within: Path | None = None,
    ) -> None:
        self.path = Path(path)
        self._root = self.path.parent if within is None else within
        self._name = self.path.relative_to(self._root).as_posix()
        self._error = error
        self._stack = ExitStack()

    def __enter__(self) -> "SafetensorsFile":
        with ExitStack() as stack:
            self.file = stack.enter_context(open_beneath(self._root, self._name, self._error))
            self.header = _read_header(self.file, self._error)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def fail(self, found: str, wanted: str) -> InputError:
        """The error for a fault in this file."""
        return self._error(file_name(self.path), found, wanted)

    def info(self, name: str) -> TensorInfo:
        """Header entry of one tensor."""
        if name not in self.header.tensors:
            raise self.fail(f"no tensor {quoted(name)}", f"a tensor {quoted(name)}")
        return self.header.tensors[name]

    def read(
        self,
        name: str,
        *,
        dtype: str | Sequence[str] | None = None,
        shape: Sequence[int | str | None] | None = None,
        finite: bool = True,
    ) -> np.ndarray:
        """Read one whole tensor.

        Args:
            name: the tensor.
            dtype: accepted type or types, as safetensors names them; None accepts any.
            shape: expected lengths; a number must match, None or an axis word accepts any length.
            finite: whether to refuse NaN and infinities.
        """
        info = self.info(name)
        self._check_wanted(name, info, dtype, shape)
        return self._read(name, info, 0, info.shape, finite)

    def read_rows(self, name: str, start: int, stop: int, *, finite: bool = True) -> np.ndarray:
        """Read rows `start` to `stop` of the first axis in one positional read."""
        info = self.info(name)
        if not info.shape or not 0 <= start <= stop <= info.shape[0]:
            raise self.fail(f"{quoted(name)} of shape {list(info.shape)}", f"rows {start} to {stop}")
        return self._read(name, info, start, (stop - start, *info.shape[1:]), finite)

    def _read(self, name: str, info: TensorInfo, start: int, shape: tuple[int, ...], finite: bool) -> np.ndarray:
        array = np.empty(shape, dtype=DTYPES[info.dtype])
        if array.size:
            flat = array.reshape(-1).view(np.uint8).data
            self.file.read_into(flat, info.start + start * info.row_bytes, self._error)
        if finite and array.dtype.kind == "f":
            check_finite(self.fail, name, array)
        return array

    def _check_wanted(
        self,
        name: str,
        info: TensorInfo,
        dtype: str | Sequence[str] | None,
        shape: Sequence[int | str | None] | None,
    ) -> None:
        kinds = [dtype] if isinstance(dtype, str) else dtype
        if kinds is not None and info.dtype not in kinds:
            raise self.fail(f"{quoted(name)} of type {info.dtype}", " or ".join(kinds))
        if shape is None:
            return
        fits = len(shape) == len(info.shape) and all(
            not isinstance(want, int) or want == have for want, have in zip(shape, info.shape, strict=True)
        )
        if not fits:
            raise self.fail(f"{quoted(name)} of shape {list(info.shape)}", f"[{', '.join(map(str, shape))}]")


def _read_header(opened: OpenedFile, error: type[InputError]) -> Header:
    name = file_name(opened.path)
    if opened.size < 8:
        raise error(name, f"{opened.size} bytes", "a safetensors file of at least 8 bytes")
    length_bytes = bytearray(8)
    opened.read_into(memoryview(length_bytes), 0, error)
    (length,) = struct.unpack("<Q", length_bytes)
    if length > min(MAX_HEADER, opened.size - 8):
        limit = min(MAX_HEADER, opened.size - 8)
        raise error(name, f"a header of {length} bytes", f"at most {limit} bytes in a file of {opened.size}")
    data = bytearray(length)
    opened.read_into(memoryview(data), 8, error)
    parsed = parse_json(bytes(data), name, error)
    return _checked_header(parsed, 8 + length, opened.size, name, error)


def _checked_header(parsed: object, first_byte: int, size: int, where: str, error: type[InputError]) -> Header:
    if not isinstance(parsed, dict) or len(parsed) > _MAX_TENSORS:
        raise error(where, "a header that is not a table of tensors", f"an object of at most {_MAX_TENSORS} tensors")
    metadata = parsed.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise error(where, "__metadata__ that is not a table of texts", "texts by name")
    tensors = {name: _checked_tensor(name, entry, first_byte, where, error) for name, entry in parsed.items()}
    _check_contiguous(tensors, first_byte, size, where, error)
    return Header(tensors, metadata)


def _checked_tensor(name: str, entry: object, first_byte: int, where: str, error: type[InputError]) -> TensorInfo:
    shown = quoted(name)
    if len(name) > _MAX_NAME:
        raise error(where, f"the tensor name {shown}", f"a name of at most {_MAX_NAME} characters")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise error(where, f"{shown} described by {quoted(entry)}", "dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise error(where, f"{shown} of type {quoted(dtype)}", f"one of {', '.join(DTYPES)}")
    if not _is_counts(shape) or len(shape) > _MAX_AXES:
        raise error(where, f"{shown} of shape {quoted(shape)}", f"at most {_MAX_AXES} lengths >= 0")
    if not _is_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise error(where, f"{shown} at {quoted(offsets)}", "two ascending offsets >= 0")
    needed = math.prod(shape) * DTYPES[dtype].itemsize
    if offsets[1] - offsets[0] != needed:
        found = f"{shown} with {quoted(offsets[1] - offsets[0])} bytes"
        raise error(where, found, f"{quoted(needed)} bytes for {dtype} {quoted(shape)}")
    return TensorInfo(dtype, tuple(shape), first_byte + offsets[0], first_byte + offsets[1])


def _is_counts(value: object) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 1 << 62 for item in value)


def _check_contiguous(
    tensors: dict[str, TensorInfo], first_byte: int, size: int, where: str, error: type[InputError]
) -> None:
    position = first_byte
    for name, info in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if info.start != position:
            kind = "a gap before" if info.start > position else "an overlap at"
            raise error(where, f"{kind} {quoted(name)}", f"it to begin at byte {position}")
        position = info.stop
    if position != size:
        raise error(where, f"{size} bytes", f"{position} bytes, as the header says")
