"""Texts that share a forward pass give bitwise the same logits as each text alone."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, PreTrainedModel

from explorer.errors import HookNotFired
from explorer.lm.generation import batched_generation as generation_module
from explorer.lm.generation import capabilities
from explorer.lm.generation.batched_edits import next_token_logits, read_prefix
from explorer.lm.generation.batched_generation import BatchedGenerator, step_all
from explorer.lm.generation.capabilities import batch_difference, open_edit_site
from explorer.lm.generation.forward import EditSite
from explorer.lm.model.batch import UNPADDED, Batch, padded_experts
from tests.lm.tiny import TINY, model_of, tiny_model

TEXTS = ([3, 9, 4, 17], [5, 6], [8, 1, 1, 30, 2, 7, 7], [11])
NOT_JOINED = {"gptj"}
"""Families whose attention does not go through the attention interface of transformers."""
STEPS = 6
BATCHES = capabilities._BATCHES
"""As shipped: read before `--batch-multiple` replaces them."""


@pytest.fixture(scope="module", params=sorted(TINY))
def site(request: pytest.FixtureRequest, device: str) -> EditSite:
    return open_edit_site(tiny_model(request.param, device), 1, "resid_post")


def texts(site: EditSite, rows: tuple[int, ...] = (5, 1, 3, 2)) -> list[BatchedGenerator]:
    """Rows of several prompts, edited at every token, at some tokens, or at the prompt only."""
    opened = []
    for number, (ids, count) in enumerate(zip(TEXTS, rows, strict=True)):
        prefix = read_prefix(site, torch.tensor([ids], device=site.model.device), (0,) if number == 2 else (-1,))
        rng = np.random.default_rng(number)
        moves = torch.tensor(rng.normal(0, 2, (count, 16)), dtype=torch.float32, device=site.model.device)
        moves[0] = 0
        opened.append(
            BatchedGenerator(site, prefix, moves, every_token=number != 1, tokens=STEPS, keep=range(0, 32, 3))
        )  # fmt: skip
    return opened


def generate(
    generators: list[BatchedGenerator], step: Callable[[list[BatchedGenerator]], list[Tensor | Exception]]
) -> list[list[Tensor]]:
    """Logits of each text at every step."""
    found: list[list[Tensor]] = [[] for _ in generators]
    for _ in range(STEPS):
        for one, own, logits in zip(generators, found, step(generators), strict=True):
            assert isinstance(logits, Tensor)
            own.append(logits)
            one.feed(logits.argmax(dim=1))
    return found


def one_by_one(generators: list[BatchedGenerator]) -> list[Tensor | Exception]:
    return [one.step() for one in generators]


@cache
def exact(site: EditSite) -> bool:
    return batch_difference(site) == 0.0


def same(site: EditSite, some: list[Tensor], others: list[Tensor]) -> bool:
    """Whether logits agree: bitwise where the site's own probe is exact, else up to rounding."""
    if exact(site):
        return all(map(torch.equal, some, others))
    return all(torch.allclose(one, other, atol=1e-3) for one, other in zip(some, others, strict=True))


def test_a_row_has_the_same_logits_in_every_batch_and_at_every_position(site: EditSite) -> None:
    prefix = read_prefix(site, torch.tensor([TEXTS[0]], device=site.model.device))
    moves = torch.randn((209, 16), generator=torch.Generator().manual_seed(0)).to(site.model.device)
    whole = next_token_logits(site, prefix, moves)
    for rows in (*range(1, 20), 33, 100, 208):
        for start in {0, (209 - rows) // 2, 209 - rows}:
            part = slice(start, start + rows)
            assert same(site, [next_token_logits(site, prefix, moves[part])], [whole[part]]), (rows, start)


def test_joined_texts_give_the_same_logits_as_each_alone(site: EditSite) -> None:
    together, apart = texts(site), texts(site)
    for found, wanted in zip(generate(together, step_all), generate(apart, one_by_one), strict=True):
        assert same(site, found, wanted)
    assert [one.fired.tolist() for one in together] == [one.fired.tolist() for one in apart]


def test_texts_that_can_join_share_one_forward_pass(site: EditSite, request: pytest.FixtureRequest) -> None:
    assert site.selective_batching == (request.node.callspec.params["site"] not in NOT_JOINED)
    generators, passes = texts(site), list[int]()
    handle = site.model.register_forward_pre_hook(
        lambda _, __, kwargs: passes.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    try:
        generate(generators, step_all)
    finally:
        handle.remove()
    rows = [one.rows for one in generators]
    if site.selective_batching:  # the third reads several prompt tokens in its first step, and so runs alone
        assert sorted(passes) == sorted([sum(rows) - rows[2], rows[2], *[sum(rows)] * (STEPS - 1)])
    else:
        assert sorted(passes) == sorted(rows * STEPS)


def test_texts_that_join_or_leave_do_not_change_the_others(site: EditSite) -> None:
    wanted = generate(texts(site), one_by_one)
    one, _, third, fourth = texts(site)
    for number in range(STEPS):
        present = [one, *([third] if 1 <= number < 4 else []), *([fourth] if number % 2 else [])]
        results = step_all(present)
        for text, logits in zip(present, results, strict=True):
            assert isinstance(logits, Tensor)
            text.feed(logits.argmax(dim=1))
        assert isinstance(results[0], Tensor)
        assert same(site, [results[0]], [wanted[0][number]])


def test_a_failing_text_does_not_affect_the_others(site: EditSite) -> None:
    """An invalid token id fails the shared pass; overflowing numbers do not, and stay in their rows."""
    wanted = generate(texts(site), one_by_one)
    generators = texts(site)
    broken, huge = generators[1], torch.full((2, 16), torch.inf)
    prefix = read_prefix(site, torch.tensor([[3, 4]], device=site.model.device))
    overflowing = BatchedGenerator(site, prefix, huge.to(site.model.device), every_token=True, tokens=STEPS)
    for number in range(STEPS):
        if number == 2 and site.model.device.type == "cpu":  # on CUDA an assertion would end the process
            broken.next = torch.full_like(broken.next, 99)
        *results, infinite = step_all([*generators, overflowing])
        assert isinstance(infinite, Tensor)
        assert not torch.isfinite(infinite).all()
        overflowing.feed(torch.zeros(2, dtype=torch.int64, device=site.model.device))
        for text, logits, alone in zip(generators, results, wanted, strict=True):
            if text is broken and number >= 2:
                assert isinstance(logits, IndexError)
                continue
            assert isinstance(logits, Tensor)
            assert same(site, [logits], [alone[number]])
            text.feed(logits.argmax(dim=1))


def test_a_missing_edit_fails_only_the_texts_that_are_due_one(site: EditSite, monkeypatch: pytest.MonkeyPatch) -> None:
    generators = texts(site)
    for one, logits in zip(generators, step_all(generators), strict=True):
        assert isinstance(logits, Tensor)
        one.feed(logits.argmax(dim=1))
    monkeypatch.setattr(generation_module, "_edit_rows", lambda _, activation: activation)
    failed = [isinstance(results, HookNotFired) for results in step_all(generators)]
    assert failed == [True, False, True, True], "the second is edited at its prompt only"


def test_a_step_restores_the_model_configuration(site: EditSite) -> None:
    config = site.model.config
    before = config._attn_implementation, config._experts_implementation
    step_all(texts(site))
    assert (config._attn_implementation, config._experts_implementation) == before


def planted(change: Callable[[Tensor], Tensor]) -> EditSite:
    """A model whose unembedding depends on the number of rows."""
    model = tiny_model("llama")
    model.lm_head.register_forward_hook(lambda _, __, logits: change(logits))
    return open_edit_site(model, 1, "resid_post")


def test_the_probe_detects_dependence_on_the_batch_size() -> None:
    sound = planted(lambda logits: logits)
    assert sound.selective_batching == (batch_difference(sound) == 0.0)
    few = planted(lambda logits: logits + 1e-3 * (len(logits) < 7))
    assert few.batch.least in (8, 16)
    always = planted(lambda logits: logits + 1e-3 * len(logits))
    assert (always.batch, always.selective_batching) == (UNPADDED, False)
    assert batch_difference(always) > 1e-3


@pytest.mark.parametrize(
    ("error", "smallest"),
    [
        (lambda _: 0.0, Batch(1, 1)),
        (lambda rows: rows < 4, Batch(4, 1)),
        (lambda rows: rows < 11 and rows % 4 > 0, Batch(4, 4)),
        (lambda rows: rows % 8 > 0, Batch(8, 8)),
        (lambda rows: rows < 12, Batch(16, 16)),
        (lambda rows: rows, UNPADDED),
    ],
)
def test_the_probe_finds_the_smallest_exact_batch(
    monkeypatch: pytest.MonkeyPatch, error: Callable[[int], float], smallest: Batch
) -> None:
    """Independent of this processor's kernels: synthetic logits, whose error depends on the batch size only."""

    def logits(site: EditSite, _: object, displacement: Tensor) -> Tensor:
        return displacement + 1e-3 * float(error(site.batch.padded_size(len(displacement))))

    monkeypatch.setattr(capabilities, "next_token_logits", logits)
    monkeypatch.setattr(capabilities, "_BATCHES", BATCHES)
    site = EditSite(tiny_model("llama"), 1, "resid_post")
    assert capabilities._exact_batch(site) == smallest


def test_the_probe_detects_a_different_remainder_of_a_batch() -> None:
    """As where vectorised code leaves the last elements to a scalar loop."""

    def remainder(logits: Tensor) -> Tensor:
        rest = len(logits) % 4
        return torch.cat([logits[: len(logits) - rest], logits[len(logits) - rest :] + 1e-3])

    assert planted(remainder).batch.multiple % 4 == 0


@pytest.mark.parametrize("rope", ["dynamic", "longrope"])
def test_length_dependent_rotary_embeddings_prevent_joining(rope: str) -> None:
    scaling = {"rope_type": rope, "factor": 2.0, "rope_theta": 10000.0, "original_max_position_embeddings": 16,
               "short_factor": [1.0] * 4, "long_factor": [2.0] * 4}  # fmt: skip
    config = LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64, bos_token_id=1, eos_token_id=2, rope_parameters=scaling,
    )  # fmt: skip
    assert not open_edit_site(model_of(config), 1, "resid_post").selective_batching


def test_a_batch_is_padded_with_copies_of_its_first_row() -> None:
    rows = torch.arange(10).view(5, 2)
    assert Batch(4, 1).pad(rows) is rows
    assert Batch(4, 4).pad(rows).tolist() == [*rows.tolist(), *[[0, 1]] * 3]
    assert [Batch(8, 4).padded_size(wanted) for wanted in (1, 8, 9, 209)] == [8, 8, 12, 212]


def experts_of(model: PreTrainedModel) -> torch.nn.Module:
    return next(module for module in model.modules() if type(module).__name__.endswith("Experts"))


def test_every_chosen_expert_reads_a_padded_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch, read = tiny_model("qwen3_moe"), Batch(4, 4), list[int]()
    experts, multiply = experts_of(model), torch.mm
    states = torch.randn((3, 16), generator=torch.Generator().manual_seed(0))
    chosen, weights = torch.tensor([[0, 1], [0, 3], [0, 1]]), torch.full((3, 2), 0.5)
    unpadded = experts(states, chosen, weights)

    def recorded(one: Tensor, other: Tensor, **options: Tensor) -> Tensor:
        read.append(len(one))
        return multiply(one, other, **options)

    with padded_experts(model, batch):
        monkeypatch.setattr(torch, "mm", recorded)
        found = experts(states, chosen, weights)
    assert torch.allclose(found, unpadded, atol=1e-6)
    assert all(rows % 4 == 0 for rows in read)
    assert model.config._experts_implementation == "grouped_mm"


def test_without_selective_batching_texts_are_stepped_one_by_one(device: str) -> None:
    site = replace(open_edit_site(tiny_model("llama", device), 1, "resid_post"), selective_batching=False)
    for found, wanted in zip(generate(texts(site), step_all), generate(texts(site), one_by_one), strict=True):
        assert same(site, found, wanted)
