"""Runs many edited rows from one prompt: its prefix once, then every row as one batch through the last token.

A *row* is one copy of the prompt whose activation at [layer, hook] is moved by its own displacement. Rows never see
each other. Blocks below the edited layer give every row the same, so they are computed once where the model allows it.
"""

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from explorer.errors import HookNotFired, SubjectError
from explorer.lm.hooks import capture, edit
from explorer.lm.load import blocks
from explorer.records import Hook

_PROBE_TOKENS = 4
_SAME = 1e-3


@dataclass(frozen=True)
class Place:
    """Where in a model activations are read and moved."""

    model: PreTrainedModel
    """The model, in evaluation mode."""
    layer: int
    """Decoder block, from 0."""
    hook: Hook
    """Where in that block."""
    shares_lower_blocks: bool
    """Whether the blocks below may be computed once for all rows: tried when the place is opened, not assumed."""


@dataclass(frozen=True)
class Prefix:
    """A prompt, read up to its last token."""

    token_ids: Int64[Tensor, "1 position"]
    """The whole prompt."""
    cache: DynamicCache
    """Keys and values of all tokens but the last."""
    entering: Float[Tensor, "1 1 d_model"]
    """What the edited block receives at the last token."""
    residual: Float[np.ndarray, "d_model"]
    """The activation at [layer, hook] at the last token, float32."""


@dataclass(frozen=True)
class Rows:
    """What every row says next."""

    logits: Float[Tensor, "row vocab"]
    """Next-token logits, float32, on the model's device."""
    moved: int
    """Rows that the hook moved."""


def open_place(model: PreTrainedModel, layer: int, hook: Hook) -> Place:
    """Open a place, and find out whether rows may share the blocks below it.

    Raises:
        SubjectError: the model has no such layer or hook.
    """
    ids = torch.arange(_PROBE_TOKENS, device=model.device)[None]
    plain = Place(model, layer, hook, shares_lower_blocks=False)
    prefix = read_prefix(plain, ids)
    move = torch.full((2, len(prefix.residual)), 0.5, device=model.device)
    move[0] = 0
    shared = Place(model, layer, hook, shares_lower_blocks=True)
    try:
        apart = (next_rows(plain, prefix, move).logits - next_rows(shared, prefix, move).logits).abs().max().item()
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):
        # An architecture whose blocks return more than the residual cannot be handed it from outside.
        return plain
    return shared if apart < _SAME else plain


@torch.inference_mode()
def read_prefix(place: Place, token_ids: Int64[Tensor, "1 position"]) -> Prefix:
    """Run a prompt but for its last token into a cache, and read the last token's activation.

    Raises:
        SubjectError: the model does not keep keys and values, as a recurrent model does not.
    """
    cache = DynamicCache(config=place.model.config)
    if token_ids.shape[1] > 1:
        _forward(place.model, token_ids[:, :-1], cache)
    _check_cache(place.model, cache)
    last, spare = token_ids[:, -1:], _copy_rows(cache, 1)
    with capture(place.model, place.layer, "resid_pre") as below, capture(place.model, place.layer, place.hook) as here:
        _forward(place.model, last, spare)
    residual = here.activation[0, -1].to("cpu", torch.float32).numpy()
    return Prefix(token_ids, cache, below.activation, residual)


@torch.inference_mode()
def next_rows(place: Place, prefix: Prefix, displacement: Float[Tensor, "row d_model"]) -> Rows:
    """Next-token logits of every row, all in one batch. Rows whose displacement is zero are one unsteered row.

    Raises:
        HookNotFired: the edit did not happen.
    """
    row_of, distinct = _distinct(displacement)
    mover, rows = _Mover(distinct), len(distinct)
    last = prefix.token_ids[:, -1:].expand(rows, 1)
    with _lower_blocks(place, prefix.entering.expand(rows, 1, -1)), edit(place.model, place.layer, place.hook, mover):
        logits = _forward(place.model, last, _copy_rows(prefix.cache, rows))
    mover.check(1)
    return Rows(logits[row_of], len(displacement))


@torch.inference_mode()
def read_last(
    place: Place, token_ids: Int64[Tensor, "batch position"]
) -> tuple[Float[Tensor, "batch d_model"], Float[Tensor, "batch vocab"]]:
    """Activation at [layer, hook] and next-token logits at the last token of each text, unsteered, float32."""
    with capture(place.model, place.layer, place.hook) as here:
        logits = _forward(place.model, token_ids, None)
    return here.activation[:, -1].to(torch.float32), logits


@torch.inference_mode()
def read_every(place: Place, token_ids: Int64[Tensor, "batch position"]) -> Float[Tensor, "batch position d_model"]:
    """Activation at [layer, hook] at every token, unsteered, float32; the blocks above are not run."""
    with capture(place.model, place.layer, place.hook, stop_early=True) as here:
        place.model(input_ids=token_ids, use_cache=False)
    return here.activation.to(torch.float32)


class Decoder:
    """Writes on from a prompt, every row in one batch, one token a step.

    The last prompt token is moved; with ``every_token`` so is each token that is fed back.
    """

    def __init__(self, place: Place, prefix: Prefix, displacement: Float[Tensor, "row d_model"], *, every_token: bool):
        self._place = place
        self._row_of, distinct = _distinct(displacement)
        self._first = torch.stack([(self._row_of == row).nonzero()[0, 0] for row in range(len(distinct))])
        self._mover = _Mover(distinct)
        self._cache = _copy_rows(prefix.cache, len(distinct))
        self._next = prefix.token_ids[:, -1:].expand(len(distinct), 1)
        self._every_token = every_token
        self._steps = 0
        self.fired = 0
        """Tokens at which the edit was applied."""

    @torch.inference_mode()
    def step(self) -> Float[Tensor, "row vocab"]:
        """Logits after the newest token, float32.

        Raises:
            HookNotFired: an edit was due and did not happen.
        """
        place = self._place
        if self._steps == 0 or self._every_token:
            with edit(place.model, place.layer, place.hook, self._mover):
                logits = _forward(place.model, self._next, self._cache)
            self._mover.check(self.fired + 1)
            self.fired += 1
        else:
            logits = _forward(place.model, self._next, self._cache)
        self._steps += 1
        return logits[self._row_of]

    def feed(self, token_ids: Int64[Tensor, "row"]) -> None:
        """Give each row the token that it continues with; rows that are moved alike must be given the same."""
        self._next = token_ids[self._first][:, None]


class _Mover:
    """Adds each row's displacement to the newest token's activation, and counts."""

    def __init__(self, displacement: Float[Tensor, "row d_model"]):
        self._displacement = displacement.to(torch.float32)[:, None, :]
        self._moves: Bool[Tensor, "row 1 1"] = self._displacement.ne(0).any(dim=2, keepdim=True)
        self.calls = 0

    def __call__(self, activation: Tensor) -> Tensor:
        self.calls += 1
        # Added in float32 and rounded once; a row that stays keeps its very bits, -0.0 included.
        moved = (activation.to(torch.float32) + self._displacement).to(activation.dtype)
        return torch.where(self._moves, moved, activation)

    def check(self, calls: int) -> None:
        """Raise HookNotFired unless the edit was applied so many times in all."""
        if self.calls != calls:
            raise HookNotFired(f"the hook fired {self.calls} times, not {calls}: there is no steered answer")


def _distinct(
    displacement: Float[Tensor, "row d_model"],
) -> tuple[Int64[Tensor, "row"], Float[Tensor, "distinct d_model"]]:
    """Keep one of the rows that are not moved: kernels may round equal rows differently, and 0 means the baseline."""
    still = ~displacement.ne(0).any(dim=1)
    kept = ~still
    kept[still.nonzero()[:1, 0]] = True
    row_of = kept.cumsum(0) - 1
    row_of[still] = row_of[still.nonzero()[:1, 0]] if still.any() else row_of[still]
    return row_of, displacement[kept]


def _forward(model: PreTrainedModel, token_ids: Tensor, cache: DynamicCache | None) -> Float[Tensor, "row vocab"]:
    """Logits at the last position, float32."""
    keep = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    output = model(input_ids=token_ids, past_key_values=cache, use_cache=cache is not None, **keep)
    logits: Tensor = output.logits[:, -1]
    return logits.to(torch.float32)


def _copy_rows(cache: DynamicCache, rows: int) -> DynamicCache:
    """A cache for many rows of one text; nothing is copied until a row grows."""
    copied = copy.copy(cache)
    copied.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in copied.layers:
        if isinstance(layer, DynamicLayer) and isinstance(layer.keys, Tensor) and isinstance(layer.values, Tensor):
            layer.keys, layer.values = layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1)
    return copied


def _check_cache(model: PreTrainedModel, cache: DynamicCache) -> None:
    strange = [type(layer).__name__ for layer in cache.layers if not isinstance(layer, DynamicLayer)]
    if strange:
        raise SubjectError(type(model).__name__, f"a cache of {strange[0]}", "attention that keeps keys and values")


@contextmanager
def _lower_blocks(place: Place, entering: Float[Tensor, "row 1 d_model"]) -> Iterator[None]:
    """Let the blocks below the place hand on what is already known, for the length of the context."""
    below = list(blocks(place.model))[: place.layer] if place.shares_lower_blocks else []

    def hand_on(*_: object, **__: object) -> Tensor:
        return entering

    for block in below:
        block.forward = hand_on
    try:
        yield
    finally:
        for block in below:
            del block.forward
