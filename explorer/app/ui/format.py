"""Formatting for display: numbers, names, tokens, and tokens in context."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32

from explorer.records.bundle import FeatureLabel, Vocabulary
from explorer.records.cluster import CONTEXT_BEFORE

REGIMES = {
    "compact capture": "A few features fire everywhere on the shape and span it together.",
    "tiling": "Each feature fires on its own stretch; together they cover the shape.",
    "dilution": "Neither: at every position several features overlap, wide or narrow.",
    "undetermined": "Too few features vary, or too few co-firings are expected, to decide how they share the shape.",
}
"""Regimes: how features share a manifold."""
LONGEST_LABEL = 120
"""Characters of a feature's label or its source in a single line."""


def percent(share: float) -> str:
    """Format a share as a percentage; values that would round to 0 or 100 % are marked with < or >."""
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{abs(share) if abs(share) < 0.005 else share:.0%}".replace("%", " %")


def count(number: int) -> str:
    """Format an integer with thousands separators."""
    return f"{number:,}"


def counted(number: int, one: str, many: str = "") -> str:
    """Format a number with its noun: "1 feature", "1,204 features"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def number(value: float) -> str:
    """Format a measurement with three significant digits."""
    if value == 0 or 0.001 <= abs(value) < 100_000:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:.1e}"


def visible(token: str) -> str:
    """Make the white space of a token visible."""
    shown = token.replace("\n", "⏎").replace("\t", "⇥").replace("\r", "␍")
    return "␣" * len(shown) if shown and not shown.strip() else shown


def cut(text: str) -> str:
    """Format text of unknown origin for a single line: white space visible, long text truncated."""
    shown = visible(text)
    return shown if len(shown) <= LONGEST_LABEL else f"{shown[:LONGEST_LABEL]}…"


def feature_name(feature: int, labels: Sequence[FeatureLabel]) -> str:
    """Name a feature in plain text by its id and, if it has labels, the first of them.

    The label is isolated (UAX 9, FSI and PDI) so that right-to-left text does not reorder its surroundings.
    """
    return f"{feature} “\u2068{cut(labels[0].label)}\u2069”" if labels else str(feature)


def short_id(text: str) -> str:
    """Shorten a model id: a local path to its most specific name, a hub id as it is."""
    parts = text.replace("\\", "/").strip("/").split("/")
    specific = [part for part in parts if part not in ("model", "sae", "subject", ".", "..")]
    return text if len(parts) <= 2 else (specific or parts)[-1]


def sentence(text: str) -> str:
    """Format text as a sentence: initial capital, final full stop."""
    plain = text.strip()
    return plain if not plain else plain[0].upper() + plain[1:] + ("" if plain[-1] in ".!?…" else ".")


_SPECIAL = re.compile(r"\s*(<[|/]?[A-Za-z_]+[|]?>|\[[A-Z]+\])\s*")


@dataclass(frozen=True)
class Context:
    """A token with the text around it."""

    before: str
    token: str
    """With white space made visible."""
    after: str


def read_context(vocabulary: Vocabulary, ids: Int32[np.ndarray, "context"], mark: int = CONTEXT_BEFORE) -> Context:
    """Decode a stored window of token ids, in which -1 marks positions beyond the document."""
    texts = [vocabulary.text(int(token)) if token >= 0 else "" for token in ids]
    return Context("".join(texts[:mark]).lstrip(), visible(texts[mark]), "".join(texts[mark + 1 :]).rstrip())


def prompt_at(vocabulary: Vocabulary, ids: Int32[np.ndarray, "context"], mark: int = CONTEXT_BEFORE) -> str:
    """The text up to and including the marked token, without special tokens: a prompt that ends at the token."""
    texts = [vocabulary.text(int(token)) for token in ids[: mark + 1] if token >= 0]
    return "".join(text for text in texts if not _SPECIAL.fullmatch(text)).strip()
