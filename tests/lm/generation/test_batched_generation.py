"""Several texts go through the model in one forward pass, and each says to the bit what it says by itself."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, PreTrainedModel

from explorer.errors import HookNotFired
from explorer.lm.generation import batched_generation as decoder_module
from explorer.lm.generation import capabilities as opening
from explorer.lm.generation.batched_edits import Place, next_rows, read_prefix
from explorer.lm.generation.batched_generation import Decoder, step_together
from explorer.lm.generation.capabilities import batch_difference, open_place
from explorer.lm.model.batch import AS_IT_IS, Batch
from explorer.lm.model.experts import filled_experts
from tests.lm.tiny import TINY, model_of, tiny_model

TEXTS = ([3, 9, 4, 17], [5, 6], [8, 1, 1, 30, 2, 7, 7], [11])
TAKE_TURNS = {"gptj"}
"""Families whose attention transformers does not let others stand in for."""
STEPS = 6
BATCHES = opening._BATCHES
"""As shipped: read before `--batch-multiple` replaces them."""


@pytest.fixture(scope="module", params=sorted(TINY))
def place(request: pytest.FixtureRequest, device: str) -> Place:
    return open_place(tiny_model(request.param, device), 1, "resid_post")


def texts(place: Place, rows: tuple[int, ...] = (5, 1, 3, 2)) -> list[Decoder]:
    """Rows of several prompts, some of them moved at every token, some at some, some at their prompt alone."""
    opened = []
    for number, (ids, count) in enumerate(zip(TEXTS, rows, strict=True)):
        prefix = read_prefix(place, torch.tensor([ids], device=place.model.device), (0,) if number == 2 else (-1,))
        rng = np.random.default_rng(number)
        moves = torch.tensor(rng.normal(0, 2, (count, 16)), dtype=torch.float32, device=place.model.device)
        moves[0] = 0
        opened.append(
            Decoder(place, prefix, moves, every_token=number != 1, tokens=STEPS, keep=range(0, 32, 3))
        )  # fmt: skip
    return opened


def write(decoders: list[Decoder], step: Callable[[list[Decoder]], list[Tensor | Exception]]) -> list[list[Tensor]]:
    """What each says at every step."""
    said: list[list[Tensor]] = [[] for _ in decoders]
    for _ in range(STEPS):
        for one, mine, logits in zip(decoders, said, step(decoders), strict=True):
            assert isinstance(logits, Tensor)
            mine.append(logits)
            one.feed(logits.argmax(dim=1))
    return said


def in_turn(decoders: list[Decoder]) -> list[Tensor | Exception]:
    return [one.step() for one in decoders]


@cache
def exact(place: Place) -> bool:
    return batch_difference(place) == 0.0


def same(place: Place, some: list[Tensor], others: list[Tensor]) -> bool:
    """To the bit where the place's own probe says so, else but for rounding."""
    if exact(place):
        return all(map(torch.equal, some, others))
    return all(torch.allclose(one, other, atol=1e-3) for one, other in zip(some, others, strict=True))


def test_a_row_says_the_same_in_every_batch_and_at_every_place(place: Place) -> None:
    prefix = read_prefix(place, torch.tensor([TEXTS[0]], device=place.model.device))
    moves = torch.randn((209, 16), generator=torch.Generator().manual_seed(0)).to(place.model.device)
    whole = next_rows(place, prefix, moves)
    for rows in (*range(1, 20), 33, 100, 208):
        for start in {0, (209 - rows) // 2, 209 - rows}:
            part = slice(start, start + rows)
            assert same(place, [next_rows(place, prefix, moves[part])], [whole[part]]), (rows, start)


def test_texts_that_are_put_together_say_what_each_says_by_itself(place: Place) -> None:
    together, apart = texts(place), texts(place)
    for found, wanted in zip(write(together, step_together), write(apart, in_turn), strict=True):
        assert same(place, found, wanted)
    assert [one.fired.tolist() for one in together] == [one.fired.tolist() for one in apart]


def test_texts_that_may_are_one_forward_pass(place: Place, request: pytest.FixtureRequest) -> None:
    assert place.together == (request.node.callspec.params["place"] not in TAKE_TURNS)
    decoders, passes = texts(place), list[int]()
    handle = place.model.register_forward_pre_hook(
        lambda _, __, told: passes.append(len(told["input_ids"])), with_kwargs=True
    )
    try:
        write(decoders, step_together)
    finally:
        handle.remove()
    rows = [one.rows for one in decoders]
    if place.together:  # the third reads its whole prompt first, and so goes by itself that once
        assert sorted(passes) == sorted([sum(rows) - rows[2], rows[2], *[sum(rows)] * (STEPS - 1)])
    else:
        assert sorted(passes) == sorted(rows * STEPS)


def test_who_comes_and_goes_changes_nothing_for_those_who_stay(place: Place) -> None:
    wanted = write(texts(place), in_turn)
    one, _, third, fourth = texts(place)
    for number in range(STEPS):
        present = [one, *([third] if 1 <= number < 4 else []), *([fourth] if number % 2 else [])]
        said = step_together(present)
        for text, logits in zip(present, said, strict=True):
            assert isinstance(logits, Tensor)
            text.feed(logits.argmax(dim=1))
        assert isinstance(said[0], Tensor)
        assert same(place, [said[0]], [wanted[0][number]])


def test_what_is_wrong_with_one_touches_no_other(place: Place) -> None:
    """A token that is none ends the common pass; numbers that overflow do not, and stay in their rows."""
    wanted = write(texts(place), in_turn)
    decoders = texts(place)
    broken, huge = decoders[1], torch.full((2, 16), torch.inf)
    prefix = read_prefix(place, torch.tensor([[3, 4]], device=place.model.device))
    overflowing = Decoder(place, prefix, huge.to(place.model.device), every_token=True, tokens=STEPS)
    for number in range(STEPS):
        if number == 2 and place.model.device.type == "cpu":  # on CUDA it would be the end of the process
            broken.next = torch.full_like(broken.next, 99)
        *said, infinite = step_together([*decoders, overflowing])
        assert isinstance(infinite, Tensor)
        assert not torch.isfinite(infinite).all()
        overflowing.feed(torch.zeros(2, dtype=torch.int64, device=place.model.device))
        for text, logits, alone in zip(decoders, said, wanted, strict=True):
            if text is broken and number >= 2:
                assert isinstance(logits, IndexError)
                continue
            assert isinstance(logits, Tensor)
            assert same(place, [logits], [alone[number]])
            text.feed(logits.argmax(dim=1))


def test_only_those_whose_edit_is_due_miss_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    decoders = texts(place)
    for one, logits in zip(decoders, step_together(decoders), strict=True):
        assert isinstance(logits, Tensor)
        one.feed(logits.argmax(dim=1))
    monkeypatch.setattr(decoder_module, "_move", lambda _, activation: activation)
    failed = [isinstance(said, HookNotFired) for said in step_together(decoders)]
    assert failed == [True, False, True, True], "the second is moved at its prompt alone"


def test_a_step_leaves_the_model_as_it_was(place: Place) -> None:
    config = place.model.config
    before = config._attn_implementation, config._experts_implementation
    step_together(texts(place))
    assert (config._attn_implementation, config._experts_implementation) == before


def planted(change: Callable[[Tensor], Tensor]) -> Place:
    """A model whose unembedding depends on how many rows it reads."""
    model = tiny_model("llama")
    model.lm_head.register_forward_hook(lambda _, __, said: change(said))
    return open_place(model, 1, "resid_post")


def test_the_probe_finds_an_unembedding_that_depends_on_the_batch_size() -> None:
    sound = planted(lambda logits: logits)
    assert sound.together == (batch_difference(sound) == 0.0)
    few = planted(lambda logits: logits + 1e-3 * (len(logits) < 7))
    assert few.batch.least in (8, 16)
    always = planted(lambda logits: logits + 1e-3 * len(logits))
    assert (always.batch, always.together) == (AS_IT_IS, False)
    assert batch_difference(always) > 1e-3


@pytest.mark.parametrize(
    ("error", "smallest"),
    [
        (lambda _: 0.0, Batch(1, 1)),
        (lambda rows: rows < 4, Batch(4, 1)),
        (lambda rows: rows < 11 and rows % 4 > 0, Batch(4, 4)),
        (lambda rows: rows % 8 > 0, Batch(8, 8)),
        (lambda rows: rows < 12, Batch(16, 16)),
        (lambda rows: rows, AS_IT_IS),
    ],
)
def test_the_smallest_exact_batch_is_found(
    monkeypatch: pytest.MonkeyPatch, error: Callable[[int], float], smallest: Batch
) -> None:
    """Whatever this processor's own kernels do: the logits are made up, with an error that the batch size decides."""

    def logits(place: Place, _: object, displacement: Tensor) -> Tensor:
        return displacement + 1e-3 * float(error(place.batch.rows(len(displacement))))

    monkeypatch.setattr(opening, "next_rows", logits)
    monkeypatch.setattr(opening, "_BATCHES", BATCHES)
    place = Place(tiny_model("llama"), 1, "resid_post")
    assert opening._batch(place) == smallest


def test_the_last_elements_of_a_batch_are_found_too() -> None:
    """As the vector code of a processor leaves them to another code where they do not fill a vector."""

    def tail(said: Tensor) -> Tensor:
        rest = len(said) % 4
        return torch.cat([said[: len(said) - rest], said[len(said) - rest :] + 1e-3])

    assert planted(tail).batch.multiple % 4 == 0


@pytest.mark.parametrize("rope", ["dynamic", "longrope"])
def test_embeddings_that_look_at_the_longest_text_are_not_put_together(rope: str) -> None:
    scaling = {"rope_type": rope, "factor": 2.0, "rope_theta": 10000.0, "original_max_position_embeddings": 16,
               "short_factor": [1.0] * 4, "long_factor": [2.0] * 4}  # fmt: skip
    config = LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64, bos_token_id=1, eos_token_id=2, rope_parameters=scaling,
    )  # fmt: skip
    assert not open_place(model_of(config), 1, "resid_post").together


def test_a_batch_is_filled_up_with_copies_of_its_first_row() -> None:
    rows = torch.arange(10).view(5, 2)
    assert Batch(4, 1).fill(rows) is rows
    assert Batch(4, 4).fill(rows).tolist() == [*rows.tolist(), *[[0, 1]] * 3]
    assert [Batch(8, 4).rows(wanted) for wanted in (1, 8, 9, 209)] == [8, 8, 12, 212]


def experts_of(model: PreTrainedModel) -> torch.nn.Module:
    return next(module for module in model.modules() if type(module).__name__.endswith("Experts"))


def test_every_expert_that_is_chosen_reads_a_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch, read = tiny_model("qwen3_moe"), Batch(4, 4), list[int]()
    experts, multiply = experts_of(model), torch.mm
    states = torch.randn((3, 16), generator=torch.Generator().manual_seed(0))
    chosen, weights = torch.tensor([[0, 1], [0, 3], [0, 1]]), torch.full((3, 2), 0.5)
    usual = experts(states, chosen, weights)

    def noted(one: Tensor, other: Tensor, **told: Tensor) -> Tensor:
        read.append(len(one))
        return multiply(one, other, **told)

    with filled_experts(model, batch):
        monkeypatch.setattr(torch, "mm", noted)
        found = experts(states, chosen, weights)
    assert torch.allclose(found, usual, atol=1e-6)
    assert all(rows % 4 == 0 for rows in read)
    assert model.config._experts_implementation == "grouped_mm"


def test_a_place_that_may_not_still_goes_by_turns(device: str) -> None:
    place = replace(open_place(tiny_model("llama", device), 1, "resid_post"), together=False)
    for found, wanted in zip(write(texts(place), step_together), write(texts(place), in_turn), strict=True):
        assert same(place, found, wanted)
