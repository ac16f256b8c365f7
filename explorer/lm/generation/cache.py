"""Key-value caches for rows that continue one text: the text's entries are copied once, into memory allocated up front.

All rows have the same length, so attention gets a view of that memory and needs no mask. A StaticCache of transformers
exposes the whole allocation under a mask, which computes more and rounds differently.
"""

import sys
from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from explorer.errors import SubjectError

KeysOrValues = Float[Tensor, "row head token width"]


def empty_cache(model: PreTrainedModel) -> DynamicCache:
    """An empty cache to run a text into.

    Raises:
        SubjectError: the model caches something other than keys and values (recurrent models).
    """
    cache = DynamicCache(config=model.config)
    supported = (DynamicLayer, DynamicSlidingWindowLayer)
    unsupported = [type(layer).__name__ for layer in cache.layers if type(layer) not in supported]
    if unsupported:
        found, wanted = f"a cache of {unsupported[0]}", "attention with a key-value cache"
        raise SubjectError(type(model).__name__, found, wanted)
    return cache


def continuation_cache(read: DynamicCache, tokens: int) -> Cache:
    """A cache for any number of rows that each append ``tokens`` tokens to a text; the text's own cache stays as is."""
    layers = cast("list[DynamicLayer]", read.layers)  # `empty_cache` returns no other
    return Cache(layers=[ContinuationLayer(layer, tokens) for layer in layers])


def join_caches(caches: Sequence[Cache], rows: Sequence[int]) -> Cache:
    """Present the caches of several texts as one, of the given number of rows each; every text attends to its own.

    A single cache is returned as it is.
    """
    if len(caches) == 1:
        return caches[0]
    layers = zip(*(cast("list[ContinuationLayer]", cache.layers) for cache in caches), strict=True)
    return Cache(layers=[JoinedLayer(of_texts, rows) for of_texts in layers])


def truncate_cache(cache: Cache, tokens: int) -> None:
    """Cut a continuation cache back to its first ``tokens`` tokens."""
    for layer in cast("list[ContinuationLayer]", cache.layers):
        layer.truncate(tokens)


class ContinuationLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer of a continuation cache. The first keys determine the number of rows; a layer that is never updated
    allocates nothing."""

    def __init__(self, read: DynamicLayer, tokens: int):
        super().__init__()  # type: ignore[no-untyped-call]
        self.is_sliding = read.is_sliding
        self._read, self._tokens = read, tokens
        self._past = read.sliding_window - 1 if isinstance(read, DynamicSlidingWindowLayer) else sys.maxsize
        self._held = read.keys.shape[2] if isinstance(read.keys, Tensor) else 0
        self._dropped = read.get_seq_length() - self._held

    def lazy_initialization(self, key_states: KeysOrValues, value_states: KeysOrValues) -> None:
        """Allocate the memory, and copy the text's entries into every row."""
        self._keys = _allocate(self._read.keys, key_states, self._held + self._tokens)
        self._values = _allocate(self._read.values, value_states, self._held + self._tokens)
        self.is_initialized = True

    def update(
        self, key_states: KeysOrValues, value_states: KeysOrValues, *_: object, **__: object
    ) -> tuple[KeysOrValues, KeysOrValues]:
        """Append the newest tokens; returns the keys and values that they may attend to, their own included."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, end = self._held, self._held + key_states.shape[2]
        assert end <= self._keys.shape[2], f"{end} tokens, and room for {self._keys.shape[2]}"
        self._keys[:, :, start:end], self._values[:, :, start:end] = key_states, value_states
        self._held = end
        first = max(0, start - self._past)
        return self._keys[:, :, first:end], self._values[:, :, first:end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Number of tokens that the next update returns, and the position of the first of them."""
        seen = min(self._held, self._past)
        return seen + query_length, self._dropped + self._held - seen

    def get_seq_length(self) -> int:
        """Number of tokens so far."""
        return self._dropped + self._held

    def truncate(self, tokens: int) -> None:
        """Cut back to the first ``tokens`` tokens."""
        self._held = tokens - self._dropped


class JoinedLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer of several texts, for a single pass that appends one token to each."""

    def __init__(self, layers: Sequence[ContinuationLayer], rows: Sequence[int]):
        super().__init__()  # type: ignore[no-untyped-call]
        self.is_sliding = layers[0].is_sliding
        self._layers, self._rows = layers, list(rows)

    def update(  # type: ignore[override] # attention takes the list apart, see `selective_batching`
        self, key_states: KeysOrValues, value_states: KeysOrValues, *_: object, **__: object
    ) -> tuple[list[KeysOrValues], list[KeysOrValues]]:
        """Append every text's newest token; returns the keys and values that each text may attend to."""
        newest = zip(self._layers, *(torch.split(new, self._rows) for new in (key_states, value_states)), strict=True)
        visible = [layer.update(keys, values) for layer, keys, values in newest]
        return [keys for keys, _ in visible], [values for _, values in visible]


def _allocate(read: KeysOrValues | None, newest: KeysOrValues, tokens: int) -> KeysOrValues:
    rows, heads, _, width = newest.shape
    memory = newest.new_empty((rows, heads, tokens, width))
    if read is not None:
        memory[:, :, : read.shape[2]] = read
    return memory
