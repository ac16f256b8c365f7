"""Writes text, every row in one batch, and tells each token as it comes."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float, Int64

from explorer.steering.engine.detokenize import Decode, TextStream
from explorer.steering.protocol.steer import DoneEvent, RowDoneEvent, TokenEvent
from explorer.steering.protocol.wire import Finish, Row
from explorer.steering.scheduler.batching import Wanted


@runtime_checkable
class Steps(Protocol):
    """A model that writes, one token of every row a step."""

    def feed(self, token_ids: Int64[np.ndarray, "row"]) -> None:
        """Give each row the token that it continues with."""

    @property
    def fired(self) -> Int64[np.ndarray, "row"]:
        """Tokens of each row at which the edit was applied."""


@dataclass(frozen=True)
class Step:
    """What a text waits for: the next token of each of its rows."""

    steps: Steps
    """Its rows."""
    temperature: float
    """0 takes the likeliest token."""
    draw: float
    """In [0, 1), see ``choose_tokens``."""


@dataclass(frozen=True)
class Chosen:
    """What comes of it."""

    token_ids: Int64[np.ndarray, "row"]
    """The token that each row goes on with."""
    logprob: Float[np.ndarray, "row"]
    """Its log-probability."""


@dataclass(frozen=True)
class Text:
    """What was written."""

    done: DoneEvent
    """How it ended."""
    said: Mapping[Row, Sequence[TokenEvent]]
    """The tokens of each row."""


Writing: TypeAlias = Generator[TokenEvent | RowDoneEvent | Wanted[Step], Chosen, Text]
"""Asks for one step after another, tells what comes of it, and returns the whole."""


@dataclass
class _Column:
    """One row's text so far."""

    row: Row
    number: int
    stream: TextStream
    text: str = ""
    tokens: list[TokenEvent] = field(default_factory=list)
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
) -> Writing:
    """Write every row until it ends or has max_tokens; closing the generator stops.

    Every step draws one number that all rows share, so rows that say the same go on saying the same.

    Args:
        steps: the rows in the model.
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
        chosen = yield Wanted(Step(steps, temperature, float(rng.random())))
        for column in columns:
            if column.finish is None:
                token, told = int(chosen.token_ids[column.number]), float(chosen.logprob[column.number])
                yield _tell(column, index, token, told, ends, steps)
            if column.finish is None and index == max_tokens - 1:
                yield _close(column, "length", steps)
        if all(column.finish for column in columns):
            break
        steps.feed(chosen.token_ids)
    done = DoneEvent(
        hook_fired={column.row: column.hook_fired for column in columns},
        finish={column.row: column.finish or "length" for column in columns},
        tokens=sum(len(column.tokens) for column in columns),
    )
    return Text(done, {column.row: column.tokens for column in columns})


def _tell(
    column: _Column, index: int, token_id: int, logprob: float, ends: frozenset[int], steps: Steps
) -> TokenEvent | RowDoneEvent:
    if token_id in ends:
        return _close(column, "end", steps)
    text = column.stream.push(token_id)
    column.text += text
    told = TokenEvent(row=column.row, index=index, text=text, token_id=token_id, logprob=min(logprob, 0.0))
    column.tokens.append(told)
    return told


def _close(column: _Column, finish: Finish, steps: Steps) -> RowDoneEvent:
    column.finish = finish
    column.hook_fired = 0 if column.row == "baseline" else int(steps.fired[column.number])
    return RowDoneEvent(row=column.row, finish=finish, text=column.text, hook_fired=column.hook_fired)
