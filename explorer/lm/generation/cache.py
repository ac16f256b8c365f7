"""Keys and values of the rows that go on from one text: its own are copied once, in memory set aside for all to come.

Every row has as many tokens as every other, so what attention sees is a view of that memory and no mask is needed. A
StaticCache of transformers shows attention the whole of it, masked, which computes more and rounds otherwise.
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


def read_into(model: PreTrainedModel) -> DynamicCache:
    """An empty cache to read a text into.

    Raises:
        SubjectError: the model keeps something else than keys and values, as a recurrent model does.
    """
    cache = DynamicCache(config=model.config)
    kept = (DynamicLayer, DynamicSlidingWindowLayer)
    strange = [type(layer).__name__ for layer in cache.layers if type(layer) not in kept]
    if strange:
        raise SubjectError(type(model).__name__, f"a cache of {strange[0]}", "attention that keeps keys and values")
    return cache


def go_on_from(read: DynamicCache, tokens: int) -> Cache:
    """A cache for any number of rows that each add as many tokens to what was read; what was read stays as it is."""
    layers = cast("list[DynamicLayer]", read.layers)  # `read_into` gives no other
    return Cache(layers=[RowsLayer(layer, tokens) for layer in layers])


def side_by_side(caches: Sequence[Cache], rows: Sequence[int]) -> Cache:
    """The caches of some texts as one: the rows of all go in, so many of each, and each text keeps and sees its own.
    Of one text it is its own cache."""
    if len(caches) == 1:
        return caches[0]
    layers = zip(*(cast("list[RowsLayer]", cache.layers) for cache in caches), strict=True)
    return Cache(layers=[TextsLayer(of_texts, rows) for of_texts in layers])


def forget_after(cache: Cache, tokens: int) -> None:
    """Take back what was added to a cache of ``go_on_from`` after so many tokens."""
    for layer in cast("list[RowsLayer]", cache.layers):
        layer.go_back(tokens)


class RowsLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer of such a cache. How many rows there are is told by the first keys; a layer that never gets any costs
    nothing."""

    def __init__(self, read: DynamicLayer, tokens: int):
        super().__init__()  # type: ignore[no-untyped-call]
        self.is_sliding = read.is_sliding
        self._read, self._tokens = read, tokens
        self._past = read.sliding_window - 1 if isinstance(read, DynamicSlidingWindowLayer) else sys.maxsize
        self._held = read.keys.shape[2] if isinstance(read.keys, Tensor) else 0
        self._dropped = read.get_seq_length() - self._held

    def lazy_initialization(self, key_states: KeysOrValues, value_states: KeysOrValues) -> None:
        """Set the memory aside, and put into every row what was read."""
        self._keys = _room(self._read.keys, key_states, self._held + self._tokens)
        self._values = _room(self._read.values, value_states, self._held + self._tokens)
        self.is_initialized = True

    def update(
        self, key_states: KeysOrValues, value_states: KeysOrValues, *_: object, **__: object
    ) -> tuple[KeysOrValues, KeysOrValues]:
        """Add the newest tokens; returned is what they may attend to, themselves included."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, end = self._held, self._held + key_states.shape[2]
        assert end <= self._keys.shape[2], f"{end} tokens, and room for {self._keys.shape[2]}"
        self._keys[:, :, start:end], self._values[:, :, start:end] = key_states, value_states
        self._held = end
        first = max(0, start - self._past)
        return self._keys[:, :, first:end], self._values[:, :, first:end]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """How many tokens the next update shows, and how many of the text stand before the first of them."""
        seen = min(self._held, self._past)
        return seen + query_length, self._dropped + self._held - seen

    def get_seq_length(self) -> int:
        """Tokens so far."""
        return self._dropped + self._held

    def go_back(self, tokens: int) -> None:
        """Forget what was added after so many tokens."""
        self._held = tokens - self._dropped


class TextsLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer of several texts, for one pass that gives each of them one token."""

    def __init__(self, layers: Sequence[RowsLayer], rows: Sequence[int]):
        super().__init__()  # type: ignore[no-untyped-call]
        self.is_sliding = layers[0].is_sliding
        self._layers, self._rows = layers, list(rows)

    def update(  # type: ignore[override] # attention takes the list apart, see `text_by_text`
        self, key_states: KeysOrValues, value_states: KeysOrValues, *_: object, **__: object
    ) -> tuple[list[KeysOrValues], list[KeysOrValues]]:
        """Add every text's newest token; returned is what each may attend to."""
        newest = zip(self._layers, *(torch.split(new, self._rows) for new in (key_states, value_states)), strict=True)
        shown = [layer.update(keys, values) for layer, keys, values in newest]
        return [keys for keys, _ in shown], [values for _, values in shown]


def _room(read: KeysOrValues | None, newest: KeysOrValues, tokens: int) -> KeysOrValues:
    rows, heads, _, width = newest.shape
    room = newest.new_empty((rows, heads, tokens, width))
    if read is not None:
        room[:, :, : read.shape[2]] = read
    return room
