"""The arrays of a feature bundle's files."""

from explorer.runs.io.layout import VOCABULARY, ArrayLayout, Layout

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
