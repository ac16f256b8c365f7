"""Generates text: every row of a request in one batch, and the rows of several requests in one forward pass a token."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from explorer.lm.generation.batched_generation import BatchedGenerator, step_all
from explorer.lm.generation.next_tokens import sample_tokens
from explorer.steering.engine.tokenizer import Decode, IncrementalDetokenizer
from explorer.steering.protocol.refusal import overflow
from explorer.steering.protocol.steer import DoneEvent, RowDoneEvent, TokenEvent
from explorer.steering.protocol.wire import Finish, Row
from explorer.steering.scheduler.cooperative import Batched


@runtime_checkable
class StepDecoder(Protocol):
    """Rows that are generated one token a step."""

    def feed(self, token_ids: Int64[np.ndarray, "row"]) -> None:
        """Append a token to each row."""

    @property
    def fired(self) -> Int64[np.ndarray, "row"]:
        """Number of tokens of each row at which the edit was applied."""


@dataclass(frozen=True)
class GenerationStep:
    """The batched operation of generation: sample the next token of each row of one text."""

    decoder: StepDecoder
    temperature: float
    """0 takes the likeliest token."""
    draw: float
    """Uniform in [0, 1), see ``sample_tokens``."""


@dataclass(frozen=True)
class SampledTokens:
    """The outcome of one step."""

    token_ids: Int64[np.ndarray, "row"]
    logprob: Float[np.ndarray, "row"]
    """At temperature 1, in nats."""


@dataclass(frozen=True)
class GeneratedText:
    """The outcome of a generation."""

    done: DoneEvent
    tokens: Mapping[Row, Sequence[TokenEvent]]


RowGeneration: TypeAlias = Generator[TokenEvent | RowDoneEvent | Batched[GenerationStep], SampledTokens, GeneratedText]
"""Yields events and steps, and returns the whole text."""


@dataclass
class _Column:
    """The text of one row so far."""

    row: Row
    number: int
    detokenizer: IncrementalDetokenizer
    text: str = ""
    tokens: list[TokenEvent] = field(default_factory=list)
    finish: Finish | None = None
    hook_fired: int = field(default=0)


def generate_rows(
    decoder: StepDecoder,
    rows: Sequence[Row],
    decode: Decode,
    prompt_ids: Sequence[int],
    ends: frozenset[int],
    *,
    max_tokens: int,
    temperature: float,
    rng: np.random.Generator,
) -> RowGeneration:
    """Generate every row until it ends or has max_tokens; closing the generator stops.

    All rows share one random draw a step, so rows with equal distributions stay equal.

    Args:
        decoder: the rows in the model.
        rows: name of each row; "baseline" is never steered.
        decode: token ids to text.
        prompt_ids: the prompt.
        ends: tokens that end a text.
        max_tokens: most tokens of a row.
        temperature: 0 takes the likeliest token.
        rng: source of the draws.
    """
    columns = [_Column(row, at, IncrementalDetokenizer(decode, prompt_ids)) for at, row in enumerate(rows)]
    for index in range(max_tokens):
        sampled = yield Batched(GenerationStep(decoder, temperature, float(rng.random())))
        for column in columns:
            if column.finish is None:
                token, logprob = int(sampled.token_ids[column.number]), float(sampled.logprob[column.number])
                yield _append(column, index, token, logprob, ends, decoder)
            if column.finish is None and index == max_tokens - 1:
                yield _finish(column, "length", decoder)
        if all(column.finish for column in columns):
            break
        decoder.feed(sampled.token_ids)
    done = DoneEvent(
        hook_fired={column.row: column.hook_fired for column in columns},
        finish={column.row: column.finish or "length" for column in columns},
        tokens=sum(len(column.tokens) for column in columns),
    )
    return GeneratedText(done, {column.row: column.tokens for column in columns})


def _append(
    column: _Column, index: int, token_id: int, logprob: float, ends: frozenset[int], decoder: StepDecoder
) -> TokenEvent | RowDoneEvent:
    if token_id in ends:
        return _finish(column, "end", decoder)
    text = column.detokenizer.push(token_id)
    column.text += text
    event = TokenEvent(row=column.row, index=index, text=text, token_id=token_id, logprob=min(logprob, 0.0))
    column.tokens.append(event)
    return event


def _finish(column: _Column, finish: Finish, decoder: StepDecoder) -> RowDoneEvent:
    column.finish = finish
    column.hook_fired = 0 if column.row == "baseline" else int(decoder.fired[column.number])
    return RowDoneEvent(row=column.row, finish=finish, text=column.text, hook_fired=column.hook_fired)


class RowDecoder:
    """A ``BatchedGenerator`` with numpy arrays at its interface."""

    def __init__(self, decoder: BatchedGenerator, device: torch.device) -> None:
        self.decoder = decoder
        self._device = device

    @property
    def fired(self) -> Int64[np.ndarray, "row"]:
        """Number of tokens of each row at which the edit was applied."""
        return np.asarray(self.decoder.fired.cpu().numpy())

    def feed(self, token_ids: Int64[np.ndarray, "row"]) -> None:
        """Append a token to each row."""
        self.decoder.feed(torch.tensor(token_ids, device=self._device))

    def sample(self, temperature: float, draw: float) -> SampledTokens:
        """One step without other texts.

        Raises:
            Refusal: the logits are not finite.
            HookNotFired: an edit was due and was not applied.
        """
        (outcome,) = sample_batch([GenerationStep(self, temperature, draw)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def sample_batch(steps: Sequence[GenerationStep]) -> list[SampledTokens | Exception]:
    """The next token of each row of several texts (see ``sample_tokens``), from one forward pass where that is exact.

    The outcome of a text that fails is its error: Refusal where its logits are not finite, HookNotFired where its edit
    was not applied. The other texts are unaffected.
    """
    decoders = [cast("RowDecoder", step.decoder).decoder for step in steps]  # an engine makes no other kind
    return [_sample(step, logits) for step, logits in zip(steps, step_all(decoders), strict=True)]


def _sample(step: GenerationStep, logits: Tensor | Exception) -> SampledTokens | Exception:
    try:
        if isinstance(logits, Exception):
            return logits
        logprobs = torch.log_softmax(finite(logits), dim=-1)
        tokens = sample_tokens(logprobs, step.temperature, step.draw)
        return SampledTokens(tokens.cpu().numpy(), logprobs.gather(1, tokens[:, None])[:, 0].cpu().numpy())
    except Exception as error:  # noqa: BLE001 - returned as the outcome of this text alone
        return error


def finite(logits: Tensor) -> Tensor:
    """The same logits.

    Raises:
        Refusal: one is not finite.
    """
    if not bool(torch.isfinite(logits).all()):
        raise overflow()
    return logits
