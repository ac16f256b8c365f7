"""Runs many edited copies of one prompt in a batch: the prefix once, then every row through the tokens after it.

A *row* is one copy of the prompt whose activation at [layer, hook] gets its own displacement, at the last token or at
several tokens. The tokens before the first edited one form the *prefix*, the rest the *tail*; a known continuation of
the prompt is part of the tail. Rows never attend to each other. Everything below the edit is the same for all rows:
the blocks before it and, in the edited block, its attention and its MLP up to the hook. Where the model allows it,
that part is computed once.
"""

import functools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from transformers import DynamicCache

from explorer.lm.generation.cache import continuation_cache, empty_cache
from explorer.lm.generation.forward import EditSite, forward_rows, last_logits
from explorer.lm.hooks.block_hooks import capture, edit
from explorer.lm.hooks.residual_edit import ResidualEdit, merge_baseline_rows, vocabulary_size

_MAX_TOKENS = 8192
"""Tokens of one forward pass, over all its rows."""
_MAX_LOGITS = 1 << 26
"""Logits held at once."""


@dataclass(frozen=True)
class Prefix:
    """A prompt, run up to the first edited token."""

    token_ids: Int64[Tensor, "1 position"]
    """The whole prompt."""
    cache: DynamicCache
    """Keys and values of the tokens before the tail."""
    moved: Bool[Tensor, "tail"]
    """Which tokens of the tail are edited; the first always is."""
    shared: tuple[Float[Tensor, "1 tail d_model"], ...]
    """Unsteered activation at the tail, one for each `EditSite.shared`."""
    residual: Float[np.ndarray, "d_model"]
    """Activation at [layer, hook] at the last edited token, float32."""

    @property
    def tail(self) -> Int64[Tensor, "1 tail"]:
        """The tokens that every row runs for itself."""
        return self.token_ids[:, -len(self.moved) :]


@torch.inference_mode()
def read_prefix(site: EditSite, token_ids: Int64[Tensor, "1 position"], moved: Sequence[int] = (-1,)) -> Prefix:
    """Run a prompt up to the first edited token into a cache, and read the activation at the last edited token.

    Args:
        site: where activations are edited.
        token_ids: the prompt [1, position].
        moved: edited positions, ascending; negative ones count from the end.

    Raises:
        SubjectError: the model has no key-value cache (recurrent models).
    """
    length = token_ids.shape[1]
    at = torch.tensor([position % length for position in moved])
    first = int(at[0])
    mask = torch.zeros(length - first, dtype=torch.bool, device=token_ids.device)
    mask[at - first] = True
    cache = empty_cache(site.model)
    if first:
        last_logits(site.model, token_ids[:, :first], cache)
    return _read_tail(site, token_ids, cache, mask)


def _read_tail(
    site: EditSite, token_ids: Int64[Tensor, "1 position"], cache: DynamicCache, moved: Bool[Tensor, "tail"]
) -> Prefix:
    """Run the tokens after the cached ones, up to the edit; the cache itself is not extended."""
    scratch = continuation_cache(cache, len(moved))
    with ExitStack() as captures:
        below = [captures.enter_context(capture(site.model, site.layer, one.hook)) for one in site.shared]
        with capture(site.model, site.layer, site.hook, stop_early=True) as recorder:
            last_logits(site.model, token_ids[:, -len(moved) :], scratch)
    residual = recorder.activation[0, int(moved.nonzero()[-1])].to("cpu", torch.float32).numpy()
    return Prefix(token_ids, cache, moved, tuple(one.activation for one in below), residual)


@torch.inference_mode()
def next_token_logits(
    site: EditSite, prefix: Prefix, displacement: Float[Tensor, "row d_model"]
) -> Float[Tensor, "row vocab"]:
    """Next-token logits of every row, float32, in as few batches as the token limit allows.

    All rows with a zero displacement share one unsteered row.

    Raises:
        HookNotFired: the edit was not applied.
    """
    first, row_of = merge_baseline_rows(displacement)
    parts = torch.split(displacement[first], max(site.batch.least, _MAX_TOKENS // len(prefix.moved)))
    logits = torch.cat([_tail_logits(site, prefix, part, 1)[:, 0] for part in parts])
    return logits[row_of]


@torch.inference_mode()
def text_logprobs(
    site: EditSite,
    prefix: Prefix,
    displacement: Float[Tensor, "row d_model"],
    token_ids: Int64[Tensor, "token"],
    moved: Bool[Tensor, "token"],
) -> Float[Tensor, "row token"]:
    """Log-probability that every row assigns to each token of a given continuation (teacher forcing), float32.

    All tokens go through the model at once, all rows in as few batches as fit. Not finite where the logits are not.

    Args:
        site: where activations are edited.
        prefix: the prompt.
        displacement: added to the activation [row, d_model].
        token_ids: the continuation [token].
        moved: which of its tokens are edited like the prompt's [token]; the last one is never fed to the model.

    Raises:
        HookNotFired: the edit was not applied.
    """
    read, count = prefix, len(token_ids)
    if count > 1:
        whole = torch.cat([prefix.token_ids, token_ids[None, :-1]], dim=1)
        read = _read_tail(site, whole, prefix.cache, torch.cat([prefix.moved, moved[:-1]]))
    first, row_of = merge_baseline_rows(displacement)
    fitting = min(_MAX_TOKENS // len(read.moved), _MAX_LOGITS // (count * vocabulary_size(site.model)))
    parts = torch.split(displacement[first], max(site.batch.least, fitting))
    logprobs = [_logprobs(_tail_logits(site, read, part, count), token_ids) for part in parts]
    return torch.cat(logprobs)[row_of]


def _logprobs(
    logits: Float[Tensor, "row token vocab"], token_ids: Int64[Tensor, "token"]
) -> Float[Tensor, "row token"]:
    """Log-probability of one token at each position."""
    index = token_ids[None, :, None].expand(len(logits), -1, -1)
    return logits.gather(2, index)[:, :, 0] - logits.logsumexp(dim=2)


def _tail_logits(
    site: EditSite, prefix: Prefix, displacement: Float[Tensor, "row d_model"], last: int
) -> Float[Tensor, "row last vocab"]:
    """Logits at the last positions of the tail; small batches are padded, and the padding is cut off again."""
    residual_edit = ResidualEdit(site.batch.pad(displacement))
    rows = residual_edit.rows
    residual_edit.set_mask(prefix.moved.expand(rows, -1))
    cache, tail = continuation_cache(prefix.cache, len(prefix.moved)), prefix.tail.expand(rows, -1)
    with _shared_below(site, prefix, rows), edit(site.model, site.layer, site.hook, residual_edit):
        logits = forward_rows(site, tail, cache, last)
    residual_edit.check(1)
    return logits[: len(displacement)]


@contextmanager
def _shared_below(site: EditSite, prefix: Prefix, rows: int) -> Iterator[None]:
    """Make the modules below the edit return the prefix's shared activations, for the length of the context."""
    replaced: list[nn.Module] = []
    try:
        for one, known in zip(site.shared, prefix.shared, strict=True):
            output = one.module_output(known.expand(rows, -1, -1))
            for module in site.below(one.hook):
                module.forward = functools.partial(_return_known, output)
                replaced.append(module)
        yield
    finally:
        for module in replaced:
            del module.forward


def _return_known(known: object, *_: object, **__: object) -> object:
    return known
