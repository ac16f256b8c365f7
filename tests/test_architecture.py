"""docs/architecture.md agrees with the code: every folder has a line, and the generated sections are fresh."""

import subprocess
import sys
from pathlib import Path

from tests import architecture, code_figures

PAGE = architecture.PAGE.read_text()


def test_every_folder_has_a_line_and_every_line_a_folder() -> None:
    assert sorted(architecture.folder_lines(PAGE)) == architecture.folders()


def test_the_picture_of_floors_names_every_top_level_folder() -> None:
    pictured = set(architecture.floors().replace("|", " ").split())
    assert {folder.split("/")[1] for folder in architecture.folders()} <= pictured


def test_every_module_has_a_first_line() -> None:
    modules = [path for path in architecture.PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    assert [path for path in modules if not architecture.first_line(path)] == []


def test_the_generated_sections_are_fresh() -> None:
    assert architecture.regenerated(PAGE) == PAGE, architecture.STALE


def test_a_walk_has_at_most_twelve_steps() -> None:
    for walk in PAGE.split("\n## ")[1:]:
        if walk.startswith("From "):
            assert 2 <= sum(line[:1].isdigit() for line in walk.splitlines()) <= 12


def test_repeated_runs_are_counted_once_for_each_run() -> None:
    first, second = [f"a{n}" for n in range(7)], [f"b{n}" for n in range(6)]
    assert code_figures.repeated_runs([first, second]) == 0
    assert code_figures.repeated_runs([first, second, second]) == 1
    assert code_figures.repeated_runs([first, first + first]) == 2


def test_upward_imports_and_circles_of_a_planted_checkout(tmp_path: Path) -> None:
    files = {
        "__init__": "",
        "low/__init__": "",
        "low/a": "from planted_floors.low import b",
        "low/b": "from planted_floors.low import a",
        "low/c": "from planted_floors.high import d",
        "high/__init__": "",
        "high/d": "",
        "high/e": "from planted_floors.low import a, b",
    }
    for name, text in files.items():
        path = tmp_path / "planted_floors" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = code_figures.import_figures(tmp_path, "planted_floors")
    assert (found.upward, found.cycles, found.cyclic_modules) == (2, 1, 2)


def test_the_command_prints_a_column_for_each_checkout() -> None:
    root = str(architecture.ROOT)
    command = [sys.executable, "-m", "tests.code_figures", "--repo", root, "--repo", root]
    printed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert all(line.count("|") == 4 for line in printed.stdout.splitlines())
