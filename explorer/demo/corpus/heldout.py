"""Which sentences the model never sees: decided by a hash of what they say, whatever the seed."""

import hashlib

from explorer.demo.corpus.relations import Combination, Relation

WORDING_SHARE = 0.10
"""Share of (wording, combination) pairs that are held out."""

COMBINATION_SHARE = 0.03
"""Share of computed combinations that are held out of every wording."""


def _chance(text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def combination_held_out(relation: Relation, combination: Combination) -> bool:
    """Whether the model never sees these values together, in any wording."""
    return relation.computed and _chance(f"combination: {combination.key}") < COMBINATION_SHARE


def wording_held_out(relation: Relation, wording: str, combination: Combination) -> bool:
    """Whether the model never sees these values in this wording."""
    return relation.scored and _chance(f"wording: {wording}: {combination.key}") < WORDING_SHARE
