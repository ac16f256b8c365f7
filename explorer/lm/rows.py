"""Runs many edited rows from one prompt: its prefix once, then every row as one batch through the tokens after it.

A *row* is one copy of the prompt whose activation at [layer, hook] is moved by its own displacement, at the last token
or at several. The tokens before the first that is moved are the *prefix*, the others the *tail*. Rows never see each
other. Blocks below the edit, the edited one included where it is its output that is edited, give every row the same:
they are computed once where the model allows it.
"""

import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from transformers import Cache, DynamicCache, PreTrainedModel

from explorer.errors import HookNotFired
from explorer.lm.cache import go_on_from, read_into
from explorer.lm.hooks import capture, edit
from explorer.lm.load import blocks
from explorer.records import Hook

_PROBE_TOKENS = 4
_SAME = 1e-3
_MOST_TOKENS = 8192


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
    """Whether the blocks below the edit may be computed once for all rows: tried when it is opened, not assumed."""

    @property
    def below(self) -> list[nn.Module]:
        """The blocks below the edit: what they return is the same for every row."""
        return list(blocks(self.model))[: self.layer + (self.hook == "resid_post")]


@dataclass(frozen=True)
class Prefix:
    """A prompt, read up to the first token that is moved."""

    token_ids: Int64[Tensor, "1 position"]
    """The whole prompt."""
    cache: DynamicCache
    """Keys and values of the tokens before the tail."""
    moved: Bool[Tensor, "tail"]
    """Which tokens of the tail are moved; the first always is."""
    shared: Float[Tensor, "1 tail d_model"]
    """The residual at the tail that the last of the blocks below the edit returns."""
    residual: Float[np.ndarray, "d_model"]
    """The activation at [layer, hook] at the last moved token, float32."""

    @property
    def tail(self) -> Int64[Tensor, "1 tail"]:
        """The tokens that every row runs for itself."""
        return self.token_ids[:, -len(self.moved) :]


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


def batch_difference(place: Place, rows: int = 8) -> float:
    """Largest difference of a row's logits in a batch of displaced rows and of the same row alone.

    Kernels may add in another order for another number of rows; nothing else differs. 0 is equal to the bit.
    """
    prefix = read_prefix(place, torch.arange(_PROBE_TOKENS, device=place.model.device)[None])
    rng = torch.Generator().manual_seed(0)
    spread = float(np.linalg.norm(prefix.residual)) / np.sqrt(len(prefix.residual))
    moves = (torch.randn((rows, len(prefix.residual)), generator=rng) * spread).to(place.model.device)
    alone = torch.cat([next_rows(place, prefix, move[None]).logits for move in moves])
    return float((next_rows(place, prefix, moves).logits - alone).abs().max())


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
        _forward(place.model, token_ids[:, :first], cache)
    spare = go_on_from(cache, length - first)
    shared: Hook = "resid_post" if place.hook == "resid_post" else "resid_pre"
    with capture(place.model, place.layer, shared) as below, capture(place.model, place.layer, place.hook) as here:
        _forward(place.model, token_ids[:, first:], spare)
    residual = here.activation[0, int(at[-1]) - first].to("cpu", torch.float32).numpy()
    return Prefix(token_ids, cache, mask, below.activation, residual)


@torch.inference_mode()
def next_rows(place: Place, prefix: Prefix, displacement: Float[Tensor, "row d_model"]) -> Rows:
    """Next-token logits of every row, all in one batch; where their tails are long, in as few batches as fit.

    Rows whose displacement is zero are one unsteered row.

    Raises:
        HookNotFired: the edit did not happen.
    """
    first, row_of = _distinct(displacement)
    parts = torch.split(displacement[first], max(1, _MOST_TOKENS // len(prefix.moved)))
    logits = torch.cat([_tail_logits(place, prefix, part) for part in parts])
    return Rows(logits[row_of], len(displacement))


def _tail_logits(
    place: Place, prefix: Prefix, displacement: Float[Tensor, "row d_model"]
) -> Float[Tensor, "row vocab"]:
    mover, rows = _Mover(displacement), len(displacement)
    mover.aim(prefix.moved.expand(rows, -1))
    cache, tail = go_on_from(prefix.cache, len(prefix.moved)), prefix.tail.expand(rows, -1)
    with _told_below(place, prefix.shared.expand(rows, -1, -1)), edit(place.model, place.layer, place.hook, mover):
        logits = _forward(place.model, tail, cache)
    mover.check(1)
    return logits


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

    The prompt's moved tokens are moved; with ``every_token`` so is each token fed back but for those in ``keep``.
    Memory for ``tokens`` steps is set aside.
    """

    def __init__(
        self,
        place: Place,
        prefix: Prefix,
        displacement: Float[Tensor, "row d_model"],
        *,
        every_token: bool,
        tokens: int,
        keep: Collection[int] = (),
    ):
        self._place = place
        self._first, self._row_of = _distinct(displacement)
        distinct = displacement[self._first]
        self._mover = _Mover(distinct)
        self._mover.aim(prefix.moved.expand(len(distinct), -1))
        self._cache = go_on_from(prefix.cache, len(prefix.moved) + tokens - 1)
        self._next = prefix.tail.expand(len(distinct), -1)
        self._moved_if_fed = _all_but(keep, place.model, displacement.device) if every_token else None
        self._steps = 0

    @property
    def fired(self) -> Int64[Tensor, "row"]:
        """Tokens of each row at which the edit was applied."""
        return self._mover.moved_tokens()[self._row_of]

    @torch.inference_mode()
    def step(self) -> Float[Tensor, "row vocab"]:
        """Logits after the newest token, float32.

        Raises:
            HookNotFired: an edit was due and did not happen.
        """
        place = self._place
        if self._steps == 0 or self._moved_if_fed is not None:
            with edit(place.model, place.layer, place.hook, self._mover):
                logits = _forward(place.model, self._next, self._cache)
            self._mover.check(self._steps + 1)
        else:
            logits = _forward(place.model, self._next, self._cache)
        self._steps += 1
        return logits[self._row_of]

    def feed(self, token_ids: Int64[Tensor, "row"]) -> None:
        """Give each row the token that it continues with; rows that are moved alike must be given the same."""
        self._next = token_ids[self._first][:, None]
        if self._moved_if_fed is not None:
            self._mover.aim(self._moved_if_fed[self._next])


class _Mover:
    """Adds each row's displacement to the activation of the tokens that are to be moved, and counts."""

    def __init__(self, displacement: Float[Tensor, "row d_model"]):
        self._displacement = displacement.to(torch.float32)[:, None, :]
        self._moves: Bool[Tensor, "row 1 1"] = self._displacement.ne(0).any(dim=2, keepdim=True)
        self.aim(torch.ones_like(self._moves[:, :, 0]))
        self._applied: list[Bool[Tensor, "row position"]] = []

    @property
    def calls(self) -> int:
        """How often the edit was applied."""
        return len(self._applied)

    def aim(self, at: Bool[Tensor, "row position"]) -> None:
        """Say which tokens of the next call are moved."""
        self._at, self._changed = at, self._moves & at[:, :, None]

    def __call__(self, activation: Tensor) -> Tensor:
        self._applied.append(self._at)
        # Added in float32, as torch promotes, and rounded once; a token that stays keeps its very bits, -0.0 included.
        moved = (activation + self._displacement).to(activation.dtype)
        return torch.where(self._changed, moved, activation)

    def moved_tokens(self) -> Int64[Tensor, "row"]:
        """Tokens of each row at which the edit was applied; a row whose displacement is zero counts them too."""
        return torch.cat([self._at[:, :0], *self._applied], dim=1).sum(dim=1)

    def check(self, calls: int) -> None:
        """Raise HookNotFired unless the edit was applied so many times in all."""
        if self.calls != calls:
            raise HookNotFired(f"the hook fired {self.calls} times, not {calls}: there is no steered answer")


def _distinct(displacement: Float[Tensor, "row d_model"]) -> tuple[Int64[Tensor, "distinct"], Int64[Tensor, "row"]]:
    """Keep one of the rows that are not moved: kernels may round equal rows differently, and 0 means the baseline.

    Returns:
        the rows that are kept, ascending, and for every row which of these it is.
    """
    still = ~displacement.ne(0).any(dim=1)
    baseline = still & (still.cumsum(0) == 1)
    kept = baseline | ~still
    row_of = kept.cumsum(0) - 1
    return kept.nonzero()[:, 0], torch.where(still, (row_of * baseline).sum(), row_of)


def _all_but(token_ids: Collection[int], model: PreTrainedModel, device: torch.device) -> Bool[Tensor, "vocab"]:
    """For every token of a model whether it is none of these."""
    vocabulary = int(model.config.get_text_config(decoder=True).vocab_size)
    found = torch.ones(max(vocabulary, *token_ids, 0) + 1, dtype=torch.bool)
    found[sorted(token_ids)] = False
    return found.to(device)


@functools.cache
def keeps_logits(forward: Callable[..., object]) -> bool:
    """Whether a model's ``forward`` can be asked for the logits of its last positions alone."""
    return "logits_to_keep" in inspect.signature(forward).parameters


def _forward(model: PreTrainedModel, token_ids: Tensor, cache: Cache | None) -> Float[Tensor, "row vocab"]:
    """Logits at the last position, float32."""
    keep = {"logits_to_keep": 1} if keeps_logits(type(model).forward) else {}
    output = model(input_ids=token_ids, past_key_values=cache, use_cache=cache is not None, **keep)
    logits: Tensor = output.logits[:, -1]
    return logits.to(torch.float32)


@contextmanager
def _told_below(place: Place, shared: Float[Tensor, "row tail d_model"]) -> Iterator[None]:
    """Let the blocks below the edit hand on what is already known, for the length of the context."""
    below = place.below if place.shares_lower_blocks else []

    def hand_on(*_: object, **__: object) -> Tensor:
        return shared

    for block in below:
        block.forward = hand_on
    try:
        yield
    finally:
        for block in below:
            del block.forward
