"""The tokens around a token, cut to its document."""

import numpy as np
from jaxtyping import Int32, Int64

from explorer.records import CONTEXT_AFTER, CONTEXT_BEFORE, Tokens

WINDOW = np.arange(-CONTEXT_BEFORE, CONTEXT_AFTER + 1)
"""Places of a context relative to the token that it is about."""


def contexts_of(tokens: Tokens, at: Int64[np.ndarray, "sample"]) -> Int32[np.ndarray, "sample context"]:
    """Token ids around each token; -1 beyond its document."""
    doc = np.searchsorted(tokens.doc_offsets, at, side="right") - 1
    place = at[:, None] + WINDOW
    inside = (place >= tokens.doc_offsets[doc][:, None]) & (place < tokens.doc_offsets[doc + 1][:, None])
    clipped = np.clip(place, 0, len(tokens.token_ids) - 1)
    return np.where(inside, tokens.token_ids[clipped], np.int32(-1)).astype(np.int32)
