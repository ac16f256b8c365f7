"""Training is deterministic and resumable; the committed model answers held-out prompts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.demo.evaluate import Score, as_json, evaluate, in_all, main, wilson
from explorer.demo.model import ModelSettings, TrainSettings, fit, new_model, packed_rows, schedule
from explorer.demo.retrain import RetrainSettings, retrain
from explorer.demo.subject import HOOK, MODEL_FOLDER, RUNS, SCORES_FILE, DemoRun, shared_subject
from explorer.demo.tokenizer import make_tokenizer
from explorer.lm.model.load import LoadedModel, load_model
from explorer.lm.sae.saelens import load_sae
from explorer.lm.sae.training import TrainSaeSettings
from explorer.records.progress import silent

SHIPPED = Path(__file__).resolve().parents[2] / "cached_runs"
SUBJECT = shared_subject(SHIPPED)
TINY = ModelSettings(d_model=16, n_layers=2, n_heads=2, d_mlp=24, context=64)
QUICK = TrainSettings(cycles=(120, 60), rows_per_step=4, warmup_steps=2, checkpoint_every=3, threads=1)


class Killed(Exception):
    """Simulates a kill during training."""


def trained(work: Path, kill_at: int | None = None) -> dict[str, torch.Tensor]:
    tokenizer = make_tokenizer(TINY.context)
    model = new_model(TINY, tokenizer, seed=0)
    rows = packed_rows(tokenizer, QUICK.cycles[0], TINY.context, seed=1, progress=silent)

    def progress(stage: str, done: int, total: int | None) -> None:
        if done == kill_at:
            raise Killed(stage, total)

    fit(model, rows, QUICK, rng=np.random.default_rng(2), work=work, progress=progress)
    return model.state_dict()


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_same_seed_gives_same_weights_after_a_kill(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole.pt")
    with pytest.raises(Killed):
        trained(tmp_path / "killed.pt", kill_at=8)
    assert (tmp_path / "killed.pt").is_file()
    assert same(whole, trained(tmp_path / "killed.pt"))
    fresh = new_model(TINY, make_tokenizer(TINY.context), seed=0).state_dict()
    assert not same(whole, fresh)


def test_each_row_starts_with_a_document() -> None:
    tokenizer = make_tokenizer(64)
    rows = packed_rows(tokenizer, 300, 64, seed=1, progress=silent)
    assert rows.shape[1] == 64
    assert (rows[:, 0] == tokenizer.bos_token_id).all()
    assert (rows < len(tokenizer)).all()


def test_schedule_rises_and_falls() -> None:
    shares = [schedule(step, 1000, TrainSettings()) for step in range(1000)]
    assert np.argmax(shares) in (149, 150)
    assert max(shares) == pytest.approx(1)
    assert shares[-1] < 0.02


def test_wilson_interval() -> None:
    low, high = wilson(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson(0, 5)[0] == pytest.approx(0)
    assert wilson(5, 5)[1] == pytest.approx(1)


@pytest.fixture(scope="module")
def subject() -> LoadedModel:
    return load_model(str(SUBJECT / MODEL_FOLDER))


@pytest.mark.long
def test_committed_model_answers_held_out_prompts(subject: LoadedModel) -> None:
    """Accuracy on held-out wordings and combinations is at least 95 % for each concept."""
    found = in_all(evaluate(subject.model, subject.tokenizer))
    assert len(found) == 11
    assert {score.group: score.share for score in found if score.share < 0.95} == {}


def test_in_all_pools_both_kinds() -> None:
    (both,) = in_all([Score("year", "wording", 30, 29, 0.0, 1.0), Score("year", "combination", 10, 9, 0.0, 1.0)])
    assert (both.kind, both.n, both.n_right, both.share) == ("either", 40, 38, 0.95)
    assert (both.low, both.high) == wilson(38, 40)


def test_untrained_model_does_not_answer_held_out_prompts() -> None:
    tokenizer = make_tokenizer(TINY.context)
    found = evaluate(new_model(TINY, tokenizer, seed=0), tokenizer, per_concept=40)
    assert max(score.share for score in found) < 0.6
    assert {row["kind"] for row in as_json(found)} == {"wording", "combination"}


def test_committed_subject_is_small_and_complete(subject: LoadedModel) -> None:
    folders = {SUBJECT, *(run.sae(SHIPPED).parent for run in RUNS)}
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 12_000_000
    assert all(0 <= run.layer < subject.n_layers for run in RUNS)
    assert HOOK == "resid_post"
    assert subject.d_model == 128


def test_evaluation_of_a_folder_without_model_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.slow
def test_retrain_writes_a_complete_subject(tmp_path: Path) -> None:
    settings = RetrainSettings(
        model=TINY,
        training=QUICK,
        sae=TrainSaeSettings(n_features=32, k=4, steps=20, batch=64),
        sae_docs=50,
        runs=(DemoRun("first", layer=1, docs=1), DemoRun("second", layer=0, docs=1)),
        prompts_per_concept=5,
    )
    stages: set[str] = set()

    def progress(stage: str, done: int, total: int | None) -> None:
        assert total is None or done <= total
        stages.add(stage)

    result = retrain(
        tmp_path / "runs",
        seed=3,
        progress=progress,
        settings=settings,
        checkpoints=tmp_path / "checkpoints",
    )
    assert stages >= {"write corpus", "train model", "train SAE"}
    subject = shared_subject(tmp_path / "runs")
    assert (subject / SCORES_FILE).is_file()
    assert load_model(str(subject / MODEL_FOLDER)).n_layers == 2
    first, second = (load_sae(run.sae(tmp_path / "runs")) for run in settings.runs)
    assert (first.n_features, first.hook_name, second.hook_name) == (
        32,
        "blocks.1.hook_resid_post",
        "blocks.0.hook_resid_post",
    )
    assert len(result.saes) == 2
    assert len(result.scores) > 10
