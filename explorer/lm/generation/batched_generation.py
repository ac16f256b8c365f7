"""Batched generation: one token of every row a step, with the rows of several texts in one forward pass."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from explorer.lm.generation.batched_edits import Prefix
from explorer.lm.generation.cache import continuation_cache, join_caches, truncate_cache
from explorer.lm.generation.forward import EditSite, forward_rows
from explorer.lm.generation.selective_batching import selective_batching
from explorer.lm.hooks.block_hooks import edit
from explorer.lm.hooks.residual_edit import ResidualEdit, mask_all_but, merge_baseline_rows

StepResult = Float[Tensor, "row vocab"] | Exception
"""Next-token logits of a text's rows, or the reason why the step failed."""


class BatchedGenerator:
    """Continues a prompt, all its rows in one batch, one token a step.

    The prompt's edited tokens are edited; with ``every_token`` so is each token fed back, except those in ``keep``.
    Memory for ``tokens`` steps is allocated up front.
    """

    def __init__(
        self,
        site: EditSite,
        prefix: Prefix,
        displacement: Float[Tensor, "row d_model"],
        *,
        every_token: bool,
        tokens: int,
        keep: Collection[int] = (),
    ):
        first, self._row_of = merge_baseline_rows(displacement)
        self._first = site.batch.pad(first)
        self.site = site
        self.rows = len(self._first)
        """Rows in the forward pass: unsteered rows are merged into one, and small batches are padded."""
        self.cache = continuation_cache(prefix.cache, len(prefix.moved) + tokens - 1)
        """Keys and values of every row."""
        self.next = prefix.tail.expand(self.rows, -1)
        """Tokens that each row reads in the next step."""
        self._edit = ResidualEdit(displacement[self._first])
        self._edit.set_mask(prefix.moved.expand(self.rows, -1))
        self._edited_if_fed = mask_all_but(keep, site.model, displacement.device) if every_token else None
        self._length = prefix.token_ids.shape[1]
        self._steps = 0

    @property
    def fired(self) -> Int64[Tensor, "row"]:
        """Number of tokens of each row at which the edit was applied."""
        return self._edit.edited_tokens()[self._row_of]

    @property
    def can_join(self) -> bool:
        """Whether the next step may share a forward pass with other texts."""
        return self.site.selective_batching and self.next.shape[1] == 1

    @property
    def position(self) -> int:
        """Position of the newest token in the text, from 0."""
        return self._length - 1 + self._steps

    @property
    def edit_due(self) -> bool:
        """Whether the next step applies an edit."""
        return self._steps == 0 or self._edited_if_fed is not None

    def step(self) -> Float[Tensor, "row vocab"]:
        """Logits after the newest token, float32.

        Raises:
            HookNotFired: an edit was due and was not applied.
        """
        (result,) = step_all([self])
        if isinstance(result, Exception):
            raise result
        return result

    def feed(self, token_ids: Int64[Tensor, "row"]) -> None:
        """Append one token to each row; rows with equal displacements must get equal tokens."""
        self.next = token_ids[self._first][:, None]
        if self._edited_if_fed is not None:
            self._edit.set_mask(self._edited_if_fed[self.next])

    def edited(self, activation: Float[Tensor, "row position d_model"]) -> Float[Tensor, "row position d_model"]:
        """The activation, with the edit applied if one is due."""
        return self._edit(activation) if self.edit_due else activation

    def check(self) -> None:
        """Raise HookNotFired unless this step's edit was applied where one was due."""
        self._edit.check(self._calls + self.edit_due)

    def finish_step(self, logits: Float[Tensor, "padded vocab"]) -> Float[Tensor, "row vocab"]:
        """Count the step, and give the logits of the original rows."""
        self._steps += 1
        return logits[self._row_of]

    def roll_back(self) -> None:
        """Undo the effects of a failed step."""
        self._edit.roll_back(self._calls)
        truncate_cache(self.cache, self.position + 1 - self.next.shape[1])

    @property
    def _calls(self) -> int:
        """Edits before this step."""
        return self._steps if self._edited_if_fed is not None else min(self._steps, 1)


def step_all(generators: Sequence[BatchedGenerator]) -> list[StepResult]:
    """Step several texts at one site, sharing one forward pass among those that allow it.

    Returns:
        Logits [row, vocab] or the error of each text. Where the shared pass fails, every text is stepped by itself, so
        that only the text at fault fails.
    """
    joining = [one for one in generators if one.can_join]
    results = dict(zip(joining, _all_or_none(joining), strict=False)) if len(joining) > 1 else {}
    return [results[one] if one in results else _step_alone(one) for one in generators]


def _all_or_none(generators: Sequence[BatchedGenerator]) -> list[StepResult]:
    try:
        return [*step_joined(generators)]
    except Exception:  # noqa: BLE001 - each text is then stepped by itself
        for one in generators:
            one.roll_back()
        return []


def _step_alone(generator: BatchedGenerator) -> StepResult:
    try:
        return step_joined([generator])[0]
    except Exception as error:  # noqa: BLE001 - reported to the text at fault
        return error


@torch.inference_mode()
def step_joined(generators: Sequence[BatchedGenerator]) -> list[Float[Tensor, "row vocab"]]:
    """Step several texts that can join, or a single one, in one forward pass; an error fails all of them.

    Raises:
        HookNotFired: an edit was due and was not applied.
    """
    with _editing(generators):
        logits = _forward_joined(generators) if generators[0].can_join else _forward_single(*generators)
    for one in generators:
        one.check()
    parts = torch.split(logits[:, -1], [one.rows for one in generators])
    return [one.finish_step(part) for one, part in zip(generators, parts, strict=True)]


def _forward_single(generator: BatchedGenerator) -> Float[Tensor, "row 1 vocab"]:
    return forward_rows(generator.site, generator.next, generator.cache)


def _forward_joined(generators: Sequence[BatchedGenerator]) -> Float[Tensor, "row 1 vocab"]:
    site, rows = generators[0].site, [one.rows for one in generators]
    at = [[one.position] for one in generators for _ in range(one.rows if len(generators) > 1 else 1)]
    newest = torch.cat([one.next for one in generators])
    cache = join_caches([one.cache for one in generators], rows)
    with selective_batching(site.model):
        return forward_rows(site, newest, cache, position_ids=torch.tensor(at, device=newest.device))


@contextmanager
def _editing(generators: Sequence[BatchedGenerator]) -> Iterator[None]:
    """Apply the edit of every text that is due one."""
    site, due = generators[0].site, any(one.edit_due for one in generators)
    with edit(site.model, site.layer, site.hook, partial(_edit_rows, generators)) if due else nullcontext():
        yield


def _edit_rows(generators: Sequence[BatchedGenerator], activation: Tensor) -> Tensor:
    if len(generators) == 1:
        return generators[0].edited(activation)
    parts = zip(generators, torch.split(activation, [one.rows for one in generators]), strict=True)
    return torch.cat([one.edited(part) for one, part in parts])
