"""Readout classes."""

import numpy as np
import pytest

from explorer.errors import RequestError
from explorer.steering.engine.engine import Engine
from explorer.steering.engine.readout import Readout, custom_readout
from explorer.steering.protocol.behaviour import ReadoutValue

WORDS = {"a": [1], " a": [2], "b": [3], " b": [3], "c d": [4, 5], " c d": [6, 5], "c e": [4, 7], " c e": [6, 7]}


OWN = Readout(("a", "b"), ((1,), (3,)), (0.0, 0.9), ())


def values(*names: str) -> list[ReadoutValue]:
    return [ReadoutValue(name=name, spellings=(name, f" {name}")) for name in names]


def test_class_probabilities_sum_over_spellings_and_the_rest_is_other() -> None:
    readout = custom_readout(values("a", "b"), OWN, WORDS.__getitem__)
    assert readout.token_ids == ((1, 2), (3,))
    assert readout.coordinate == (0.0, 0.9)
    p = np.array([[0.1, 0.2, 0.3, 0.15, 0.25]])
    assert readout.probabilities(p)[0] == pytest.approx([0.5, 0.15, 0.35])


def test_a_value_of_several_tokens_is_represented_by_its_first_and_marked_partial() -> None:
    readout = custom_readout(values("a", "c d"), OWN, WORDS.__getitem__)
    assert readout.token_ids == ((1, 2), (4, 6))
    assert readout.partial == ("c d",)
    assert readout.coordinate == (0.0, None)
    with pytest.raises(RequestError, match="no token of its own for 'c e'"):
        custom_readout(values("c d", "c e"), OWN, WORDS.__getitem__)


def test_the_nearest_value_wraps_around_a_closed_curve() -> None:
    assert OWN.nearest(0.97, closed=True) == 0
    assert OWN.nearest(0.97, closed=False) == 1


def test_a_clusters_own_readout_has_the_tokens_of_the_runs_sample(engine: Engine) -> None:
    readout = engine.prepared("planted", 0).readout
    assert readout.token_ids == tuple((number,) for number in range(7))
    assert readout.partial == ()
