"""The whole pipeline on a third-party model, by command line: SAE, harvest, build, show, check."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from explorer.config import BuildSettings
from explorer.lm.model.fingerprint import subject_fingerprint
from explorer.lm.model.load import load_model
from explorer.lm.sae.saelens import load_sae
from explorer.records.cluster import Regime, ShapeKind
from explorer.runs.bundle.reader import Bundle, open_bundle
from explorer.runs.run.reader import Run, open_run
from tests.pipeline.command import run_command

LAYER = 2
N_FEATURES = 128
N_STORIES = 300
N_CHARACTERS = 300
"""Characters read of each story."""
SUMMARY = {
    "id", "features", "halo", "n_tokens", "label", "shape", "intrinsic_dim", "regime", "order", "feature_order",
    "scores",
}  # fmt: skip


def fires(bundle: Bundle) -> np.ndarray:
    """Whether each feature fires on each token [token, feature]."""
    codes = bundle.codes()
    found = np.zeros((codes.n_tokens, codes.n_features), bool)
    tokens = np.repeat(np.arange(codes.n_tokens), np.diff(codes.indptr))
    found[tokens, codes.features] = codes.values > 0
    return found


@pytest.mark.long
def test_from_a_model_and_a_text_to_clusters(shared_data: Path, tmp_path: Path) -> None:
    model, text = shared_data / "stories260k", tmp_path / "stories.json"
    sae, bundle, run = tmp_path / "sae", tmp_path / "bundle", tmp_path / "run"
    stories = json.loads((shared_data / "tinystories-1000.json").read_text())[:N_STORIES]
    text.write_text(json.dumps([story[:N_CHARACTERS] for story in stories]))

    place = ("--model", model, "--text", text, "--layer", str(LAYER), "--json")
    size = ("--n-features", str(N_FEATURES), "--k", "6", "--steps", "200", "--max-tokens", "15000")
    trained = run_command("train-sae", *place, *size, "--out", sae).document
    assert trained["unexplained"] < 0.35
    assert trained["n_samples"] <= 15_000

    harvested = run_command("harvest", *place, "--sae", sae, "--residuals", "10000", "--out", bundle).document
    assert harvested["counts"]["n_docs"] == N_STORIES
    assert harvested["counts"]["n_features"] == N_FEATURES

    built = run_command("build", bundle, "--out", run, "--json").document
    shown = run_command("show", run, "--json").document
    assert shown == built
    check_table(shown, str(model), sae)
    check_membership(shown, fires(open_bundle(bundle)))
    for number in {0, len(shown["clusters"]) - 1}:
        detail = run_command("show", run, "--cluster", str(number), "--json").document
        check_cluster(detail, shown, number, open_run(run), open_bundle(bundle))

    for made, kind in ((bundle, "bundle"), (run, "run")):
        assert run_command("check", made, "--json").document == {
            "path": str(made), "kind": kind, "ok": True, "problems": [],
        }  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == [
        "bundle", "run", "sae", "stories.json",
    ]  # fmt: skip


def check_table(table: dict[str, Any], model: str, sae: Path) -> None:
    """The contract of `show --json`."""
    assert {"format_version", "subject", "settings", "n_features", "n_noise", "clusters"} <= table.keys()
    assert table["settings"] == BuildSettings().model_dump(mode="json")
    assert table["n_features"] == N_FEATURES == table["n_clustered"] + table["n_noise"] + table["n_left_out"]
    loaded = load_model(model)
    wanted = subject_fingerprint(loaded.model, loaded.tokenizer, load_sae(sae), LAYER, "resid_post")
    assert table["subject"]["fingerprint"] == wanted
    assert (table["subject"]["model_path"], table["subject"]["sae_path"]) == (model, str(sae))
    clusters = table["clusters"]
    assert len(clusters) >= 3
    assert [cluster["id"] for cluster in clusters] == list(range(len(clusters)))
    sizes = [len(cluster["features"]) for cluster in clusters]
    assert sizes == sorted(sizes, reverse=True)
    for cluster in clusters:
        assert cluster.keys() >= SUMMARY
        assert cluster["shape"] in get_args(ShapeKind)
        assert cluster["regime"] in get_args(Regime)
        assert cluster["label"]
        assert len(set(cluster["order"])) == len(cluster["order"])
        assert set(cluster["feature_order"]) == {*cluster["features"], *cluster["halo"]}
        assert np.isfinite(list(cluster["scores"].values())).all()
        assert 0 < cluster["n_tokens"] <= table["dataset"]["n_tokens"]


def check_membership(table: dict[str, Any], firing: np.ndarray) -> None:
    """Cores are disjoint, and features within a core cofire far more often than across cores."""
    cores = [cluster["features"] for cluster in table["clusters"]]
    members = [feature for core in cores for feature in core]
    assert len(set(members)) == len(members) == table["n_clustered"]
    floats = firing.astype(np.float32)
    expected = np.outer(floats.mean(0), floats.mean(0))
    lift = (floats.T @ floats / len(floats)) / np.maximum(expected, 1e-9)
    within = [lift[pair] for core in cores for pair in combinations(core, 2)]
    between = [lift[a, b] for one, two in combinations(cores, 2) for a in one for b in two]
    assert np.median(within) > 3 * np.median(between)


def check_cluster(detail: dict[str, Any], table: dict[str, Any], number: int, run: Run, bundle: Bundle) -> None:
    """The contract of `show --cluster N --json`; its tokens are the bundle's."""
    summary = table["clusters"][number]
    assert {name: detail[name] for name in summary} == summary
    samples = len(detail["points"])
    assert np.shape(detail["points"]) == (samples, 3)
    assert len(detail["coordinate"]) == len(detail["token_text"]) == len(detail["value"]) == samples > 0
    assert 0 <= min(detail["coordinate"]) <= max(detail["coordinate"]) <= 1
    assert np.shape(detail["curve"])[1] == 3
    assert detail["variance_explained"] == summary["scores"]["variance_explained"]
    assert len(detail["value_coordinate"]) == len(detail["value_count"]) == len(summary["order"])
    assert detail["value_coordinate"] == sorted(detail["value_coordinate"])

    drawn, tokens, codes = run.cluster(number), bundle.tokens(), bundle.codes()
    texts = [tokens.vocabulary.text(int(tokens.token_ids[token])) for token in drawn.token_index]
    assert texts == detail["token_text"]
    assert drawn.atoms.tolist() == [*summary["features"], *summary["halo"]]
    for row in range(0, samples, 50):
        entries = slice(*codes.indptr[drawn.token_index[row] : drawn.token_index[row] + 2])
        fired = dict(zip(codes.features[entries].tolist(), codes.values[entries].tolist(), strict=True))
        wanted = [fired.get(atom, 0.0) for atom in drawn.atoms.tolist()]
        np.testing.assert_allclose(drawn.codes[row], wanted, rtol=1e-3)
    named = np.array(detail["value"])
    assert set(named.tolist()) <= set(range(-1, len(summary["order"])))
    if summary["value_offset"] == 0:
        rows = np.flatnonzero(named >= 0)
        assert all(detail["token_text"][row].strip() == summary["order"][named[row]] for row in rows)
