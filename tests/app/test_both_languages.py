"""What Python and the page's scripts both compute: the same cases (tests/data/both) are tried by node, in tests/js."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from explorer.app.figures.cloud import curve_point
from explorer.app.figures.strips import nearest_value
from explorer.app.ui.format import counted, percent
from explorer.app.view.selection import read_picks, read_selection, write_picks
from explorer.app.view.state import KEYS, VERSION, View, decode
from explorer.runs.report.tables import harmless

BOTH = Path(__file__).resolve().parents[1] / "data" / "both"


def cases(file: str, name: str) -> list[Any]:
    return json.loads((BOTH / f"{file}.json").read_text(encoding="utf-8"))[name]


@pytest.mark.parametrize(("share", "text"), cases("format", "percent"))
def test_a_percentage(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("number", "noun", "text"), cases("format", "counted"))
def test_a_count(number: int, noun: str, text: str) -> None:
    assert counted(number, noun) == text


@pytest.mark.parametrize("case", cases("selection", "selection"))
def test_a_selection(case: dict[str, Any]) -> None:
    assert read_selection(case["text"]) == set(case["clusters"])


@pytest.mark.parametrize("case", cases("selection", "ranges"))
def test_ranges(case: dict[str, Any]) -> None:
    assert write_picks(case["numbers"]) == case["text"]
    assert read_picks(case["text"], 100).tolist() == case["numbers"]


def test_a_links_keys_and_version() -> None:
    assert sorted(cases("link", "keys")) == sorted(KEYS.values())
    assert cases("link", "version") == VERSION


@pytest.mark.parametrize("case", cases("link", "cases"))
def test_a_link(case: dict[str, Any]) -> None:
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in case["view"].items()}
    assert decode(case["query"]) == replace(View(), **fields)


@pytest.mark.parametrize("case", cases("curve", "points"))
def test_a_point_of_a_curve(case: dict[str, Any]) -> None:
    point = curve_point(case["closed"], np.array(case["knots"], dtype=np.float32), case["coordinate"])
    assert point == pytest.approx(case["point"], abs=1e-5)


@pytest.mark.parametrize("case", cases("curve", "nearest"))
def test_the_nearest_value(case: dict[str, Any]) -> None:
    names, places = zip(*case["values"], strict=True)
    summary: Any = SimpleNamespace(order=names, shape="closed curve" if case["closed"] else "open curve")
    geometry: Any = SimpleNamespace(value_coordinate=np.array(places, dtype=np.float32))
    assert nearest_value(summary, geometry, case["coordinate"]) == case["name"]


@pytest.mark.parametrize("case", cases("tsv", "harmless"))
def test_a_cell_of_a_spreadsheet(case: dict[str, Any]) -> None:
    assert harmless(case["text"]) == case["cell"]
