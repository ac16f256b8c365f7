"""The parts of a manifold's page: colours and legend, features, contexts, and copied data."""

import asyncio
import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dash._utils import to_json
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explorer.app.atlas.routes import points_text
from explorer.app.atlas.tooltips import feature_tooltip
from explorer.app.figures.colors import GREY, MOST_TOKENS, CloudColors, cloud_colors
from explorer.app.manifold.cloud_card import color_options
from explorer.app.manifold.contexts_card import ALONG, MOST_ROWS, contexts_block
from explorer.app.manifold.feature_logits import request_logits
from explorer.app.manifold.features import (
    activation_histograms,
    atom_feature,
    feature_rows,
    field_widths,
    quantile_samples,
)
from explorer.app.manifold.parts import colors_at, feature_at, selection_at
from explorer.app.server.router import page_at
from explorer.app.ui.format import LONGEST_LABEL, feature_name
from explorer.app.view.selection import read_picks
from explorer.errors import RequestError
from explorer.records.bundle import FeatureLabel
from explorer.records.cluster import CONTEXT_BEFORE
from explorer.runs.run.label_file import LabelTable
from explorer.runs.run.reader import Run, open_run
from explorer.runs.run.writer import RunWriter
from tests.app.server.test_pages import components, site_of
from tests.fake_host import FakeHost
from tests.planted import LABELS, planted_parts, write_parts

RING, YEARS = 0, 1
PATH = "/run/planted/cluster/0"
GOLDEN = Path(__file__).resolve().parents[2] / "data" / "golden"
Codes = arrays(np.float32, st.integers(0, 40), elements=st.floats(0, 100, width=32))


def colored(run: Run, by: str) -> CloudColors:
    return cloud_colors(run.summary(RING), run.cluster(RING), by, run.vocabulary())


@pytest.mark.parametrize("by", ["value", "token"])
def test_legend_entries_partition_the_points(run: Run, by: str) -> None:
    colors = colored(run, by)
    points = len(run.cluster(RING).points)
    picks = np.concatenate([read_picks(kind.pick, points) for kind in colors.kinds])
    assert sorted(picks.tolist()) == list(range(points))
    assert [len(read_picks(kind.pick, points)) for kind in colors.kinds] == [kind.points for kind in colors.kinds]


def test_the_most_frequent_tokens_have_their_own_colours(run: Run) -> None:
    colors = colored(run, "token")
    tokens = run.cluster(RING).context_ids[:, CONTEXT_BEFORE]
    counts = [kind.points for kind in colors.kinds if kind.color != GREY]
    assert counts == sorted(np.bincount(tokens), reverse=True)[: len(counts)]
    assert len(counts) <= MOST_TOKENS
    assert len({kind.color for kind in colors.kinds}) == len(colors.kinds)
    first = read_picks(colors.kinds[0].pick, len(tokens))
    assert set(colors.numbers[first].tolist()) == {0.0}


def test_points_are_coloured_by_place_in_document_and_text(run: Run) -> None:
    geometry = run.cluster(RING)
    inside = geometry.token_index % 24
    np.testing.assert_array_equal(colored(run, "document").numbers, inside.astype(np.float32))
    np.testing.assert_array_equal(colored(run, "text").numbers, geometry.token_index.astype(np.float32))


@pytest.mark.parametrize("by", ["coordinate", "value", "token", "document", "text", "feature-3", "feature-999999"])
def test_every_colouring_has_a_legend(run: Run, by: str) -> None:
    for cluster in (RING, YEARS):
        colors = cloud_colors(run.summary(cluster), run.cluster(cluster), by, run.vocabulary())
        assert colors.kinds or all(colors.ends)
        assert colors.low < colors.high


@given(Codes)
def test_a_histogram_counts_activations_above_zero(codes: np.ndarray) -> None:
    (counts,) = activation_histograms(codes[:, None])
    assert counts.sum() == int((codes > 0).sum())
    assert counts[-1] >= (codes > 0).any()


def test_each_histogram_has_equal_bins_up_to_its_own_maximum() -> None:
    codes = np.array([[0.0, 1.0], [0.5, 2.0], [1.0, 3.9], [4.0, 4.0]], np.float32)
    assert activation_histograms(codes, bins=4).tolist() == [[1, 1, 0, 1], [0, 1, 1, 2]]


@given(Codes)
def test_quantiles_descend_from_the_strongest_to_the_weakest(codes: np.ndarray) -> None:
    shown = codes[quantile_samples(codes)]
    assert (np.diff(shown) <= 0).all()
    if (codes > 0).any():
        assert shown[0] == codes.max()
        assert shown[-1] == codes[codes > 0].min()
    else:
        assert len(shown) == 0


def test_a_fields_width_is_measured_at_half_height() -> None:
    curves = np.array([[0, 1, 2, 1, 0, 0, 0, 0], np.ones(8), np.zeros(8)], np.float32)
    assert field_widths(curves).tolist() == [3 / 8, 1.0, 0.0]


def test_a_row_matches_the_run(run: Run) -> None:
    summary, geometry, table = run.summary(RING), run.cluster(RING), run.features()
    rows = feature_rows(summary, geometry, table)
    assert [row.feature for row in rows] == geometry.atoms.tolist()
    assert [row.role for row in rows] == ["core"] * geometry.n_core + ["halo"] * (len(rows) - geometry.n_core)
    for row in rows:
        codes = geometry.codes[:, row.atom].astype(np.float32)
        assert row.fires == table.fires[row.feature]
        assert sum(row.histogram) == (codes > 0).sum()
        assert row.strongest == codes.max()
    tile = rows[3]
    assert tile.varies
    assert 0 < tile.spread < 0.3
    assert tile.peak in summary.order


def test_the_page_shows_the_links_feature_or_the_first_core_feature(run: Run) -> None:
    geometry = run.cluster(RING)
    for color, feature in (("feature-5", 5), ("feature-99999", 0), ("coordinate", 0)):
        assert atom_feature(geometry, color) == feature


def test_features_of_an_sae_on_neuronpedia_link_there(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    site = site_of(runs_folder, tmp_path / "s.sqlite")
    body = json.loads(to_json(list(page_at(site, PATH, "").body)))
    links = [one["props"] for one in components(body, "A") if "neuronpedia" in str(one["props"])]
    atoms = run.cluster(RING).atoms.tolist()
    assert [link["href"] for link in links] == [f"https://www.neuronpedia.org/planted/2-rings/{atom}" for atom in atoms]
    assert {(link["target"], link["rel"]) for link in links} == {("_blank", "noopener noreferrer")}


def test_an_older_run_has_no_neuronpedia_column(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "run-v1", tmp_path / "old")
    site = site_of(tmp_path, tmp_path / "s.sqlite")
    body = json.dumps(json.loads(to_json(list(page_at(site, "/run/old/cluster/0", "").body))))
    assert "top tokens" in body
    assert "Neuronpedia" not in body


def test_labels_are_shown_with_their_source(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    body = json.loads(to_json(list(page_at(site_of(runs_folder, tmp_path / "s.sqlite"), PATH, "").body)))
    cells = [one["props"] for one in components(body, "Td") if one["props"].get("className") == "label"]
    assert len(cells) == len(run.cluster(RING).atoms)
    assert cells[0]["title"] == "the week begins (hand)\nMondays & <b>meetings</b> (a language model)"
    isolated = [one["props"]["children"] for one in components(cells, "Bdi")]
    assert isolated == ["the week begins", "Mondays & <b>meetings</b>", LABELS[3].label]
    lines = [one for one in components(body, "Div") if one["props"].get("className") == "feature-label"]
    texts = [[part["props"]["children"] for part in components(line, "Bdi")] for line in lines]
    assert texts == [["the week begins", "(hand)"], ["Mondays & <b>meetings</b>", "(a language model)"]]


def test_a_run_without_labels_has_no_label_column(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "run-v1", tmp_path / "old")
    body = json.loads(to_json(list(page_at(site_of(tmp_path, tmp_path / "s.sqlite"), "/run/old/cluster/0", "").body)))
    assert [one for one in components(body, "Td") if one["props"].get("className") == "label"] == []
    assert "Label from the feature bundle" not in json.dumps(body)


def test_colour_options_name_features_by_id_and_first_label(run: Run, unlabelled: Run) -> None:
    def named(one: Run) -> dict[str, str]:
        options = color_options(one.summary(RING), one.cluster(RING), one.labels())
        return {option["value"]: option["label"] for option in options if option["value"].startswith("feature-")}

    plain = {f"feature-{atom}": f"core {atom}" for atom in run.summary(RING).features}
    plain |= {f"feature-{atom}": f"halo {atom}" for atom in run.summary(RING).halo}
    assert named(unlabelled) == plain
    changed = {
        "feature-0": "core 0 “\u2068the week begins\u2069”",
        "feature-23": "halo 23 “\u2068يوم من الأسبوع\u2069”",
    }
    assert named(run) == plain | changed


def test_a_feature_name_is_one_truncated_line() -> None:
    assert feature_name(7, ()) == "7"
    assert feature_name(7, (FeatureLabel(7, "a\nb", "hand"),)) == "7 “\u2068a⏎b\u2069”"
    assert feature_name(7, (FeatureLabel(7, "x" * 121, ""),)) == f"7 “\u2068{'x' * LONGEST_LABEL}…\u2069”"


def test_a_tooltip_has_the_first_labels_truncated(run: Run, tmp_path: Path) -> None:
    assert feature_tooltip(run, 0)["labels"] == [{"label": one.label, "source": one.source} for one in LABELS[:2]]
    assert feature_tooltip(run, 1)["labels"] == []
    many = LabelTable.pack([FeatureLabel(0, "x" * 500, f"a\n{number}") for number in range(5)])
    with RunWriter(tmp_path / "many") as writer:
        write_parts(writer, replace(planted_parts(), labels=many))
    labels = feature_tooltip(open_run(tmp_path / "many"), 0)["labels"]
    assert labels == [{"label": "x" * 120 + "…", "source": f"a⏎{number}"} for number in range(3)]


def test_without_a_selection_tokens_along_the_shape_are_shown(run: Run) -> None:
    geometry = run.cluster(RING)
    block, _ = contexts_block(run.summary(RING), geometry, run.vocabulary(), "", "/points.tsv")
    assert f"{ALONG} of {len(geometry.points)} drawn tokens" in to_json(block)


def rows_of(block: object) -> list[int]:
    return [
        int(one["props"]["data-sample"])
        for one in components(json.loads(to_json(block)), "Tr")
        if "data-sample" in one["props"]
    ]  # type: ignore[index,operator]


def test_selected_tokens_are_sorted_by_position_and_counted(run: Run) -> None:
    geometry = run.cluster(RING)
    block = contexts_block(run.summary(RING), geometry, run.vocabulary(), "4,8-10", "/points.tsv")
    shown = rows_of(block)
    assert sorted(shown) == [4, 8, 9, 10]
    assert geometry.coordinate[shown].tolist() == sorted(geometry.coordinate[shown].tolist())
    assert "4 drawn tokens of 600 selected." in to_json(block)
    many = contexts_block(run.summary(RING), geometry, run.vocabulary(), "0-299", "/points.tsv")
    assert len(rows_of(many)) == MOST_ROWS
    assert "300 drawn tokens of 600 selected, 100 shown." in to_json(many)


def test_the_selection_part_depends_on_the_address(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    site = site_of(runs_folder, tmp_path / "s.sqlite", prefix="/lab/")
    part = selection_at(site, f"/lab{PATH}", "4,8")
    fires = (run.cluster(RING).codes[[4, 8]] > 0).sum(axis=0)
    assert list(part.fires.values()) == fires.tolist()
    assert "/lab/api/run/planted/cluster/0/points.tsv?pick=4,8" in repr(part.contexts)
    assert selection_at(site, f"/lab{PATH}", "").fires == {}
    for path, pick in ((f"/lab{PATH}", "x"), ("/lab/", "1")):
        with pytest.raises(RequestError):
            selection_at(site, path, pick)


def test_only_a_feature_that_colours_the_cloud_changes_the_detail(runs_folder: Path, tmp_path: Path) -> None:
    site = site_of(runs_folder, tmp_path / "s.sqlite")
    part = feature_at(site, PATH, "feature-3")
    assert part is not None
    assert part.title == "Feature 3 (core)"
    assert len(components(json.loads(to_json(part.detail)), "Mark")) > 8
    assert feature_at(site, PATH, "token") is None
    assert "Monday" in to_json(colors_at(site, PATH, "token").legend)
    with pytest.raises(RequestError):
        colors_at(site, PATH, "feature-x")


def test_a_link_restores_axes_and_selection(runs_folder: Path, tmp_path: Path) -> None:
    site = site_of(runs_folder, tmp_path / "s.sqlite")
    body = json.loads(to_json(list(page_at(site, PATH, "?v=1&axes=13&pick=4,8").body)))
    pressed = [
        one["props"]["data-axes"] for one in components(body, "Button") if one["props"].get("aria-pressed") == "true"
    ]  # type: ignore[index,attr-defined]
    assert pressed == ["13"]
    assert sorted(rows_of(body)) == [4, 8]


def test_every_card_has_its_tools(runs_folder: Path, tmp_path: Path) -> None:
    site = site_of(runs_folder, tmp_path / "s.sqlite")
    body = json.loads(to_json(list(page_at(site, PATH, "").body)))
    cards = [one for kind in ("Section", "Div") for one in components(body, kind) if "data-card" in one["props"]]  # type: ignore[operator]
    names = [one["props"]["data-card"] for one in cards]  # type: ignore[index]
    assert sorted(names) == ["cloud", "contexts", "evidence", "features", "numbers", "provenance", "steering", "strips"]
    for one in cards:
        does = [button["props"].get("data-do") for button in components(one, "Button")]  # type: ignore[attr-defined]
        assert [name for name in does if name] == ["enlarge", "copy", "save-svg", "save-png"]


def test_points_are_exported_in_full_or_as_selected(run: Run) -> None:
    geometry = run.cluster(RING)
    rows = list(csv.DictReader(points_text(run, RING, "").splitlines(), dialect="excel-tab"))
    assert [int(row["token_index"]) for row in rows] == geometry.token_index.tolist()
    np.testing.assert_array_equal(np.array([float(row["x"]) for row in rows], np.float32), geometry.points[:, 0])
    few = points_text(run, RING, "4,8").splitlines()
    assert len(few) == 3
    assert few[1].startswith(f"{geometry.token_index[4]}\t")


def logits(site_host: FakeHost | None, folder: Path, shares: Path, feature: int = 5) -> str:
    return to_json(asyncio.run(request_logits(site_of(folder, shares / "s.sqlite", site_host), PATH, feature)))


def test_promoted_tokens_come_before_suppressed_ones(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    host = FakeHost(run)
    block = logits(host, runs_folder, tmp_path)
    assert host.asked == 1
    assert block.index("Saturday") < block.index("+3.00") < block.index("-2.00")


def test_failed_logit_requests_are_explained(runs_folder: Path, run: Run, tmp_path: Path) -> None:
    assert "No steering host" in logits(None, runs_folder, tmp_path)
    host = FakeHost(run)
    assert "found 999999" in logits(host, runs_folder, tmp_path, 999_999)
    host.alive = False
    assert "does not answer" in logits(host, runs_folder, tmp_path)
    assert host.asked == 0
