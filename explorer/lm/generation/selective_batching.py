"""Selective batching (Orca, Yu et al., OSDI 2022): several texts in one forward pass, attention for each by itself.

Embeddings, norms, linear layers, activation functions and the unembedding process every row independently, so the rows
of all texts go through them together. Attention runs for each text on its own rows, because texts differ in length.
Nothing is padded or masked, and no text's length changes another text's bits.
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

_WHOLE_CACHE = frozenset({"full_attention", "sliding_attention"})
"""Layer types that attend to all that the cache returns."""
_LENGTH_DEPENDENT_ROPE = ("dynamic", "longrope")


def is_length_independent(model: PreTrainedModel) -> bool:
    """Whether nothing in a model but its keys and values depends on the length of a text.

    A short trial run does not reveal it: some rotary embeddings take their frequencies from the longest text of a
    batch, and chunked attention hides part of the cache.
    """
    layers = getattr(model.config.get_text_config(decoder=True), "layer_types", None) or ()
    return _WHOLE_CACHE.issuperset(layers) and not any(map(_has_length_dependent_rope, model.modules()))


@contextmanager
def selective_batching(model: PreTrainedModel) -> Iterator[None]:
    """Run attention text by text over a cache of ``join_caches``, for the length of the context; one token a text."""
    config = model.config.get_text_config(decoder=True)
    original = config._attn_implementation
    name = f"{original}, text by text"
    # transformers builds no mask for a name that it does not know: the cache alone decides what is attended to.
    AttentionInterface.register(name, partial(_attend, original))
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = original


def _attend(
    original: str,
    module: nn.Module,
    query: Float[Tensor, "row head 1 width"],
    keys: KeysOrValues | list[KeysOrValues],
    values: KeysOrValues | list[KeysOrValues],
    mask: None,
    **options: object,
) -> tuple[Float[Tensor, "row 1 head width"], object]:
    """The model's original attention, applied to each text's rows; a single text has tensors instead of lists."""
    attend = _attention_function(original, module)
    if isinstance(keys, Tensor):
        return attend(module, query, keys, values, mask, **options)
    parts = zip(torch.split(query, [len(one) for one in keys]), keys, values, strict=True)
    return torch.cat([attend(module, *part, mask, **options)[0] for part in parts]), None


def _attention_function(name: str, module: nn.Module) -> Attention:
    """An attention function by its name; "eager" is defined in the module of each architecture."""
    eager: Attention = vars(sys.modules[type(module).__module__]).get("eager_attention_forward", _no_eager)
    return ALL_ATTENTION_FUNCTIONS.get_interface(name, eager)


def _no_eager(module: nn.Module, *_: object, **__: object) -> tuple[Tensor, object]:
    raise NotImplementedError(f"{type(module).__name__} has no eager attention function")


def _has_length_dependent_rope(module: nn.Module) -> bool:
    kind = getattr(module, "rope_type", "")
    kinds = kind.values() if isinstance(kind, dict) else [kind]
    return any(word in str(one) for one in kinds for word in _LENGTH_DEPENDENT_ROPE)
