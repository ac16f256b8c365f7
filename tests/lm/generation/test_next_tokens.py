"""What is read on the device is what whole distributions say."""

import numpy as np
import pytest
import torch

from explorer.lm.generation.next_tokens import read_next

ROWS = torch.randn((7, 12), generator=torch.Generator().manual_seed(0)) * 3
ROWS[4] = ROWS[0]
ASKED = np.array([3, 0, 11])


def test_rows_are_read_as_whole_distributions_say() -> None:
    found, p = read_next(ROWS, ASKED), torch.softmax(ROWS.double(), dim=-1).numpy()
    assert found.asked == pytest.approx(p[:, ASKED], rel=1e-5)
    assert found.likeliest.tolist() == p.argmax(axis=1).tolist()
    assert found.probability == pytest.approx(p.max(axis=1), rel=1e-5)
    assert found.kl == pytest.approx((p * np.log(p / p[0])).sum(axis=1), abs=1e-6)
    assert found.kl[[0, 4]].tolist() == [0.0, 0.0]


def test_parts_say_the_same_and_a_certain_row_has_a_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.cat([ROWS, torch.tensor([[0.0, 200.0] + [0.0] * 10])])
    whole = read_next(rows, ASKED)
    assert np.isfinite(whole.kl).all()
    monkeypatch.setattr("explorer.lm.generation.next_tokens._CELLS", 30)
    for one, other in zip(vars(whole).values(), vars(read_next(rows, ASKED)).values(), strict=True):
        assert np.array_equal(one, other)


def test_split_keeps_every_row_in_its_order() -> None:
    found = read_next(ROWS, ASKED)
    parts = found.split([1, 4, 2])
    assert [len(part.kl) for part in parts] == [1, 4, 2]
    for name, whole in vars(found).items():
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), whole)
