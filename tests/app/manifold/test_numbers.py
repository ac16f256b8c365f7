"""Scores of a manifold: each listed once, curves on one line."""

from dataclasses import replace
from pathlib import Path

from explorer.app.manifold.numbers import number_rows
from explorer.runs.run.reader import open_run


def test_every_score_is_listed_once_and_a_curve_takes_one_row(planted_run: Path) -> None:
    run = open_run(planted_run)
    curve = {f"{name}_{atoms}": 0.25 for name in ("r2_at", "pca_holds") for atoms in (16, 1)}
    scores = {"expected_cofires": 12.0, "positive_pairs": 0.5, "own": 3.0, **curve}
    rows = number_rows(replace(run.summary(0), scores=scores), run.cluster(0))
    shown = {name: value for name, value, _ in rows}
    assert len(shown) == len(rows)
    assert shown["position from few features"] == shown["variance in principal axes"] == "25 % by 1, 25 % by 16"
    assert shown["attracting pairs"] == "50 %"
    assert shown["expected co-firings"] == "12"
    assert shown["own"] == "3"
    assert all(meaning for _, _, meaning in rows)


def test_a_score_has_its_interval_if_one_was_measured(planted_run: Path) -> None:
    run = open_run(planted_run)
    shown = {name: (value, meaning) for name, value, meaning in number_rows(run.summary(0), run.cluster(0))}
    assert shown["variance explained"][0] == "97.0 % (96.0 to 98.0 %)"
    assert shown["intrinsic dimension"][0] == "1.1 (1.02 to 1.18)"
    assert all("95 % interval" in shown[name][1] for name in ("variance explained", "intrinsic dimension"))
    without = {name: value for name, value, _ in number_rows(run.summary(1), run.cluster(1))}
    assert (without["variance explained"], without["intrinsic dimension"]) == ("97.0 %", "1.1")
