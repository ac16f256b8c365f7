"""Statistics that separate surfaces from blobs and from lines: local flatness, boundedness, bands."""

import numpy as np
from jaxtyping import Float

from explorer.maths.shape.coordinate import curve_at
from explorer.maths.shape.curve import project
from explorer.maths.shape.landmarks import k_means

Points = Float[np.ndarray, "sample axis"]


def flatness(points: Points, rng: np.random.Generator, *, cells: int = 18) -> float:
    """Share of the variance within small cells that each cell's first two axes hold, pooled over the cells.

    0 if one axis alone holds nearly all of it, as in a line.
    """
    found = k_means(points, min(cells, len(points) // 12), rng)
    spectra = [_spectrum(points[found.cell == cell]) for cell in range(len(found.centres))]
    pooled = np.sum([spectrum for spectrum in spectra if spectrum is not None] or [np.zeros(1)], axis=0)
    total = float(pooled.sum())
    if total <= 0 or pooled[0] > 0.8 * total:
        return 0.0
    return float(pooled[:2].sum() / total)


def _spectrum(cell: Points) -> Float[np.ndarray, "axis"] | None:
    if len(cell) < 5:
        return None
    return np.linalg.eigvalsh(np.cov(cell.T).reshape(cell.shape[1], -1))[::-1] * len(cell)


def boundedness(points: Points) -> float:
    """Minus Mardia's kurtosis in the main axes (Mardia 1970): high for sharply bounded clouds, low for heavy tails.

    The main axes have at least a tenth of the first one's variance. Divided by k (k + 2), so a Gaussian has -1.
    """
    centred = points - points.mean(0)
    left, scales, _ = np.linalg.svd(centred, full_matrices=False)
    k = int((scales**2 > 0.1 * scales[0] ** 2).sum())
    squared = (left[:, :k] ** 2).sum(1) * len(points)
    return -float((squared**2).mean() / (k * (k + 2)))


def is_band(points: Points, curve: Float[np.ndarray, "knot axis"], *, closed: bool, pieces: int = 16) -> bool:
    """Whether the residual around a curve is a broad band: one direction at each position, sharply bounded.

    This is how a Moebius band lies around its centre circle and a disk around a smaller one; noise is isotropic and has
    tails.
    """
    coordinate, squared = project(points, curve, closed=closed)
    if squared.sum() < 0.03 * ((points - points.mean(0)) ** 2).sum():
        return False
    left = points - curve_at(curve, coordinate, closed=closed)
    piece = np.minimum((coordinate * pieces).astype(np.int64), pieces - 1)
    widths, across = np.zeros(points.shape[1]), []
    for part in (left[piece == number] for number in range(pieces)):
        if len(part) >= 8:
            _, scales, axes = np.linalg.svd(part - part.mean(0), full_matrices=False)
            widths += np.pad(scales**2, (0, points.shape[1] - len(scales)))
            across.append((part - part.mean(0)) @ axes[0] / max(float(scales[0]) / np.sqrt(len(part)), 1e-12))
    if not across or widths[0] < 0.85 * widths.sum():
        return False
    return float((np.concatenate(across) ** 4).mean()) < 2.55
