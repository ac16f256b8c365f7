"""Coverage of the intervals of a shape's statistics, with documents as the unit of resampling."""

import numpy as np
import pytest

from explorer.maths.shape.coordinate import curve_at
from explorer.maths.shape.dimension import twonn_dimension
from explorer.maths.shape.intervals import MAX_GROUPS, document_groups, shape_intervals
from explorer.records.cluster import Shape

DOCUMENTS, EACH = 100, 6
KNOTS = 128
RING = np.stack([np.cos(2 * np.pi * np.arange(KNOTS) / KNOTS), np.sin(2 * np.pi * np.arange(KNOTS) / KNOTS)], axis=1)


def draw(seed: int, shared: float = 0.0) -> tuple[np.ndarray, Shape, np.ndarray]:
    """A noisy ring, with part of the noise shared by all tokens of a document: points, shape, documents."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(size=DOCUMENTS * EACH)
    doc = np.repeat(np.arange(DOCUMENTS), EACH)
    noise = rng.normal(0, 0.1, (len(doc), 2)) + shared * rng.normal(0, 0.3, (DOCUMENTS, 2))[doc]
    points = (curve_at(RING, place, closed=True) + noise).astype(np.float32)
    left = ((points - curve_at(RING, place, closed=True)) ** 2).sum() / ((points - points.mean(0)) ** 2).sum()
    curve = RING.astype(np.float32)
    shape = Shape("closed curve", place.astype(np.float32), curve, 1, twonn_dimension(points), 0.01, float(1 - left))
    return points, shape, doc


def coverage(number: str, shared: float, *, shuffled_documents: bool = False) -> float:
    """Coverage of the mean over many draws; ``shuffled_documents`` discards the true documents."""
    drawn = [draw(seed, shared) for seed in range(120)]
    values = [shape.intrinsic_dim if number == "intrinsic_dim" else shape.variance_explained for _, shape, _ in drawn]
    shuffle = np.random.default_rng(0).permutation
    ends = [
        shape_intervals(points, shape, shuffle(doc) if shuffled_documents else doc)[number]
        for points, shape, doc in drawn
    ]
    truth = float(np.mean(values))
    assert all(low < value < high for (low, high), value in zip(ends, values, strict=True))
    return float(np.mean([low <= truth <= high for low, high in ends]))


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_the_interval_of_variance_explained_has_nominal_coverage(shared: float) -> None:
    assert coverage("variance_explained", shared) >= 0.9


def test_ignoring_documents_loses_coverage() -> None:
    assert coverage("variance_explained", 1.0, shuffled_documents=True) < 0.75


def test_the_interval_of_the_dimension_has_nominal_coverage() -> None:
    assert coverage("intrinsic_dim", 0.0) >= 0.9


def test_intervals_are_deterministic() -> None:
    assert shape_intervals(*draw(3)) == shape_intervals(*draw(3))


def test_documents_are_grouped_whole_and_evenly() -> None:
    doc = np.repeat(np.arange(45), np.arange(1, 46) % 40 + 1)
    group = document_groups(doc)
    assert set(group.tolist()) == set(range(MAX_GROUPS))
    assert all(len(np.unique(group[doc == one])) == 1 for one in range(45))
    documents = [len(np.unique(doc[group == one])) for one in range(MAX_GROUPS)]
    assert max(documents) - min(documents) <= 1


def test_degenerate_clouds_have_no_interval() -> None:
    points, shape, doc = draw(0)
    assert shape_intervals(points, shape, np.minimum(doc, 3)) == {}, "four documents"
    few = Shape(shape.kind, shape.coordinate[:140], shape.curve, 1, 1.0, 0.01, 0.9)
    assert shape_intervals(points[:140], few, doc[:140]) == {}, "four groups of thirty points"
    on_curve = curve_at(RING, shape.coordinate, closed=True).astype(np.float32)
    exact = Shape("closed curve", shape.coordinate, shape.curve, 1, 1.0, 0.01, 1.0)
    assert "variance_explained" not in shape_intervals(on_curve, exact, doc)
    same = np.zeros((60, 2), np.float32)
    blob = Shape("blob", np.zeros(60, np.float32), np.zeros((2, 2), np.float32), 1, 0.0, 1.0, 0.0)
    assert shape_intervals(same, blob, np.arange(60)) == {}
    assert shape_intervals(points[:0], blob, doc[:0]) == {}
