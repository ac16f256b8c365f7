"""What the README says is true of the tree."""

import importlib.util
import re
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from explorer.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def _tree_module() -> object:
    spec = importlib.util.spec_from_file_location("readme_tree", ROOT / "tests" / "readme_tree.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tree_lists_every_module_with_its_first_line() -> None:
    module = _tree_module()
    stale = "the README's tree is stale: run `python tests/readme_tree.py`"
    assert module.tree(ROOT / "explorer") in README, stale  # type: ignore[attr-defined]


def test_every_module_says_what_it_is() -> None:
    module = _tree_module()
    silent = [line for line in module.tree(ROOT / "explorer").splitlines() if line.rstrip().endswith(".py")]  # type: ignore[attr-defined]
    assert not silent


def test_every_command_it_names_exists() -> None:
    known = {*get_command(app).commands}  # type: ignore[attr-defined]
    named = set(re.findall(r"^\$? *(?:\.venv/bin/)?explorer ([a-z-]+)", README, flags=re.MULTILINE))
    assert named, "the README shows no command"
    assert named <= known


def test_every_command_has_help() -> None:
    for name in get_command(app).commands:  # type: ignore[attr-defined]
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_links_and_pictures_exist() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)", README) if "://" not in target]
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert not missing
