"""Core and halo: the further features that carry position on the tokens where a cluster's core fires. Ours.

HDBSCAN's members are often only the hub of a manifold ("a month comes next"); the tiles that say which one overlap, are
partly shared between manifolds, and are left as noise. The halo adds them by the statistical greedy of Bhalla, Fel et
al. 2026 (arXiv 2604.28119): the contribution of feature j is (z_j - <z_j>) d_j, it is subtracted without refit, and the
feature whose contribution leaves least of the activations' variance is taken next.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int32, Int64
from numba import njit
from scipy.sparse import csc_array, csr_array

from explorer.config import HaloSettings
from explorer.records import Membership

NULL_SAMPLE = 2000
"""Tokens on which the null is drawn: codes are dealt out anew among these."""


@dataclass(frozen=True)
class _Greedy:
    """What each candidate would take away of the activations, kept up to date as features are chosen.

    Subtracting the contribution of j changes the inner product of i's contribution with what is left by
    <z_i, z_j> <d_i, d_j>, so that what is left need not be held, and a choice costs one pass over their fires.
    """

    codes: csr_array
    """[token, candidate] float32, not centred."""
    rows: Int64[np.ndarray, "sample"]
    """The token whose codes stand at each sample: its own, or another where codes are dealt out anew."""
    mean: Float64[np.ndarray, "candidate"]
    """What is subtracted of each candidate's codes."""
    inner: Float64[np.ndarray, "candidate"]
    """Inner product of each contribution with what is left."""

    @classmethod
    def of(
        cls,
        codes: csr_array,
        rows: Int64[np.ndarray, "sample"],
        mean: Float64[np.ndarray, "candidate"],
        directions: Float32[np.ndarray, "candidate d_model"],
        left: Float32[np.ndarray, "sample d_model"],
    ) -> "_Greedy":
        """Against what is left of the activations at the samples."""
        inner, total = np.zeros(len(mean)), np.zeros(left.shape[1])
        _add_inner(codes.indptr, codes.indices, codes.data, rows, left, directions, inner, total)
        return cls(codes, rows, mean, inner - mean * (directions @ total.astype(np.float32)))

    def take(self, own: Float64[np.ndarray, "sample"], aligned: Float64[np.ndarray, "candidate"]) -> None:
        """Subtract a contribution, given its centred codes and the candidates' inner products with its direction."""
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
    """Choose the atoms of a cluster.

    The core is taken first, then the candidate that explains most of what is left, until its gain is no larger than the
    null's, until ``settings.enough`` of the variance is explained, or until there are ``settings.max_atoms``.

    Args:
        core: HDBSCAN's members.
        candidates: features that fire on these tokens, the core among them.
        codes: [sample, candidate], their activations on the cluster's tokens.
        activations: what the SAE reads there (or its reconstruction, where activations are not stored).
        W_dec: the SAE's decoder.
        settings: stop rule.
        rng: draws the null: the codes of all candidates shuffled over the tokens together, the best gain that any
            candidate then has with its best coefficient, and the largest of ``null_draws`` such draws. Every choice is
            held against the same shuffles, each with what is left of the activations by then. They come from a
            generator of their own, so that how many there are changes nothing that is drawn after them.

    Returns:
        Atoms with gains as shares of the activations' variance.
    """
    n, codes = codes.shape[0], csr_array(codes.astype(np.float32, copy=False))
    mean, squares = _moments(codes)
    directions = np.ascontiguousarray(W_dec[candidates], dtype=np.float32)
    energy = (squares - n * mean**2) * np.vecdot(directions, directions)
    left = activations - activations.mean(0, dtype=np.float64).astype(np.float32)
    total = _energy(left)
    real = _Greedy.of(codes, np.arange(n), mean, directions, left)
    [null_rng] = rng.spawn(1)
    rows = null_rng.choice(n, min(n, NULL_SAMPLE), replace=False)
    dealt = list[_Greedy]()
    by_candidate, of_the_core = csc_array(codes), list[Float64[np.ndarray, "sample"]]()
    in_core, free = np.isin(candidates, core), np.ones(len(candidates), dtype=bool)
    chosen: list[int] = []
    gains: list[float] = []
    nulls: list[float] = []
    while free.any() and len(chosen) < max(settings.max_atoms, len(core)):
        gain = 2 * real.inner - energy
        of_core = len(chosen) < len(core)
        column = int(np.where(in_core & free if of_core else free, gain, -np.inf).argmax())
        if len(chosen) == len(core):
            left = left[rows] - np.transpose(of_the_core).astype(np.float32) @ directions[chosen]
            deals = [null_rng.permutation(rows) for _ in range(settings.null_draws)]
            dealt = [_Greedy.of(codes, deal, mean, directions, left) for deal in deals]
        null = 0.0 if of_core else _null_gain(dealt, energy, free, n / len(rows))
        if not of_core and (gain[column] <= null or sum(gains) >= settings.enough * total):
            break
        chosen.append(column)
        gains.append(float(gain[column]))
        nulls.append(null)
        free[column] = False
        own = _centred(by_candidate, column, mean)
        aligned = (directions @ directions[column]).astype(np.float64)
        real.take(own, aligned)
        if of_core:
            of_the_core.append(own[rows])
        for deal in dealt:
            deal.take(own[rows], aligned)
    scale = max(total, 1e-300)
    return Membership(
        candidates[chosen].astype(np.int32),
        len(core),
        (np.array(gains) / scale).astype(np.float32),
        (np.array(nulls) / scale).astype(np.float32),
    )


def _null_gain(
    dealt: list[_Greedy],
    energy: Float64[np.ndarray, "candidate"],
    free: Bool[np.ndarray, "candidate"],
    scale: float,
) -> float:
    """Best gain, with its best coefficient, of any free candidate in any of the deals; ``scale``: tokens for each that
    was dealt out."""
    best = np.abs([deal.inner[free] for deal in dealt]).max(axis=0, initial=0.0)
    return float(((best * scale) ** 2 / np.maximum(energy[free], 1e-300)).max(initial=0.0))


def _centred(
    by_candidate: csc_array, column: int, mean: Float64[np.ndarray, "candidate"]
) -> Float64[np.ndarray, "sample"]:
    """One candidate's codes less their mean."""
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
    left: np.ndarray,
    directions: np.ndarray,
    inner: np.ndarray,
    total: np.ndarray,
) -> None:
    """Add every candidate's code times the inner product of its direction with what is left, and the sum of what is
    left, sample by sample."""
    for sample in range(len(rows)):
        for axis in range(left.shape[1]):
            total[axis] += left[sample, axis]
        for entry in range(indptr[rows[sample]], indptr[rows[sample] + 1]):
            aligned = np.float32(0.0)
            for axis in range(left.shape[1]):
                aligned += left[sample, axis] * directions[indices[entry], axis]
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
    """An orthonormal basis of directions in which a cluster's activations vary."""

    center: Float32[np.ndarray, "d_model"]
    """The point with coordinates 0."""
    basis: Float32[np.ndarray, "axis d_model"]
    """Orthonormal rows, by falling variance."""
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
        activations: the cluster's.
        directions: decoder rows that span the space.
        without: decoder rows whose span is projected out first: the hub, which shows presence and not position.
        keep: share of the variance inside that space to keep.
        most: largest number of axes.
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
    kept = min(most, int(np.searchsorted(np.cumsum(variance), keep * variance.sum())) + 1, len(variance))
    basis = vectors.T[:kept] @ span
    basis *= np.where(basis[np.arange(kept), np.abs(basis).argmax(1)] < 0, -1.0, 1.0)[:, None]
    share = variance[:kept] / max(_energy(centred), 1e-300)
    return Subspace(center.astype(np.float32), basis.astype(np.float32), share.astype(np.float32))


def _energy(rows: Float32[np.ndarray, "sample d_model"]) -> float:
    """Sum of the squared lengths."""
    return float(np.vecdot(rows, rows).sum(dtype=np.float64))


def _orthonormal(
    rows: Float64[np.ndarray, "row d_model"], smallest: float = 1e-6
) -> Float64[np.ndarray, "axis d_model"]:
    """Orthonormal basis of the rows' span."""
    _, size, axes = np.linalg.svd(rows, full_matrices=False)
    kept: Float64[np.ndarray, "axis d_model"] = axes[size > smallest * size.max(initial=0.0)]
    return kept
