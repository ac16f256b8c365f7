"""The zoo matches its source, and features are assigned to the manifold that they fire for."""

import numpy as np
import pytest

from explorer.bench.planted.zoo import ACTIVE, D_MODEL, KINDS, VARIANTS, Zoo, make_zoo, owner_of_features, sample_zoo
from explorer.records.clustering import NOISE

DIMENSIONS = {"circle": 2, "sphere": 3, "flat torus": 4, "moebius band": 3, "swiss roll": 3, "helix": 3, "disk": 2,
              "segment": 1}  # fmt: skip


@pytest.fixture(scope="module")
def zoo() -> Zoo:
    return make_zoo(rng=np.random.default_rng(0))


def test_there_are_48_manifolds_of_the_published_dimensions(zoo: Zoo) -> None:
    assert len(zoo.kind) == len(KINDS) * VARIANTS == 48
    for kind, basis in zip(zoo.kind, zoo.basis, strict=True):
        assert basis.shape == (DIMENSIONS[kind], D_MODEL)
        np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-12)


def test_samples_contain_the_stated_number_of_unit_mean_square_manifolds(zoo: Zoo) -> None:
    samples = sample_zoo(zoo, 4000, rng=np.random.default_rng(1))
    assert (samples.active.sum(axis=1) == ACTIVE).all()
    assert samples.active.mean(axis=0) == pytest.approx(ACTIVE / 48, rel=0.25)
    assert (samples.points.astype(np.float64) ** 2).sum(axis=1).mean() == pytest.approx(ACTIVE, rel=0.03)


def test_a_sample_lies_in_the_span_of_its_manifolds(zoo: Zoo) -> None:
    samples = sample_zoo(zoo, 20, rng=np.random.default_rng(2))
    for point, active in zip(samples.points, samples.active, strict=True):
        span = np.concatenate([zoo.basis[number] for number in np.flatnonzero(active)]).T
        rest = point - span @ np.linalg.lstsq(span, point, rcond=None)[0]
        assert np.linalg.norm(rest) < 0.08


def test_a_feature_belongs_to_the_manifold_that_it_fires_for() -> None:
    rng = np.random.default_rng(3)
    active = rng.uniform(size=(2000, 5)) < 0.2
    fires = np.stack([active[:, 3], active[:, 1] & (rng.uniform(size=2000) < 0.3), active[:, 0] | active[:, 2] |
                      active[:, 4], rng.uniform(size=2000) < 0.1, np.zeros(2000, dtype=bool)], axis=1)  # fmt: skip
    sample, feature = np.nonzero(fires)
    assert owner_of_features(feature, sample, 5, active).tolist() == [3, 1, NOISE, NOISE, NOISE]
