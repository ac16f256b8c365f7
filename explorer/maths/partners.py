"""The neighbour graph under any similarity that the settings name."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int64

from explorer.config import CofiringSettings
from explorer.maths.cofiring import FiringShard, cofiring_graph_of_shards
from explorer.maths.signed import signed_graph
from explorer.records import NeighbourGraph


def partner_graph(
    shards: Iterable[FiringShard],
    doc_offsets: Int64[np.ndarray, "doc_plus_1"],
    n_features: int,
    settings: CofiringSettings,
) -> NeighbourGraph:
    """Find every feature's best partners.

    Args:
        shards: an iterable that can be gone through many times, giving the codes in the order of the tokens.
        doc_offsets: where each document begins, and the number of tokens.
        n_features: number of features, whether or not they fire.
        settings: similarity, partners kept, least evidence.
    """
    limits = {
        "neighbours": settings.neighbours,
        "min_count": settings.min_count,
        "min_fires": settings.min_fires,
    }
    if settings.similarity == "signed":
        return signed_graph(shards, doc_offsets, n_features, **limits)
    return cofiring_graph_of_shards(shards, n_features, similarity=settings.similarity, **limits)
