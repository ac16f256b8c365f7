"""Forward passes of one subject: unsteered texts, displaced rows after a prompt, SAE codes.

One call at a time; a hook is on the model only inside a call. The last few prompts stay cached as the unsteered model
read them, because a drag asks about the same prompt again and again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from explorer.errors import RequestError
from explorer.lm.generation.batched_edits import (
    Prefix,
    next_token_logits,
    read_prefix,
    text_logprobs,
)
from explorer.lm.generation.batched_generation import BatchedGenerator
from explorer.lm.generation.forward import read_every, read_last, read_scored
from explorer.lm.generation.next_tokens import NextTokens, direction_logits, read_next
from explorer.steering.engine.generation import RowDecoder, finite
from explorer.steering.engine.subject import Subject
from explorer.steering.protocol.refusal import Refusal, overflow
from explorer.steering.scheduler.cooperative import Cooperative
from explorer.steering.scheduler.lru import LruCache

_READ_BATCH = 64
_CACHED_PREFIXES = 4
_DENSE_CELLS = 1 << 24


@dataclass(frozen=True)
class ReadText:
    """A text as the unsteered model and its SAE read it."""

    residual: Float[np.ndarray, "token d_model"]
    """Activation at [layer, hook], float32."""
    features: list[Int64[np.ndarray, "fires"]]
    """Features that fire on each token, ascending."""


@dataclass(frozen=True)
class ReadBack:
    """A generated text as the unsteered model reads it."""

    residual: Float[np.ndarray, "token d_model"]
    """Activation at [layer, hook] of each generated token, float32."""
    logprob: Float[np.ndarray, "token"]
    """Log-probability of each token given the ones before, in nats."""
    features: list[Int64[np.ndarray, "fires"]]
    """Features that fire on each token, ascending."""


class SubjectModel:
    """Runs a subject; arrays in, arrays out."""

    def __init__(self, subject: Subject, special: frozenset[int]) -> None:
        """``special`` are the ids of special tokens, which requests may exclude from steering."""
        self._subject = subject
        self._special = special
        self._prefixes: LruCache[tuple[tuple[int, ...], tuple[int, ...]], Prefix] = LruCache(_CACHED_PREFIXES)

    def read_prefix(self, token_ids: list[int], steered: Sequence[int] = (-1,)) -> Prefix:
        """Read a prompt up to its first steered position; the last few are cached."""

        def read() -> Prefix:
            return read_prefix(self._subject.place, self._ids([token_ids]), steered)

        return self._prefixes.get((tuple(token_ids), tuple(steered)), read)

    def read_text(self, token_ids: list[int]) -> ReadText:
        """Read a text once.

        Raises:
            Refusal: an activation is not finite.
        """
        states = read_every(self._subject.place, self._ids([token_ids]))[0].cpu()
        if not bool(torch.isfinite(states).all()):
            raise Refusal(422, "numeric_overflow", "the model's activations on this text are not finite", field="text")
        return ReadText(states.numpy(), list(self._fires(states)))

    def read_back(self, prompt: list[int], texts: Sequence[Sequence[int]]) -> list[ReadBack]:
        """Read generated texts after their prompt, in one forward pass; equal texts are read once.

        Raises:
            Refusal: an activation or a log-probability is not finite.
        """
        distinct = list(dict.fromkeys(map(tuple, texts)))
        longest = max(map(len, distinct), default=0)
        if not longest:
            empty = ReadBack(np.empty((0, self._subject.loaded.d_model), np.float32), np.empty(0, np.float32), [])
            return [empty for _ in texts]
        rows = [[*prompt, *text, *[0] * (longest - len(text))] for text in distinct]
        scored = read_scored(self._subject.place, self._ids(rows), longest)
        states, logprob = scored.residual.cpu(), scored.logprob.cpu().numpy()
        if not (bool(torch.isfinite(states).all()) and np.isfinite(logprob).all()):
            raise overflow()
        fires = self._fires(torch.cat([states[row, : len(text)] for row, text in enumerate(distinct)]))
        read = {
            text: ReadBack(states[row, : len(text)].numpy(), logprob[row, : len(text)], list(islice(fires, len(text))))
            for row, text in enumerate(distinct)
        }
        return [read[tuple(text)] for text in texts]

    def read_states(self, texts: list[list[int]]) -> Float[np.ndarray, "text d_model"]:
        """Activation at [layer, hook] of the last token of each text."""
        parts = list(_equal_lengths(texts))
        batches = (self._ids([texts[index] for index in part]) for part in parts)
        states = [read_every(self._subject.place, batch)[:, -1].cpu().numpy() for batch in batches]
        return np.concatenate(states)[np.argsort(np.concatenate(parts))]

    def read_texts(
        self, texts: list[list[int]], tokens: Int64[np.ndarray, "token"]
    ) -> Cooperative[tuple[Float[np.ndarray, "text d_model"], Float[np.ndarray, "text token"]]]:
        """Activation and some tokens' next-token probabilities at the last token of each text, one batch at a time."""
        parts, read = list(_equal_lengths(texts)), []
        for part in parts:
            read.append(self._read_batch([texts[index] for index in part], tokens))
            yield
        back = np.argsort(np.concatenate(parts))
        return np.concatenate([states for states, _ in read])[back], np.concatenate([p for _, p in read])[back]

    def next_tokens(
        self,
        prefix: Prefix,
        displacements: list[Float[np.ndarray, "_ d_model"]],
        tokens: Int64[np.ndarray, "token"],
    ) -> list[NextTokens]:
        """Next-token distributions of the unsteered row and of every displaced row, from one batch.

        Args:
            prefix: the prompt.
            displacements: added to the residual, row by row.
            tokens: tokens whose probabilities are returned.

        Returns:
            The unsteered row, then the rows of each entry of ``displacements``.

        Raises:
            Refusal: a row's logits are not finite.
            HookNotFired: the edit was not applied.
        """
        rows = np.concatenate([np.zeros((1, len(prefix.residual))), *displacements])
        logits = finite(next_token_logits(self._subject.place, prefix, self._tensor(rows)))
        return read_next(logits, tokens).split([1, *map(len, displacements)])

    def log_probability(
        self,
        prefix: Prefix,
        displacement: Float[np.ndarray, "row d_model"],
        token_ids: Sequence[int],
        *,
        every_token: bool,
        skip_special: bool = True,
    ) -> Float[np.ndarray, "row"]:
        """Log-probability that each displaced row continues with a text, in nats: the sum over its tokens.

        The text's own tokens are steered as in ``decoder``.

        Raises:
            Refusal: one is not finite.
            HookNotFired: the edit was not applied.
        """
        device = self._subject.loaded.device
        steered = [every_token and not (skip_special and token in self._special) for token in token_ids]
        logprobs = text_logprobs(
            self._subject.place, prefix, self._tensor(displacement),
            torch.tensor(token_ids, device=device), torch.tensor(steered, device=device),
        )  # fmt: skip
        return np.asarray(finite(logprobs).sum(dim=1, dtype=torch.float64).clamp(max=0.0).cpu().numpy())

    def feature_logits(self, feature: int) -> Float[np.ndarray, "vocab"]:
        """What a feature's direction adds to every token's logit, less the mean; see ``direction_logits``.

        Raises:
            RequestError: no such feature.
            Refusal: the logits are not finite.
        """
        decoder = self._subject.sae.W_dec
        if feature >= len(decoder):
            raise RequestError("feature", str(feature), f"0 to {len(decoder) - 1}")
        direction = decoder[feature].to(self._subject.loaded.device, torch.float32)
        return np.asarray(finite(direction_logits(self._subject.loaded.model, direction)).cpu().numpy())

    def decoder(
        self,
        prefix: Prefix,
        displacement: Float[np.ndarray, "row d_model"],
        *,
        every_token: bool,
        tokens: int,
        skip_special: bool = True,
    ) -> RowDecoder:
        """Start to generate after a prompt, one displaced row each.

        Args:
            prefix: the prompt.
            displacement: added to the residual of each row.
            every_token: steers the generated tokens too.
            tokens: most tokens that a row may get.
            skip_special: leaves special tokens unsteered.
        """
        keep = self._special if skip_special else frozenset[int]()
        rows = self._tensor(displacement)
        decoder = BatchedGenerator(self._subject.place, prefix, rows, every_token=every_token, tokens=tokens, keep=keep)
        return RowDecoder(decoder, self._subject.loaded.device)

    def _fires(self, states: Float[Tensor, "token d_model"]) -> Iterator[Int64[np.ndarray, "fires"]]:
        """Features that fire on each state; in parts, because dense codes of many tokens would fill the memory."""
        sae = self._subject.sae
        with torch.inference_mode():
            for part in torch.split(states, max(1, _DENSE_CELLS // sae.n_features)):
                yield from (np.flatnonzero(row) for row in (sae.encode(part) > 0).cpu().numpy())

    def _read_batch(
        self, texts: list[list[int]], tokens: Int64[np.ndarray, "token"]
    ) -> tuple[Float[np.ndarray, "text d_model"], Float[np.ndarray, "text token"]]:
        residual, logits = read_last(self._subject.place, self._ids(texts))
        return residual.cpu().numpy(), read_next(finite(logits), tokens).requested

    def _ids(self, texts: list[list[int]]) -> Int64[Tensor, "text token"]:
        return torch.tensor(texts, device=self._subject.loaded.device)

    def _tensor(self, rows: Float[np.ndarray, "row d_model"]) -> Float[Tensor, "row d_model"]:
        return torch.tensor(rows, dtype=torch.float32, device=self._subject.loaded.device)


def _equal_lengths(texts: list[list[int]]) -> Iterator[list[int]]:
    """Numbers of the texts, in batches of equal length: padding would have to be masked."""
    by_length: dict[int, list[int]] = {}
    for index, text in enumerate(texts):
        by_length.setdefault(len(text), []).append(index)
    for same in by_length.values():
        yield from (same[start : start + _READ_BATCH] for start in range(0, len(same), _READ_BATCH))
