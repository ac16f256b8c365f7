"""Choice among the readouts of a cluster, and the false-positive rate of curves."""

from types import SimpleNamespace

import numpy as np
import pytest

from explorer.config import BuildSettings
from explorer.pipeline.build.position_readout import PointCloud, PositionReader, sharing_tokens
from explorer.records.bundle import Tokens, Vocabulary

DAYS, HOURS = np.arange(7), np.arange(100, 124)


def test_readouts_share_tokens_with_the_best_known_one() -> None:
    days, few_days, hours = (
        SimpleNamespace(known_share=share, tokens=tokens)
        for share, tokens in ((0.28, DAYS), (0.17, DAYS[:5]), (0.08, HOURS))
    )
    assert sharing_tokens([hours, few_days, days]) == [1, 2]  # type: ignore[list-item]
    assert sharing_tokens([hours]) == [0]  # type: ignore[list-item]


def read_soft(directions: np.ndarray, rng: np.random.Generator, claim: float) -> str:
    """Shape found for 3,000 samples whose tokens are drawn from a softmax over projections on given directions."""
    places = 2.5 * rng.normal(size=(3000, len(directions)))
    odds = places @ (directions / np.linalg.norm(directions, axis=0))
    posterior = np.exp(odds - odds.max(1, keepdims=True))
    posterior /= posterior.sum(1, keepdims=True)
    ids = (posterior.cumsum(1) > rng.random((len(places), 1))).argmax(1).astype(np.int32)
    words = Vocabulary.pack([f"word{number}" for number in range(directions.shape[1])])
    text = Tokens(ids, np.array([0, len(ids)]), words)
    reader = PositionReader(None, None, text, None, BuildSettings())  # type: ignore[arg-type]
    cloud = PointCloud(len(ids), np.arange(len(ids)), places.astype(np.float32))
    found = reader.ordered(reader.read_out(cloud.activations, cloud, 0, claim, rng), rng)
    return "nothing" if found is None else found.shape.kind


@pytest.mark.parametrize("n_values", [7, 12, 24])
def test_values_around_a_circle_are_read_as_a_ring(n_values: int) -> None:
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * rng.permutation(n_values) / n_values
    assert read_soft(np.stack([np.cos(angle), np.sin(angle)]), rng, claim=0.05 / 6) == "closed curve"


@pytest.mark.slow
def test_unordered_values_become_a_curve_at_the_stated_rate() -> None:
    """8.4 of 1,008 are expected; more than 17 have a probability of 1 in 400."""
    rng, works = np.random.default_rng(11), [(n, d) for n in (6, 8, 12, 16) for d in (3, 4, 6)]
    read = [read_soft(rng.normal(size=(d, n)), rng, claim=0.05 / 6) for _ in range(84) for n, d in works]
    mistaken = sum(one != "nothing" for one in read)
    assert mistaken <= 17, f"{mistaken} of {len(read)}, where {0.05 / 6 * len(read):.1f} are expected"
