"""Figures are pure functions; their inputs here have known answers."""

import asyncio
import base64
import re
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.app.figures.cloud import CURVE, POINTS, cloud_figure, cloud_labels, curve_point, named_values
from explorer.app.figures.colors import GREY, cloud_colors, position_colors, value_colors
from explorer.app.figures.strips import UNTUNED, field_coverage, strips_data, strips_table, strips_view
from explorer.app.manifold.features import feature_rows
from explorer.app.steering.bands import BandsView, bands_view
from explorer.app.view.state import View
from explorer.runs.run.reader import Run
from explorer.steering.protocol.behaviour import BehaviourReply, BehaviourRequest, Reach
from tests.fake_host import FakeHost
from tests.planted import LABELS

RING, YEARS = 0, 1


def reply(run: Run, **fields: object) -> BehaviourReply:
    subject = run.manifest.subject
    assert subject is not None
    path = {"cluster": RING, "prompt": "it rained on", "start": "Monday", "end": "Thursday", **fields}
    request = BehaviourRequest(run=run.id, fingerprint=subject.fingerprint, **path)  # type: ignore[arg-type]
    return asyncio.run(FakeHost(run).ask(request))


@pytest.fixture(scope="module")
def bands(run: Run) -> BandsView:
    return bands_view(reply(run), "it rained on")


def corners(path: str) -> np.ndarray:
    return np.array([[float(x) for x in point.split()] for point in re.findall(r"[-\d.]+ [-\d.]+", path)])


def test_bands_of_one_arm_fill_the_whole_height(bands: BandsView) -> None:
    for arm in bands.arms:
        areas = [corners(band.path) for band in arm.bands]
        assert all(len(area) == 2 * len(arm.answers) for area in areas)
        half = len(arm.answers)
        heights = sum(area[half:][::-1, 1] - area[:half, 1] for area in areas)
        np.testing.assert_allclose(heights, 100, atol=0.2)


def test_values_are_stacked_in_the_order_of_the_path(bands: BandsView) -> None:
    names = [band.name for band in bands.arms[0].bands]
    first = names.index("Monday")
    assert names[first : first + 4] == ["Monday", "Tuesday", "Wednesday", "Thursday"]
    assert names[-1] == "other"


def test_answers_hand_over_in_order_along_the_curve(bands: BandsView) -> None:
    texts = [answer.text for answer in bands.arms[0].answers]
    assert list(dict.fromkeys(texts)) == ["Monday", "Tuesday", "Wednesday", "Thursday"]
    assert {tick[0] for tick in bands.ticks} == {"Monday", "Tuesday", "Wednesday", "Thursday"}


def test_the_path_takes_the_shorter_way_round(run: Run) -> None:
    view = bands_view(reply(run, start="Monday", end="Saturday"), "x")
    names = [band.name for band in view.arms[0].bands]
    first = names.index("Monday")
    assert names[first : first + 3] == ["Monday", "Sunday", "Saturday"]


def test_a_value_has_the_same_colour_everywhere(run: Run, bands: BandsView) -> None:
    geometry = run.cluster(RING)
    colors = dict(zip(run.summary(RING).order, position_colors(True, geometry.value_coordinate), strict=True))
    assert {band.name: band.color for band in bands.arms[0].bands if band.name != "other"} == colors
    assert {label.text: label.color for label in cloud_labels(run.summary(RING), geometry)} == colors


def test_notes_never_give_an_energy_without_its_reach(bands: BandsView) -> None:
    for arm in bands.arms:
        assert "visits" in arm.note
        assert "E 0." in arm.note


def test_reach_is_the_target_probability_when_no_value_lies_in_between(run: Run) -> None:
    behaviour = reply(run, start="Monday", end="Tuesday")
    near = Reach(target=" Tuesday", p_target=0.03, visited=None)
    arms = (behaviour.arms[0].model_copy(update={"reach": near}), behaviour.arms[1].model_copy(update={"reach": None}))
    view = bands_view(behaviour.model_copy(update={"arms": arms}), "x")
    assert view.arms[0].note == "3 % Tuesday at the end · E 0.05"
    assert view.arms[1].note == "", "no energy without its reach"


def test_a_cluster_without_effect_is_reported(run: Run) -> None:
    subject = run.manifest.subject
    assert subject is not None
    request = BehaviourRequest(run=run.id, fingerprint=subject.fingerprint, cluster=RING, prompt="x", end="Friday")
    still = bands_view(asyncio.run(FakeHost(run, moves=False).ask(request)), "x")
    assert still.moves is False
    assert "does not move the model" in still.verdict


def test_strength_zero_is_the_unsteered_model(run: Run) -> None:
    assert "unsteered" in bands_view(reply(run, strength=0.0), "x").verdict


def test_the_cloud_is_sent_as_float32_arrays(run: Run) -> None:
    geometry = run.cluster(RING)
    sent = cloud_figure(run.summary(RING), geometry, View())["data"][POINTS]["x"]
    assert sent["dtype"] == "f4"
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(sent["bdata"]), "<f4"), geometry.points[:, 0])


def test_only_a_closed_curve_is_closed(run: Run) -> None:
    ring, years = (
        np.frombuffer(base64.b64decode(figure["data"][CURVE]["x"]["bdata"]), "<f4")
        for figure in (cloud_figure(run.summary(one), run.cluster(one), View()) for one in (RING, YEARS))
    )
    assert ring[0] == ring[-1]
    assert len(ring) == len(run.cluster(RING).curve) + 1
    assert len(years) == len(run.cluster(YEARS).curve)


@pytest.mark.parametrize("cluster", [RING, YEARS])
def test_the_cloud_is_valid_for_plotly(run: Run, cluster: int) -> None:
    figure = cloud_figure(run.summary(cluster), run.cluster(cluster), View())
    assert go.Figure(figure, skip_invalid=False).to_plotly_json()["data"] == figure["data"]


@pytest.mark.parametrize("cluster", [RING, YEARS])
def test_axes_have_equal_units_and_contain_the_cloud(run: Run, cluster: int) -> None:
    geometry = run.cluster(cluster)
    scene = cloud_figure(run.summary(cluster), geometry, View())["layout"]["scene"]
    low, high = np.array([scene[f"{axis}axis"]["range"] for axis in "xyz"]).T
    drawn = np.concatenate([geometry.points, geometry.curve])
    assert (low < drawn.min(axis=0)).all()
    assert (high > drawn.max(axis=0)).all()
    units = (high - low) / [scene["aspectratio"][axis] for axis in "xyz"]
    assert units == pytest.approx([units[0]] * 3)


@pytest.mark.parametrize("closed", [True, False])
def test_points_of_a_curve_lie_between_its_knots(closed: bool) -> None:
    curve = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=np.float32)
    first, last = curve_point(closed, curve, 0.0), curve_point(closed, curve, 1.0)
    np.testing.assert_allclose(first, curve[0])
    np.testing.assert_allclose(last, curve[0] if closed else curve[-1])
    np.testing.assert_allclose(curve_point(closed, curve, 1 / 8 if closed else 1 / 6), [0.5, 0, 0])


def test_a_feature_colours_the_cloud_by_its_activation(run: Run) -> None:
    geometry = run.cluster(RING)
    colors = cloud_colors(run.summary(RING), geometry, f"feature-{geometry.atoms[3]}")
    np.testing.assert_array_equal(colors.numbers, geometry.codes[:, 3].astype(np.float32))
    fallback = cloud_colors(run.summary(RING), geometry, "feature-999999")
    np.testing.assert_array_equal(fallback.numbers, geometry.coordinate)


def test_tiles_are_ordered_along_the_ring_and_labelled_by_their_peak(run: Run) -> None:
    view = strips_view(run.summary(RING), run.cluster(RING))
    tiles = [strip for strip in view.strips if strip.varies and strip.role == "core"]
    assert [strip.feature for strip in tiles] == [
        f for f in run.summary(RING).feature_order if f in {t.feature for t in tiles}
    ]
    assert {strip.peak for strip in tiles} == set(run.summary(RING).order)


def test_labelled_features_are_named_in_the_strips(run: Run, unlabelled: Run) -> None:
    view = strips_view(run.summary(RING), run.cluster(RING))
    names = strips_data(view, run.labels())["names"]
    assert names == {0: "0 “\u2068the week begins\u2069”", LABELS[3].feature: "23 “\u2068يوم من الأسبوع\u2069”"}
    assert strips_data(view, unlabelled.labels()) == asdict(view)


def test_the_strips_table_has_a_label_column_only_if_there_are_labels(run: Run, unlabelled: Run) -> None:
    view = strips_view(run.summary(RING), run.cluster(RING))
    head, rows = strips_table(view, run.labels())
    plain_head, plain_rows = strips_table(view, unlabelled.labels())
    assert head == ("feature", "label", "peak position", "mean activation there")
    assert {row[0]: row[1] for row in rows if row[1]} == {
        "core 0": "the week begins; Mondays & <b>meetings</b>",
        f"halo {LABELS[3].feature}": "يوم من الأسبوع",
    }
    assert plain_head == (head[0], *head[2:])
    assert plain_rows == [(row[0], *row[2:]) for row in rows]


def test_a_hub_is_flat_and_grey(run: Run) -> None:
    geometry = run.cluster(RING)
    geometry.tuning[0] = 1.0
    hub = next(s for s in strips_view(run.summary(RING), geometry).strips if s.feature == geometry.atoms[0])
    assert not hub.varies
    assert hub.color == GREY


def test_a_feature_not_distinguishable_from_chance_is_grey(run: Run) -> None:
    """The tuning curve is as peaked as before, but the activations are at random positions on the ring."""
    geometry = run.cluster(RING)
    atom = next(row.atom for row in feature_rows(run.summary(RING), geometry, run.features()) if row.varies)
    geometry.codes[:, atom] = np.random.default_rng(0).permutation(geometry.codes[:, atom])
    strip = next(s for s in strips_view(run.summary(RING), geometry).strips if s.feature == geometry.atoms[atom])
    assert (strip.varies, strip.color, strip.peak_label) == (False, GREY, UNTUNED)


@pytest.mark.parametrize(
    ("closed", "gaps"), [(False, ((0.0, 0.25), (0.875, 1.0))), (True, ((0.875, 0.25),))], ids=["open", "closed"]
)
def test_fields_extend_to_half_of_their_peak(closed: bool, gaps: tuple[tuple[float, float], ...]) -> None:
    curves = np.array([[0, 0, 2, 4, 2, 1, 0, 0], [0, 0, 0, 0, 8, 8, 5, 3]], np.float32)
    fields = field_coverage(curves, closed=closed)
    assert (fields.coverage, fields.overlap) == (5 / 8, 6 / 8)
    assert fields.gaps == gaps


def test_no_fields_leave_one_gap_and_full_fields_none() -> None:
    assert field_coverage(np.zeros((0, 8), np.float32), closed=True).gaps == ((0.0, 1.0),)
    assert field_coverage(np.ones((1, 8), np.float32), closed=True).gaps == ()


def test_a_value_without_a_coordinate_is_grey() -> None:
    assert value_colors(True, [0.0, None])[1] == GREY


@settings(deadline=None)
@given(st.integers(1, 200))
def test_every_prefix_of_the_labels_is_spread_evenly(run: Run, count: int) -> None:
    order = named_values(replace(run.summary(RING), order=tuple(map(str, range(count)))))
    assert len(order) == len(set(order)) <= 64
    first = sorted(order[: -(-len(order) // 8)])
    assert len({after - before for before, after in pairwise(first)}) <= 1


@pytest.mark.parametrize("value", [0, 3])
def test_a_label_is_anchored_on_the_curve(run: Run, value: int) -> None:
    geometry = run.cluster(RING)
    name = run.summary(RING).order[value]
    label = next(one for one in cloud_labels(run.summary(RING), geometry) if one.text == name)
    at = curve_point(True, geometry.curve, float(geometry.value_coordinate[value]))
    np.testing.assert_allclose(label.point, at)


def test_a_path_that_starts_just_before_the_seam_starts_at_the_value_behind_it(run: Run) -> None:
    behaviour = reply(run)
    view = bands_view(
        behaviour.model_copy(update={"start": 0.999, "value_coordinate": behaviour.value_coordinate}), "x"
    )
    assert view.start_name == "Monday"


def test_an_arm_that_predicts_none_of_the_values_has_no_energy(run: Run) -> None:
    behaviour = reply(run)
    rows = tuple((0.0,) * (len(row) - 1) + (1.0,) for row in behaviour.arms[0].probabilities)
    arms = (behaviour.arms[0].model_copy(update={"probabilities": rows}), *behaviour.arms[1:])
    view = bands_view(behaviour.model_copy(update={"arms": arms}), "x")
    assert view.arms[0].note == "predicts none of these values"
    assert view.arms[0].bands[-1].label_x is not None
