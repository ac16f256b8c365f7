"""How a run names its subject: by a path that moves with it, where the subject does."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from explorer.pipeline.subject import subject_of


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("runs/mine/subject/model", "subject/model"),
        ("runs/other/subject/model", "../other/subject/model"),
        ("runs/other/model", "runs/other/model"),
        ("elsewhere/subject/model", "elsewhere/subject/model"),
        ("some/hub-model", "some/hub-model"),
    ],
)
def test_a_subject_of_this_run_or_of_one_beside_it_is_named_from_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    named = {"fingerprint": "", "model_path": given, "sae_path": given}
    bundle = SimpleNamespace(extra={"subject": named}, model=None, sae=None)
    found = subject_of(bundle, Path("runs/mine"))  # type: ignore[arg-type]
    assert found is not None
    assert (found.model_path, found.sae_path) == (told, told)
