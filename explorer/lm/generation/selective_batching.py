"""Several texts in one forward pass: everything on all their rows together, attention for each text by itself.

This is the selective batching of Orca (Yu et al., OSDI 2022). What reads a row alone (embeddings, norms, linear layers,
activations, the unembedding) does not care whose row it is; attention does, since texts have different lengths. So
nothing is filled up and no mask is needed, and no text's length changes another's bits.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from explorer.lm.generation.cache import KeysOrValues

Attention = Callable[..., tuple[Tensor, object]]

_SEEN_WHOLE = frozenset({"full_attention", "sliding_attention"})
_LENGTHS_OF_ALL = ("dynamic", "longrope")


def is_row_by_row(model: PreTrainedModel) -> bool:
    """Whether nothing in a model but its keys and values depends on how long a text is.

    A short trial does not show it: some rotary embeddings take their frequencies from the longest text of a batch, and
    attention in chunks hides a part of what the cache holds.
    """
    layers = getattr(model.config.get_text_config(decoder=True), "layer_types", None) or ()
    return _SEEN_WHOLE.issuperset(layers) and not any(map(_looks_at_lengths, model.modules()))


@contextmanager
def text_by_text(model: PreTrainedModel) -> Iterator[None]:
    """Let attention go text by text over a cache of ``side_by_side``, for the length of the context; each text adds
    one token."""
    config = model.config.get_text_config(decoder=True)
    usual = config._attn_implementation
    name = f"{usual}, text by text"
    # A name that transformers knows no mask for has none: the cache shows what may be seen, and nothing else.
    AttentionInterface.register(name, partial(_attend, usual))
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = usual


def _attend(
    usual: str,
    module: nn.Module,
    query: Float[Tensor, "row head 1 width"],
    keys: KeysOrValues | list[KeysOrValues],
    values: KeysOrValues | list[KeysOrValues],
    mask: None,
    **told: object,
) -> tuple[Float[Tensor, "row 1 head width"], object]:
    """The model's usual attention, for each text on its own rows; one text's keys and values are no list."""
    attend = _usual(usual, module)
    if isinstance(keys, Tensor):
        return attend(module, query, keys, values, mask, **told)
    parts = zip(torch.split(query, [len(one) for one in keys]), keys, values, strict=True)
    return torch.cat([attend(module, *part, mask, **told)[0] for part in parts]), None


def _usual(name: str, module: nn.Module) -> Attention:
    """An attention function by its name; "eager" is each model's own, beside its attention."""
    own: Attention = vars(sys.modules[type(module).__module__]).get("eager_attention_forward", _none)
    return ALL_ATTENTION_FUNCTIONS.get_interface(name, own)


def _none(module: nn.Module, *_: object, **__: object) -> tuple[Tensor, object]:
    raise NotImplementedError(f"{type(module).__name__} has no attention function of its own")


def _looks_at_lengths(module: nn.Module) -> bool:
    kind = getattr(module, "rope_type", "")
    kinds = kind.values() if isinstance(kind, dict) else [kind]
    return any(word in str(one) for one in kinds for word in _LENGTHS_OF_ALL)
