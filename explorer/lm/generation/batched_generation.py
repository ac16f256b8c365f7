"""Writes on from prompts: one token of every row a step, and the rows of several texts in one forward pass."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from explorer.lm.generation.batched_edits import Place, Prefix, run_rows
from explorer.lm.generation.cache import forget_after, go_on_from, side_by_side
from explorer.lm.generation.selective_batching import text_by_text
from explorer.lm.hooks.block_hooks import edit
from explorer.lm.hooks.residual_edit import Mover, all_but, distinct

Said = Float[Tensor, "row vocab"] | Exception
"""What a text's rows say next, or why they say nothing."""


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
        kept, self._row_of = distinct(displacement)
        self._first = place.batch.fill(kept)
        self.place = place
        """Where it is moved."""
        self.rows = len(self._first)
        """Rows that go through the model: those that are not moved are one, and few are filled up."""
        self.cache = go_on_from(prefix.cache, len(prefix.moved) + tokens - 1)
        """Keys and values of each."""
        self.next = prefix.tail.expand(self.rows, -1)
        """What each reads in the next step."""
        self._mover = Mover(displacement[self._first])
        self._mover.aim(prefix.moved.expand(self.rows, -1))
        self._moved_if_fed = all_but(keep, place.model, displacement.device) if every_token else None
        self._length = prefix.token_ids.shape[1]
        self._steps = 0

    @property
    def fired(self) -> Int64[Tensor, "row"]:
        """Tokens of each row at which the edit was applied."""
        return self._mover.moved_tokens()[self._row_of]

    @property
    def joins(self) -> bool:
        """Whether the next step may be one with those of other texts."""
        return self.place.together and self.next.shape[1] == 1

    @property
    def position(self) -> int:
        """Where in the text the newest token stands."""
        return self._length - 1 + self._steps

    @property
    def due(self) -> bool:
        """Whether an edit is due in the next step."""
        return self._steps == 0 or self._moved_if_fed is not None

    def step(self) -> Float[Tensor, "row vocab"]:
        """Logits after the newest token, float32.

        Raises:
            HookNotFired: an edit was due and did not happen.
        """
        (said,) = step_together([self])
        if isinstance(said, Exception):
            raise said
        return said

    def feed(self, token_ids: Int64[Tensor, "row"]) -> None:
        """Give each row the token that it continues with; rows that are moved alike must be given the same."""
        self.next = token_ids[self._first][:, None]
        if self._moved_if_fed is not None:
            self._mover.aim(self._moved_if_fed[self.next])

    def move(self, activation: Float[Tensor, "row position d_model"]) -> Float[Tensor, "row position d_model"]:
        """The activation at the edit, moved where that is due."""
        return self._mover(activation) if self.due else activation

    def check(self) -> None:
        """Raise HookNotFired unless this step's edit was applied where it was due."""
        self._mover.check(self._calls + self.due)

    def take(self, logits: Float[Tensor, "filled vocab"]) -> Float[Tensor, "row vocab"]:
        """End the step with what the model said."""
        self._steps += 1
        return logits[self._row_of]

    def go_back(self) -> None:
        """Be as before a step that failed."""
        self._mover.go_back(self._calls)
        forget_after(self.cache, self.position + 1 - self.next.shape[1])

    @property
    def _calls(self) -> int:
        """Edits before this step."""
        return self._steps if self._moved_if_fed is not None else min(self._steps, 1)


def step_together(decoders: Sequence[Decoder]) -> list[Said]:
    """One step of each of some texts of one place: in one forward pass, where that is allowed and each reads one token.

    Returned is for each what it says or why it failed. Where the common pass fails, everybody goes alone, so that only
    whose fault it is fails.
    """
    joining = [one for one in decoders if one.joins]
    said = dict(zip(joining, _all_or_none(joining), strict=False)) if len(joining) > 1 else {}
    return [said[one] if one in said else _alone(one) for one in decoders]


def _all_or_none(decoders: Sequence[Decoder]) -> list[Said]:
    try:
        return [*one_pass(decoders)]
    except Exception:  # noqa: BLE001 - each is tried by itself
        for one in decoders:
            one.go_back()
        return []


def _alone(decoder: Decoder) -> Said:
    try:
        return one_pass([decoder])[0]
    except Exception as error:  # noqa: BLE001 - told to whom it concerns
        return error


@torch.inference_mode()
def one_pass(decoders: Sequence[Decoder]) -> list[Float[Tensor, "row vocab"]]:
    """One step of each of some texts that join, or of one, from one forward pass; where it fails, it fails for all.

    Raises:
        HookNotFired: an edit was due and did not happen.
    """
    with _moving(decoders):
        logits = _together(decoders) if decoders[0].joins else _as_usual(*decoders)
    for one in decoders:
        one.check()
    parts = torch.split(logits[:, -1], [one.rows for one in decoders])
    return [one.take(part) for one, part in zip(decoders, parts, strict=True)]


def _as_usual(decoder: Decoder) -> Float[Tensor, "row 1 vocab"]:
    return run_rows(decoder.place, decoder.next, decoder.cache)


def _together(decoders: Sequence[Decoder]) -> Float[Tensor, "row 1 vocab"]:
    place, rows = decoders[0].place, [one.rows for one in decoders]
    at = [[one.position] for one in decoders for _ in range(one.rows if len(decoders) > 1 else 1)]
    newest = torch.cat([one.next for one in decoders])
    cache = side_by_side([one.cache for one in decoders], rows)
    with text_by_text(place.model):
        return run_rows(place, newest, cache, position_ids=torch.tensor(at, device=newest.device))


@contextmanager
def _moving(decoders: Sequence[Decoder]) -> Iterator[None]:
    """Move everybody's rows, each as it is due."""
    place, due = decoders[0].place, any(one.due for one in decoders)
    with edit(place.model, place.layer, place.hook, partial(_move, decoders)) if due else nullcontext():
        yield


def _move(decoders: Sequence[Decoder], activation: Tensor) -> Tensor:
    if len(decoders) == 1:
        return decoders[0].move(activation)
    parts = zip(decoders, torch.split(activation, [one.rows for one in decoders]), strict=True)
    return torch.cat([one.move(part) for one, part in parts])
