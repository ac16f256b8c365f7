"""Tables keep cells unbroken, and omit and list spare columns that do not fit."""

import pytest

from explorer.terminal import print_table

HEADER = ["id", "label", "shape", "chance p", "order"]
ROWS = [
    ["7", "Monday, Tuesday … Sunday", "closed curve", "0.05", "Monday Tuesday Wednesday Thursday"],
    ["112", "before a", "blob", "-", "a b c"],
]


def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, *spare: str) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    print_table("A title", HEADER, ROWS, spare)
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [24, 40, 60, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    shown = printed(capsys, monkeypatch, columns, "order", "shape")
    assert max(map(len, shown.splitlines())) <= columns
    for cell in ("112", "0.05", "blob", "before a") if columns >= 60 else ("112", "0.05"):
        assert cell in shown, "numbers and short words stay whole"


def test_all_columns_are_shown_if_they_fit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown = printed(capsys, monkeypatch, 100, "order", "shape")
    assert "Not shown" not in shown
    assert " ".join(shown.splitlines()[1].split()) == " ".join(HEADER)
    for cell in {cell for row in ROWS for cell in row}:
        assert cell in shown


def test_spare_columns_are_omitted_in_order_and_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = printed(capsys, monkeypatch, 58, "order", "shape")
    assert "Thursday" not in shown
    assert "closed curve" in shown
    assert "Not shown in 58 columns: order. " in shown
    shown = printed(capsys, monkeypatch, 40, "order", "shape")
    assert "closed" not in shown
    assert "order, shape" in shown.split("Not shown")[1]


def test_numbers_are_right_aligned_and_words_left_aligned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, 100).splitlines()
    assert [line[:4] for line in lines[3:5]] == ["  7 ", "112 "]
    assert {line.index(text) for line, text in zip(lines[3:5], ("closed", "blob"), strict=True)} == {
        lines[1].index("shape")
    }


def test_a_table_without_rows_shows_its_header(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_table("None", HEADER, [])
    assert "chance p" in capsys.readouterr().out
