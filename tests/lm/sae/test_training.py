"""Training recovers planted sparse directions, deterministically for a seed."""

import pytest
import torch
from pydantic import ValidationError

from explorer.errors import SubjectError
from explorer.lm.sae.training import TrainSaeSettings, _loss, _Weights, report, train_sae

DIRECTIONS, D_MODEL, ACTIVE = 48, 32, 3
SETTINGS = TrainSaeSettings(
    n_features=2 * DIRECTIONS, k=ACTIVE, steps=600, batch=512, learning_rate=4e-3, dead_after=10_000, seed=1
)


def planted(n_samples: int = 12_000, seed: int = 0, draws: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations far from the origin, each the sum of three of 48 directions; and the directions."""
    rng = torch.Generator().manual_seed(seed)
    directions = torch.randn(DIRECTIONS, D_MODEL, generator=rng)
    directions /= directions.norm(dim=1, keepdim=True)
    rng = torch.Generator().manual_seed(draws)
    chosen = torch.rand(n_samples, DIRECTIONS, generator=rng).topk(ACTIVE).indices
    strength = 0.5 + torch.rand(n_samples, ACTIVE, generator=rng)
    codes = torch.zeros(n_samples, DIRECTIONS).scatter(1, chosen, strength)
    return 40 * (codes @ directions) + 100, directions


@pytest.fixture(scope="module")
def trained() -> tuple[object, object, torch.Tensor, torch.Tensor]:
    torch.set_num_threads(1)
    activations, directions = planted()
    return *train_sae(activations, SETTINGS), activations, directions


def test_planted_directions_are_recovered(trained) -> None:
    sae, _, _, directions = trained
    cosine = (directions @ sae.W_dec.T).max(1).values
    assert (cosine > 0.98).float().mean() >= 0.95
    torch.testing.assert_close(sae.W_dec.norm(dim=1), torch.ones(2 * DIRECTIONS))


def test_the_report_matches_the_sae(trained) -> None:
    sae, measured, activations, _ = trained
    codes = sae.encode(activations)
    error = (activations - sae.decode(codes)).double().pow(2).sum()
    total = (activations - activations.mean(0)).double().pow(2).sum()
    assert measured.unexplained == pytest.approx(float(error / total), rel=1e-3)
    assert measured.unexplained < 0.06
    assert measured.dead == int(((codes > 0).sum(0) == 0).sum())
    assert measured.l0 == pytest.approx(float((codes > 0).sum(1).float().mean()))
    assert 2 < measured.l0 <= ACTIVE
    assert (measured.n_samples, measured.steps) == (12_000, 600)


def test_it_explains_held_out_activations(trained) -> None:
    sae, measured, _, _ = trained
    fresh = planted(3000, draws=9)[0]
    other = planted(3000, seed=5)[0]
    assert report(sae, fresh, 0).unexplained < 1.3 * measured.unexplained
    assert report(sae, other, 0).unexplained > 5 * measured.unexplained  # other directions, which it cannot explain


@pytest.mark.parametrize("weight", [0.0, 1 / 32])
def test_only_the_auxiliary_loss_trains_features_that_never_win(weight: float) -> None:
    activations, directions = planted(300)
    rows = torch.cat([directions, 1e-3 * directions]).requires_grad_(True)  # the second half never wins the top k
    weights = _Weights(rows, torch.zeros(2 * DIRECTIONS), torch.cat([directions, directions]), torch.zeros(D_MODEL))
    idle = torch.zeros(2 * DIRECTIONS, dtype=torch.int64)
    settings = SETTINGS.model_copy(update={"dead_after": 300, "aux_weight": weight})
    _loss(weights, (activations - 100) / 40, idle, settings).backward()
    moved = rows.grad.abs().sum(1) > 0
    assert (idle[:DIRECTIONS] == 0).all()
    assert (idle[DIRECTIONS:] == 300).all()
    assert moved[:DIRECTIONS].all()
    assert moved[DIRECTIONS:].any() == (weight > 0)


def test_the_seed_determines_the_weights() -> None:
    activations = planted(2000)[0]
    few = SETTINGS.model_copy(update={"steps": 20})
    first, again, other = (train_sae(activations, few.model_copy(update={"seed": seed}))[0].W_dec for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_progress_is_reported_to_the_end() -> None:
    calls: list[tuple[str, int, int | None]] = []
    train_sae(planted(500)[0], SETTINGS.model_copy(update={"steps": 5}), progress=lambda *step: calls.append(step))
    assert calls[-1] == ("train SAE", 5, 5)


def test_unusable_training_data_is_refused() -> None:
    with pytest.raises(SubjectError, match="NaN"):
        train_sae(torch.full((10, 4), float("nan")), SETTINGS)
    with pytest.raises(SubjectError, match="without variance"):
        train_sae(torch.ones(10, 4), SETTINGS)
    with pytest.raises(SubjectError, match="at least 2"):
        train_sae(torch.ones(1, 4), SETTINGS)
    with pytest.raises(SubjectError, match="k = 99"):
        train_sae(planted(50)[0], SETTINGS.model_copy(update={"k": 99}))
    with pytest.raises(ValidationError):
        TrainSaeSettings(n_latents=5)
