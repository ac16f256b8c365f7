"""Rows that continue one text see the same keys and values as with a growing cache."""

import pytest
import torch
from transformers import MambaConfig, MambaForCausalLM
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from explorer.errors import SubjectError
from explorer.lm.generation.cache import ContinuationLayer, empty_cache

ROWS, HEADS, WIDTH = 3, 2, 4


def read_layer(window: int | None, tokens: int) -> DynamicLayer:
    layer = DynamicLayer() if window is None else DynamicSlidingWindowLayer(sliding_window=window)
    if tokens:
        layer.update(*torch.randn((2, 1, HEADS, tokens, WIDTH)))
    return layer


def repeated(layer: DynamicLayer) -> DynamicLayer:
    if layer.is_initialized:
        layer.batch_repeat_interleave(ROWS)
    return layer


@pytest.mark.parametrize("window", [None, 2, 4])
@pytest.mark.parametrize("tokens", [0, 1, 3, 7])
@pytest.mark.parametrize("added", [(1, 1, 1, 1, 1, 1), (3, 1, 1), (5, 2)])
def test_rows_see_the_same_as_with_a_growing_cache(window: int | None, tokens: int, added: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    read = read_layer(window, tokens)
    rows = ContinuationLayer(read, sum(added))
    torch.manual_seed(0)
    grown = repeated(read_layer(window, tokens))
    for count in added:
        assert rows.is_sliding == grown.is_sliding
        assert rows.get_seq_length() == grown.get_seq_length()
        assert rows.get_mask_sizes(count) == grown.get_mask_sizes(count)
        new = torch.randn((2, ROWS, HEADS, count, WIDTH))
        for seen, expected in zip(rows.update(*new), grown.update(*new), strict=True):
            assert torch.equal(seen, expected)
    assert read.get_seq_length() == tokens


def test_the_text_cache_is_unchanged_and_memory_is_allocated_once() -> None:
    read = read_layer(None, 4)
    assert read.keys is not None
    before = read.keys.clone()
    one, other = ContinuationLayer(read, 3), ContinuationLayer(read, 3)
    places = {one.update(*torch.ones((2, ROWS, HEADS, 1, WIDTH)))[0].data_ptr() for _ in range(3)}
    assert len(places) == 1
    seen, _ = other.update(*torch.zeros((2, ROWS, HEADS, 1, WIDTH)))
    assert torch.equal(seen[:, :, :4], before.expand(ROWS, -1, -1, -1))
    assert torch.equal(read.keys, before)
    with pytest.raises(AssertionError, match="room for 7"):
        one.update(*torch.ones((2, ROWS, HEADS, 1, WIDTH)))


def test_a_model_without_a_key_value_cache_is_refused() -> None:
    model = MambaForCausalLM(MambaConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, state_size=2))
    with pytest.raises(SubjectError, match="attention with a key-value cache"):
        empty_cache(model)
