"""End to end on the demo's subject through the command line: fresh text, harvest, build, show, check, steer."""

import json
import shutil
from pathlib import Path

import pytest

from explorer.demo.corpus.documents import write_text
from explorer.demo.subject import HOOK, MODEL_FOLDER, RUNS, SAE_FOLDER
from explorer.places import shipped_folder
from explorer.runs.run.reader import open_run
from tests.pipeline.command import run_command

SETTINGS = {
    "geometry": {"max_points": 150, "drawn_points": 50, "knots": 32, "null_draws": 19, "examples": 2},
    "halo": {"null_draws": 1},
    "projection": {"epochs": 20},
}
"""Small enough to run in seconds; results with the full settings are tested on the cached run."""
N_DOCS = 250
OTHER_SEED = 7_002


@pytest.mark.long
def test_demo_subject_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = open_run(shipped_folder("cached_runs") / "almanac")
    run, bundle, text = tmp_path / "run", tmp_path / "bundle", tmp_path / "almanac.txt"
    shutil.copytree(cached.path / "subject", run / "subject")
    (tmp_path / "settings.json").write_text(json.dumps(SETTINGS))
    write_text(text, N_DOCS, seed=OTHER_SEED)
    subject = ("--model", run / "subject" / MODEL_FOLDER, "--sae", run / "subject" / SAE_FOLDER)
    place = ("--layer", str(RUNS[0].layer), "--hook", HOOK)

    harvested = run_command("harvest", *subject, *place, "--text", text, "--out", bundle, "--json").document
    assert harvested["counts"]["n_docs"] == N_DOCS
    assert harvested["counts"]["n_features"] == cached.manifest.n_features
    settings = ("--settings", tmp_path / "settings.json")
    built = run_command("build", bundle, "--out", run, *settings, "--title", "Small", "--json").document
    shown = run_command("show", run, "--json").document
    assert shown == built
    assert shown["subject"]["fingerprint"] == cached.manifest.subject.fingerprint  # type: ignore[union-attr]
    assert (shown["subject"]["model_path"], shown["subject"]["sae_path"]) == ("subject/model", "subject/sae")
    for made in (bundle, run):
        assert run_command("check", made, "--json").document["problems"] == []

    # The run depends neither on the bundle nor on its original location.
    shutil.rmtree(bundle)
    moved = run.rename(tmp_path / "moved")
    monkeypatch.chdir("/")
    named = [cluster for cluster in shown["clusters"] if len(cluster["order"]) >= 3 and cluster["value_offset"] == 1]
    cluster = max(named, key=lambda cluster: cluster["scores"]["position_bits"])
    move = ("--cluster", str(cluster["id"]), "--from", cluster["order"][0], "--to", cluster["order"][-1])
    prompt = ("--prompt", "two days after Monday comes")
    steered = run_command("steer", moved, *move, *prompt, "--json").document
    assert steered["fingerprint"] == shown["subject"]["fingerprint"]
    assert steered["values"] == cluster["order"]
    for arm in ("manifold", "linear", "chord"):
        assert steered["hook_fired"][arm] > 0
        assert 0 <= steered["reach"][arm]["p_target"] <= 1
        waypoints = steered["probabilities"][arm]
        assert len(waypoints) == steered["waypoints"]
        assert all(sum(waypoint) == pytest.approx(1, abs=1e-3) for waypoint in waypoints)
