"""The synthetic zoo: sums of a few active manifolds of known kind (Bhalla, Fel et al. 2026, arXiv 2604.28119, eq. 13).

x = sum over i in S of gamma_i(theta_i) V_i + eps. S is a random set of L0 manifolds per sample; gamma_i, in k_i
dimensions, is centred with mean square 1; the rows of V_i are orthonormal; eps ~ N(0, 1e-5). There are eight kinds of
manifold in six variants each. The variants' parameters, evenly spaced within the published ranges, are ours. Scale is
not a variant, because every manifold is normalised to mean square 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from explorer.records.clustering import NOISE

D_MODEL: Final = 128
"""Dimensions of a sample."""
ACTIVE: Final = 4
"""Manifolds per sample."""
VARIANTS: Final = 6
"""Variants of each kind."""
NOISE_VARIANCE: Final = 1e-5
"""Variance of the noise in each dimension."""
CALIBRATION: Final = 20_000
"""Points from which a manifold's centre and scale are estimated."""
OWN_SHARE: Final = 0.5
"""A feature belongs to a manifold that accounts for at least this share of its fires beyond chance."""

Draw = Callable[[int, float, np.random.Generator], Float64[np.ndarray, "point axis"]]
"""Random points of one kind of manifold; the number in [0, 1] selects the variant."""


@dataclass(frozen=True)
class Zoo:
    """Manifolds embedded in the space of samples."""

    kind: tuple[str, ...]
    """Kind of each manifold."""
    variant: Float64[np.ndarray, "manifold"]
    """Variant of each manifold, in [0, 1]."""
    centre: tuple[Float64[np.ndarray, "axis"], ...]
    """Mean of each manifold's raw points."""
    scale: Float64[np.ndarray, "manifold"]
    """Root mean square distance from the centre."""
    basis: tuple[Float64[np.ndarray, "axis d_model"], ...]
    """Orthonormal rows that embed each manifold."""


@dataclass(frozen=True)
class ZooSamples:
    """Samples with their ground truth."""

    points: Float32[np.ndarray, "sample d_model"]
    """Sums of the active manifolds' points, with noise."""
    active: Bool[np.ndarray, "sample manifold"]
    """Which manifolds each sample contains."""
    contribution: tuple[Float32[np.ndarray, "present axis"], ...]
    """Contribution of each manifold to the samples that contain it, in its own basis."""


def make_zoo(*, rng: np.random.Generator) -> Zoo:
    """Embed all kinds in all variants: 48 manifolds of 1 to 4 dimensions in D_MODEL.

    Args:
        rng: the only source of randomness.
    """
    kind = tuple(name for name in KINDS for _ in range(VARIANTS))
    variant = np.tile(np.linspace(0.0, 1.0, VARIANTS), len(KINDS))
    raw = [KINDS[name](CALIBRATION, which, rng) for name, which in zip(kind, variant, strict=True)]
    centre = tuple(points.mean(axis=0) for points in raw)
    spread = [np.mean(((points - middle) ** 2).sum(axis=1)) for points, middle in zip(raw, centre, strict=True)]
    basis = tuple(np.linalg.qr(rng.standard_normal((D_MODEL, points.shape[1])))[0].T for points in raw)
    return Zoo(kind, variant, centre, np.sqrt(spread), basis)


def sample_zoo(zoo: Zoo, n_samples: int, *, rng: np.random.Generator) -> ZooSamples:
    """Draw samples of ACTIVE distinct manifolds each.

    Args:
        zoo: the manifolds.
        n_samples: number of samples.
        rng: the only source of randomness.
    """
    n_manifolds = len(zoo.kind)
    chosen = np.argpartition(rng.uniform(size=(n_samples, n_manifolds)), ACTIVE, axis=1)[:, :ACTIVE]
    active = np.zeros((n_samples, n_manifolds), dtype=bool)
    np.put_along_axis(active, chosen, True, axis=1)
    points = (np.sqrt(NOISE_VARIANCE) * rng.standard_normal((n_samples, D_MODEL), dtype=np.float32)).astype(np.float32)
    contributions = []
    for number, name in enumerate(zoo.kind):
        where = np.flatnonzero(active[:, number])
        raw = KINDS[name](len(where), float(zoo.variant[number]), rng)
        inside = (raw - zoo.centre[number]) / zoo.scale[number]
        points[where] += inside @ zoo.basis[number]
        contributions.append(inside.astype(np.float32))
    return ZooSamples(points, active, tuple(contributions))


def owner_of_features(
    features: Int64[np.ndarray, "nnz"],
    samples: Int64[np.ndarray, "nnz"],
    n_features: int,
    active: Bool[np.ndarray, "sample manifold"],
) -> Int32[np.ndarray, "feature"]:
    """The manifold that each feature fires for.

    A manifold that occurs in a share q of all samples and in a share s of those on which a feature fires accounts for
    (s - q) / (1 - q) of its fires; the feature belongs to the manifold that accounts for most, if that is at least
    OWN_SHARE.

    Args:
        features: feature of each fire.
        samples: sample of each fire.
        n_features: number of features.
        active: which manifolds each sample contains.

    Returns:
        A manifold's number, or NOISE for a feature that serves several manifolds or never fires.
    """
    together = np.zeros((n_features, active.shape[1]))
    for manifold in range(active.shape[1]):
        together[:, manifold] = np.bincount(features, weights=active[samples, manifold], minlength=n_features)
    fires = np.bincount(features, minlength=n_features)[:, None]
    base = active.mean(axis=0)
    beyond = (together / np.maximum(fires, 1) - base) / (1.0 - base)
    return np.where(beyond.max(axis=1) >= OWN_SHARE, beyond.argmax(axis=1), NOISE).astype(np.int32)


def _turn(n: int, rng: np.random.Generator) -> Float64[np.ndarray, "point"]:
    return rng.uniform(0.0, 2.0 * np.pi, n)


def _circle(n: int, _: float, rng: np.random.Generator) -> Float64[np.ndarray, "point axis"]:
    angle = _turn(n, rng)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def _sphere(n: int, _: float, rng: np.random.Generator) -> Float64[np.ndarray, "point axis"]:
    points = rng.standard_normal((n, 3))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def _flat_torus(n: int, variant: float, rng: np.random.Generator) -> Float64[np.ndarray, "point axis"]:
    """The second circle's radius is 1/2 to 1 of the first's."""
    return np.column_stack([_circle(n, 0.0, rng), (0.5 + 0.5 * variant) * _circle(n, 0.0, rng)])


def _moebius(n: int, variant: float, rng: np.random.Generator) -> Float64[np.ndarray, "point axis"]:
    """The band's half width is .2 to .6 of its radius."""
    angle, across = _turn(n, rng), (0.2 + 0.4 * variant) * rng.uniform(-1.0, 1.0, n)
    radius = 1.0 + across * np.cos(angle / 2.0)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), across * np.sin(angle / 2.0)])


def _swiss_roll(n: int, variant: float, rng: np.random.Generator) -> Float64[np.ndarray, "point axis"]:
    """The roll is .5 to 1.5 times as wide as its outer radius."""
    angle = 1.5 * np.pi * (1.0 + 2.0 * rng.uniform(size=n))
    width = 4.5 * np.pi * (0.5 + variant)
    return np.column_stack([angle * np.cos(angle), width * rng.uniform(size=n), angle * np.sin(angle)])


def _helix(n: int, variant: float, rng: np.random.Generator) -> Float64[np.ndarray, "point axis"]:
    """Three turns with a pitch of .1 to .6 per radian."""
    angle = 6.0 * np.pi * rng.uniform(size=n)
    return np.column_stack([np.cos(angle), np.sin(angle), (0.1 + 0.5 * variant) * angle])


def _disk(n: int, _: float, rng: np.random.Generator) -> Float64[np.ndarray, "point axis"]:
    return np.asarray(np.sqrt(rng.uniform(size=n))[:, None] * _circle(n, 0.0, rng))


def _segment(n: int, _: float, rng: np.random.Generator) -> Float64[np.ndarray, "point axis"]:
    return rng.uniform(-1.0, 1.0, (n, 1))


KINDS: Final[dict[str, Draw]] = {
    "circle": _circle,
    "sphere": _sphere,
    "flat torus": _flat_torus,
    "moebius band": _moebius,
    "swiss roll": _swiss_roll,
    "helix": _helix,
    "disk": _disk,
    "segment": _segment,
}
"""Sampler of each kind."""
