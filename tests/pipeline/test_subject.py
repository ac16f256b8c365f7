"""A run stores a relative path to a subject that moves with it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from explorer.pipeline.subject import subject_of


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("runs/mine/subject/model", "subject/model"),
        ("runs/other/subject/model", "../other/subject/model"),
        ("runs/other/model", "runs/other/model"),
        ("elsewhere/subject/model", "elsewhere/subject/model"),
        ("some/hub-model", "some/hub-model"),
    ],
)
def test_a_subject_of_this_or_a_neighbouring_run_is_stored_relative_to_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, stored: str
) -> None:
    monkeypatch.chdir(tmp_path)
    named = {"fingerprint": "", "model_path": given, "sae_path": given}
    bundle = SimpleNamespace(extra={"subject": named}, model=None, sae=None)
    found = subject_of(bundle, Path("runs/mine"))  # type: ignore[arg-type]
    assert found is not None
    assert (found.model_path, found.sae_path) == (stored, stored)
