"""Variance explained by a few atoms: restricted R2 on their codes, and variance along their directions against other
bases.

Both after Bhalla, Fel et al. 2026 (arXiv 2604.28119): restricted R2 (eq. 14) chooses atoms greedily and then fits the
target on their codes by affine least squares; the geometric greedy adds the direction with the largest residual
variance.
"""

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

COUNTS = (1, 2, 4, 8, 16)
"""Numbers of atoms at which curves are evaluated."""
MIN_NEW_VARIANCE = 1e-9
"""Variance of an atom's codes orthogonal to the chosen ones, as a share of the largest atom's, below which it is
rounding error."""
EIGENVALUE_FLOOR = 1e-6
"""Relative cut-off of the eigenvalues of codes that are fitted together."""
RANDOM_BASES = 5
"""Number of random bases that a curve is averaged over."""


def restricted_r2(
    codes: Float[np.ndarray, "sample atom"],
    target: Float[np.ndarray, "sample axis"],
    fitted: Bool[np.ndarray, "sample"],
) -> float:
    """Share of a target's variance that affine least squares on atoms' codes explains (arXiv 2604.28119, eq. 14).

    Args:
        codes: activations of the atoms, all of which are used.
        target: the variable to explain.
        fitted: samples that the map is fitted on; R2 is measured on the others.
    """
    inputs, response = _centred(codes, fitted), _centred(target, fitted)
    fitted_inputs = inputs[fitted]
    slope = np.linalg.pinv(fitted_inputs.T @ fitted_inputs, rcond=EIGENVALUE_FLOOR, hermitian=True) @ (
        fitted_inputs.T @ response[fitted]
    )
    held_out = response[~fitted]
    residual = ((held_out - inputs[~fitted] @ slope) ** 2).sum()
    return 1.0 - float(residual) / max(float(((held_out - held_out.mean(0)) ** 2).sum()), 1e-300)


def matching_pursuit(
    codes: Float[np.ndarray, "sample atom"], target: Float[np.ndarray, "sample axis"], most: int
) -> Int64[np.ndarray, "chosen"]:
    """Order atoms greedily by how much of the remaining target each explains.

    Orthogonal matching pursuit: an atom counts by the component of its codes orthogonal to those chosen before. Stops
    before ``most`` if no atom adds anything.
    """
    innovation = codes.astype(np.float64) - codes.mean(0, dtype=np.float64)
    residual = target.astype(np.float64) - target.mean(0, dtype=np.float64)
    least = MIN_NEW_VARIANCE * float((innovation**2).sum(0).max(initial=0.0))
    chosen: list[int] = []
    while len(chosen) < most:
        energy = (innovation**2).sum(0)
        gain = np.where(energy > least, ((innovation.T @ residual) ** 2).sum(1) / np.maximum(energy, 1e-300), -1.0)
        gain[chosen] = -1.0
        if gain.max(initial=-1.0) <= 0.0:
            break
        chosen.append(int(gain.argmax()))
        axis = innovation[:, chosen[-1]] / np.sqrt(energy[chosen[-1]])
        residual -= np.outer(axis, axis @ residual)
        innovation -= np.outer(axis, axis @ innovation)
    return np.array(chosen, dtype=np.int64)


def restricted_r2_curve(
    codes: Float[np.ndarray, "sample atom"],
    target: Float[np.ndarray, "sample axis"],
    fitted: Bool[np.ndarray, "sample"],
    counts: tuple[int, ...] = COUNTS,
) -> tuple[float, ...]:
    """Restricted R2 of the best n atoms for each n of ``counts``, chosen and fitted on one part of the samples and
    measured on the other.

    If fewer useful atoms exist than a count, all of them are used.
    """
    order = matching_pursuit(codes[fitted], target[fitted], max(counts))
    return tuple(restricted_r2(codes[:, order[:count]], target, fitted) for count in counts)


def greedy_variance(
    scatter: Float64[np.ndarray, "d_model d_model"],
    directions: Float[np.ndarray, "atom d_model"],
    counts: tuple[int, ...] = COUNTS,
) -> tuple[float, ...]:
    """Share of the activations' variance inside the span of the best n directions, for each n of ``counts`` (geometric
    greedy).

    Direction j scores sum_n (r_n . d_j)^2 / |d_j|^2, where r is the residual of the activations outside the span of the
    chosen directions and ``scatter`` their scatter matrix.
    """
    free = directions.astype(np.float64)
    size = np.maximum((free**2).sum(1), 1e-300)
    total, explained = max(float(np.trace(scatter)), 1e-300), [0.0]
    while len(explained) <= max(counts):
        score = np.where((free**2).sum(1) > EIGENVALUE_FLOOR * size, _along(free, scatter) / size, -1.0)
        if score.max(initial=-1.0) <= 0.0:
            break
        axis = free[score.argmax()] / np.linalg.norm(free[score.argmax()])
        explained.append(explained[-1] + float(axis @ scatter @ axis) / total)
        free = free - np.outer(free @ axis, axis)
    return tuple(explained[min(count, len(explained) - 1)] for count in counts)


def principal_variance(
    scatter: Float64[np.ndarray, "d_model d_model"], counts: tuple[int, ...] = COUNTS
) -> tuple[float, ...]:
    """Share of the variance along the first n principal axes, for each n of ``counts``: the maximum over all bases."""
    share = np.maximum(np.linalg.eigvalsh(scatter)[::-1], 0.0)
    running = np.cumsum(share) / max(float(share.sum()), 1e-300)
    return tuple(float(running[min(count, len(running)) - 1]) for count in counts)


def random_variance(
    scatter: Float64[np.ndarray, "d_model d_model"], *, rng: np.random.Generator, counts: tuple[int, ...] = COUNTS
) -> tuple[float, ...]:
    """Share of the variance along n random orthonormal directions, for each n of ``counts``, averaged over
    RANDOM_BASES."""
    most = min(max(counts), len(scatter))
    bases = [np.linalg.qr(rng.standard_normal((len(scatter), most)))[0].T for _ in range(RANDOM_BASES)]
    running = np.cumsum(np.mean([_along(basis, scatter) for basis in bases], axis=0)) / max(np.trace(scatter), 1e-300)
    return tuple(float(running[min(count, most) - 1]) for count in counts)


def scatter_matrix(activations: Float[np.ndarray, "sample d_model"]) -> Float64[np.ndarray, "d_model d_model"]:
    """Scatter matrix of activations: the covariance times the number of samples."""
    centred = activations - activations.mean(0, dtype=np.float64).astype(activations.dtype)
    return np.asarray(centred.T @ centred, dtype=np.float64)


def _along(
    axes: Float64[np.ndarray, "axis d_model"], scatter: Float64[np.ndarray, "d_model d_model"]
) -> Float64[np.ndarray, "axis"]:
    """Variance along each direction times its squared length."""
    return np.asarray(((axes @ scatter) * axes).sum(1))


def _centred(
    values: Float[np.ndarray, "sample axis"], fitted: Bool[np.ndarray, "sample"]
) -> Float64[np.ndarray, "sample axis"]:
    centred: Float64[np.ndarray, "sample axis"] = values.astype(np.float64) - values[fitted].mean(0, dtype=np.float64)
    return centred
