"""Steered tokens: of a prompt, of a conversation, and of generated text."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from explorer.config import SteeringLimits
from explorer.errors import RequestError
from explorer.lm.generation.batched_edits import next_token_logits, read_prefix, text_logprobs
from explorer.lm.generation.batched_generation import BatchedGenerator
from explorer.lm.generation.capabilities import BELOW, batch_difference, open_edit_site
from explorer.lm.model.load import LoadedModel, blocks, load_model
from explorer.lm.sae.saelens import load_sae
from explorer.records.subject import SubjectInfo
from explorer.steering.answers.handlers import Handlers
from explorer.steering.engine.engine import Engine, open_engine
from explorer.steering.engine.subject import Subject
from explorer.steering.protocol.behaviour import BehaviourReply, BehaviourRequest, ChatMessage
from explorer.steering.protocol.steer import DoneEvent, StartEvent, TokenEvent
from explorer.steering.protocol.wire import ARMS
from tests.lm.model.tiny_tokenizers import word_tokenizer
from tests.lm.tiny import TINY, tiny_model, tiny_place
from tests.planted import MODEL, SAE
from tests.steering.conftest import behaviour_request, steer_request
from tests.steering.engine.reference import on, slow_logits, slow_text, slow_text_logprob
from tests.steering.tiny import TURNS, add_chat

PROMPT = "the parcel was sent on Monday"
WHERE = ("last_prompt", "all_prompt", "generated")
EARLIER = (ChatMessage(role="user", content="it rained"), ChatMessage(role="assistant", content="on Friday"))
HOOKS = ("resid_pre", "resid_post", "attn_out", "mlp_out")


@pytest.fixture(scope="module")
def chat_answers(chat_run: Path, device: str) -> Handlers:
    return Handlers(open_engine(chat_run, device=device))


@pytest.mark.parametrize("name", sorted(TINY))
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("moved", [(0, 1, 2, 3, 4), (1, 3), (-1,)])
def test_several_steered_tokens_match_a_whole_forward_pass(
    name: str, hook: str, moved: tuple[int, ...], device: str
) -> None:
    place = tiny_place(name, hook, device)  # type: ignore[arg-type]
    ids = [3, 9, 4, 17, 5]
    moves = np.random.default_rng(2).normal(0, 1, (3, 16))
    prefix = read_prefix(place, torch.tensor([ids], device=device), moved)
    positions = [position % len(ids) for position in moved]
    for move, logits in zip(moves, next_token_logits(place, prefix, on(place, moves)).cpu(), strict=True):
        assert torch.allclose(slow_logits(place, ids, move, positions), logits, atol=1e-4)


@pytest.mark.parametrize("name", sorted(TINY))
@pytest.mark.parametrize("moved", [(0, 1, 2, 3), (1,), (-1,)])
@pytest.mark.parametrize("every_token", [False, True])
def test_generation_steers_the_requested_tokens_and_counts_them(
    name: str, moved: tuple[int, ...], every_token: bool, device: str
) -> None:
    """Against a reference that recomputes the whole text without a cache; some generated tokens are not steered."""
    place, ids, count = tiny_place(name, "resid_post", device), [3, 9, 4, 17], 8
    keep = frozenset(range(0, 32, 3))
    moves = np.vstack([np.zeros((1, 16)), np.random.default_rng(3).normal(0, 3, (3, 16))])
    prefix = read_prefix(place, torch.tensor([ids], device=device), moved)
    decoder = BatchedGenerator(place, prefix, on(place, moves), every_token=every_token, tokens=count, keep=keep)
    written: list[list[int]] = [[] for _ in moves]
    for _ in range(count):
        chosen = decoder.step().argmax(dim=1)
        for text, token in zip(written, chosen.tolist(), strict=True):
            text.append(token)
        decoder.feed(chosen)
    for move, text, fired in zip(moves, written, decoder.fired.tolist(), strict=True):
        assert text == slow_text(
            place, ids, move, count, every_token=every_token, ends=frozenset(), moved=moved, keep=keep
        )
        assert fired == len(moved) + (sum(token not in keep for token in text[:-1]) if every_token else 0)


@pytest.mark.parametrize("name", sorted(TINY))
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(("moved", "further"), [((-1,), ()), ((1, 2), (0, 2)), ((0, 1, 2, 3), (0, 1, 2))])
def test_a_given_text_has_the_log_probability_of_its_generation(
    name: str, hook: str, moved: tuple[int, ...], further: tuple[int, ...], device: str
) -> None:
    """One forward pass over all tokens of the text, some of them steered, against one pass per token."""
    place, ids, text = tiny_place(name, hook, device), [3, 9, 4, 17], [5, 5, 20, 7]  # type: ignore[arg-type]
    moves = np.vstack([np.zeros((1, 16)), np.random.default_rng(3).normal(0, 2, (3, 16)), np.zeros((1, 16))])
    prefix = read_prefix(place, torch.tensor([ids], device=device), moved)
    at = torch.tensor([index in further for index in range(len(text))], device=device)
    found = text_logprobs(place, prefix, on(place, moves), torch.tensor(text, device=device), at).sum(dim=1).tolist()
    positions = [*(position % len(ids) for position in moved), *(len(ids) + index for index in further)]
    assert found == pytest.approx([slow_text_logprob(place, ids, move, text, positions) for move in moves], abs=1e-3)
    assert found[0] == found[-1] != found[1], "rows that are not moved are one row"


@pytest.mark.parametrize("name", sorted(TINY))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("hook", HOOKS)
def test_rows_share_everything_below_the_edit(name: str, dtype: torch.dtype, hook: str, device: str) -> None:
    """Neither a block below the edit nor an earlier part of the edited block runs once per row."""
    model = tiny_model(name, device).to(dtype)
    place = open_edit_site(model, 1, hook)  # type: ignore[arg-type]
    assert tuple(one.hook for one in place.shared) == BELOW[hook]  # type: ignore[index]
    prefix = read_prefix(place, torch.tensor([[3, 9, 4, 17]], device=device))
    moves = on(place, np.random.default_rng(0).normal(0, 1, (6, 16)))
    output = next_token_logits(place, prefix, moves)
    run: list[nn.Module] = []
    weights = [module for module in blocks(model).modules() if next(module.parameters(recurse=False), None) is not None]
    handles = [module.register_forward_hook(lambda module, *_: run.append(module)) for module in weights]
    assert torch.equal(next_token_logits(place, prefix, moves), output)
    for handle in handles:
        handle.remove()
    below = {part for one in place.shared for module in place.below(one.hook) for part in module.modules()}
    assert below.isdisjoint(run)
    assert len(set(run)) == len(run), "one forward pass"
    above = set(blocks(model)[2].modules()).intersection(weights)
    assert above <= set(run)


@pytest.mark.parametrize("name", sorted(TINY))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("moved", [(0, 1, 2, 3), (-1,)])
def test_a_row_without_displacement_equals_the_unsteered_row_bitwise(
    name: str, dtype: torch.dtype, moved: tuple[int, ...], device: str
) -> None:
    place = open_edit_site(tiny_model(name, device).to(dtype), 1, "resid_post")
    prefix = read_prefix(place, torch.tensor([[3, 9, 4, 17]], device=device), moved)
    moves = on(place, np.random.default_rng(0).normal(0, 4, (9, 16)))
    moves[[0, 3, 8]] = 0
    logits = next_token_logits(place, prefix, moves)
    assert torch.equal(logits[0], logits[3])
    assert torch.equal(logits[0], logits[8])
    assert len(torch.unique(logits, dim=0)) == 7


def test_long_tails_run_in_parts_with_equal_results(monkeypatch: pytest.MonkeyPatch) -> None:
    place = open_edit_site(tiny_model("llama"), 1, "resid_post")
    prefix = read_prefix(place, torch.tensor([[3, 9, 4, 17]]), range(4))
    moves = torch.randn((7, 16), generator=torch.Generator().manual_seed(0))
    whole = next_token_logits(place, prefix, moves)
    monkeypatch.setattr("explorer.lm.generation.batched_edits._MAX_TOKENS", 8)
    assert torch.allclose(next_token_logits(place, prefix, moves), whole, atol=1e-5)


@pytest.mark.parametrize("name", sorted(TINY))
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1), (torch.float16, 0.02)])
def test_the_batch_difference_is_measured(name: str, dtype: torch.dtype, bound: float, device: str) -> None:
    place = open_edit_site(tiny_model(name, device).to(dtype), 1, "resid_post")
    assert 0.0 <= batch_difference(place) <= bound


@pytest.mark.parametrize("name", sorted(TINY))
def test_a_conversation_goes_through_the_template_and_its_special_tokens_are_not_steered(name: str) -> None:
    engine = chat_engine(name)
    before = (ChatMessage(role="system", content="the dog"),)
    request = BehaviourRequest(run="r", fingerprint="f", cluster=0, prompt="old cat", end=0.5, chat=before)
    read = engine.read(request)
    assert engine.tokenizer.kind == "instruct"
    words = ["<|system|>", "the", "dog", "<|over|>", "<|user|>", "old", "cat", "<|over|>", "<|assistant|>"]
    assert [token.text.strip() for token in read.tokens] == words
    assert [token.text.strip() for token in read.tokens if token.steered] == ["cat"]
    assert [token.text.strip() for token in read.tokens if token.special] == [w for w in words if w in TURNS]
    assert len(read.prefix.moved) == 3, "the marks after the steered token are run by every row"
    everywhere = engine.read(request.model_copy(update={"where": "all_prompt"}))
    assert [token.text.strip() for token in everywhere.tokens if token.steered] == ["the", "dog", "old", "cat"]
    marks_too = engine.read(request.model_copy(update={"skip_special": False}))
    assert [token.text.strip() for token in marks_too.tokens if token.steered] == ["<|assistant|>"]
    move = np.random.default_rng(0).normal(0, 1, 16)
    for prompt in (read, everywhere, marks_too):
        steered = [index for index, token in enumerate(prompt.tokens) if token.steered]
        _, output = engine.model.next_tokens(
            prompt.prefix, [move[None]], np.arange(engine.subject.place.model.config.vocab_size)
        )
        expected = torch.softmax(slow_logits(engine.subject.place, prompt.token_ids, move, steered), dim=-1)
        assert np.allclose(output.requested[0], expected.numpy(), atol=1e-5)


def chat_engine(name: str) -> Engine:
    """A tiny model of an architecture with a chat template; it serves no run."""
    model, tokenizer = tiny_model(name), word_tokenizer()
    add_chat(tokenizer)
    assert len(tokenizer) <= model.config.vocab_size
    loaded = LoadedModel(model, tokenizer, name, "", 16, 3, 64, torch.device("cpu"), torch.float32, "")
    info = SubjectInfo("f", MODEL, SAE, "", "")
    return Engine(Subject(loaded, None, open_edit_site(model, 1, "resid_post"), "f", info, 0.0), {}, SteeringLimits())  # type: ignore[arg-type]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("chat", [None, (), EARLIER])
def test_strength_0_and_the_prompts_own_position_are_the_unsteered_model_for_every_where(
    chat_answers: Handlers, where: str, chat: object
) -> None:
    engine = chat_answers.engine
    still = chat_answers.answer(behaviour_request(engine, strength=0.0, arms=ARMS, where=where, chat=chat))
    assert all(set(arm.probabilities) == {still.baseline} for arm in still.arms)
    moved = chat_answers.answer(behaviour_request(engine, arms=ARMS, where=where, chat=chat))
    assert all(arm.probabilities[0] == moved.baseline != arm.probabilities[-1] for arm in moved.arms)


@pytest.mark.parametrize("where", WHERE)
def test_a_stream_reports_how_many_tokens_of_a_conversation_it_steered(chat_answers: Handlers, where: str) -> None:
    request = steer_request(chat_answers.engine, where=where, chat=(), max_tokens=5)
    events = list(chat_answers.generate(request))
    start, done = events[0], events[-1]
    assert isinstance(start, StartEvent)
    assert isinstance(done, DoneEvent)
    marked = [token.text.strip() for token in start.prompt_tokens if token.steered]
    assert marked == (PROMPT.split() if where == "all_prompt" else ["Monday"])
    special = {chat_answers.engine.tokenizer.encode(mark)[0] for mark in TURNS}
    for row in start.rows[1:]:
        output = [event.token_id for event in events if isinstance(event, TokenEvent) and event.row == row]
        fed = output if done.finish[row] == "end" else output[:-1]
        further = sum(token not in special for token in fed) if where == "generated" else 0
        assert done.hook_fired[row] == len(marked) + further
    assert done.hook_fired["baseline"] == 0


def test_base_and_instruct_models_are_distinguished(answers: Handlers, chat_answers: Handlers) -> None:
    assert answers.subject().kind == "base"
    assert chat_answers.subject().kind == "instruct"
    difference = answers.subject().batch_difference
    assert difference is not None
    assert difference < 1e-4
    with pytest.raises(RequestError, match="base model"):
        answers.answer(behaviour_request(answers.engine, chat=()))


def test_messages_that_a_template_refuses_are_a_request_error(chat_answers: Handlers) -> None:
    late = ({"role": "user", "content": "it"}, {"role": "system", "content": "rained"})
    with pytest.raises(RequestError, match="system comes first") as error:
        chat_answers.answer(behaviour_request(chat_answers.engine, chat=late))
    assert error.value.where == "chat"


def test_a_prompt_of_special_tokens_has_nothing_to_steer(chat_answers: Handlers) -> None:
    with pytest.raises(RequestError, match="special tokens only"):
        chat_answers.answer(behaviour_request(chat_answers.engine, prompt="<|over|>"))
    reply = chat_answers.answer(behaviour_request(chat_answers.engine, prompt="<|over|>", skip_special=False))
    assert isinstance(reply, BehaviourReply)


@pytest.mark.parametrize("where", WHERE)
def test_a_real_model_in_a_conversation_matches_a_slow_reference(
    shared_data: Path, where: str, steerable_run: Path
) -> None:
    loaded = load_model(str(shared_data / "stories260k"))
    loaded.tokenizer.chat_template = "<s>{% for m in messages %}{{ m.content }} said {{ m.role }}. {% endfor %}Then"
    place = open_edit_site(loaded.model, 2, "resid_post")
    sae = load_sae(steerable_run.with_name("planted-subject") / "sae")
    engine = Engine(Subject(loaded, sae, place, "f", SubjectInfo("f", MODEL, SAE, "", ""), 0.0), {}, SteeringLimits())
    request = BehaviourRequest(run="r", fingerprint="f", cluster=0, prompt="Lily has a ball", end=0.5, chat=(),
                             where=where)  # type: ignore[arg-type] # fmt: skip
    read = engine.read(request)
    assert read.tokens[0].special
    assert not read.tokens[0].steered
    steered = [index for index, token in enumerate(read.tokens) if token.steered]
    assert len(steered) == (len(read.tokens) - 1 if where == "all_prompt" else 1)
    move = np.random.default_rng(4).normal(0, 0.3, loaded.d_model)
    every = where == "generated"
    steps = engine.model.decoder(read.prefix, np.stack([np.zeros_like(move), move]), every_token=every, tokens=12)
    written = []
    for _ in range(12):
        chosen = steps.sample(0.0, 0.0).token_ids
        written.append(chosen)
        steps.feed(chosen)
    for row, displacement in enumerate((np.zeros_like(move), move)):
        slow = slow_text(place, read.token_ids, displacement, 12, every_token=every, ends=frozenset(), moved=steered,
                         keep=frozenset({1, 2}))  # fmt: skip
        assert [int(chosen[row]) for chosen in written] == slow
