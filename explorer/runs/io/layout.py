"""Layouts of safetensors files: the arrays of a file, their types and axes; equal words mean equal lengths."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from explorer.runs.io.files import quoted
from explorer.runs.io.safetensors_io import SafetensorsFile


@dataclass(frozen=True)
class ArrayLayout:
    """Type and axes of one array."""

    dtypes: tuple[str, ...]
    """Accepted types, as safetensors names them."""
    axes: tuple[str | int, ...]
    """Per axis a length, an axis word, or an axis word with "+1" for offsets."""
    finite: bool = True


Layout = Mapping[str, ArrayLayout]
"""The arrays of one file by name; the file holds exactly these."""

VOCABULARY: Layout = {
    "text_bytes": ArrayLayout(("U8",), ("byte",)),
    "text_offsets": ArrayLayout(("I64",), ("vocab+1",)),
}


def bind_axes(opened: SafetensorsFile, layout: Layout, **known: int) -> dict[str, int]:
    """Check a header against a layout, and return the length of every axis word.

    Args:
        opened: the file; its error is raised for a tensor that is missing, unknown, or of another type or shape.
        layout: the arrays that it must hold.
        known: lengths known in advance.
    """
    unknown = sorted(set(opened.header.tensors) - set(layout))
    if unknown:
        raise opened.fail(f"the unknown tensor {quoted(unknown[0])}", f"only {', '.join(layout)}")
    lengths = dict(known)
    for name, wanted in layout.items():
        info = opened.info(name)
        shape = f"{quoted(name)} of shape {list(info.shape)}"
        if info.dtype not in wanted.dtypes:
            raise opened.fail(f"{quoted(name)} of type {info.dtype}", " or ".join(wanted.dtypes))
        if len(info.shape) != len(wanted.axes):
            raise opened.fail(shape, f"[{', '.join(map(str, wanted.axes))}]")
        for axis, length in zip(wanted.axes, info.shape, strict=True):
            if not _fits(axis, length, lengths):
                raise opened.fail(shape, _expected_shape(wanted.axes, lengths))
    return lengths


def read_arrays(opened: SafetensorsFile, layout: Layout, **known: int) -> dict[str, np.ndarray]:
    """Check a file against a layout, and read all its arrays."""
    bind_axes(opened, layout, **known)
    return {name: opened.read(name, finite=wanted.finite) for name, wanted in layout.items()}


def _fits(axis: str | int, length: int, lengths: dict[str, int]) -> bool:
    if isinstance(axis, int):
        return axis == length
    word, extra = (axis[:-2], 1) if axis.endswith("+1") else (axis, 0)
    return length >= extra and lengths.setdefault(word, length - extra) == length - extra


def _expected_shape(axes: tuple[str | int, ...], lengths: dict[str, int]) -> str:
    words = (f"{axis}" if isinstance(axis, int) else axis for axis in axes)
    used = {str(axis).removesuffix("+1") for axis in axes}
    settled = ", ".join(f"{word} = {length}" for word, length in lengths.items() if word in used)
    return f"[{', '.join(words)}] with {settled}"
