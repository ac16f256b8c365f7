"""Streams text through a language model and gives one activation for every token, in the order of the text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from explorer.errors import SubjectError
from explorer.lm.hooks.block_hooks import capture, check_place
from explorer.lm.model.load import LoadedModel
from explorer.records import Hook

_WINDOW_BATCHES = 4
"""Batches that are sorted by length together: pieces of a batch are then of nearly equal length."""


@dataclass(frozen=True)
class Place:
    """Where activations are read, and how much text is run at once."""

    layer: int
    """Decoder block, from 0."""
    hook: Hook
    """Where in that block."""
    context: int
    """Longest piece of a document, in tokens; the model's own limit holds too."""
    batch_tokens: int
    """Tokens in one forward pass, padding included."""


@dataclass(frozen=True)
class Window:
    """The next stretch of whole documents with their activations."""

    token_ids: Int32[np.ndarray, "token"]
    """Vocabulary number of each token."""
    doc_lengths: Int64[np.ndarray, "doc"]
    """Tokens of each document; none is empty."""
    special: Bool[np.ndarray, "token"]
    """Which tokens are no text, such as the one that begins a document."""
    activations: Float[Tensor, "token d_model"]
    """One float32 activation for each token, on the model's device."""


@dataclass(frozen=True)
class _Piece:
    """A stretch of one document that is run at once."""

    ids: list[int]
    """What the model reads."""
    skip: int
    """Leading tokens that only repeat how the document begins; their activations are not kept."""

    @property
    def kept(self) -> int:
        return len(self.ids) - self.skip


def stream_activations(
    loaded: LoadedModel, documents: Iterable[str], place: Place, *, max_tokens: int | None = None
) -> Iterator[Window]:
    """Run documents through a model and give the activations of every token, in bounded memory.

    A document is cut at the context. Each later piece is run behind the special tokens that the tokenizer puts before
    the document, as the model never saw text without them; these repeated tokens are not kept.

    Args:
        loaded: the language model.
        documents: texts, read as they are needed.
        place: where and how much at once.
        max_tokens: stop after so many tokens, within a document if need be (not right behind its special tokens);
            None reads all. Documents without text are passed over.

    Raises:
        SubjectError: the model has no such layer or place, or an activation is not finite.
    """
    check_place(loaded.model, place.layer, place.hook)
    context = min(place.context, loaded.max_context)
    special = added_token_ids(loaded.tokenizer)
    docs = _tokenized(loaded, documents, special, max_tokens)
    while gathered := _gather(docs, _WINDOW_BATCHES * place.batch_tokens):
        pieces = [piece for ids in gathered for piece in _cut(ids, special, context)]
        token_ids = np.concatenate([np.array(ids, dtype=np.int32) for ids in gathered])
        lengths = np.array([len(ids) for ids in gathered], dtype=np.int64)
        yield Window(token_ids, lengths, np.isin(token_ids, list(special)), _run(loaded, pieces, place))


def added_token_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Ids of the special tokens that stand for no text, those that only a chat template uses too; a token for unknown
    words is text."""
    marked = (number for number, token in tokenizer.added_tokens_decoder.items() if token.special)
    added = {*tokenizer.all_special_ids, *marked}
    other_uses = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    if tokenizer.unk_token_id not in other_uses:
        added.discard(tokenizer.unk_token_id)
    return frozenset(int(token) for token in added)


def _tokenized(
    loaded: LoadedModel, documents: Iterable[str], special: frozenset[int], max_tokens: int | None
) -> Iterator[list[int]]:
    """Token ids of each document that holds text; the last is cut so that there are never more than max_tokens."""
    left = max_tokens
    for text in documents:
        # Not verbose: the tokenizer warns of documents that are too long to run whole, which none is here.
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
    n_prefix = next((place for place, token in enumerate(ids) if token not in special), 0)
    prefix = ids[: min(n_prefix, context - 1)]
    yield _Piece(ids[:context], 0)
    step = context - len(prefix)
    for start in range(context, len(ids), step):
        yield _Piece(prefix + ids[start : start + step], len(prefix))


def _run(loaded: LoadedModel, pieces: list[_Piece], place: Place) -> Float[Tensor, "token d_model"]:
    starts = np.concatenate([[0], np.cumsum([piece.kept for piece in pieces])])
    out = torch.empty(int(starts[-1]), loaded.d_model, dtype=torch.float32, device=loaded.device)
    by_length = sorted(range(len(pieces)), key=lambda number: len(pieces[number].ids))
    for batch in _batches(by_length, pieces, place.batch_tokens):
        read = _forward(loaded, [pieces[number].ids for number in batch], place)
        for row, number in enumerate(batch):
            piece = pieces[number]
            out[starts[number] : starts[number + 1]] = read[row, piece.skip : len(piece.ids)]
    if not bool(torch.isfinite(out).all()):
        where = f"{loaded.id}, layer {place.layer}, {place.hook}"
        raise SubjectError(where, "activations that are NaN or infinite", "finite ones; try --dtype float32")
    return out


def _batches(order: list[int], pieces: list[_Piece], batch_tokens: int) -> Iterator[list[int]]:
    """Runs of pieces of rising length whose number times the longest stays within the batch."""
    rest = iter(order)
    batch = list(islice(rest, 1))
    for number in rest:
        if (len(batch) + 1) * len(pieces[number].ids) > batch_tokens:
            yield batch
            batch = []
        batch.append(number)
    yield batch


def _forward(loaded: LoadedModel, rows: list[list[int]], place: Place) -> Float[Tensor, "batch position d_model"]:
    """The activations of rows filled up on the right, which a causal model does not see before."""
    longest = max(len(ids) for ids in rows)
    fill = rows[0][0]
    padded = torch.tensor([ids + [fill] * (longest - len(ids)) for ids in rows], device=loaded.device)
    with torch.inference_mode(), capture(loaded.model, place.layer, place.hook, stop_early=True) as recorder:
        loaded.model(input_ids=padded, use_cache=False)
    return recorder.activation.to(torch.float32)
