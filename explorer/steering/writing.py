"""Writes text, every row in one batch, and tells each token as it comes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int64

from explorer.steering.protocol import DoneEvent, Finish, Row, RowDoneEvent, TokenEvent
from explorer.steering.text import Decode, TextStream


@runtime_checkable
class Steps(Protocol):
    """A model that writes, one token of every row a step."""

    def choose(self, temperature: float, draw: float) -> tuple[Int64[np.ndarray, "row"], Float[np.ndarray, "row"]]:
        """The token that each row goes on with, see ``choose_tokens``, and its log-probability."""

    def feed(self, token_ids: Int64[np.ndarray, "row"]) -> None:
        """Give each row the token that it continues with."""

    @property
    def fired(self) -> Int64[np.ndarray, "row"]:
        """Tokens of each row at which the edit was applied."""


@dataclass
class _Column:
    """One row's text so far."""

    row: Row
    number: int
    stream: TextStream
    text: str = ""
    tokens: int = 0
    finish: Finish | None = None
    hook_fired: int = field(default=0)


def write(
    steps: Steps,
    rows: Sequence[Row],
    decode: Decode,
    prompt_ids: Sequence[int],
    ends: frozenset[int],
    *,
    max_tokens: int,
    temperature: float,
    rng: np.random.Generator,
) -> Iterator[TokenEvent | RowDoneEvent | DoneEvent]:
    """Write every row until it ends or has max_tokens; closing the iterator stops.

    Every step draws one number that all rows share, so rows that say the same go on saying the same.

    Args:
        steps: the model.
        rows: name of each row; "baseline" is never steered.
        decode: token ids to text.
        prompt_ids: what stands before the text.
        ends: tokens that end a text.
        max_tokens: longest text.
        temperature: 0 takes the likeliest token.
        rng: decides the draws.
    """
    columns = [_Column(row, number, TextStream(decode, prompt_ids)) for number, row in enumerate(rows)]
    for index in range(max_tokens):
        chosen, logprob = steps.choose(temperature, float(rng.random()))
        for column in columns:
            if column.finish is None:
                token, told = int(chosen[column.number]), float(logprob[column.number])
                yield from _tell(column, index, token, told, ends, steps)
            if column.finish is None and index == max_tokens - 1:
                yield _close(column, "length", steps)
        if all(column.finish for column in columns):
            break
        steps.feed(chosen)
    yield DoneEvent(
        hook_fired={column.row: column.hook_fired for column in columns},
        finish={column.row: column.finish or "length" for column in columns},
        tokens=sum(column.tokens for column in columns),
    )


def _tell(
    column: _Column, index: int, token_id: int, logprob: float, ends: frozenset[int], steps: Steps
) -> Iterator[TokenEvent | RowDoneEvent]:
    if token_id in ends:
        yield _close(column, "end", steps)
        return
    text = column.stream.push(token_id)
    column.text += text
    column.tokens += 1
    yield TokenEvent(row=column.row, index=index, text=text, token_id=token_id, logprob=min(logprob, 0.0))


def _close(column: _Column, finish: Finish, steps: Steps) -> RowDoneEvent:
    column.finish = finish
    column.hook_fired = 0 if column.row == "baseline" else int(steps.fired[column.number])
    return RowDoneEvent(row=column.row, finish=finish, text=column.text, hook_fired=column.hook_fired)
