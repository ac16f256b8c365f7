"""Shape of planted clouds: kind, order, and false-positive rates."""

from functools import cache

import numpy as np
import pytest

from explorer.bench.planted import point_clouds as planted
from explorer.config import GeometrySettings
from explorer.maths.shape.coordinate import (
    circular_mean,
    circular_rank_correlation,
    coordinate_distance,
    curve_at,
    linear_rank_correlation,
)
from explorer.maths.shape.fit import ALPHA, fit_shape, shape_along
from explorer.records.cluster import Shape

SETTINGS = GeometrySettings(null_draws=39)
"""Fewer draws than a build makes, for speed; the smallest p is 1/40."""
FEW_DRAWS = GeometrySettings(null_draws=19)
"""Enough to claim a clear curve at ALPHA, but nothing less clear."""
POINTS = 800
"""Points of a planted cloud; with --slow, 1500 and five seeds."""


def _fit(points: np.ndarray, seed: int = 0, settings: GeometrySettings = SETTINGS) -> Shape:
    return fit_shape(points, rng=np.random.default_rng(seed), settings=settings)


FOUND = (
    "ring",
    "ring with a gap",
    "uneven ring",
    "noisy ring",
    "segment",
    "arc",
    "spiral",
    "helix",
    "figure of eight",
    "filled disk",
    "sphere",
    "Moebius band",
    "Gaussian in 3-D",
    "Gaussian in 8-D",
)


ORDERED = ("ring", "ring with a gap", "uneven ring", "noisy ring", "segment", "arc", "spiral", "helix")


@cache
def _planted(name: str) -> tuple[planted.PlantedCloud, Shape]:
    """A cloud and its fit, which takes seconds: tests of one shape share it."""
    cloud = planted.SHAPES[name](POINTS, np.random.default_rng(1))
    return cloud, _fit(cloud.points)


@pytest.mark.parametrize("name", FOUND)
def test_the_planted_kind_is_found(name: str) -> None:
    cloud, shape = _planted(name)
    assert shape.kind in cloud.kinds


@pytest.mark.parametrize("name", ORDERED)
def test_the_planted_order_is_found(name: str) -> None:
    cloud, shape = _planted(name)
    order = circular_rank_correlation if shape.kind == "closed curve" else linear_rank_correlation
    assert order(shape.coordinate, cloud.position) > 0.97


@pytest.mark.parametrize("name", ["ring", "arc", "spiral", "helix"])
def test_a_given_order_is_preserved(name: str) -> None:
    """A curve through points with a given order, where a search would cut across: the turns of a spiral."""
    rng = np.random.default_rng(1)
    cloud = planted.SHAPES[name](1500, rng)
    closed = cloud.kinds == ("closed curve",)
    found = shape_along(
        cloud.points, cloud.position, closed=closed, harmonics=40, p_value=0.01, rng=rng, settings=SETTINGS
    )
    assert found is not None
    assert (found.kind, found.p_value) == (cloud.kinds[0], 0.01)
    assert found.variance_explained > 0.9
    order = circular_rank_correlation if closed else linear_rank_correlation
    assert order(found.coordinate, cloud.position) > 0.999


def test_an_uninformative_order_gives_no_shape() -> None:
    rng = np.random.default_rng(1)
    cloud = planted.SHAPES["ring"](1500, rng)
    shuffled = rng.permutation(cloud.position)
    options = {"closed": True, "harmonics": 40, "p_value": 0.01, "rng": rng, "settings": SETTINGS}
    assert shape_along(cloud.points, shuffled, **options) is None


@pytest.mark.parametrize("n_values", [7, 12])
def test_a_curve_through_few_values_does_not_loop_between_them(n_values: int) -> None:
    """Values on a ring, each with an offset of its own in four further directions."""
    rng = np.random.default_rng(3)
    value = rng.integers(n_values, size=2000)
    place = (value + rng.normal(0, 0.12, 2000)) / n_values % 1.0
    angle = 2 * np.pi * value / n_values
    centres = np.column_stack([np.cos(angle), np.sin(angle)])
    centres = np.column_stack([centres, rng.normal(0, 0.3, (n_values, 4))[value]])
    points = (centres + rng.normal(0, 0.1, centres.shape)).astype(np.float32)
    options = {"closed": True, "p_value": 0.01, "rng": rng, "settings": SETTINGS}
    few, many = (shape_along(points, place, harmonics=bends, **options) for bends in (n_values // 2, 40))
    assert few is not None
    assert many is not None
    lengths = [np.linalg.norm(np.diff(shape.curve, axis=0), axis=1).sum() for shape in (few, many)]
    assert lengths[0] < lengths[1]
    assert few.variance_explained > many.variance_explained - 0.05


def test_only_the_requested_curves_are_claimed() -> None:
    rng = np.random.default_rng(1)
    arc = planted.SHAPES["arc"](1500, rng).points
    found = fit_shape(arc, rng=rng, settings=SETTINGS, curves=("open curve",))
    assert found.kind == "open curve"
    ring = planted.SHAPES["ring"](1500, rng).points
    assert fit_shape(ring, rng=rng, settings=SETTINGS, curves=()).kind in ("surface", "blob")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", FOUND)
def test_the_planted_kind_is_found_for_every_seed(name: str, seed: int) -> None:
    cloud = planted.SHAPES[name](1500, np.random.default_rng(seed))
    assert _fit(cloud.points, seed).kind in cloud.kinds


@pytest.mark.parametrize("name", ["two crossing lines", "filled disk", "sphere", "Gaussian in 2-D", "Gaussian in 3-D"])
def test_clouds_without_a_curve_are_not_claimed_as_one(name: str) -> None:
    cloud = planted.SHAPES[name](1200, np.random.default_rng(2))
    assert _fit(cloud.points).kind in ("surface", "blob")


@pytest.mark.parametrize("values", [pytest.param(12, marks=pytest.mark.long), 24])
def test_fuzzy_values_on_a_ring_form_an_ordered_closed_curve(values: int) -> None:
    cloud, value = planted.clumpy(2500, values, np.random.default_rng(values))
    shape = _fit(cloud.points)
    assert shape.kind == "closed curve"
    found = np.array([circular_mean(shape.coordinate[value == number]) for number in range(values)])
    assert circular_rank_correlation(found, np.arange(values) / values) >= 0.95


def test_many_values_on_an_open_curve_are_ordered() -> None:
    cloud, value = planted.clumpy(2500, 60, np.random.default_rng(1), closed=False)
    shape = _fit(cloud.points)
    assert shape.kind == "open curve"
    found = np.array([np.median(shape.coordinate[value == number]) for number in range(60)])
    assert linear_rank_correlation(found, np.arange(60.0)) >= 0.95


def test_the_coordinate_is_the_angle_of_a_ring_and_the_curve_lies_on_it() -> None:
    cloud = planted.circle(1500, np.random.default_rng(0))
    shape = _fit(cloud.points, settings=FEW_DRAWS)
    assert shape.coordinate.dtype == shape.curve.dtype == np.float32
    assert circular_rank_correlation(shape.coordinate, cloud.position) > 0.99
    assert np.abs(np.linalg.norm(shape.curve, axis=1) - 1).max() < 0.08
    assert shape.curve.shape == (SETTINGS.knots, 2)
    assert 0 <= shape.coordinate.min() <= shape.coordinate.max() < 1
    assert shape.variance_explained > 0.98
    assert shape.p_value <= ALPHA


def test_the_fit_is_invariant_to_scale_translation_and_rotation() -> None:
    rng = np.random.default_rng(3)
    cloud = planted.circle(1200, rng)
    turn, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    moved = 300.0 + 50.0 * cloud.points @ turn[:2]
    plain, other = (_fit(points, settings=FEW_DRAWS) for points in (cloud.points, moved))
    assert other.kind == plain.kind == "closed curve"
    assert circular_rank_correlation(plain.coordinate, other.coordinate) > 0.999
    on_curve = curve_at(other.curve, other.coordinate, closed=True)
    assert np.linalg.norm(on_curve - moved, axis=1).mean() < 50 * 0.1


def test_the_fit_is_deterministic() -> None:
    cloud = planted.circle(800, np.random.default_rng(4))
    first, second = (_fit(cloud.points, 7, FEW_DRAWS) for _ in range(2))
    assert np.array_equal(first.coordinate, second.coordinate)
    assert np.array_equal(first.curve, second.curve)
    assert first.p_value == second.p_value


@pytest.mark.parametrize("n_points", [50, 60, 90])
def test_a_ring_of_few_points_is_a_ring_or_a_blob(n_points: int) -> None:
    """Few points fall into few cells; not all of these may count as outliers."""
    found = [_fit(planted.circle(n_points, np.random.default_rng(seed)).points, seed) for seed in range(3)]
    assert {shape.kind for shape in found} <= {"closed curve", "blob"}
    assert any(shape.kind == "closed curve" for shape in found)
    assert all(np.isfinite(shape.coordinate).all() for shape in found)


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((200, 3)),
        np.zeros((5, 3)),
        np.zeros((0, 3)),
        np.zeros((1, 2)),
        np.random.default_rng(0).normal(size=(39, 2)),
    ],
)
def test_too_few_or_coinciding_points_are_a_blob(points: np.ndarray) -> None:
    shape = _fit(points)
    assert shape.kind == "blob"
    assert shape.p_value == 1.0
    assert np.isfinite(shape.coordinate).all()


@pytest.mark.long
def test_clumps_at_random_positions_are_rarely_a_ring() -> None:
    """Twelve clumps at Gaussian positions are claimed as a ring at most at the significance level, with tolerance."""
    closed = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        places = rng.standard_normal((12, 6)) * 0.7 ** np.arange(6)
        points = places[rng.integers(12, size=800)] + 0.1 * rng.standard_normal((800, 6))
        closed += _fit(points, seed).kind == "closed curve"
    assert closed <= 1


def _false_curves(clouds: int) -> int:
    """Number of Gaussians of 2 to 8 axes claimed as a ring."""
    found = 0
    for seed in range(clouds):
        rng = np.random.default_rng(seed)
        axes = int(rng.integers(2, 9))
        points = rng.standard_normal((400, axes)) * rng.uniform(0.5, 1.0) ** np.arange(axes)
        found += _fit(points, seed).kind == "closed curve"
    return found


@pytest.mark.long
def test_gaussians_are_rarely_rings() -> None:
    assert _false_curves(60) <= 3 + 3  # 5 % of 60, plus three standard deviations


@pytest.mark.slow
def test_the_false_positive_rate_on_a_thousand_gaussians_is_nominal() -> None:
    assert _false_curves(1000) <= ALPHA * 1000


def test_a_ring_drowned_in_noise_is_not_claimed() -> None:
    """False negatives: nothing may be claimed if the noise is as large as the radius."""
    cloud = planted.circle(600, np.random.default_rng(0), noise=1.0)
    shape = _fit(cloud.points)
    assert shape.kind != "closed curve"
    assert coordinate_distance(shape.coordinate, shape.coordinate, closed=False).max() == 0
