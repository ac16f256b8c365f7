"""Statistics computed on the device equal those of whole distributions; samples follow the tempered distribution."""

import numpy as np
import pytest
import torch

from explorer.lm.generation.next_tokens import read_next, sample_tokens

ROWS = torch.randn((7, 12), generator=torch.Generator().manual_seed(0)) * 3
ROWS[4] = ROWS[0]
REQUESTED = np.array([3, 0, 11])
LOGPROBS = torch.log_softmax(torch.randn((3, 6), generator=torch.Generator().manual_seed(0)) * 2, dim=-1)


def test_statistics_equal_those_of_whole_distributions() -> None:
    found, p = read_next(ROWS, REQUESTED), torch.softmax(ROWS.double(), dim=-1).numpy()
    assert found.requested == pytest.approx(p[:, REQUESTED], rel=1e-5)
    assert found.likeliest.tolist() == p.argmax(axis=1).tolist()
    assert found.probability == pytest.approx(p.max(axis=1), rel=1e-5)
    assert found.kl == pytest.approx((p * np.log(p / p[0])).sum(axis=1), abs=1e-6)
    assert found.kl[[0, 4]].tolist() == [0.0, 0.0]


def test_chunking_changes_nothing_and_a_one_hot_row_has_a_finite_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.cat([ROWS, torch.tensor([[0.0, 200.0] + [0.0] * 10])])
    whole = read_next(rows, REQUESTED)
    assert np.isfinite(whole.kl).all()
    monkeypatch.setattr("explorer.lm.generation.next_tokens._CELLS", 30)
    for one, other in zip(vars(whole).values(), vars(read_next(rows, REQUESTED)).values(), strict=True):
        assert np.array_equal(one, other)


def test_split_keeps_the_order_of_the_rows() -> None:
    found = read_next(ROWS, REQUESTED)
    parts = found.split([1, 4, 2])
    assert [len(part.kl) for part in parts] == [1, 4, 2]
    for name, whole in vars(found).items():
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), whole)


def test_temperature_zero_takes_the_argmax_for_every_draw() -> None:
    for draw in (0.0, 0.4, 0.999):
        assert sample_tokens(LOGPROBS, 0.0, draw).tolist() == LOGPROBS.argmax(dim=1).tolist()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_sampled_frequencies_equal_the_tempered_probabilities(temperature: float) -> None:
    draws = (np.arange(2_000) + 0.5) / 2_000
    chosen = torch.stack([sample_tokens(LOGPROBS, temperature, draw) for draw in draws.tolist()])
    shares = torch.stack([(chosen == token).float().mean(dim=0) for token in range(6)], dim=1)
    assert torch.allclose(shares, torch.softmax(LOGPROBS / temperature, dim=1), atol=1e-3)


def test_equal_rows_get_equal_tokens_and_every_draw_gives_a_token() -> None:
    rows = LOGPROBS[[0, 1, 0]]
    for draw in (0.0, 0.3, 0.7, np.nextafter(1.0, 0.0)):
        chosen = sample_tokens(rows, 1.0, float(draw)).tolist()
        assert chosen[0] == chosen[2]
        assert set(chosen) <= set(range(6))
