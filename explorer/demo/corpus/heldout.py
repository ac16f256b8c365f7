"""Held-out sentences, selected by a hash of their content and therefore independent of the seed."""

import hashlib

from explorer.demo.corpus.relations import Combination, Relation

WORDING_SHARE = 0.10
"""Fraction of (wording, combination) pairs that are held out."""

COMBINATION_SHARE = 0.03
"""Fraction of computed combinations that are held out in every wording."""


def _chance(text: str) -> float:
    """Deterministic hash of the text to [0, 1)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def combination_held_out(relation: Relation, combination: Combination) -> bool:
    """Whether the combination is held out in every wording."""
    return relation.computed and _chance(f"combination: {combination.key}") < COMBINATION_SHARE


def wording_held_out(relation: Relation, wording: str, combination: Combination) -> bool:
    """Whether the combination is held out in this wording."""
    return relation.scored and _chance(f"wording: {wording}: {combination.key}") < WORDING_SHARE
