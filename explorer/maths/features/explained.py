"""How much few atoms explain: restricted R2 on their codes, and variance along their directions beside other bases.

Both after Bhalla, Fel et al. 2026 (arXiv 2604.28119): restricted R2 (eq. 14) chooses atoms greedily and then fits the
target affinely on their codes; the geometric greedy adds the direction along which most of what is left varies.
"""

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

COUNTS = (1, 2, 4, 8, 16)
"""Numbers of atoms at which curves are told."""
SILENT = 1e-9
"""Variance, as a share of the largest atom's, below which what is new in an atom's codes is rounding."""
FLAT = 1e-6
"""The same for the eigenvalues of codes that are fitted together."""
RANDOM_BASES = 5
"""Random bases that a curve is the mean over."""


def restricted_r2(
    codes: Float[np.ndarray, "sample atom"],
    target: Float[np.ndarray, "sample axis"],
    fitted: Bool[np.ndarray, "sample"],
) -> float:
    """Share of a target's variance that affine least squares on some atoms' codes explains (arXiv 2604.28119, eq. 14).

    Args:
        codes: activations of the atoms, all of them are used.
        target: what is explained.
        fitted: samples that the map is fitted on; R2 is measured on the others.
    """
    inputs, wanted = _centred(codes, fitted), _centred(target, fitted)
    learned = inputs[fitted]
    slope = np.linalg.pinv(learned.T @ learned, rcond=FLAT, hermitian=True) @ (learned.T @ wanted[fitted])
    held = wanted[~fitted]
    left = ((held - inputs[~fitted] @ slope) ** 2).sum()
    return 1.0 - float(left) / max(float(((held - held.mean(0)) ** 2).sum()), 1e-300)


def best_atoms(
    codes: Float[np.ndarray, "sample atom"], target: Float[np.ndarray, "sample axis"], most: int
) -> Int64[np.ndarray, "chosen"]:
    """Atoms in the order in which each explains most of what those before it leave of a target.

    Orthogonal matching pursuit: an atom counts by what is new in its codes. It ends before ``most`` where nothing is.
    """
    new = codes.astype(np.float64) - codes.mean(0, dtype=np.float64)
    left = target.astype(np.float64) - target.mean(0, dtype=np.float64)
    least = SILENT * float((new**2).sum(0).max(initial=0.0))
    chosen: list[int] = []
    while len(chosen) < most:
        energy = (new**2).sum(0)
        gain = np.where(energy > least, ((new.T @ left) ** 2).sum(1) / np.maximum(energy, 1e-300), -1.0)
        gain[chosen] = -1.0
        if gain.max(initial=-1.0) <= 0.0:
            break
        chosen.append(int(gain.argmax()))
        axis = new[:, chosen[-1]] / np.sqrt(energy[chosen[-1]])
        left -= np.outer(axis, axis @ left)
        new -= np.outer(axis, axis @ new)
    return np.array(chosen, dtype=np.int64)


def r2_curve(
    codes: Float[np.ndarray, "sample atom"],
    target: Float[np.ndarray, "sample axis"],
    fitted: Bool[np.ndarray, "sample"],
    counts: tuple[int, ...] = COUNTS,
) -> tuple[float, ...]:
    """Restricted R2 of the best so many atoms, chosen and fitted on one part of the samples, measured on the other.

    Where there are fewer atoms than a count, all that are of use stand for it.
    """
    order = best_atoms(codes[fitted], target[fitted], max(counts))
    return tuple(restricted_r2(codes[:, order[:count]], target, fitted) for count in counts)


def greedy_variance(
    spread: Float64[np.ndarray, "d_model d_model"],
    directions: Float[np.ndarray, "atom d_model"],
    counts: tuple[int, ...] = COUNTS,
) -> tuple[float, ...]:
    """Share of the activations' variance inside the span of the best so many directions (geometric greedy).

    Direction j scores sum_n (r_n . d_j)^2 / |d_j|^2, r what the chosen directions' span leaves of the activations, of
    which ``spread`` is the covariance.
    """
    free = directions.astype(np.float64)
    size = np.maximum((free**2).sum(1), 1e-300)
    total, explained = max(float(np.trace(spread)), 1e-300), [0.0]
    while len(explained) <= max(counts):
        score = np.where((free**2).sum(1) > FLAT * size, _along(free, spread) / size, -1.0)
        if score.max(initial=-1.0) <= 0.0:
            break
        axis = free[score.argmax()] / np.linalg.norm(free[score.argmax()])
        explained.append(explained[-1] + float(axis @ spread @ axis) / total)
        free = free - np.outer(free @ axis, axis)
    return tuple(explained[min(count, len(explained) - 1)] for count in counts)


def principal_variance(
    spread: Float64[np.ndarray, "d_model d_model"], counts: tuple[int, ...] = COUNTS
) -> tuple[float, ...]:
    """Share of the variance along the first so many principal axes of a covariance: no basis explains more."""
    share = np.maximum(np.linalg.eigvalsh(spread)[::-1], 0.0)
    running = np.cumsum(share) / max(float(share.sum()), 1e-300)
    return tuple(float(running[min(count, len(running)) - 1]) for count in counts)


def random_variance(
    spread: Float64[np.ndarray, "d_model d_model"], *, rng: np.random.Generator, counts: tuple[int, ...] = COUNTS
) -> tuple[float, ...]:
    """Share of a covariance's variance along so many random orthonormal directions, the mean over RANDOM_BASES."""
    most = min(max(counts), len(spread))
    bases = [np.linalg.qr(rng.standard_normal((len(spread), most)))[0].T for _ in range(RANDOM_BASES)]
    running = np.cumsum(np.mean([_along(basis, spread) for basis in bases], axis=0)) / max(np.trace(spread), 1e-300)
    return tuple(float(running[min(count, most) - 1]) for count in counts)


def covariance(activations: Float[np.ndarray, "sample d_model"]) -> Float64[np.ndarray, "d_model d_model"]:
    """Covariance, times the number of samples."""
    centred = activations - activations.mean(0, dtype=np.float64).astype(activations.dtype)
    return np.asarray(centred.T @ centred, dtype=np.float64)


def _along(
    axes: Float64[np.ndarray, "axis d_model"], spread: Float64[np.ndarray, "d_model d_model"]
) -> Float64[np.ndarray, "axis"]:
    """Variance along each of some directions, times their squared length."""
    return np.asarray(((axes @ spread) * axes).sum(1))


def _centred(
    values: Float[np.ndarray, "sample axis"], fitted: Bool[np.ndarray, "sample"]
) -> Float64[np.ndarray, "sample axis"]:
    centred: Float64[np.ndarray, "sample axis"] = values.astype(np.float64) - values[fitted].mean(0, dtype=np.float64)
    return centred
