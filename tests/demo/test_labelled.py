"""Labelled activations are read at the token before a known answer, and the fitted curve places every value."""

import numpy as np
import pytest

from explorer.demo import labelled
from explorer.demo.corpus.scales import COMPASS, WEEKDAY
from explorer.demo.labelled import Labelled, labelled_activations, labelled_course
from explorer.errors import RequestError
from explorer.maths.steering.arms import coordinates, nearest_on_curve
from explorer.places import shipped_folder
from explorer.steering.engine.engine import Engine, open_engine
from tests.steering.conftest import behaviour_request

DOCS = 150


@pytest.fixture(scope="module")
def engine() -> Engine:
    return open_engine(shipped_folder("cached_runs") / "almanac")


@pytest.fixture(scope="module")
def found(engine: Engine) -> dict[str, Labelled]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelled, "LABELLED_DOCS", DOCS)
        return labelled_activations(engine, (WEEKDAY, COMPASS))


def test_activation_is_read_before_the_answer(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A soft answer is labelled with the true answer."""
    texts = [
        "three days after Monday is Thursday.",
        "it rained. about two days after Friday comes Monday, perhaps Sunday.",
    ]
    monkeypatch.setattr(labelled, "documents", lambda *_: texts)
    found = labelled_activations(engine, [WEEKDAY])["weekday"]
    assert [WEEKDAY.values[number] for number in found.value] == ["Thursday", "Sunday"]
    prompts = ("three days after Monday is", "it rained. about two days after Friday comes")
    for state, prompt in zip(found.residual, prompts, strict=True):
        read = engine.read(behaviour_request(engine, prompt=prompt))
        np.testing.assert_allclose(state, read.prefix.residual, atol=1e-3)
    np.testing.assert_allclose(found.p.sum(axis=1), 1.0, atol=1e-5)
    assert engine.tokenizer.decode([int(found.p[0].argmax())]).strip() == "Thursday"


@pytest.mark.long
def test_labelled_text_covers_every_value(found: dict[str, Labelled]) -> None:
    assert set(found) == {"weekday", "direction"}
    for one, scale in zip(found.values(), (WEEKDAY, COMPASS), strict=True):
        assert len(one.residual) == len(one.value)
        assert set(one.value.tolist()) == set(range(len(scale.values)))


@pytest.mark.long
def test_curve_places_values_by_name_and_unknown_names_at_nan(found: dict[str, Labelled]) -> None:
    names = [" Tuesday", "Friday", "noon"]
    course = labelled_course(found["weekday"], WEEKDAY, names, 10)
    np.testing.assert_allclose(course.place, [1 / 7, 4 / 7, np.nan])
    assert course.manifold.basis.shape == (10, found["weekday"].residual.shape[1])
    means = coordinates(course.manifold, course.manifold.value_residual)
    nearest = nearest_on_curve(course.manifold, means).coordinate
    apart = np.abs(nearest - np.arange(7) / 7)
    assert np.minimum(apart, 1 - apart).max() < 0.02


@pytest.mark.long
def test_value_without_labelled_token_is_an_error(found: dict[str, Labelled]) -> None:
    few = found["weekday"].value != 3
    some = Labelled(found["weekday"].residual[few], found["weekday"].p[few], found["weekday"].value[few])
    with pytest.raises(RequestError, match="weekday: found no labelled token for Thursday"):
        labelled_course(some, WEEKDAY, ["Monday"], 5)
