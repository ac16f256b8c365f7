"""Documents name only what exists: relative links, paths and dotted names in code spans, commands."""

import re
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from explorer.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
LISTED = subprocess.run(["git", "-C", ROOT, "ls-files", "*.md"], capture_output=True, text=True, check=True).stdout
DOCUMENTS = sorted(ROOT / name for name in LISTED.splitlines() if (ROOT / name).is_file())
FOLDERS = ("explorer", "tests", "docs", "assets", "cached_runs")
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
EXTERNAL = re.compile(r"[a-z]+:")

document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def without_blocks(path: Path) -> str:
    return re.sub(r"^( *)```.*?^\1```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def code_spans(path: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", without_blocks(path))


def anchors(path: Path) -> set[str]:
    """GitHub's anchors of a document's headings."""
    headings = re.findall(r"^#+ +(.+)$", without_blocks(path), flags=re.MULTILINE)
    bare = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in bare}


def dotted_name_exists(name: str) -> bool:
    """Whether a name such as ``explorer.maths.shape.fit.fit_shape`` is a module, or a word of the module before it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        stem = ROOT.joinpath(*parts[:length])
        if stem.is_dir():
            return length == len(parts)
        if stem.with_suffix(".py").is_file():
            source = stem.with_suffix(".py").read_text()
            return all(re.search(rf"\b{part}\b", source) for part in parts[length:])
    return False


@document
def test_relative_links_lead_somewhere(path: Path) -> None:
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(path)) if not EXTERNAL.match(target)]
    broken = []
    for target in targets:
        name, _, anchor = target.partition("#")
        aim = path.parent / name if name else path
        if not aim.exists() or (anchor and anchor not in anchors(aim)):
            broken.append(target)
    assert broken == []


@document
def test_paths_in_code_spans_exist(path: Path) -> None:
    words = [word for span in code_spans(path) for word in span.split()]
    named = [word.rstrip(".,;:)") for word in words if word.startswith(tuple(f"{folder}/" for folder in FOLDERS))]
    assert [name for name in named if not (ROOT / name.partition("#")[0]).exists()] == []


@document
def test_dotted_names_in_code_spans_exist(path: Path) -> None:
    named = {name for span in code_spans(path) for name in re.findall(r"\bexplorer(?:\.\w+)+", span)}
    assert {name for name in named if not dotted_name_exists(name)} == set()


@document
def test_commands_exist(path: Path) -> None:
    spans = [span for span in code_spans(path) if span.startswith("explorer ")]
    lines = re.findall(r"^(?:    |\$ )?explorer .*$", path.read_text(), flags=re.MULTILINE)
    for words in (line.removeprefix("$ ").split() for line in [*spans, *lines]):
        command = COMMANDS.get(words[1])
        assert command is not None, " ".join(words)
        if words[1] == "bench" and len(words) > 2 and re.fullmatch(r"[a-z-]+", words[2]):
            assert words[2] in command.commands, " ".join(words)


def test_the_readme_shows_commands() -> None:
    assert re.findall(r"^explorer [a-z-]+", (ROOT / "README.md").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str) -> None:
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
