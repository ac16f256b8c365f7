"""Leiden communities, if igraph and leidenalg (dev extra) are installed.

Published settings (arXiv 2604.28119): edges above .005, weighted, resolution 1, seed 42.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Float64, Int64

try:
    import igraph
    import leidenalg
except ImportError:
    igraph = leidenalg = None

THRESHOLD: Final = 0.005
"""Couplings below this are not edges."""
RESOLUTION: Final = 1.0
"""Weight of the null model in the modularity."""
SEED: Final = 42
"""Determines the order in which nodes are visited."""


def _leiden(strength: Float64[np.ndarray, "feature feature"]) -> Int64[np.ndarray, "feature"]:
    """Community of each feature from 0; a feature without edges is a community of its own.

    Source: Traag, Waltman and van Eck 2019, "From Louvain to Leiden"; modularity with a resolution after Reichardt and
    Bornholdt 2006.

    Args:
        strength: symmetric, non-negative.
    """
    first, second = np.nonzero(np.triu(strength, 1) > THRESHOLD)
    graph = igraph.Graph(len(strength), list(zip(first.tolist(), second.tolist(), strict=True)))
    found = leidenalg.find_partition(
        graph,
        leidenalg.RBConfigurationVertexPartition,
        weights=strength[first, second].tolist(),
        resolution_parameter=RESOLUTION,
        seed=SEED,
    )
    return np.asarray(found.membership, dtype=np.int64)


leiden_communities: Callable[[Float64[np.ndarray, "feature feature"]], Int64[np.ndarray, "feature"]] | None = (
    None if leidenalg is None else _leiden
)
"""Communities of a weighted graph; None if the packages are missing."""
