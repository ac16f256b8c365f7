"""Further model families, a few seconds each (--slow)."""

import numpy as np
import pytest
import torch

from explorer.errors import SubjectError
from explorer.lm.generation.batched_edits import next_token_logits, read_prefix, text_logprobs
from explorer.lm.generation.batched_generation import BatchedGenerator, step_all
from explorer.lm.generation.capabilities import BELOW, open_edit_site
from tests.lm.tiny import model_of
from tests.lm.tiny_families import FAMILIES, NO_MLP, NOT_JOINED, tiny_config
from tests.steering.engine.reference import on, slow_logits, slow_text, slow_text_logprob

pytestmark = pytest.mark.slow

PROMPT, PHRASE, WRITTEN = [3, 9, 4, 17], [5, 6, 20, 7], 8


@pytest.mark.parametrize("name", sorted(FAMILIES))
@pytest.mark.parametrize("hook", ["resid_pre", "resid_post", "attn_out", "mlp_out"])
def test_a_family_matches_whole_forward_passes_and_shares_everything_below(name: str, hook: str, device: str) -> None:
    model = model_of(tiny_config(name), device)
    if hook == "mlp_out" and name in NO_MLP:
        with pytest.raises(SubjectError):
            open_edit_site(model, 1, hook)
        return
    place = open_edit_site(model, 1, hook)  # type: ignore[arg-type]
    assert tuple(one.hook for one in place.shared) == BELOW[hook]  # type: ignore[index]
    prefix = read_prefix(place, torch.tensor([PROMPT], device=device))
    moves = np.vstack([np.zeros((1, 16)), np.random.default_rng(2).normal(0, 1, (3, 16))])
    for move, logits in zip(moves, next_token_logits(place, prefix, on(place, moves)).cpu(), strict=True):
        assert torch.allclose(slow_logits(place, PROMPT, move, [3]), logits, atol=1e-4)
    at = torch.tensor([True, False, True, False], device=device)
    found = text_logprobs(place, prefix, on(place, moves), torch.tensor(PHRASE, device=device), at).sum(dim=1).tolist()
    assert found == pytest.approx(
        [slow_text_logprob(place, PROMPT, move, PHRASE, [3, 4, 6]) for move in moves], abs=1e-3
    )
    decoder = BatchedGenerator(place, prefix, on(place, moves), every_token=True, tokens=WRITTEN)
    other = read_prefix(place, torch.tensor([PHRASE[:2]], device=device))
    company = BatchedGenerator(place, other, on(place, moves[1:3]), every_token=False, tokens=WRITTEN)
    assert place.selective_batching == (name not in NOT_JOINED) or device != "cpu"
    steps = []
    for _ in range(WRITTEN):
        said, beside = step_all([decoder, company])
        assert isinstance(said, torch.Tensor)
        assert isinstance(beside, torch.Tensor)
        steps.append(said.argmax(dim=1))
        decoder.feed(steps[-1])
        company.feed(beside.argmax(dim=1))
    for move, text in zip(moves, torch.stack(steps, dim=1).tolist(), strict=True):
        assert text == slow_text(place, PROMPT, move, WRITTEN, every_token=True, ends=frozenset())
