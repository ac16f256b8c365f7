"""Views of the checks, and the parser of readout classes."""

import asyncio
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.app.figures.colors import position_colors
from explorer.app.steering.bands import NUMBERS, bands_view
from explorer.app.steering.checks import NOT_DISTINGUISHABLE, check_view, phrases_view, sweep_view
from explorer.app.steering.readout_text import MOST_SPELLINGS, proposed_readout, read_readout, same_readout
from explorer.app.steering.realised import HEIGHT, MARGIN, WIDTH, realised_view
from explorer.app.view.state import MAX_TEXT
from explorer.errors import RequestError
from explorer.runs.run.reader import Run
from explorer.steering.protocol.behaviour import BehaviourReply, BehaviourRequest
from explorer.steering.protocol.checks import CheckReply, CheckRequest, PhrasesRequest, Spread, SweepRequest
from tests.app.steering.steering_data import checks
from tests.fake_host import FakeHost


def parameters(run: Run, **changes: object) -> dict[str, object]:
    subject = run.manifest.subject
    assert subject is not None
    path = {"run": run.id, "fingerprint": subject.fingerprint, "cluster": 0, "prompt": "it rained on"}
    return path | {"start": "Monday", "end": "Thursday"} | changes


def behaviour(run: Run, **changes: object) -> BehaviourReply:
    return asyncio.run(FakeHost(run).ask(BehaviourRequest.model_validate(parameters(run, **changes))))


def check(run: Run, *, moves: bool = True) -> CheckReply:
    return asyncio.run(FakeHost(run, moves=moves).ask(CheckRequest.model_validate(parameters(run))))


def points(path: str) -> np.ndarray:
    return np.array([[float(x) for x in pair.split()] for pair in re.findall(r"[-\d.]+ [-\d.]+", path)])


def test_requested_and_realised_positions_agree_on_the_curve(run: Run) -> None:
    view = realised_view(behaviour(run))
    assert view is not None
    requested, state = points(view.requested), points(view.arms[0].state)
    np.testing.assert_allclose(state[[0, -1]], requested, atol=0.1)
    assert np.all(np.diff(state[:, 1]) < 0), "y increases along the curve"
    assert (view.start, view.end) == pytest.approx((requested[0, 1] / HEIGHT, requested[1, 1] / HEIGHT))


def test_late_answers_deviate_more_from_the_request(run: Run) -> None:
    view = realised_view(behaviour(run))
    assert view is not None
    apart = [float(re.findall(r"(\d+) %", arm.words)[0]) for arm in view.arms]
    assert apart[0] < apart[1]


def test_a_line_breaks_at_the_seam_and_stays_in_its_box(run: Run) -> None:
    reply = behaviour(run, start="Monday", end="Saturday")
    jumping = reply.arms[0].model_copy(update={"state_coordinate": (0.42, 0.44, 0.35, 0.37) * 12 + (0.4, 0.4)})
    view = realised_view(reply.model_copy(update={"arms": (jumping,)}))
    assert view is not None
    assert view.arms[0].state.count("M") > 1
    heights = points(view.arms[0].state)[:, 1]
    assert heights.min() >= MARGIN * HEIGHT - 0.1
    assert heights.max() <= (1 - MARGIN) * HEIGHT + 0.1


def test_older_results_have_no_realised_positions_and_no_meter(run: Run) -> None:
    reply = behaviour(run)
    old = tuple(arm.model_copy(update={"state_coordinate": None}) for arm in reply.arms)
    view = bands_view(reply.model_copy(update={"arms": old, "meter": None}), "x")
    assert (view.realised, view.meter) == (None, None)
    assert realised_view(behaviour(run, end="Monday")) is None, "a path of zero length"


def test_each_arm_has_every_number(run: Run) -> None:
    view = bands_view(behaviour(run), "x")
    assert [name for name, _ in NUMBERS][:3] == ["p(target)", "visited", "E"]
    assert all(len(arm.numbers) == len(NUMBERS) for arm in view.arms)
    assert view.arms[0].numbers[3] == "0.99"


def test_controls_state_whether_the_effect_stands_out(run: Run) -> None:
    view = check_view(check(run))
    assert view.stands_out is True
    assert view.words.startswith("Stands out")
    assert "is 93.0 standard deviations above the control mean" in view.words
    assert [arm.title for arm in view.arms][:2] == ["Random direction 1", "Random direction 2"]
    assert len(view.arms) == 6
    still = check_view(check(run, moves=False))
    assert still.stands_out is False
    assert still.words.startswith(NOT_DISTINGUISHABLE)
    assert "not distinguishable from the controls" in bands_view(check(run, moves=False).controls, "x").verdict


def test_a_chord_with_less_energy_is_reported_as_good(run: Run) -> None:
    across, adjacent = check_view(check(run)).tables
    assert across.rows[0] == ("Along the curve", "0.050 ± 0.010", "90 % ± 2 %", "100 %")
    assert "as good as the curve or better: E 0.020 on the chord, 0.030 on the curve" in adjacent.words


@pytest.mark.parametrize(
    ("chord", "sd", "words"),
    [
        (0.04, 0.02, "To the next value, chord and curve differ by less than the prompts do: E 0.04"),
        (0.40, 0.02, "Even to the next value, the curve has less energy than the straight chord: E 0.40"),
        (0.04, None, "Even to the next value, the curve has less energy than the straight chord: E 0.04"),
    ],
)
def test_a_worse_chord_is_not_reported_as_good(run: Run, chord: float, sd: float | None, words: str) -> None:
    reply = check(run)
    assert reply.adjacent is not None
    energies = {"manifold": 0.03, "linear": 0.5, "chord": chord}
    arms = tuple(arm.model_copy(update={"e_bc": Spread(mean=energies[arm.arm], sd=sd)}) for arm in reply.adjacent.arms)
    adjacent = reply.adjacent.model_copy(update={"arms": arms})
    assert check_view(reply.model_copy(update={"adjacent": adjacent})).tables[1].words.startswith(words)


def test_a_step_that_equals_the_whole_path_is_listed_once(run: Run) -> None:
    reply = check(run)
    assert len(check_view(reply.model_copy(update={"across": reply.adjacent})).tables) == 1
    assert check_view(reply.model_copy(update={"across": None, "adjacent": None})).tables == ()


def test_a_sweep_has_its_largest_strength_on_top_and_marks_unsafe_cells(run: Run) -> None:
    request = SweepRequest.model_validate(parameters(run, strengths=(-1.0, 0.0, 3.0), positions=(0.0, 0.5, 1.0)))
    view = sweep_view(asyncio.run(FakeHost(run).ask(request)), True, 0.25)
    assert view.strengths == (3.0, 0.0, -1.0)
    assert view.color == position_colors(True, np.array([0.25]))[0]
    assert len(view.grids) == 3
    top, middle, _ = view.grids[0].rows
    assert [cell.p for cell in top] == [0.0, 0.5, 1.0]
    assert all(cell.beyond for cell in top)
    assert not any(cell.beyond for cell in middle)
    assert view.most == 1.0
    assert view.grids[0].words == "reaches 100 %"


def test_a_phrase_is_drawn_on_its_own_scale_with_the_unsteered_baseline(run: Run) -> None:
    request = PhrasesRequest.model_validate(parameters(run, phrases=("one", "two"), waypoints=3))
    first, second = phrases_view(asyncio.run(FakeHost(run).ask(request)))
    assert (first.text, second.text) == ("one", "two")
    assert first.read == ""
    line = points(first.lines[0].path)
    assert line[:, 0] == pytest.approx([0, WIDTH / 2, WIDTH])
    assert line[0, 1] == pytest.approx(first.baseline * HEIGHT, abs=0.1)
    assert np.all(np.diff(line[:, 1]) > 0), "less likely is lower"
    assert "largest change -2.0 nats (Along the curve)" in first.words


def test_a_phrase_that_the_tokenizer_changes_is_shown_as_read() -> None:
    (view,) = phrases_view(checks()["phrases"])
    assert (view.text, view.read) == ("a <b>test", "a test")


def test_the_proposed_readout_parses_to_the_clusters_values(run: Run) -> None:
    text = proposed_readout(run.summary(0), run.cluster(0), run.vocabulary())
    assert tuple(value.name for value in read_readout(text)) == run.summary(0).order
    assert same_readout(text, f"\n{text}  \n")
    assert not same_readout(text, text + "\nlate")


def test_a_spelling_counts_with_and_without_a_leading_space() -> None:
    (value,) = read_readout("Monday = Mon | a = b")
    assert value.name == "Monday"
    assert value.spellings == ("Mon", " Mon", "a = b", " a = b")


@pytest.mark.parametrize(
    "text", ["", "  \n ", "\n".join(map(str, range(257))), "a = " + " | ".join("b" * (MOST_SPELLINGS + 1)), "x" * 201]
)
def test_an_invalid_readout_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="readout"):
        read_readout(text)


@settings(deadline=None)
@given(st.text(max_size=MAX_TEXT + 1))
def test_any_text_is_a_readout_or_a_request_error(text: str) -> None:
    try:
        values = read_readout(text)
    except RequestError:
        return
    assert all(value.spellings for value in values)
