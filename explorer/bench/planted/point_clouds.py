"""Point clouds of known shape, for tests and benchmarks of shape fitting.

Every function returns points [sample, axis] and the planted position [sample]: turns on closed curves, the share of the
parameter on open ones, 0 for shapes without an order.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from explorer.records.cluster import ShapeKind


class PlantedCloud(NamedTuple):
    """A cloud with its ground truth."""

    points: Float[np.ndarray, "sample axis"]
    position: Float[np.ndarray, "sample"]
    """Position of each point on the planted shape."""
    kinds: tuple[ShapeKind, ...]
    """Acceptable classifications."""


def _noisy(points: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    return points + noise * rng.standard_normal(points.shape)


def _embedded(points: np.ndarray, axes: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Rotate a low-dimensional cloud randomly into ``axes`` dimensions and add noise there."""
    rotation, _ = np.linalg.qr(rng.standard_normal((axes, axes)))
    return _noisy(points @ rotation[: points.shape[1]], noise, rng)


def circle(
    n: int, rng: np.random.Generator, *, noise: float = 0.05, gap: float = 0.0, uneven: float = 0.0
) -> PlantedCloud:
    """A ring; ``gap`` turns are left empty, ``uneven`` in [0, 1) thins one side."""
    u = rng.uniform(0, 1 - gap, 4 * n)
    u = u[rng.uniform(size=4 * n) < (1 + uneven * np.cos(2 * np.pi * u)) / (1 + uneven)][:n]
    return PlantedCloud(_noisy(_on_circle(u), noise, rng), u, ("closed curve",))


def _on_circle(u: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(2 * np.pi * u), np.sin(2 * np.pi * u)], axis=1)


def segment(n: int, rng: np.random.Generator, *, noise: float = 0.05) -> PlantedCloud:
    """A straight segment."""
    u = rng.uniform(size=n)
    return PlantedCloud(_noisy(np.stack([2 * u, 0 * u, 0 * u], axis=1), noise, rng), u, ("open curve",))


def arc(n: int, rng: np.random.Generator, *, noise: float = 0.05, turns: float = 0.6) -> PlantedCloud:
    """A part of a ring whose ends stay apart."""
    u = rng.uniform(size=n)
    return PlantedCloud(_noisy(_on_circle(turns * u), noise, rng), u, ("open curve",))


def spiral(n: int, rng: np.random.Generator, *, noise: float = 0.05, turns: float = 2.0) -> PlantedCloud:
    """A planar spiral."""
    u = rng.uniform(size=n)
    radius = 0.5 + turns * u
    return PlantedCloud(_noisy(radius[:, None] * _on_circle(turns * u), noise, rng), u, ("open curve",))


def helix(
    n: int, rng: np.random.Generator, *, noise: float = 0.03, turns: float = 3.0, pitch: float = 0.3
) -> PlantedCloud:
    """(cos t, sin t, pitch t) over several turns."""
    u = rng.uniform(size=n)
    height = pitch * 2 * np.pi * turns * u
    return PlantedCloud(_noisy(np.column_stack([_on_circle(turns * u), height]), noise, rng), u, ("open curve",))


def figure_of_eight(n: int, rng: np.random.Generator, *, noise: float = 0.03) -> PlantedCloud:
    """A lemniscate: one closed curve that crosses itself."""
    u = rng.uniform(size=n)
    points = np.stack([np.sin(2 * np.pi * u), np.sin(4 * np.pi * u) / 2], axis=1)
    return PlantedCloud(_noisy(points, noise, rng), u, ("closed curve",))


def crossing_lines(n: int, rng: np.random.Generator, *, noise: float = 0.03) -> PlantedCloud:
    """Two segments that cross at their midpoints: not a single curve."""
    u = rng.uniform(-1, 1, n)
    first = rng.uniform(size=n) < 0.5
    points = np.where(first[:, None], np.stack([u, 0.3 * u], 1), np.stack([0.3 * u, u], 1))
    return PlantedCloud(_noisy(points, noise, rng), np.zeros(n), ("blob",))


def disk(n: int, rng: np.random.Generator, *, noise: float = 0.02) -> PlantedCloud:
    """A filled disk."""
    points = np.sqrt(rng.uniform(size=n))[:, None] * _on_circle(rng.uniform(size=n))
    return PlantedCloud(_embedded(points, 3, noise, rng), np.zeros(n), ("surface",))


def sphere(n: int, rng: np.random.Generator, *, noise: float = 0.03) -> PlantedCloud:
    """The surface of a ball."""
    points = rng.standard_normal((n, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return PlantedCloud(_noisy(points, noise, rng), np.zeros(n), ("surface",))


def moebius(n: int, rng: np.random.Generator, *, noise: float = 0.02, width: float = 1.0) -> PlantedCloud:
    """A Moebius band."""
    u, v = rng.uniform(size=n), rng.uniform(-width / 2, width / 2, n)
    radius = 1 + v * np.cos(np.pi * u)
    points = np.column_stack([radius[:, None] * _on_circle(u), v * np.sin(np.pi * u)])
    return PlantedCloud(_noisy(points, noise, rng), np.zeros(n), ("surface",))


def gaussian(n: int, rng: np.random.Generator, *, axes: int = 3, decay: float = 1.0) -> PlantedCloud:
    """A Gaussian whose standard deviation shrinks by ``decay`` from one axis to the next."""
    return PlantedCloud(rng.standard_normal((n, axes)) * decay ** np.arange(axes), np.zeros(n), ("blob",))


def clumpy(
    n: int,
    values: int,
    rng: np.random.Generator,
    *,
    closed: bool = True,
    axes: int = 8,
    noise: float = 0.08,
    mixtures: float = 0.25,
    outliers: float = 0.01,
    decay: float = 0.5,
) -> tuple[PlantedCloud, Int[np.ndarray, "sample"]]:
    """Simulated answers of a language model: fuzzy clusters of uneven size along a curve with harmonics, and mixtures
    of neighbours.

    Value v of V lies where harmonic h has amplitude ``decay`` ** (h - 1); ``mixtures`` is the share of points that are
    soft mixtures of two neighbouring values; ``outliers`` is the share of points at random positions.

    Returns:
        The cloud with the position of each point, and the value of each point (the nearer one for mixtures).
    """
    share = rng.dirichlet(np.full(values, 3.0))
    value = rng.choice(values, n, p=share)
    toward = np.where(rng.uniform(size=n) < mixtures, rng.uniform(0, 0.5, n) * rng.choice([-1, 1], n), 0.0)
    if not closed:
        toward = np.where((value + np.sign(toward) < 0) | (value + np.sign(toward) >= values), 0.0, toward)
    centres = _harmonic_places(values, axes, decay, closed)
    other = (value + np.sign(toward).astype(np.int64)) % values
    weight = np.abs(toward)[:, None]
    points = (1 - weight) * centres[value] + weight * centres[other]
    scale = np.linalg.norm(centres, axis=1).mean()
    stray = rng.uniform(size=n) < outliers
    points[stray] = rng.standard_normal((int(stray.sum()), points.shape[1])) * scale
    rotation, _ = np.linalg.qr(rng.standard_normal((axes, axes)))
    position = ((value + toward) / values) % 1.0 if closed else (value + toward) / (values - 1)
    kinds: tuple[ShapeKind, ...] = ("closed curve",) if closed else ("open curve",)
    return PlantedCloud(_noisy(points @ rotation, noise * scale, rng), position, kinds), value


def _harmonic_places(values: int, axes: int, decay: float, closed: bool) -> Float[np.ndarray, "value axis"]:
    at = np.arange(values) / values if closed else np.arange(values) / max(values - 1, 1)
    if closed:
        waves = [
            wave(2 * np.pi * h * at) * decay ** (h - 1) for h in range(1, axes // 2 + 1) for wave in (np.cos, np.sin)
        ]
    else:
        waves = [np.cos(np.pi * h * at) * decay ** ((h - 1) / 2) for h in range(1, axes + 1)]
    return np.stack(waves[:axes], axis=1)


SHAPES: dict[str, Callable[[int, np.random.Generator], PlantedCloud]] = {
    "ring": lambda n, rng: circle(n, rng),
    "ring with a gap": lambda n, rng: circle(n, rng, gap=0.1),
    "uneven ring": lambda n, rng: circle(n, rng, uneven=0.9),
    "noisy ring": lambda n, rng: circle(n, rng, noise=0.2),
    "segment": lambda n, rng: segment(n, rng),
    "arc": lambda n, rng: arc(n, rng),
    "spiral": lambda n, rng: spiral(n, rng),
    "helix": lambda n, rng: helix(n, rng),
    "figure of eight": lambda n, rng: figure_of_eight(n, rng),
    "two crossing lines": lambda n, rng: crossing_lines(n, rng),
    "filled disk": lambda n, rng: disk(n, rng),
    "sphere": lambda n, rng: sphere(n, rng),
    "Moebius band": lambda n, rng: moebius(n, rng),
    "Gaussian in 2-D": lambda n, rng: gaussian(n, rng, axes=2),
    "Gaussian in 3-D": lambda n, rng: gaussian(n, rng, axes=3),
    "Gaussian in 8-D": lambda n, rng: gaussian(n, rng, axes=8, decay=0.8),
    "7 values on a ring": lambda n, rng: clumpy(n, 7, rng)[0],
    "12 values on a ring": lambda n, rng: clumpy(n, 12, rng)[0],
    "24 values on a ring": lambda n, rng: clumpy(n, 24, rng)[0],
    "60 values on a curve": lambda n, rng: clumpy(n, 60, rng, closed=False)[0],
}
"""The shapes of the table in the docs."""
