"""Tokens are drawn as their tempered distribution says."""

import numpy as np
import pytest
import torch

from explorer.lm.generation.sampling import choose_tokens

LOGPROBS = torch.log_softmax(torch.randn((3, 6), generator=torch.Generator().manual_seed(0)) * 2, dim=-1)


def test_without_temperature_the_likeliest_is_taken_whatever_is_drawn() -> None:
    for draw in (0.0, 0.4, 0.999):
        assert choose_tokens(LOGPROBS, 0.0, draw).tolist() == LOGPROBS.argmax(dim=1).tolist()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_shares_of_the_draws_are_the_tempered_probabilities(temperature: float) -> None:
    draws = (np.arange(2_000) + 0.5) / 2_000
    chosen = torch.stack([choose_tokens(LOGPROBS, temperature, draw) for draw in draws.tolist()])
    shares = torch.stack([(chosen == token).float().mean(dim=0) for token in range(6)], dim=1)
    assert torch.allclose(shares, torch.softmax(LOGPROBS / temperature, dim=1), atol=1e-3)


def test_equal_rows_are_drawn_alike_and_every_draw_gives_a_token() -> None:
    rows = LOGPROBS[[0, 1, 0]]
    for draw in (0.0, 0.3, 0.7, np.nextafter(1.0, 0.0)):
        chosen = choose_tokens(rows, 1.0, float(draw)).tolist()
        assert chosen[0] == chosen[2]
        assert set(chosen) <= set(range(6))
