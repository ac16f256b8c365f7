"""Named values on planted rings and lines, labels and descriptions."""

import numpy as np
import pytest

from explorer.maths.position.values import NamedValues, cluster_label, describe_shape, has_gap, name_values
from explorer.maths.shape.coordinate import orient
from explorer.records.bundle import Vocabulary

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
VOCABULARY = Vocabulary.pack(["the", *[f" {day}" for day in DAYS], "Friday", " "])
FILLER, BARE_FRIDAY, BLANK = 0, 8, 9


def _ring(seed: int, shift: float, flip: bool, n: int = 700) -> tuple[np.ndarray, np.ndarray]:
    """Days around a circle with a random origin and direction; a tenth of the samples are fillers at random
    positions."""
    rng = np.random.default_rng(seed)
    day = rng.integers(7, size=n)
    turns = ((-1 if flip else 1) * day / 7 + shift + rng.normal(0, 0.015, n)) % 1.0
    ids = (day + 1).astype(np.int32)
    filler = rng.uniform(size=n) < 0.1
    ids[filler] = FILLER
    return ids, np.where(filler, rng.uniform(size=n), turns).astype(np.float32)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize(("shift", "flip"), [(0.0, False), (0.4, False), (0.9, True), (0.123, True)])
def test_values_on_a_ring_start_at_the_lowest_token(offset: int, shift: float, flip: bool) -> None:
    ids, turns = _ring(3, shift, flip)
    values = name_values(ids, offset, turns, VOCABULARY, closed=True)
    assert values.names == tuple(DAYS)
    assert values.offset == offset
    assert np.abs(values.coordinate - np.arange(7) / 7).max() < 0.02
    turned = orient(turns, values.orientation, closed=True)
    own = values.index >= 0
    apart = np.abs((turned[own] - values.coordinate[values.index[own]] + 0.5) % 1.0 - 0.5)
    assert np.median(apart) < 0.03


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_ring_with_missing_values_has_a_gap(missing: int) -> None:
    rng = np.random.default_rng(missing)
    names = [f"{number}" for number in range(24)]
    value = rng.integers(24 - missing, size=2400)
    turns = ((value / 24 + rng.normal(0, 0.005, len(value))) % 1.0).astype(np.float32)
    values = name_values(value.astype(np.int32), 1, turns, Vocabulary.pack(names), closed=True)
    assert len(values.names) == 24 - missing
    assert has_gap(values) == (missing > 0)


def test_delocalised_tokens_are_not_values() -> None:
    ids, turns = _ring(0, 0.0, False)
    values = name_values(ids, 0, turns, VOCABULARY, closed=True)
    assert "the" not in values.names
    assert (values.index[ids == FILLER] == -1).all()
    assert [values.names[number] for number in values.index[ids == 3][:5]] == ["Wednesday"] * 5


def test_spellings_of_one_text_are_one_value() -> None:
    ids, turns = _ring(1, 0.2, False)
    fridays = np.flatnonzero(ids == 5)
    ids[fridays[::2]] = BARE_FRIDAY
    values = name_values(ids, 0, turns, VOCABULARY, closed=True)
    assert values.names == tuple(DAYS)
    assert len(np.unique(values.index[fridays])) == 1


@pytest.mark.parametrize("flip", [False, True])
def test_values_on_an_open_curve_have_ascending_tokens(flip: bool) -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 8, 500).astype(np.int32)
    share = (ids - 1) / 6 * 0.9 + 0.05 + rng.normal(0, 0.01, 500)
    values = name_values(ids, 1, (1 - share if flip else share).astype(np.float32), VOCABULARY, closed=False)
    assert values.names == tuple(DAYS)
    assert (np.diff(values.coordinate) > 0).all()
    assert values.orientation.flip == flip


@pytest.mark.parametrize("ids", [np.full(50, -1, np.int32), np.full(50, BLANK, np.int32), np.zeros(50, np.int32)])
def test_samples_without_tokens_have_no_values(ids: np.ndarray) -> None:
    values = name_values(ids, 0, np.linspace(0, 1, 50).astype(np.float32), VOCABULARY, closed=False)
    assert values.names == ()
    assert (values.index == -1).all()


def _values(offset: int, names: tuple[str, ...]) -> NamedValues:
    ids, turns = _ring(0, 0.0, False)
    found = name_values(ids, offset, turns, VOCABULARY, closed=True)
    return NamedValues(offset, names, found.coordinate[: len(names)], found.index, found.orientation)


def test_labels_and_descriptions() -> None:
    assert cluster_label(_values(1, tuple(DAYS)), []) == "before Monday, Tuesday … Sunday"
    assert cluster_label(_values(0, ("north", "south")), []) == "north, south"
    assert cluster_label(_values(0, ()), ["it", "today", "is", "was"]) == "it, today, is"
    days = _values(1, tuple(DAYS))
    before = "read just before the word comes."
    back = f"A closed loop through 7 values: Monday to Sunday and back to Monday, {before}"
    assert describe_shape("closed curve", days) == back
    assert describe_shape("open curve", days) == f"A curve with two ends through 7 values: Monday to Sunday, {before}"
    assert describe_shape("open curve", _values(0, ("1", "2"))).endswith("1 to 2, read where the word stands.")
    assert describe_shape("blob", days).endswith("chance. It is read just before one of 7 values comes.")
    assert describe_shape("blob", _values(0, ("1",))).endswith("chance. It is read where its one value stands.")
    assert describe_shape("surface", _values(0, ())).endswith("runs through them.")
    assert describe_shape("closed curve", _values(0, ())).endswith("no single word has a place of its own.")
    assert cluster_label(_values(0, ("שני", "שלישי")), []) == "\u2068שני\u2069, \u2068שלישי\u2069"
    assert "closed" not in describe_shape("blob", _values(0, tuple(DAYS)))
