"""Runs many edited rows from one prompt: its prefix once, then every row as one batch through the tokens after it.

A *row* is one copy of the prompt whose activation at [layer, hook] is moved by its own displacement, at the last token
or at several. The tokens before the first that is moved are the *prefix*, the others the *tail*; a text that is known
to follow the prompt is more tail. Rows never see each other. What lies below the edit gives every row the same: the
blocks before it and, in the edited block, its attention and its MLP up to what is edited. That is computed once where
the model allows it.
"""

import functools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from transformers import Cache, DynamicCache, PreTrainedModel

from explorer.lm.generation.cache import go_on_from, read_into
from explorer.lm.generation.forward import last_logits
from explorer.lm.hooks.block_hooks import capture, edit, module_at
from explorer.lm.hooks.residual_edit import Mover, distinct, vocabulary_size
from explorer.lm.model.batch import AS_IT_IS, Batch
from explorer.lm.model.experts import filled_experts
from explorer.lm.model.load import blocks
from explorer.records import Hook

_MOST_TOKENS = 8192
_MOST_LOGITS = 1 << 26


@dataclass(frozen=True)
class Shared:
    """One activation below an edit that is handed to all rows."""

    hook: Hook
    """Where in the edited block."""
    returns: int
    """How many things its module returns in a tuple, the activation first; 0 where it returns the activation alone."""

    def said(self, activation: Tensor) -> object:
        """What the module returns; nobody asks for the rest."""
        return (activation, *[None] * (self.returns - 1)) if self.returns else activation


@dataclass(frozen=True)
class Place:
    """Where in a model activations are read and moved."""

    model: PreTrainedModel
    """The model, in evaluation mode."""
    layer: int
    """Decoder block, from 0."""
    hook: Hook
    """Where in that block."""
    shared: tuple[Shared, ...] = ()
    """What is computed below and may be handed to all rows: tried when it is opened, not assumed."""
    batch: Batch = AS_IT_IS
    """The sizes of batches in which a row says the same to the bit, likewise."""
    together: bool = False
    """Whether the rows of several texts may go through the model in one pass, likewise."""

    def below(self, hook: Hook) -> list[nn.Module]:
        """The modules that are not run where the activation at a hook is known."""
        module, before = module_at(self.model, self.layer, hook), list(blocks(self.model))[: self.layer]
        return {"resid_pre": before, "resid_post": [*before, module]}.get(hook, [module])


@dataclass(frozen=True)
class Prefix:
    """A prompt, read up to the first token that is moved."""

    token_ids: Int64[Tensor, "1 position"]
    """The whole prompt."""
    cache: DynamicCache
    """Keys and values of the tokens before the tail."""
    moved: Bool[Tensor, "tail"]
    """Which tokens of the tail are moved; the first always is."""
    shared: tuple[Float[Tensor, "1 tail d_model"], ...]
    """The unsteered activation at the tail, for each that the place shares."""
    residual: Float[np.ndarray, "d_model"]
    """The activation at [layer, hook] at the last moved token, float32."""

    @property
    def tail(self) -> Int64[Tensor, "1 tail"]:
        """The tokens that every row runs for itself."""
        return self.token_ids[:, -len(self.moved) :]


@torch.inference_mode()
def read_prefix(place: Place, token_ids: Int64[Tensor, "1 position"], moved: Sequence[int] = (-1,)) -> Prefix:
    """Run a prompt up to the first moved token into a cache, and read the last moved token's activation.

    Args:
        place: where activations are moved.
        token_ids: the prompt.
        moved: positions that will be moved, ascending; from the end where negative.

    Raises:
        SubjectError: the model does not keep keys and values, as a recurrent model does not.
    """
    length = token_ids.shape[1]
    at = torch.tensor([position % length for position in moved])
    first = int(at[0])
    mask = torch.zeros(length - first, dtype=torch.bool, device=token_ids.device)
    mask[at - first] = True
    cache = read_into(place.model)
    if first:
        last_logits(place.model, token_ids[:, :first], cache)
    return _read_tail(place, token_ids, cache, mask)


def _read_tail(
    place: Place, token_ids: Int64[Tensor, "1 position"], cache: DynamicCache, moved: Bool[Tensor, "tail"]
) -> Prefix:
    """Read the tokens after what the cache holds, as far as the edit; the cache stays as it is."""
    spare = go_on_from(cache, len(moved))
    with ExitStack() as reading:
        below = [reading.enter_context(capture(place.model, place.layer, one.hook)) for one in place.shared]
        with capture(place.model, place.layer, place.hook, stop_early=True) as here:
            last_logits(place.model, token_ids[:, -len(moved) :], spare)
    residual = here.activation[0, int(moved.nonzero()[-1])].to("cpu", torch.float32).numpy()
    return Prefix(token_ids, cache, moved, tuple(one.activation for one in below), residual)


@torch.inference_mode()
def next_rows(place: Place, prefix: Prefix, displacement: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocab"]:
    """Next-token logits of every row, float32, all in one batch; where their tails are long, in as few as fit.

    Rows whose displacement is zero are one unsteered row.

    Raises:
        HookNotFired: the edit did not happen.
    """
    first, row_of = distinct(displacement)
    parts = torch.split(displacement[first], max(place.batch.least, _MOST_TOKENS // len(prefix.moved)))
    logits = torch.cat([_tail_logits(place, prefix, part, 1)[:, 0] for part in parts])
    return logits[row_of]


@torch.inference_mode()
def text_logprobs(
    place: Place,
    prefix: Prefix,
    displacement: Float[Tensor, "row d_model"],
    token_ids: Int64[Tensor, "token"],
    moved: Bool[Tensor, "token"],
) -> Float[Tensor, "row token"]:
    """How likely every row finds a text that follows the prompt: the log-probability of each of its tokens, float32.

    The text is known, so that no row waits for what it says itself: its tokens go through the model at once (teacher
    forcing), all rows in as few batches as fit. Not finite where the logits are not.

    Args:
        place: where activations are moved.
        prefix: the prompt.
        displacement: what is added, row by row.
        token_ids: the text.
        moved: which of its tokens are moved like the prompt's, as they are read; the last one is not read.

    Raises:
        HookNotFired: the edit did not happen.
    """
    read, count = prefix, len(token_ids)
    if count > 1:
        whole = torch.cat([prefix.token_ids, token_ids[None, :-1]], dim=1)
        read = _read_tail(place, whole, prefix.cache, torch.cat([prefix.moved, moved[:-1]]))
    first, row_of = distinct(displacement)
    fitting = min(_MOST_TOKENS // len(read.moved), _MOST_LOGITS // (count * vocabulary_size(place.model)))
    parts = torch.split(displacement[first], max(place.batch.least, fitting))
    told = [_logprobs(_tail_logits(place, read, part, count), token_ids) for part in parts]
    return torch.cat(told)[row_of]


def _logprobs(
    logits: Float[Tensor, "row token vocab"], token_ids: Int64[Tensor, "token"]
) -> Float[Tensor, "row token"]:
    """Log-probability of one token at each position."""
    asked = token_ids[None, :, None].expand(len(logits), -1, -1)
    return logits.gather(2, asked)[:, :, 0] - logits.logsumexp(dim=2)


def _tail_logits(
    place: Place, prefix: Prefix, displacement: Float[Tensor, "row d_model"], last: int
) -> Float[Tensor, "row last vocab"]:
    """Logits at the last positions of the tail; a batch of few rows is filled up and cut again."""
    mover = Mover(place.batch.fill(displacement))
    rows = mover.rows
    mover.aim(prefix.moved.expand(rows, -1))
    cache, tail = go_on_from(prefix.cache, len(prefix.moved)), prefix.tail.expand(rows, -1)
    with _told_below(place, prefix, rows), edit(place.model, place.layer, place.hook, mover):
        logits = run_rows(place, tail, cache, last)
    mover.check(1)
    return logits[: len(displacement)]


def run_rows(
    place: Place, token_ids: Int64[Tensor, "row token"], cache: Cache, last: int = 1, **told: Tensor
) -> Float[Tensor, "row last vocab"]:
    """Logits of a batch of rows at its last positions, see ``last_logits``, whose bits are each row's own."""
    with filled_experts(place.model, place.batch):
        return last_logits(place.model, token_ids, cache, last, **told)


@torch.inference_mode()
def read_last(
    place: Place, token_ids: Int64[Tensor, "batch position"]
) -> tuple[Float[Tensor, "batch d_model"], Float[Tensor, "batch vocab"]]:
    """Activation at [layer, hook] and next-token logits at the last token of each text, unsteered, float32."""
    with capture(place.model, place.layer, place.hook) as here:
        logits = last_logits(place.model, token_ids, None)[:, -1]
    return here.activation[:, -1].to(torch.float32), logits


@torch.inference_mode()
def read_every(place: Place, token_ids: Int64[Tensor, "batch position"]) -> Float[Tensor, "batch position d_model"]:
    """Activation at [layer, hook] at every token, unsteered, float32; the blocks above are not run."""
    with capture(place.model, place.layer, place.hook, stop_early=True) as here:
        place.model(input_ids=token_ids, use_cache=False)
    return here.activation.to(torch.float32)


@contextmanager
def _told_below(place: Place, prefix: Prefix, rows: int) -> Iterator[None]:
    """Let what lies below the edit hand on what is already known, for the length of the context."""
    told: list[nn.Module] = []
    try:
        for one, known in zip(place.shared, prefix.shared, strict=True):
            said = one.said(known.expand(rows, -1, -1))
            for module in place.below(one.hook):
                module.forward = functools.partial(_hand_on, said)
                told.append(module)
        yield
    finally:
        for module in told:
            del module.forward


def _hand_on(known: object, *_: object, **__: object) -> object:
    return known
