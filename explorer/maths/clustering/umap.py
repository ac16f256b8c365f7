"""Two-dimensional map of the features: UMAP on the neighbour graph that the clusters come from.

umap-learn computes the fuzzy graph and the layout (McInnes, Healy and Melville 2018). The initial positions are
computed here, because umap draws them from the global random state if the graph is disconnected.
"""

import warnings
from typing import Final

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float32, Float64, Int32
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from explorer.config import ProjectionSettings
from explorer.maths.clustering.condensed_tree import MAX_DISTANCE, graph_distances
from explorer.records.clustering import NeighbourGraph

with warnings.catch_warnings():
    # umap warns on import that its parametric variant, which is not used here, lacks TensorFlow
    warnings.filterwarnings("ignore", message="Tensorflow not installed", category=ImportWarning)
    from umap.umap_ import find_ab_params, fuzzy_simplicial_set, simplicial_set_embedding

SPREAD: Final = 1.0
"""umap's default scale of the layout."""
GOLDEN_ANGLE: Final = np.pi * (3.0 - np.sqrt(5.0))
"""Angle between consecutive points of a sunflower spiral, which fills a disk evenly."""
SPECTRAL_SIZE: Final = 6
"""Components with fewer features start on a sunflower: they are too small for eigenvectors."""
MIN_RELATIVE_SCORE: Final = 0.5
"""Partners that score less than this share of a feature's best score do not shape the map. Otherwise a cluster smaller
than the number of neighbours would be pulled apart by chance partners."""
CORE_PERCENTILE: Final = 80.0
"""Percentage of the features within the radius beyond which components are pulled in."""
PULL_FACTOR: Final = 0.35
"""Factor on a component's distance beyond that radius: nothing holds separate components together, and they drift
away."""
JITTER: Final = 1e-3
"""Scale of the noise added to the initial positions, so that no two coincide."""


def project_graph(
    graph: NeighbourGraph, included: Bool[np.ndarray, "feature"], settings: ProjectionSettings, *, seed: int
) -> Float32[np.ndarray, "feature xy"]:
    """Lay out the features so that neighbours in the graph lie close together.

    Args:
        graph: best partners of every feature.
        included: features that appear on the map.
        settings: number of neighbours, minimum distance, epochs.
        seed: seeds all randomness of the layout.

    Returns:
        Positions in arbitrary units; NaN for features that are not included.
    """
    xy = np.full((len(included), 2), np.nan, dtype=np.float32)
    if included.sum() <= SPECTRAL_SIZE:
        xy[included] = _sunflower(int(included.sum()))
        return xy
    random = np.random.RandomState(seed)
    index, distance = _neighbour_table(graph, included, settings.neighbours)
    fuzzy = _fuzzy_graph(index, distance, random)
    start = _starting_positions(fuzzy, random)
    if fuzzy.nnz:
        xy[included] = _pull_in(_optimise(fuzzy, start, settings, random), _mutual_components(index))
    else:
        xy[included] = start
    return xy


def _fuzzy_graph(
    index: Int32[np.ndarray, "included neighbour"],
    distance: Float32[np.ndarray, "included neighbour"],
    random: np.random.RandomState,
) -> scipy.sparse.coo_matrix:
    """umap's fuzzy union of every feature's neighbourhood."""
    empty = np.zeros((len(index), 1), dtype=np.float32)
    fuzzy, _, _ = fuzzy_simplicial_set(
        empty, index.shape[1], random, "precomputed", knn_indices=index, knn_dists=distance
    )
    return scipy.sparse.coo_matrix(fuzzy)


def _neighbour_table(
    graph: NeighbourGraph, included: Bool[np.ndarray, "feature"], neighbours: int
) -> tuple[Int32[np.ndarray, "included neighbour"], Float32[np.ndarray, "included neighbour"]]:
    """Each included feature itself, then its near partners, padded with -1 at MAX_DISTANCE."""
    place = np.where(included, np.cumsum(included) - 1, -1).astype(np.int32)
    partner = graph.neighbour[included]
    distance = graph_distances(graph)[included]
    score = MAX_DISTANCE - distance
    near_enough = score >= MIN_RELATIVE_SCORE * score.max(axis=1, keepdims=True)
    target = np.where((partner >= 0) & (distance < MAX_DISTANCE) & near_enough, place[partner], -1)
    distance = np.where(target >= 0, distance, MAX_DISTANCE)
    order = np.argsort(target < 0, axis=1, kind="stable")[:, : neighbours - 1]
    itself = np.arange(len(partner), dtype=np.int32)[:, None]
    index = np.hstack([itself, np.take_along_axis(target, order, axis=1)])
    reach = np.hstack([np.zeros_like(itself, dtype=np.float64), np.take_along_axis(distance, order, axis=1)])
    return index.astype(np.int32), reach.astype(np.float32)


def _optimise(
    fuzzy: scipy.sparse.coo_matrix,
    start: Float64[np.ndarray, "included xy"],
    settings: ProjectionSettings,
    random: np.random.RandomState,
) -> Float32[np.ndarray, "included xy"]:
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
) -> Float64[np.ndarray, "included xy"]:
    """Place the graph's components on a sunflower, largest in the middle, each with an area proportional to its
    size."""
    matrix = fuzzy.tocsr().astype(np.float64)
    _, part = connected_components(matrix, directed=False)
    size = np.bincount(part)
    order = np.lexsort((np.arange(len(size)), -size))
    before = np.concatenate([[0], np.cumsum(size[order])[:-1]])
    start = np.zeros((matrix.shape[0], 2))
    for turn, (number, inner) in enumerate(zip(order, before, strict=True)):
        members = np.flatnonzero(part == number)
        angle = turn * GOLDEN_ANGLE
        radius = np.sqrt(inner + size[number] / 2.0) if turn else 0.0
        centre = radius * np.array([np.cos(angle), np.sin(angle)])
        start[members] = centre + 0.5 * np.sqrt(len(members)) * _part_layout(matrix[members][:, members], random)
    return start + JITTER * random.standard_normal(start.shape)


def _mutual_components(index: Int32[np.ndarray, "included neighbour"]) -> Int32[np.ndarray, "included"]:
    """Component of each feature in the graph of mutual neighbours."""
    row, place = np.nonzero(index >= 0)
    names = scipy.sparse.csr_matrix((np.ones(len(row)), (row, index[row, place])), shape=(len(index), len(index)))
    _, part = connected_components(names.multiply(names.T), directed=False)
    return np.asarray(part, dtype=np.int32)


def _pull_in(
    xy: Float32[np.ndarray, "included xy"], part: Int32[np.ndarray, "included"]
) -> Float32[np.ndarray, "included xy"]:
    """Pull components that drifted away towards the rest, each as a whole."""
    middle = np.median(xy, axis=0)
    circle = np.percentile(np.linalg.norm(xy - middle, axis=1), CORE_PERCENTILE)
    size = np.bincount(part)
    offset = np.column_stack([np.bincount(part, weights=xy[:, axis]) / size for axis in (0, 1)]) - middle
    distance = np.linalg.norm(offset, axis=1)
    excess = np.maximum(distance - circle, 0.0) * (1.0 - PULL_FACTOR)
    shift = offset * (excess / np.maximum(distance, circle))[:, None]
    return np.asarray(xy - shift[part], dtype=np.float32)


def _part_layout(part: scipy.sparse.csr_matrix, random: np.random.RandomState) -> Float64[np.ndarray, "member xy"]:
    """Positions of one connected component within the unit square: its first two harmonics, or a sunflower if it is
    small."""
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
    # the sign of an eigenvector is arbitrary; its largest entry is made positive
    harmonics = harmonics * np.sign(harmonics[np.abs(harmonics).argmax(axis=0), [0, 1]])
    return np.asarray(harmonics / np.abs(harmonics).max())


def _sunflower(n: int) -> Float64[np.ndarray, "member xy"]:
    """Evenly spread points within the unit disk."""
    angle, radius = np.arange(n) * GOLDEN_ANGLE, np.sqrt((np.arange(n) + 0.5) / max(n, 1))
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
