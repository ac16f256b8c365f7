"""Layouts of a run's files: arrays, types and axes; equal words mean equal lengths."""

from explorer.records.cluster import CONTEXT_AFTER, CONTEXT_BEFORE
from explorer.runs.io.layout import ArrayLayout, Layout

CONTEXT = CONTEXT_BEFORE + 1 + CONTEXT_AFTER
"""Tokens of every stored context."""
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
