"""The engine steers exactly what was requested, and nothing else."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.errors import HookNotFired, RequestError
from explorer.lm.generation import batched_edits as rows_module
from explorer.lm.generation import batched_generation as decoder_module
from explorer.lm.generation.batched_edits import Prefix, next_token_logits, read_prefix
from explorer.lm.generation.batched_generation import BatchedGenerator
from explorer.lm.generation.capabilities import open_edit_site
from explorer.lm.generation.forward import EditSite, SharedActivation, read_last
from explorer.lm.hooks.block_hooks import Edit
from explorer.lm.model.load import blocks, load_model
from explorer.steering.answers.handlers import Handlers
from explorer.steering.engine import model as model_module
from explorer.steering.engine.engine import Engine, open_engine
from explorer.steering.engine.generation import RowDecoder, generate_rows, sample_batch
from explorer.steering.protocol.refusal import Refusal
from explorer.steering.protocol.steer import DoneEvent, RowDoneEvent, StartEvent, TokenEvent
from explorer.steering.protocol.wire import ARMS
from explorer.steering.scheduler.cooperative import run_alone, run_to_completion
from tests.lm.tiny import TINY, tiny_place
from tests.steering.conftest import behaviour_request, steer_request
from tests.steering.engine.reference import on, slow_logits, slow_text

LILY = (
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a "
    "big, red ball. She wanted to play with it, but it was too high."
)


def nothing_is_left(engine: Engine) -> bool:
    model = engine.subject.place.model
    hooks = [module for module in model.modules() if module._forward_hooks or module._forward_pre_hooks]
    return not hooks and not any("forward" in vars(block) for block in blocks(model))


@pytest.mark.parametrize("start", [None, "Tuesday", 0.3])
def test_strength_0_is_the_unsteered_row_for_every_arm(answers: Handlers, engine: Engine, start: str | None) -> None:
    request = behaviour_request(engine, start=start, strength=0.0, arms=ARMS, random_repeats=2)
    reply = answers.answer(request)
    assert len(reply.arms) == len(ARMS) + 1
    for arm in reply.arms:
        assert set(arm.probabilities) == {reply.baseline}
        assert set(arm.top) == {reply.baseline_top}
        assert set(arm.kl) == {0.0}
        assert arm.hook_fired == 6


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_strength_0_is_the_unsteered_row_in_a_rounded_dtype_too(steerable_run: Path, dtype: str, device: str) -> None:
    rounded = Handlers(open_engine(steerable_run, dtype=dtype, device=device))
    assert rounded.subject().dtype == dtype
    reply = rounded.answer(behaviour_request(rounded.engine, strength=0.0, arms=ARMS))
    assert all(set(arm.probabilities) == {reply.baseline} for arm in reply.arms)
    ids, _, _ = texts(rounded, arms=ARMS, strength=0.0, where="generated")
    assert {tuple(written) for written in ids.values()} == {tuple(ids["baseline"])}
    moved = rounded.answer(behaviour_request(rounded.engine, arms=ARMS))
    assert all(arm.probabilities[0] == moved.baseline != arm.probabilities[-1] for arm in moved.arms)


def test_the_prompts_own_position_is_the_unsteered_row_for_every_arm(answers: Handlers, engine: Engine) -> None:
    reply = answers.answer(behaviour_request(engine, arms=ARMS))
    assert reply.start == reply.own_coordinate
    for arm in reply.arms:
        assert arm.probabilities[0] == reply.baseline
        assert arm.probabilities[-1] != reply.baseline


def test_the_unsteered_row_equals_the_model_without_a_batch(answers: Handlers, engine: Engine) -> None:
    reply = answers.answer(behaviour_request(engine))
    ids = engine.tokenizer.encode("the parcel was sent on Monday")
    readout = engine.prepared("planted", 0).readout
    _, p = run_to_completion(engine.model.read_texts([ids], readout.tokens))
    alone = readout.behaviour(p)[0]
    assert np.abs(alone - np.array(reply.baseline)).max() < 1e-6


def test_a_prompt_is_read_once_and_steering_does_not_mutate_its_cache(
    steerable_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(place: EditSite, ids: torch.Tensor, moved: Sequence[int]) -> Prefix:
        read.append(ids.shape[1])
        return read_prefix(place, ids, moved)

    monkeypatch.setattr(model_module, "read_prefix", counted)
    answers = Handlers(open_engine(steerable_run))
    first = answers.answer(behaviour_request(answers.engine, arms=ARMS))
    written, _, _ = texts(answers, arms=ARMS, where="generated")
    assert len(read) == 1
    assert answers.answer(behaviour_request(answers.engine, arms=ARMS)) == first
    assert texts(answers, arms=ARMS, where="generated")[0] == written
    assert len(read) == 1
    for day in ("Monday", "Tuesday", "Wednesday", "Thursday"):
        answers.engine.read(behaviour_request(answers.engine, prompt=f"a letter was sent on {day}"))
    assert answers.answer(behaviour_request(answers.engine, arms=ARMS)) == first
    assert len(read) == 6, "a prompt that nobody asked about for a while is read again"


def test_a_cluster_is_prepared_batch_by_batch_and_once_for_all_waiting_requests(
    steerable_run: Path, answers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(place: EditSite, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        read.append(len(ids))
        return read_last(place, ids)

    monkeypatch.setattr(model_module, "read_last", counted)
    fresh = Handlers(open_engine(steerable_run))
    request = behaviour_request(fresh.engine)
    first, second = fresh.ask(request), fresh.ask(request)
    for turn in range(1, 3):
        next(first if turn % 2 else second)
        assert len(read) == turn
    first.close()
    assert run_to_completion(second) == answers.answer(request)
    batches = len(read)
    assert batches > 2
    assert sum(read) == len(fresh.engine.prepared("planted", 0).contexts.text)
    assert fresh.answer(request) == answers.answer(request)
    assert len(read) == batches


def test_rows_in_a_batch_equal_rows_alone(engine: Engine) -> None:
    """Bitwise where the host's own probe says so, as on a CPU in float32."""
    place = engine.subject.place
    prefix = engine.model.read_prefix(engine.tokenizer.encode("the parcel was sent on Monday"))
    moves = on(place, np.random.default_rng(0).normal(0, 2, (40, len(prefix.residual))))
    together = next_token_logits(place, prefix, moves)
    alone = torch.stack([next_token_logits(place, prefix, move[None])[0] for move in moves])
    assert torch.equal(together, alone) or engine.subject.batch_difference > 0.0
    assert (together - alone).abs().max() < 1e-4
    assert torch.equal(together.argmax(dim=1), alone.argmax(dim=1))


def test_rows_match_a_whole_forward_pass(engine: Engine) -> None:
    place, ids = engine.subject.place, engine.tokenizer.encode("it rained on Friday and")
    moves = np.random.default_rng(1).normal(0, 2, (5, 32))
    fast = next_token_logits(place, engine.model.read_prefix(ids), on(place, moves)).cpu()
    for move, logits in zip(moves, fast, strict=True):
        assert torch.allclose(slow_logits(place, ids, move, [len(ids) - 1]), logits, atol=1e-4)


@pytest.mark.parametrize("name", sorted(TINY))
@pytest.mark.parametrize("hook", ["resid_pre", "resid_post", "attn_out", "mlp_out"])
def test_other_architectures_match_a_whole_forward_pass(name: str, hook: str, device: str) -> None:
    place = tiny_place(name, hook, device)  # type: ignore[arg-type]
    ids = [3, 9, 4, 17]
    moves = np.random.default_rng(2).normal(0, 1, (3, 16))
    prefix = read_prefix(place, torch.tensor([ids], device=device))
    for move, logits in zip(moves, next_token_logits(place, prefix, on(place, moves)).cpu(), strict=True):
        assert torch.allclose(slow_logits(place, ids, move, [3]), logits, atol=1e-4)


def test_a_prompt_of_one_token_has_no_prefix_and_is_steered(engine: Engine) -> None:
    place, ids = engine.subject.place, engine.tokenizer.encode("Monday")
    move = np.random.default_rng(1).normal(0, 2, 32)
    fast = next_token_logits(place, engine.model.read_prefix(ids), on(place, move[None]))[0].cpu()
    assert torch.allclose(slow_logits(place, ids, move, [0]), fast, atol=1e-4)


def texts(answers: Handlers, **changes: object) -> tuple[dict[str, list[int]], dict[str, RowDoneEvent], DoneEvent]:
    events = list(answers.generate(steer_request(answers.engine, **changes)))
    assert isinstance(events[0], StartEvent)
    assert isinstance(events[-1], DoneEvent)
    ids: dict[str, list[int]] = {row: [] for row in events[0].rows}
    for event in events:
        if isinstance(event, TokenEvent):
            assert event.index == len(ids[event.row])
            ids[event.row].append(event.token_id)
    return ids, {event.row: event for event in events if isinstance(event, RowDoneEvent)}, events[-1]


@pytest.mark.parametrize("where", ["last_prompt", "generated"])
@pytest.mark.parametrize("position", [0.5, 1.0])
def test_generated_tokens_match_a_slow_reference(
    answers: Handlers, engine: Engine, where: str, position: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[np.ndarray] = []
    steps = engine.model.decoder

    def noted(prefix: Prefix, moves: np.ndarray, *, every_token: bool, tokens: int, skip_special: bool) -> RowDecoder:
        given.append(moves)
        return steps(prefix, moves, every_token=every_token, tokens=tokens, skip_special=skip_special)

    monkeypatch.setattr(engine.model, "decoder", noted)
    ids, done, _ = texts(answers, arms=ARMS, where=where, position=position, max_tokens=12, end="Friday", strength=2.0)
    prompt = engine.tokenizer.encode("the parcel was sent on Monday")
    for row, move in zip(ids, given[0], strict=True):
        every = where == "generated"
        assert ids[row] == slow_text(
            engine.subject.place, prompt, move, 12, every_token=every, ends=engine.tokenizer.ends
        )
        steered = len(ids[row]) + (done[row].finish == "end") if every else 1
        assert done[row].hook_fired == (0 if row == "baseline" else steered)
    assert len({tuple(written) for written in ids.values()}) > 2


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("where", ["last_prompt", "generated"])
def test_strength_0_generates_the_unsteered_text(answers: Handlers, temperature: float, where: str) -> None:
    ids, done, _ = texts(answers, arms=ARMS, strength=0.0, temperature=temperature, where=where, max_tokens=16, seed=5)
    assert {tuple(written) for written in ids.values()} == {tuple(ids["baseline"])}
    assert done["manifold"].hook_fired >= 1


def test_sampling_is_reproducible_by_seed(answers: Handlers) -> None:
    once, again, other = (texts(answers, temperature=1.5, seed=seed, max_tokens=16)[0] for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_a_text_ends_at_the_end_token_and_at_the_models_last_position(answers: Handlers, engine: Engine) -> None:
    _, done, summary = texts(answers, prompt=" ".join(["the"] * 90), max_tokens=100, temperature=2.0, seed=3)
    assert all(event.finish in ("end", "length") for event in done.values())
    assert summary.tokens <= 4 * (engine.subject.loaded.max_context - 90)


def test_stopping_in_the_middle_removes_every_hook(answers: Handlers, engine: Engine) -> None:
    plain, _, _ = texts(answers, strength=0.0)
    for count in range(1, 8):
        stream = answers.generate(steer_request(engine, strength=3.0, where="generated"))
        for _ in range(count):
            next(stream)
        assert nothing_is_left(engine)
        stream.close()
    assert texts(answers, strength=0.0)[0] == plain


def test_an_edit_that_was_not_applied_is_an_error(
    answers: Handlers, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def deaf(*_: object) -> Iterator[Edit]:
        yield Edit()

    for module in (rows_module, decoder_module):
        monkeypatch.setattr(module, "edit", deaf)
    with pytest.raises(HookNotFired):
        answers.answer(behaviour_request(engine))
    with pytest.raises(HookNotFired):
        engine.model.log_probability(engine.model.read_prefix([1, 2, 3]), np.ones((1, 32)), [4, 5], every_token=False)
    events = []
    with pytest.raises(HookNotFired):
        events.extend(answers.generate(steer_request(engine)))
    assert not [event for event in events if not isinstance(event, StartEvent)]


def test_an_overflow_is_refused_and_does_not_affect_the_next_reply(answers: Handlers, engine: Engine) -> None:
    before = answers.answer(behaviour_request(engine))
    prefix = engine.model.read_prefix(engine.tokenizer.encode("the parcel was sent on Monday"))
    huge = np.full((1, len(prefix.residual)), 1e38)
    with pytest.raises(Refusal) as refusal:
        engine.model.next_tokens(prefix, [huge * 10], np.arange(2))
    assert refusal.value.body.code == "numeric_overflow"
    with pytest.raises(Refusal, match="not finite"):
        engine.model.decoder(prefix, huge * 10, every_token=True, tokens=1).sample(0.0, 0.0)
    for every_token in (False, True):
        with pytest.raises(Refusal, match="not finite"):
            engine.model.log_probability(prefix, huge * 10, [1, 2], every_token=every_token)
    assert nothing_is_left(engine)
    assert answers.answer(behaviour_request(engine)) == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cluster": 7}, "cluster"),
        ({"end": "Someday"}, "end"),
        ({"start": "Someday"}, "start"),
        ({"strength": 5.0}, "strength"),
        ({"strength": -5.0}, "strength"),
        ({"waypoints": 65}, "waypoints"),
        ({"prompt": "the " * 600}, "prompt"),
        ({"prompt": "  "}, "prompt"),
        ({"values": [{"name": "a", "spellings": ["x"]}, {"name": "a", "spellings": ["y"]}]}, "values"),
    ],
)
def test_a_field_out_of_range_is_named(
    answers: Handlers, engine: Engine, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(RequestError) as error:
        answers.answer(behaviour_request(engine, **changes))
    assert error.value.where == field


def test_another_subject_is_refused_and_both_are_named(answers: Handlers, engine: Engine) -> None:
    for ask in (
        lambda: answers.answer(behaviour_request(engine, fingerprint="sha256:other")),
        lambda: next(answers.generate(steer_request(engine, fingerprint="sha256:other"))),
    ):
        with pytest.raises(Refusal, match=f"{engine.subject.fingerprint}.*sha256:other") as refusal:
            ask()
        assert refusal.value.status == 409


def test_custom_readout_values_are_read_by_their_spellings(answers: Handlers, engine: Engine) -> None:
    values = [{"name": "wet", "spellings": ["rained", " rained"]}, {"name": "Tuesday", "spellings": [" Tuesday"]}]
    reply = answers.answer(behaviour_request(engine, values=values, end="Tuesday"))
    assert reply.values == ("wet", "Tuesday")
    assert reply.value_coordinate[0] is None
    assert reply.value_coordinate[1] is not None
    default = answers.answer(behaviour_request(engine, end="Tuesday"))
    assert reply.baseline[1] == pytest.approx(default.baseline[1])
    assert all(arm.e_bc is None for arm in reply.arms)
    assert all(arm.reach and arm.reach.target == "Tuesday" for arm in reply.arms)


def test_the_prompt_is_shown_with_its_steered_token(answers: Handlers, engine: Engine) -> None:
    reply = answers.answer(behaviour_request(engine))
    assert [token.steered for token in reply.prompt_tokens] == [False] * 5 + [True]
    assert reply.prompt_tokens[-1].text.strip() == "Monday"


def test_the_unsteered_text_of_a_real_model_equals_transformers_generate(shared_data: Path, device: str) -> None:
    loaded = load_model(str(shared_data / "stories260k"), device=device)
    ids = loaded.tokenizer("Once upon a time")["input_ids"]
    place = open_edit_site(loaded.model, 2, "resid_post")
    prefix = read_prefix(place, torch.tensor([ids], device=device))
    still = torch.zeros((2, loaded.d_model), device=device)
    decoder = BatchedGenerator(place, prefix, still, every_token=True, tokens=80)
    steps = RowDecoder(decoder, loaded.device)

    def decode(tokens: list[int]) -> str:
        return str(loaded.tokenizer.decode(tokens, clean_up_tokenization_spaces=False))

    events = generate_rows(steps, ("baseline", "manifold"), decode, ids, frozenset(), max_tokens=80, temperature=0.0,
                   rng=np.random.default_rng(0))  # fmt: skip
    done = {event.row: event.text for event in run_alone(events, sample_batch) if isinstance(event, RowDoneEvent)}
    assert f"Once upon a time{done['baseline']}".startswith(LILY)
    assert done["manifold"] == done["baseline"]


def test_a_place_whose_lower_blocks_cannot_be_shared_still_works(engine: Engine) -> None:
    place = engine.subject.place
    apart = EditSite(place.model, place.layer, place.hook)
    assert place.shared == (SharedActivation("resid_post", 0),)
    prefix = read_prefix(
        apart, torch.tensor([engine.tokenizer.encode("it rained on Friday")], device=place.model.device)
    )
    moves = on(place, np.random.default_rng(0).normal(0, 2, (6, 32)))
    same = read_prefix(place, prefix.token_ids)
    assert torch.allclose(next_token_logits(apart, prefix, moves), next_token_logits(place, same, moves), atol=1e-4)
