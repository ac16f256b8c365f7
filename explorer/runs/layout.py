"""Which arrays each file holds: their types and their axes, where equal words mean equal lengths."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from explorer.records import CONTEXT_AFTER, CONTEXT_BEFORE
from explorer.runs.files import quoted
from explorer.runs.safetensors_io import SafetensorsFile

CONTEXT = CONTEXT_BEFORE + 1 + CONTEXT_AFTER
"""Tokens of every stored context."""


@dataclass(frozen=True)
class ArrayLayout:
    """One array of a file."""

    dtypes: tuple[str, ...]
    """Types that are taken, as safetensors names them."""
    axes: tuple[str | int, ...]
    """A length, an axis word, or an axis word with "+1" for offsets."""
    finite: bool = True
    """Whether NaN and infinities are refused."""


Layout = Mapping[str, ArrayLayout]
"""The arrays of one file by name; a file holds these and no others."""

VOCABULARY: Layout = {
    "text_bytes": ArrayLayout(("U8",), ("byte",)),
    "text_offsets": ArrayLayout(("I64",), ("vocab+1",)),
}
CODES: Layout = {
    "indptr": ArrayLayout(("I64",), ("token+1",)),
    "features": ArrayLayout(("U32",), ("nnz",)),
    "values": ArrayLayout(("F16", "F32"), ("nnz",)),
}
DECODER: Layout = {
    "W_dec": ArrayLayout(("F32", "F16"), ("feature", "d_model")),
    "b_dec": ArrayLayout(("F32", "F16"), ("d_model",)),
}
TOKENS: Layout = {
    "token_ids": ArrayLayout(("I32",), ("token",)),
    "doc_offsets": ArrayLayout(("I64",), ("doc+1",)),
    **VOCABULARY,
}
ACTIVATIONS: Layout = {
    "residual": ArrayLayout(("F16",), ("kept", "d_model")),
    "token_index": ArrayLayout(("I64",), ("kept",)),
}
FEATURES: Layout = {
    "xy": ArrayLayout(("F32",), ("feature", 2), finite=False),
    "cluster": ArrayLayout(("I32",), ("feature",)),
    "membership": ArrayLayout(("F32",), ("feature",)),
    "fires": ArrayLayout(("I64",), ("feature",)),
    "mean_activation": ArrayLayout(("F32",), ("feature",)),
    "max_activation": ArrayLayout(("F32",), ("feature",)),
    "top_tokens": ArrayLayout(("I32",), ("feature", "top")),
}
GRAPH: Layout = {
    "neighbour": ArrayLayout(("I32",), ("feature", "neighbours")),
    "score": ArrayLayout(("F32",), ("feature", "neighbours")),
}
TREE: Layout = {
    "parent": ArrayLayout(("I32",), ("row",)),
    "child": ArrayLayout(("I32",), ("row",)),
    "density": ArrayLayout(("F32",), ("row",)),
    "size": ArrayLayout(("I32",), ("row",)),
}
LABELS: Layout = {
    "feature": ArrayLayout(("I32",), ("label",)),
    "source": ArrayLayout(("I32",), ("label",)),
    "text_bytes": ArrayLayout(("U8",), ("byte",)),
    "text_offsets": ArrayLayout(("I64",), ("label+1",)),
    "source_bytes": ArrayLayout(("U8",), ("source_byte",)),
    "source_offsets": ArrayLayout(("I64",), ("source+1",)),
}
CLUSTER: Layout = {
    "atoms": ArrayLayout(("I32",), ("atom",)),
    "n_core": ArrayLayout(("I64",), (1,)),
    "atom_gain": ArrayLayout(("F32",), ("atom",)),
    "atom_null": ArrayLayout(("F32",), ("atom",)),
    "token_index": ArrayLayout(("I64",), ("sample",)),
    "points": ArrayLayout(("F32",), ("sample", 3)),
    "coordinate": ArrayLayout(("F32",), ("sample",)),
    "value": ArrayLayout(("I32",), ("sample",)),
    "codes": ArrayLayout(("F16",), ("sample", "atom")),
    "context_ids": ArrayLayout(("I32",), ("sample", CONTEXT)),
    "curve": ArrayLayout(("F32",), ("knot", 3)),
    "axis_share": ArrayLayout(("F32",), (3,)),
    "basis": ArrayLayout(("F32",), ("axis", "d_model")),
    "center": ArrayLayout(("F32",), ("d_model",)),
    "path": ArrayLayout(("F32",), ("knot", "axis")),
    "value_coordinate": ArrayLayout(("F32",), ("value",)),
    "value_residual": ArrayLayout(("F32",), ("value", "d_model")),
    "value_count": ArrayLayout(("I32",), ("value",)),
    "tuning": ArrayLayout(("F32",), ("atom", "bin")),
    "example_ids": ArrayLayout(("I32",), ("atom", "example", CONTEXT)),
    "example_activation": ArrayLayout(("F32",), ("atom", "example")),
}


def bind_axes(opened: SafetensorsFile, layout: Layout, **known: int) -> dict[str, int]:
    """Check the header against a layout and return the length of every axis word.

    Args:
        opened: the file; its error is raised where a tensor is missing, unknown, or of another type or shape.
        layout: the arrays that it must hold.
        known: lengths that are settled already.
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
                raise opened.fail(shape, _told(wanted.axes, lengths))
    return lengths


def _fits(axis: str | int, length: int, lengths: dict[str, int]) -> bool:
    if isinstance(axis, int):
        return axis == length
    word, extra = (axis[:-2], 1) if axis.endswith("+1") else (axis, 0)
    return length >= extra and lengths.setdefault(word, length - extra) == length - extra


def _told(axes: tuple[str | int, ...], lengths: dict[str, int]) -> str:
    words = (f"{axis}" if isinstance(axis, int) else axis for axis in axes)
    used = {str(axis).removesuffix("+1") for axis in axes}
    settled = ", ".join(f"{word} = {length}" for word, length in lengths.items() if word in used)
    return f"[{', '.join(words)}] with {settled}"


def read_arrays(opened: SafetensorsFile, layout: Layout, **known: int) -> dict[str, np.ndarray]:
    """Check a file against a layout and read all its arrays."""
    bind_axes(opened, layout, **known)
    return {name: opened.read(name, finite=wanted.finite) for name, wanted in layout.items()}
