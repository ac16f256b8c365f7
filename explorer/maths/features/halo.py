"""Core and halo: the features outside the core that carry position on the tokens where a cluster's core fires. Ours.

HDBSCAN's members are often only the hub of a manifold ("a month comes next"). The tiles that encode which month
overlap, are partly shared between manifolds, and are labelled noise. The halo adds them by the statistical greedy of
Bhalla, Fel et al. 2026 (arXiv 2604.28119): the contribution of feature j is (z_j - <z_j>) d_j, it is subtracted without
refitting, and the feature whose contribution leaves the least variance is taken next.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int32, Int64
from numba import njit
from scipy.sparse import csc_array, csr_array

from explorer.config import HaloSettings
from explorer.records.cluster import Membership

NULL_SAMPLE = 2000
"""Tokens among which codes are permuted for the null."""


@dataclass(frozen=True)
class _GreedySelection:
    """Inner products of the candidates' contributions with the residual, updated as features are chosen.

    Subtracting the contribution of j changes the inner product of i's contribution with the residual by <z_i, z_j>
    <d_i, d_j>, so the residual itself need not be stored and a choice costs one pass over the fires.
    """

    codes: csr_array
    """[token, candidate] float32, not centred."""
    rows: Int64[np.ndarray, "sample"]
    """The token whose codes are used at each sample: its own, or another one under the null."""
    mean: Float64[np.ndarray, "candidate"]
    """Mean code of each candidate."""
    inner: Float64[np.ndarray, "candidate"]
    """Inner product of each contribution with the residual."""

    @classmethod
    def of(
        cls,
        codes: csr_array,
        rows: Int64[np.ndarray, "sample"],
        mean: Float64[np.ndarray, "candidate"],
        directions: Float32[np.ndarray, "candidate d_model"],
        residual: Float32[np.ndarray, "sample d_model"],
    ) -> "_GreedySelection":
        """Start from the residual of the activations at the samples."""
        inner, total = np.zeros(len(mean)), np.zeros(residual.shape[1])
        _add_inner(codes.indptr, codes.indices, codes.data, rows, residual, directions, inner, total)
        return cls(codes, rows, mean, inner - mean * (directions @ total.astype(np.float32)))

    def take(self, own: Float64[np.ndarray, "sample"], aligned: Float64[np.ndarray, "candidate"]) -> None:
        """Subtract a contribution, given its centred codes and the inner products of its direction with the
        candidates'."""
        shared = -self.mean * own.sum()
        _add_products(self.codes.indptr, self.codes.indices, self.codes.data, self.rows, own, shared)
        self.inner[:] -= shared * aligned


def grow_halo(
    core: Int32[np.ndarray, "core"],
    candidates: Int32[np.ndarray, "candidate"],
    codes: csr_array,
    activations: Float32[np.ndarray, "sample d_model"],
    W_dec: Float32[np.ndarray, "feature d_model"],
    settings: HaloSettings,
    *,
    rng: np.random.Generator,
) -> Membership:
    """Choose the atoms of a cluster: its core, then its halo.

    The core is taken first, then the candidate that explains most of the residual, until its gain does not exceed the
    null's, ``settings.enough`` of the variance is explained, or there are ``settings.max_atoms`` atoms.

    Args:
        core: HDBSCAN's members.
        candidates: features that fire on these tokens, including the core.
        codes: [sample, candidate], their activations on the cluster's tokens.
        activations: the SAE's input there (or its reconstruction if activations are not stored).
        W_dec: the SAE's decoder.
        settings: stopping rule.
        rng: draws the null: the codes of all candidates jointly permuted over the tokens, the best gain of any
            candidate with its optimal coefficient, and the largest of ``null_draws`` such draws. Every choice uses the
            same permutations, each with its own residual. They come from a spawned generator, so their number does not
            affect later draws.

    Returns:
        Atoms with gains as shares of the activations' variance.
    """
    n, codes = codes.shape[0], csr_array(codes.astype(np.float32, copy=False))
    mean, squares = _moments(codes)
    directions = np.ascontiguousarray(W_dec[candidates], dtype=np.float32)
    energy = (squares - n * mean**2) * np.vecdot(directions, directions)
    residual = activations - activations.mean(0, dtype=np.float64).astype(np.float32)
    total = _energy(residual)
    real = _GreedySelection.of(codes, np.arange(n), mean, directions, residual)
    [null_rng] = rng.spawn(1)
    rows = null_rng.choice(n, min(n, NULL_SAMPLE), replace=False)
    null_selections: list[_GreedySelection] = []
    by_candidate, core_codes = csc_array(codes), list[Float64[np.ndarray, "sample"]]()
    in_core, free = np.isin(candidates, core), np.ones(len(candidates), dtype=bool)
    chosen: list[int] = []
    gains: list[float] = []
    nulls: list[float] = []
    while free.any() and len(chosen) < max(settings.max_atoms, len(core)):
        gain = 2 * real.inner - energy
        in_core_phase = len(chosen) < len(core)
        column = int(np.where(in_core & free if in_core_phase else free, gain, -np.inf).argmax())
        if len(chosen) == len(core):
            residual = residual[rows] - np.transpose(core_codes).astype(np.float32) @ directions[chosen]
            permutations = [null_rng.permutation(rows) for _ in range(settings.null_draws)]
            null_selections = [
                _GreedySelection.of(codes, permutation, mean, directions, residual) for permutation in permutations
            ]
        null = 0.0 if in_core_phase else _null_gain(null_selections, energy, free, n / len(rows))
        if not in_core_phase and (gain[column] <= null or sum(gains) >= settings.enough * total):
            break
        chosen.append(column)
        gains.append(float(gain[column]))
        nulls.append(null)
        free[column] = False
        own = _centred(by_candidate, column, mean)
        aligned = (directions @ directions[column]).astype(np.float64)
        real.take(own, aligned)
        if in_core_phase:
            core_codes.append(own[rows])
        for permutation in null_selections:
            permutation.take(own[rows], aligned)
    scale = max(total, 1e-300)
    return Membership(
        candidates[chosen].astype(np.int32),
        len(core),
        (np.array(gains) / scale).astype(np.float32),
        (np.array(nulls) / scale).astype(np.float32),
    )


def _null_gain(
    null_selections: list[_GreedySelection],
    energy: Float64[np.ndarray, "candidate"],
    free: Bool[np.ndarray, "candidate"],
    scale: float,
) -> float:
    """Best gain, with the optimal coefficient, of any free candidate in any permutation; ``scale`` is the number of
    tokens per permuted token."""
    best = np.abs([permutation.inner[free] for permutation in null_selections]).max(axis=0, initial=0.0)
    return float(((best * scale) ** 2 / np.maximum(energy[free], 1e-300)).max(initial=0.0))


def _centred(
    by_candidate: csc_array, column: int, mean: Float64[np.ndarray, "candidate"]
) -> Float64[np.ndarray, "sample"]:
    """One candidate's codes minus their mean."""
    entries = slice(int(by_candidate.indptr[column]), int(by_candidate.indptr[column + 1]))
    own = np.full(by_candidate.shape[0], -mean[column])
    own[by_candidate.indices[entries]] += by_candidate.data[entries]
    return own


def _moments(codes: csr_array) -> tuple[Float64[np.ndarray, "candidate"], Float64[np.ndarray, "candidate"]]:
    """Mean of each candidate's codes, and the sum of their squares."""
    values = codes.data.astype(np.float64)
    total, squares = (np.bincount(codes.indices, power, minlength=codes.shape[1]) for power in (values, values**2))
    return total / codes.shape[0], squares


@njit(cache=True, nogil=True, fastmath=True)
@no_type_check
def _add_inner(
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    rows: np.ndarray,
    residual: np.ndarray,
    directions: np.ndarray,
    inner: np.ndarray,
    total: np.ndarray,
) -> None:
    """Add every candidate's code times the inner product of its direction with the residual, and sum the residual,
    sample by sample."""
    for sample in range(len(rows)):
        for axis in range(residual.shape[1]):
            total[axis] += residual[sample, axis]
        for entry in range(indptr[rows[sample]], indptr[rows[sample] + 1]):
            aligned = np.float32(0.0)
            for axis in range(residual.shape[1]):
                aligned += residual[sample, axis] * directions[indices[entry], axis]
            inner[indices[entry]] += values[entry] * aligned


@njit(cache=True, nogil=True)
@no_type_check
def _add_products(
    indptr: np.ndarray, indices: np.ndarray, values: np.ndarray, rows: np.ndarray, own: np.ndarray, shared: np.ndarray
) -> None:
    """Add every candidate's code times the chosen one's, sample by sample."""
    for sample in range(len(rows)):
        for entry in range(indptr[rows[sample]], indptr[rows[sample] + 1]):
            shared[indices[entry]] += values[entry] * own[sample]


@dataclass(frozen=True)
class Subspace:
    """Orthonormal basis of the directions in which a cluster's activations vary."""

    center: Float32[np.ndarray, "d_model"]
    """The point with coordinates 0."""
    basis: Float32[np.ndarray, "axis d_model"]
    """Orthonormal rows, by decreasing variance."""
    share: Float32[np.ndarray, "axis"]
    """Share of the activations' variance along each row."""

    def coordinates(self, activations: Float[np.ndarray, "sample d_model"]) -> Float32[np.ndarray, "sample axis"]:
        """Coordinates of activations in the basis."""
        placed: Float32[np.ndarray, "sample axis"] = ((activations - self.center) @ self.basis.T).astype(np.float32)
        return placed


def cluster_subspace(
    activations: Float32[np.ndarray, "sample d_model"],
    directions: Float32[np.ndarray, "atom d_model"],
    *,
    without: Float32[np.ndarray, "hub d_model"] | None = None,
    keep: float = 0.999,
    most: int = 64,
) -> Subspace:
    """Principal axes of the activations inside the span of some features' directions.

    Args:
        activations: the cluster's activations.
        directions: decoder rows that span the space.
        without: decoder rows whose span is projected out first: the hub, which encodes presence rather than position.
        keep: share of the variance inside that space to keep.
        most: maximum number of axes.
    """
    center = activations.mean(0, dtype=np.float64)
    span = _orthonormal(directions.astype(np.float64))
    if without is not None and len(without):
        hub = _orthonormal(without.astype(np.float64))
        span = _orthonormal(span - span @ hub.T @ hub)
    centred = activations - center.astype(np.float32)
    inside = (centred @ span.T.astype(np.float32)).astype(np.float64)
    variance, vectors = np.linalg.eigh(inside.T @ inside)
    variance, vectors = np.maximum(variance[::-1], 0.0), vectors[:, ::-1]
    n_axes = min(most, int(np.searchsorted(np.cumsum(variance), keep * variance.sum())) + 1, len(variance))
    basis = vectors.T[:n_axes] @ span
    basis *= np.where(basis[np.arange(n_axes), np.abs(basis).argmax(1)] < 0, -1.0, 1.0)[:, None]
    share = variance[:n_axes] / max(_energy(centred), 1e-300)
    return Subspace(center.astype(np.float32), basis.astype(np.float32), share.astype(np.float32))


def _energy(rows: Float32[np.ndarray, "sample d_model"]) -> float:
    """Sum of the squared lengths."""
    return float(np.vecdot(rows, rows).sum(dtype=np.float64))


def _orthonormal(
    rows: Float64[np.ndarray, "row d_model"], smallest: float = 1e-6
) -> Float64[np.ndarray, "axis d_model"]:
    """Orthonormal basis of the rows' span."""
    _, size, axes = np.linalg.svd(rows, full_matrices=False)
    n_axes: Float64[np.ndarray, "axis d_model"] = axes[size > smallest * size.max(initial=0.0)]
    return n_axes
