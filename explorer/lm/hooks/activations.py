"""Streams text through a language model, and yields the activation of every token in the order of the text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from explorer.errors import SubjectError
from explorer.lm.hooks.block_hooks import capture, check_hook
from explorer.lm.model.load import LoadedModel
from explorer.records.subject import Hook

_WINDOW_BATCHES = 4
"""Batches whose pieces are sorted by length together, so that the pieces of a batch are of nearly equal length."""


@dataclass(frozen=True)
class StreamSettings:
    """Where activations are read, and how much text runs at once."""

    layer: int
    """Decoder block, from 0."""
    hook: Hook
    """Where in that block."""
    context: int
    """Longest piece of a document, in tokens; capped by the model's own limit."""
    batch_tokens: int
    """Tokens in one forward pass, padding included."""


@dataclass(frozen=True)
class Window:
    """Consecutive whole documents with their activations."""

    token_ids: Int32[np.ndarray, "token"]
    """Token ids."""
    doc_lengths: Int64[np.ndarray, "doc"]
    """Tokens of each document, at least 1."""
    special: Bool[np.ndarray, "token"]
    """Tokens that stand for no text, such as the one that begins a document."""
    activations: Float[Tensor, "token d_model"]
    """Float32, on the model's device."""


@dataclass(frozen=True)
class _Piece:
    """A part of one document that is run at once."""

    ids: list[int]
    """Token ids, including the repeated prefix."""
    skip: int
    """Number of leading tokens that repeat the document's special tokens; their activations are dropped."""

    @property
    def n_tokens(self) -> int:
        return len(self.ids) - self.skip


def stream_activations(
    loaded: LoadedModel, documents: Iterable[str], settings: StreamSettings, *, max_tokens: int | None = None
) -> Iterator[Window]:
    """Run documents through a model, and yield the activation of every token, in bounded memory.

    A document is cut at the context length. Each later piece is run behind the special tokens that the tokenizer puts
    before the document, because the model has never seen text without them; the repeated tokens are dropped.

    Args:
        loaded: the language model.
        documents: texts, read lazily.
        settings: where, and how much at once.
        max_tokens: stop after so many tokens, within a document if need be (but not directly after its special tokens);
            None reads all. Documents without text are skipped.

    Raises:
        SubjectError: the model has no such layer or hook, or an activation is not finite.
    """
    check_hook(loaded.model, settings.layer, settings.hook)
    context = min(settings.context, loaded.max_context)
    special = added_token_ids(loaded.tokenizer)
    docs = _tokenized(loaded, documents, special, max_tokens)
    while gathered := _gather(docs, _WINDOW_BATCHES * settings.batch_tokens):
        pieces = [piece for ids in gathered for piece in _cut(ids, special, context)]
        token_ids = np.concatenate([np.array(ids, dtype=np.int32) for ids in gathered])
        lengths = np.array([len(ids) for ids in gathered], dtype=np.int64)
        yield Window(token_ids, lengths, np.isin(token_ids, list(special)), _run(loaded, pieces, settings))


def added_token_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids of the special tokens that stand for no text, including those of chat templates; a token for unknown words
    counts as text."""
    marked = (number for number, token in tokenizer.added_tokens_decoder.items() if token.special)
    added = {*tokenizer.all_special_ids, *marked}
    other_uses = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    if tokenizer.unk_token_id not in other_uses:
        added.discard(tokenizer.unk_token_id)
    return frozenset(int(token) for token in added)


def _tokenized(
    loaded: LoadedModel, documents: Iterable[str], special: frozenset[int], max_tokens: int | None
) -> Iterator[list[int]]:
    """Token ids of each document with text; the last one is truncated so that there are never more than max_tokens."""
    left = max_tokens
    for text in documents:
        # Not verbose: the tokenizer would warn of long documents, which are cut into pieces here.
        whole = list(loaded.tokenizer(text, verbose=False)["input_ids"])
        if special.issuperset(whole):
            continue
        ids = whole[:left]
        if not special.issuperset(ids):
            yield ids
        if left is not None and (left := left - len(ids)) == 0:
            return


def _gather(docs: Iterator[list[int]], n_tokens: int) -> list[list[int]]:
    gathered: list[list[int]] = []
    count = 0
    while count < n_tokens and (ids := next(docs, None)) is not None:
        gathered.append(ids)
        count += len(ids)
    return gathered


def _cut(ids: list[int], special: frozenset[int], context: int) -> Iterator[_Piece]:
    n_prefix = next((position for position, token in enumerate(ids) if token not in special), 0)
    prefix = ids[: min(n_prefix, context - 1)]
    yield _Piece(ids[:context], 0)
    step = context - len(prefix)
    for start in range(context, len(ids), step):
        yield _Piece(prefix + ids[start : start + step], len(prefix))


def _run(loaded: LoadedModel, pieces: list[_Piece], settings: StreamSettings) -> Float[Tensor, "token d_model"]:
    starts = np.concatenate([[0], np.cumsum([piece.n_tokens for piece in pieces])])
    out = torch.empty(int(starts[-1]), loaded.d_model, dtype=torch.float32, device=loaded.device)
    by_length = sorted(range(len(pieces)), key=lambda number: len(pieces[number].ids))
    for batch in _batches(by_length, pieces, settings.batch_tokens):
        read = _forward(loaded, [pieces[number].ids for number in batch], settings)
        for row, number in enumerate(batch):
            piece = pieces[number]
            out[starts[number] : starts[number + 1]] = read[row, piece.skip : len(piece.ids)]
    if not bool(torch.isfinite(out).all()):
        where = f"{loaded.id}, layer {settings.layer}, {settings.hook}"
        raise SubjectError(where, "activations that are NaN or infinite", "finite ones; try --dtype float32")
    return out


def _batches(order: list[int], pieces: list[_Piece], batch_tokens: int) -> Iterator[list[int]]:
    """Batches of pieces of ascending length; the number of pieces times the longest stays within the limit."""
    rest = iter(order)
    batch = list(islice(rest, 1))
    for number in rest:
        if (len(batch) + 1) * len(pieces[number].ids) > batch_tokens:
            yield batch
            batch = []
        batch.append(number)
    yield batch


def _forward(
    loaded: LoadedModel, rows: list[list[int]], settings: StreamSettings
) -> Float[Tensor, "batch position d_model"]:
    """Activations of rows padded on the right; attention is causal, so the padding is never attended to."""
    longest = max(len(ids) for ids in rows)
    filler = rows[0][0]
    padded = torch.tensor([ids + [filler] * (longest - len(ids)) for ids in rows], device=loaded.device)
    with torch.inference_mode(), capture(loaded.model, settings.layer, settings.hook, stop_early=True) as recorder:
        loaded.model(input_ids=padded, use_cache=False)
    return recorder.activation.to(torch.float32)
