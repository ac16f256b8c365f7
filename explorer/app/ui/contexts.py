"""A token in its surroundings, as a page shows it."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32

from explorer.app.ui.format import visible
from explorer.records import CONTEXT_BEFORE, Vocabulary

_SPECIAL = re.compile(r"\s*(<[|/]?[A-Za-z_]+[|]?>|\[[A-Z]+\])\s*")


@dataclass(frozen=True)
class Context:
    """A marked token between what stands before and after it."""

    before: str
    """Text before the token."""
    token: str
    """The token, white space made visible."""
    after: str
    """Text after the token."""


def read_context(vocabulary: Vocabulary, ids: Int32[np.ndarray, "context"], mark: int = CONTEXT_BEFORE) -> Context:
    """Spell out a stored window of token numbers; -1 lies beyond the document."""
    texts = [vocabulary.text(int(token)) if token >= 0 else "" for token in ids]
    return Context("".join(texts[:mark]).lstrip(), visible(texts[mark]), "".join(texts[mark + 1 :]).rstrip())


def prompt_of(vocabulary: Vocabulary, ids: Int32[np.ndarray, "context"], mark: int = CONTEXT_BEFORE) -> str:
    """The text up to and with the marked token, special tokens left out: what one would type to get there."""
    texts = [vocabulary.text(int(token)) for token in ids[: mark + 1] if token >= 0]
    return "".join(text for text in texts if not _SPECIAL.fullmatch(text)).strip()
