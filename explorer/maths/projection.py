"""The map: UMAP on the same neighbour graph that the clusters come from.

umap-learn gives the fuzzy graph and the layout (McInnes, Healy and Melville 2018); the starting positions are computed
here, because umap's own draw from the global random state where a graph falls into parts.
"""

import warnings
from typing import Final

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float32, Float64, Int32
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from explorer.config import ProjectionSettings
from explorer.maths.hierarchy import LARGEST, graph_distances
from explorer.records import NeighbourGraph

with warnings.catch_warnings():
    # umap says on import that its parametric variant, which nobody here uses, lacks TensorFlow.
    warnings.filterwarnings("ignore", message="Tensorflow not installed", category=ImportWarning)
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set, simplicial_set_embedding

SPREAD: Final = 1.0
"""umap's default scale of the map."""
GOLDEN_ANGLE: Final = np.pi * (3.0 - np.sqrt(5.0))
"""Turn between neighbours on a sunflower, which fills a disk evenly."""
SPECTRAL_SIZE: Final = 6
"""Parts with fewer features start on a small sunflower: too few for eigenvectors."""
JITTER: Final = 1e-3
"""Starting positions are moved by so much, for no two may be equal."""


def project_graph(
    graph: NeighbourGraph, included: Bool[np.ndarray, "feature"], settings: ProjectionSettings, *, seed: int
) -> Float32[np.ndarray, "feature xy"]:
    """Lay the features out so that neighbours of the graph lie near each other.

    Args:
        graph: best partners of every feature.
        included: features that stand on the map.
        settings: neighbours used, least distance, passes.
        seed: the layout's only source of chance.

    Returns:
        Positions without a unit; NaN for features that are not included.
    """
    xy = np.full((len(included), 2), np.nan, dtype=np.float32)
    if included.sum() <= SPECTRAL_SIZE:
        xy[included] = _sunflower(int(included.sum()))
        return xy
    random = np.random.RandomState(seed)
    fuzzy = _fuzzy_graph(graph, included, settings.neighbours, random)
    start = _starting_positions(fuzzy, random)
    xy[included] = _optimise(fuzzy, start, settings, random) if fuzzy.nnz else start
    return xy


def _fuzzy_graph(
    graph: NeighbourGraph, included: Bool[np.ndarray, "feature"], neighbours: int, random: np.random.RandomState
) -> scipy.sparse.coo_matrix:
    """umap's fuzzy union of every feature's neighbourhood, over the included features."""
    index, distance = _neighbour_table(graph, included, neighbours)
    empty = np.zeros((len(index), 1), dtype=np.float32)
    fuzzy, _, _ = fuzzy_simplicial_set(
        empty, index.shape[1], random, "precomputed", knn_indices=index, knn_dists=distance
    )
    return scipy.sparse.coo_matrix(fuzzy)


def _neighbour_table(
    graph: NeighbourGraph, included: Bool[np.ndarray, "feature"], neighbours: int
) -> tuple[Int32[np.ndarray, "kept near"], Float32[np.ndarray, "kept near"]]:
    """Each included feature itself, then its nearest included partners, then -1 at LARGEST."""
    place = np.where(included, np.cumsum(included) - 1, -1).astype(np.int32)
    partner = graph.neighbour[included]
    distance = graph_distances(graph)[included]
    target = np.where((partner >= 0) & (distance < LARGEST), place[partner], -1)
    distance = np.where(target >= 0, distance, LARGEST)
    order = np.argsort(target < 0, axis=1, kind="stable")[:, : neighbours - 1]
    itself = np.arange(len(partner), dtype=np.int32)[:, None]
    index = np.hstack([itself, np.take_along_axis(target, order, axis=1)])
    near = np.hstack([np.zeros_like(itself, dtype=np.float64), np.take_along_axis(distance, order, axis=1)])
    return index.astype(np.int32), near.astype(np.float32)


def _optimise(
    fuzzy: scipy.sparse.coo_matrix,
    start: Float64[np.ndarray, "kept xy"],
    settings: ProjectionSettings,
    random: np.random.RandomState,
) -> Float32[np.ndarray, "kept xy"]:
    curve_a, curve_b = find_ab_params(SPREAD, settings.min_dist)
    layout, _ = simplicial_set_embedding(
        data=None,
        graph=fuzzy,
        n_components=2,
        initial_alpha=1.0,
        a=curve_a,
        b=curve_b,
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=settings.epochs,
        init=start.astype(np.float32),
        random_state=random,
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
        parallel=False,
        verbose=False,
    )
    return np.asarray(layout, dtype=np.float32)


def _starting_positions(
    fuzzy: scipy.sparse.coo_matrix, random: np.random.RandomState
) -> Float64[np.ndarray, "kept xy"]:
    """Place the graph's parts on a sunflower, largest in the middle, each with the area that its size asks for."""
    matrix = fuzzy.tocsr()
    n_parts, part = connected_components(matrix, directed=False)
    size = np.bincount(part, minlength=n_parts)
    order = np.lexsort((np.arange(n_parts), -size))
    before = np.concatenate([[0], np.cumsum(size[order])[:-1]])
    start = np.zeros((matrix.shape[0], 2))
    for turn, (number, inner) in enumerate(zip(order, before, strict=True)):
        members = np.flatnonzero(part == number)
        angle = turn * GOLDEN_ANGLE
        radius = np.sqrt(inner + size[number] / 2.0) if turn else 0.0
        centre = radius * np.array([np.cos(angle), np.sin(angle)])
        start[members] = centre + 0.5 * np.sqrt(len(members)) * _part_layout(matrix[members][:, members], random)
    return start + JITTER * random.standard_normal(start.shape)


def _part_layout(part: scipy.sparse.csr_matrix, random: np.random.RandomState) -> Float64[np.ndarray, "member xy"]:
    """Positions of one connected part within the unit square: its first two harmonics, a sunflower if small."""
    if part.shape[0] < SPECTRAL_SIZE:
        return _sunflower(part.shape[0])
    root = np.sqrt(np.asarray(part.sum(axis=0)).ravel())
    scale = scipy.sparse.diags(1.0 / root)
    try:
        values, vectors = eigsh(scale @ part @ scale, 3, which="LA", v0=root, tol=1e-4, maxiter=2000)
    except ArpackNoConvergence as stopped:
        values, vectors = stopped.eigenvalues, stopped.eigenvectors
    harmonics = vectors[:, np.argsort(-values)[1:3]]
    if harmonics.shape[1] < 2:
        return random.uniform(-1.0, 1.0, (part.shape[0], 2))
    # eigenvectors come with either sign; the largest entry of each is made positive
    harmonics = harmonics * np.sign(harmonics[np.abs(harmonics).argmax(axis=0), [0, 1]])
    return np.asarray(harmonics / np.abs(harmonics).max())


def _sunflower(n: int) -> Float64[np.ndarray, "member xy"]:
    """Evenly spread points within the unit disk."""
    angle, radius = np.arange(n) * GOLDEN_ANGLE, np.sqrt((np.arange(n) + 0.5) / max(n, 1))
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
