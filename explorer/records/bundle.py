"""The contents of a feature bundle: codes, decoder, tokens, activations, concepts and labels.

Axes: ``token`` (index in the harvested stream, from 0), ``doc``, ``feature`` (SAE latent), ``d_model``.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float16, Float32, Int32, Int64, UInt8, UInt32


@dataclass(frozen=True)
class Codes:
    """Sparse feature activations, CSR over tokens; a feature fires where its value is > 0."""

    indptr: Int64[np.ndarray, "token_plus_1"]
    """Start of each token's entries."""
    features: UInt32[np.ndarray, "nnz"]
    """Feature of each entry, ascending within a token."""
    values: Float[np.ndarray, "nnz"]
    """Activation of each entry, float16 or float32."""
    n_features: int
    """Number of features, including those that never fire."""

    @property
    def n_tokens(self) -> int:
        """Number of tokens."""
        return len(self.indptr) - 1


@dataclass(frozen=True)
class Decoder:
    """Decoder of an SAE."""

    W_dec: Float32[np.ndarray, "feature d_model"]
    """Direction that each feature writes."""
    b_dec: Float32[np.ndarray, "d_model"]
    """Bias of the reconstruction."""


def packed_text(text_bytes: UInt8[np.ndarray, "byte"], text_offsets: Int64[np.ndarray, "text_plus_1"], at: int) -> str:
    """One of many texts packed as concatenated UTF-8."""
    start, stop = int(text_offsets[at]), int(text_offsets[at + 1])
    return text_bytes[start:stop].tobytes().decode("utf-8", errors="replace")


def pack_texts(texts: list[str]) -> tuple[UInt8[np.ndarray, "byte"], Int64[np.ndarray, "text_plus_1"]]:
    """Concatenate texts as UTF-8; returns the bytes and the start of each text."""
    encoded = [text.encode("utf-8", errors="replace") for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in encoded])]).astype(np.int64)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


@dataclass(frozen=True)
class Vocabulary:
    """Display text of every token id, packed as UTF-8."""

    text_bytes: UInt8[np.ndarray, "byte"]
    """All texts, concatenated."""
    text_offsets: Int64[np.ndarray, "vocab_plus_1"]
    """Start of each text."""

    def __len__(self) -> int:
        return len(self.text_offsets) - 1

    def text(self, token_id: int) -> str:
        """Display text of one token, word-initial space included."""
        return packed_text(self.text_bytes, self.text_offsets, token_id)

    @classmethod
    def pack(cls, texts: list[str]) -> "Vocabulary":
        """Pack a list of texts, one per token id."""
        return cls(*pack_texts(texts))


@dataclass(frozen=True)
class Tokens:
    """The harvested stream of tokens."""

    token_ids: Int32[np.ndarray, "token"]
    doc_offsets: Int64[np.ndarray, "doc_plus_1"]
    """Start of each document."""
    vocabulary: Vocabulary
    """Display text of each token id."""


@dataclass(frozen=True)
class Residuals:
    """A sample of the activations that the SAE reads."""

    values: Float16[np.ndarray, "stored d_model"]
    token_index: Int64[np.ndarray, "stored"]
    """Token of each row, ascending."""


@dataclass(frozen=True)
class Concept:
    """A known value at one token, for naming and scoring, never for discovery."""

    token_index: int
    concept: str
    """Such as "weekday"."""
    value: str
    """Such as "Monday"."""
    order: float | None
    """Position of the value in its concept; None if the values have no order."""
    period: float | None
    """Period of a cyclic concept; None otherwise."""


@dataclass(frozen=True)
class FeatureLabel:
    """A label of a feature."""

    feature: int
    label: str
    source: str
    """Person or program that assigned it."""
