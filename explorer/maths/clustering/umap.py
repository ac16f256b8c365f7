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
from explorer.maths.clustering.condensed_tree import LARGEST, graph_distances
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
NEAR_SHARE: Final = 0.5
"""Partners that score less than this share of a feature's best partner do not shape the map. A group smaller than the
number of neighbours asked for would otherwise be drawn apart by company that chance gives it."""
FAR: Final = 80.0
"""Per cent of the features within the circle beyond which parts of the graph are drawn nearer."""
GATHER: Final = 0.35
"""What is left of a part's distance to that circle: nothing holds separate parts, and they drift far away."""
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
    index, distance = _neighbour_table(graph, included, settings.neighbours)
    fuzzy = _fuzzy_graph(index, distance, random)
    start = _starting_positions(fuzzy, random)
    if fuzzy.nnz:
        xy[included] = _gather(_optimise(fuzzy, start, settings, random), _close_company(index))
    else:
        xy[included] = start
    return xy


def _fuzzy_graph(
    index: Int32[np.ndarray, "kept near"], distance: Float32[np.ndarray, "kept near"], random: np.random.RandomState
) -> scipy.sparse.coo_matrix:
    """umap's fuzzy union of every feature's neighbourhood."""
    empty = np.zeros((len(index), 1), dtype=np.float32)
    fuzzy, _, _ = fuzzy_simplicial_set(
        empty, index.shape[1], random, "precomputed", knn_indices=index, knn_dists=distance
    )
    return scipy.sparse.coo_matrix(fuzzy)


def _neighbour_table(
    graph: NeighbourGraph, included: Bool[np.ndarray, "feature"], neighbours: int
) -> tuple[Int32[np.ndarray, "kept near"], Float32[np.ndarray, "kept near"]]:
    """Each included feature itself, then its near partners, then -1 at LARGEST."""
    place = np.where(included, np.cumsum(included) - 1, -1).astype(np.int32)
    partner = graph.neighbour[included]
    distance = graph_distances(graph)[included]
    score = LARGEST - distance
    near_enough = score >= NEAR_SHARE * score.max(axis=1, keepdims=True)
    target = np.where((partner >= 0) & (distance < LARGEST) & near_enough, place[partner], -1)
    distance = np.where(target >= 0, distance, LARGEST)
    order = np.argsort(target < 0, axis=1, kind="stable")[:, : neighbours - 1]
    itself = np.arange(len(partner), dtype=np.int32)[:, None]
    index = np.hstack([itself, np.take_along_axis(target, order, axis=1)])
    reach = np.hstack([np.zeros_like(itself, dtype=np.float64), np.take_along_axis(distance, order, axis=1)])
    return index.astype(np.int32), reach.astype(np.float32)


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


def _close_company(index: Int32[np.ndarray, "kept near"]) -> Int32[np.ndarray, "kept"]:
    """Number the parts that hold together by features that name each other."""
    row, place = np.nonzero(index >= 0)
    names = scipy.sparse.csr_matrix((np.ones(len(row)), (row, index[row, place])), shape=(len(index), len(index)))
    _, part = connected_components(names.multiply(names.T), directed=False)
    return np.asarray(part, dtype=np.int32)


def _gather(xy: Float32[np.ndarray, "kept xy"], part: Int32[np.ndarray, "kept"]) -> Float32[np.ndarray, "kept xy"]:
    """Draw parts that drifted away nearer to the rest, each moved as a whole."""
    middle = np.median(xy, axis=0)
    circle = np.percentile(np.linalg.norm(xy - middle, axis=1), FAR)
    size = np.bincount(part)
    offset = np.column_stack([np.bincount(part, weights=xy[:, axis]) / size for axis in (0, 1)]) - middle
    distance = np.linalg.norm(offset, axis=1)
    excess = np.maximum(distance - circle, 0.0) * (1.0 - GATHER)
    shift = offset * (excess / np.maximum(distance, circle))[:, None]
    return np.asarray(xy - shift[part], dtype=np.float32)


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
