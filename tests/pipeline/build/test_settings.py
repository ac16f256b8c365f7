"""Build settings come from a file, overridden by the command line."""

import json
from pathlib import Path

import pytest

from explorer.config import BuildSettings
from explorer.errors import InputError
from explorer.pipeline.build.settings import read_build_settings


def written(folder: Path, settings: object) -> Path:
    path = folder / "settings.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path


def test_the_command_line_overrides_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, {"cofiring": {"similarity": "phi", "min_fires": 7}, "seed": 3})
    found = read_build_settings(path, similarity="jaccard", seed=5)
    assert (found.cofiring.similarity, found.cofiring.min_fires, found.seed) == ("jaccard", 7, 5)


def test_without_a_file_the_defaults_apply() -> None:
    assert read_build_settings(None) == BuildSettings()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"cofiring": 3}, "cofiring"),
        ({"cofiring": {"neighbours": 1}}, "cofiring.neighbours"),
        ({"colour": {}}, "colour"),
        ({"seed": "one"}, "object"),
        ([1], "object"),
    ],
)
@pytest.mark.parametrize("similarity", [None, "npmi"])
def test_invalid_settings_are_named(tmp_path: Path, settings: object, named: str, similarity: str | None) -> None:
    with pytest.raises(InputError) as caught:
        read_build_settings(written(tmp_path, settings), similarity=similarity)
    assert named in str(caught.value)
    assert "settings.json" in str(caught.value)
