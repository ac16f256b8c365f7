"""Checks of a result: controls, other prompts, sweeps, phrases, and generated text read back."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from explorer.errors import RequestError
from explorer.lm.model.load import blocks
from explorer.maths.steering.arms import coordinates, nearest_on_curve
from explorer.steering.answers.checks import read_phrases, sweep
from explorer.steering.answers.handlers import Handlers
from explorer.steering.answers.plan import plan
from explorer.steering.engine.engine import Engine, open_engine
from explorer.steering.protocol.behaviour import BehaviourReply
from explorer.steering.protocol.checks import CheckRequest, PhrasesRequest, SweepRequest
from explorer.steering.protocol.refusal import Refusal
from explorer.steering.protocol.steer import DoneEvent, TokenEvent
from explorer.steering.scheduler.cooperative import run_to_completion
from tests.steering.conftest import behaviour_request, steer_request
from tests.steering.engine.reference import slow_text_logprob
from tests.steering.tiny import TURNS

PROMPT = "the parcel was sent on Monday"
PATH = {"cluster", "end", "fingerprint", "prompt", "run", "seed", "start"}


def path_fields(engine: Engine, **changes: object) -> dict[str, object]:
    """The fields of a path."""
    return behaviour_request(engine).model_dump(include=PATH) | changes


def arm_of(reply: BehaviourReply, name: str) -> object:
    return next(arm for arm in reply.arms if arm.arm == name)


def test_the_realised_coordinate_is_the_moved_states(answers: Handlers, engine: Engine) -> None:
    reply = answers.answer(behaviour_request(engine, waypoints=8, arms=("manifold", "chord", "flipped")))
    manifold = arm_of(reply, "manifold")
    assert manifold.state_coordinate[0] == pytest.approx(reply.own_coordinate)
    assert manifold.state_coordinate[-1] == pytest.approx(reply.end, abs=1e-6)
    chord = arm_of(reply, "chord")
    assert chord.state_coordinate[-1] == pytest.approx(reply.end, abs=1e-6)
    assert chord.state_coordinate[3] != pytest.approx(manifold.state_coordinate[3], abs=1e-6)
    assert len(manifold.answer_coordinate) == 8


def test_at_strength_0_the_realised_coordinate_is_the_prompts(answers: Handlers, engine: Engine) -> None:
    reply = answers.answer(behaviour_request(engine, strength=0.0))
    for arm in reply.arms:
        assert set(arm.state_coordinate) == {reply.own_coordinate}
        assert len(set(arm.answer_coordinate)) == 1
        assert arm.isometry is None
    assert reply.effect.distinguishable is False
    assert reply.effect.over_spread is None


def test_custom_readout_classes_have_no_behaviour_manifold(answers: Handlers, engine: Engine) -> None:
    values = [{"name": "Monday", "spellings": ["Monday"]}, {"name": "rain", "spellings": ["rained"]}]
    reply = answers.answer(behaviour_request(engine, values=values))
    assert all(arm.answer_coordinate is None and arm.e_bc is None for arm in reply.arms)
    assert all(arm.state_coordinate is not None for arm in reply.arms)


def test_the_meter_agrees_with_a_request_at_that_strength(answers: Handlers, engine: Engine) -> None:
    meter = answers.answer(behaviour_request(engine)).meter
    assert meter.strengths[0] == -engine.limits.max_strength
    assert meter.strengths[-1] == engine.limits.max_strength
    assert meter.positions == pytest.approx((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    for at in (0, 10, 16, 20, 30):
        reply = answers.answer(behaviour_request(engine, strength=meter.strengths[at]))
        measured = [row[at] for row in meter.off_manifold]
        assert measured == pytest.approx(arm_of(reply, "manifold").off_manifold, abs=1e-5)
    unsteered = meter.strengths.index(0.0)
    assert meter.off_manifold[-1][unsteered] == pytest.approx(reply.own_off_manifold)
    assert meter.safe == pytest.approx(max(2.0, reply.own_off_manifold))


def test_a_check_compares_the_manifold_arm_with_its_controls(answers: Handlers, engine: Engine) -> None:
    check = answers.answer(CheckRequest.model_validate(path_fields(engine, waypoints=6, prompts=3)))
    names = [(arm.arm, arm.repeat) for arm in check.controls.arms]
    assert names == [("manifold", 0), *[("random", n) for n in range(4)], ("shuffled", 0), ("flipped", 0)]
    same = answers.answer(behaviour_request(engine, arms=("manifold",)))
    assert arm_of(check.controls, "manifold").reach == arm_of(same, "manifold").reach
    assert check.controls.effect == same.effect
    effect = check.controls.effect
    assert effect.over_spread == pytest.approx((effect.shift - effect.control_mean) / effect.control_sd)


@pytest.mark.parametrize("where", ["last_prompt", "all_prompt"])
def test_other_prompts_are_contexts_of_the_start_value_with_energy_and_reach(
    answers: Handlers, engine: Engine, where: str
) -> None:
    request = path_fields(engine, start="Monday", waypoints=6, prompts=3, where=where)
    check = answers.answer(CheckRequest.model_validate(request))
    assert check.across is not None
    assert (check.across.start, check.across.end, check.across.prompts) == ("Monday", "Thursday", 3)
    assert (check.adjacent.start, check.adjacent.end) == ("Monday", "Tuesday")
    for measured in (check.across, check.adjacent):
        assert [arm.arm for arm in measured.arms] == ["manifold", "linear", "chord"]
        assert all(arm.e_bc.sd is not None and 0 <= arm.p_target.mean <= 1 for arm in measured.arms)
    assert all(arm.visited is None for arm in check.adjacent.arms)
    words = engine.vocabulary("planted")
    prompts = ["".join(map(words.text, text)).strip() for text in engine.prepared("planted", 0).typical(0, 3)]
    alone = [answers.answer(behaviour_request(engine, prompt=prompt, where=where)) for prompt in prompts]
    energies = [arm_of(reply, "manifold").e_bc for reply in alone]
    assert check.across.arms[0].e_bc.mean == pytest.approx(np.mean(energies), rel=1e-3)
    assert check.across.arms[0].e_bc.sd == pytest.approx(np.std(energies, ddof=1), rel=1e-3)


def test_the_adjacent_value_is_on_the_path_and_may_be_the_end(answers: Handlers, engine: Engine) -> None:
    for end, following in (("Saturday", "Sunday"), ("Tuesday", "Tuesday"), ("Sunday", "Sunday")):
        request = path_fields(engine, start="Monday", end=end, waypoints=4, prompts=1)
        check = answers.answer(CheckRequest.model_validate(request))
        assert check.adjacent.end == following
        assert check.across.arms[0].e_bc.sd is None


@pytest.mark.parametrize(
    "changes",
    [
        {"end": "Monday", "start": "Monday"},
        {"values": [{"name": "Monday", "spellings": ["Monday"]}]},
    ],
)
def test_a_move_without_suitable_contexts_is_not_repeated(
    answers: Handlers, engine: Engine, changes: dict[str, object]
) -> None:
    check = answers.answer(CheckRequest.model_validate(path_fields(engine, waypoints=4, **changes)))
    assert (check.across, check.adjacent) == (None, None)


def test_a_sweep_agrees_with_single_requests(answers: Handlers, engine: Engine) -> None:
    strengths, positions = (-1.0, 0.0, 0.5, 2.0), (0.0, 0.2, 0.6, 1.0)
    arms = ("manifold", "linear", "random")
    request = SweepRequest.model_validate(path_fields(engine, strengths=strengths, positions=positions, arms=arms))
    reply = answers.answer(request)
    target = reply.target
    assert (target, [arm.arm for arm in reply.arms]) == ("Thursday", list(arms))
    for (row, strength), name in product(enumerate(strengths), arms):
        single = answers.answer(behaviour_request(engine, strength=strength, arms=(name,)))
        at = [round(position * 5) for position in positions]
        mine, alone = arm_of(reply, name), arm_of(single, name)
        column = single.values.index(target)
        assert mine.p_target[row] == pytest.approx([alone.probabilities[i][column] for i in at], abs=1e-5)
        assert mine.off_manifold[row] == pytest.approx([alone.off_manifold[i] for i in at], abs=1e-5)
        assert mine.kl[row] == pytest.approx([alone.kl[i] for i in at], abs=1e-4)
    still = strengths.index(0.0)
    assert all(set(arm.p_target[still]) == {reply.baseline} for arm in reply.arms), "strength 0 is the unsteered row"
    assert all(arm.p_target[still][0] == arm.p_target[2][0] for arm in reply.arms if arm.arm == "manifold")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"strengths": (1.0, 1.0)}, "strengths"),
        ({"strengths": (99.0,)}, "strengths"),
        ({"positions": (0.5, 0.5)}, "positions"),
        ({"end": "Someday"}, "end"),
        ({"strengths": tuple(n / 20 for n in range(64)), "positions": tuple(n / 64 for n in range(64))}, "strengths"),
    ],
)
def test_an_invalid_sweep_names_its_field(engine: Engine, changes: dict[str, object], field: str) -> None:
    request = path_fields(engine, strengths=(1.0,), positions=(0.5,)) | changes
    with pytest.raises(RequestError) as refused:
        sweep(engine, SweepRequest.model_validate(request))
    assert refused.value.where == field


PHRASES = ("it rained on Friday", "the parcel arrived")


@pytest.mark.parametrize("where", ["last_prompt", "all_prompt", "generated"])
def test_a_phrases_log_probability_matches_a_slow_reference(answers: Handlers, engine: Engine, where: str) -> None:
    request = PhrasesRequest.model_validate(
        path_fields(engine, phrases=PHRASES, waypoints=3, arms=("manifold", "chord"), where=where)
    )
    reply = answers.answer(request)
    place, prompt = engine.subject.place, engine.tokenizer.encode("the parcel was sent on Monday")
    t = np.linspace(0, 1, 3)
    planned = plan(engine, request, t, request.arms)
    still = np.zeros(len(planned.prompt.prefix.residual))
    for found in reply.phrases:
        ids = engine.tokenizer.encode(found.text)
        moved = [index for index, token in enumerate(planned.prompt.tokens) if token.steered]
        moved += range(len(prompt), len(prompt) + len(ids)) if where == "generated" else []
        assert found.tokens == len(ids)
        assert found.baseline == pytest.approx(slow_text_logprob(place, prompt, still, ids, moved), abs=1e-3)
        for measured, move in zip(found.arms, planned.arms, strict=True):
            slow = [slow_text_logprob(place, prompt, one, ids, moved) for one in move.displacement]
            assert measured.logprob == pytest.approx(slow, abs=1e-3)
            assert measured.logprob[0] == found.baseline, "the prompt's own place is the unsteered row"
            assert measured.logprob[-1] != found.baseline


@pytest.mark.parametrize("where", ["last_prompt", "generated"])
def test_a_phrase_takes_one_forward_pass_of_its_rows(answers: Handlers, engine: Engine, where: str) -> None:
    """All its tokens at once; one row more reads them below the edit. One that is a single token needs no such row."""
    request = PhrasesRequest.model_validate(path_fields(engine, phrases=(*PHRASES, "it"), waypoints=4, where=where))
    answers.answer(request)
    seen: dict[int, list[tuple[int, ...]]] = {0: [], len(blocks(engine.subject.place.model)) - 1: []}
    model = engine.subject.place.model
    handles = [
        blocks(model)[layer].register_forward_pre_hook(
            lambda _, args, kwargs, layer=layer: seen[layer].append(
                tuple((args[0] if args else kwargs["hidden_states"]).shape[:2])
            ),
            with_kwargs=True,
        )
        for layer in seen
    ]
    measured = answers.answer(request)
    for handle in handles:
        handle.remove()
    counts = [phrase.tokens for phrase in measured.phrases]
    # The baseline and all waypoints of three arms but the prompt's own, in a batch that this processor runs exactly.
    rows = engine.subject.place.batch.padded_size(1 + 3 * (4 - 1))
    lowest, highest = seen.values()
    assert counts == [4, 3, 1]
    assert highest == [(rows, count) for count in counts]
    assert [shape for shape in lowest if shape[0] == 1] == [(1, count) for count in counts if count > 1]


def test_special_tokens_in_a_phrase_are_steered_only_on_request(chat_run: Path, device: str) -> None:
    """The template's special tokens are not steered unless `skip_special` is false, as in generated text."""
    engine = open_engine(chat_run, device=device)
    place, rng = engine.subject.place, np.random.default_rng(0)
    prompt, text = (
        engine.tokenizer.encode(PROMPT),
        engine.tokenizer.encode(" ".join(["it", TURNS[3], TURNS[1], "rained"])),
    )
    moves = rng.normal(0, 2, (2, engine.subject.loaded.d_model))
    last = len(prompt) - 1
    for skip, moved in ((True, [last, last + 1]), (False, [last, last + 1, last + 2, last + 3])):
        found = engine.model.log_probability(
            engine.model.read_prefix(prompt), moves, text, every_token=True, skip_special=skip
        )
        slow = [slow_text_logprob(place, prompt, move, text, moved) for move in moves]
        assert found == pytest.approx(slow, abs=1e-3)


def test_a_phrase_of_unknown_words_reports_what_the_model_reads(answers: Handlers, engine: Engine) -> None:
    request = PhrasesRequest.model_validate(path_fields(engine, phrases=("it evaluated",), waypoints=2))
    (found,) = answers.answer(request).phrases
    assert found.tokens == 2
    assert "<unk>" in found.read


@pytest.mark.parametrize(
    "phrases", [("it", "it"), tuple(map(str, range(9))), ("it " * 25,)], ids=["twice", "too many", "too long"]
)
def test_phrases_beyond_the_limits_are_refused(engine: Engine, phrases: tuple[str, ...]) -> None:
    assert (engine.limits.max_phrases, engine.limits.max_phrase_tokens) == (8, 24)
    with pytest.raises(RequestError, match="phrases"):
        read_phrases(engine, PhrasesRequest.model_validate(path_fields(engine, phrases=phrases)))


def test_checks_refuse_another_subject(answers: Handlers, engine: Engine) -> None:
    stranger = path_fields(engine, fingerprint="sha256:other")
    for ask in (
        lambda: answers.answer(CheckRequest.model_validate(stranger)),
        lambda: answers.answer(SweepRequest.model_validate(stranger | {"strengths": (1.0,), "positions": (1.0,)})),
        lambda: answers.answer(PhrasesRequest.model_validate(stranger | {"phrases": ("it",)})),
    ):
        with pytest.raises(Refusal, match="sha256:other"):
            ask()


@pytest.mark.parametrize("where", ["last_prompt", "generated"])
def test_text_is_read_back_by_the_unsteered_model(answers: Handlers, engine: Engine, where: str) -> None:
    events = list(answers.generate(steer_request(engine, where=where, strength=2.0, max_tokens=6)))
    done = events[-1]
    assert isinstance(done, DoneEvent)
    assert list(done.written) == list(done.finish)
    prompt = engine.tokenizer.encode("the parcel was sent on Monday")
    manifold = engine.prepared("planted", 0).manifold
    for row, written in done.written.items():
        tokens = [event for event in events if isinstance(event, TokenEvent) and event.row == row]
        ids = [event.token_id for event in tokens]
        assert [token.text for token in written.tokens] == [event.text for event in tokens]
        states = np.concatenate([engine.model.read_states([prompt + ids[: n + 1]]) for n in range(len(ids))])
        nearest = nearest_on_curve(manifold, coordinates(manifold, states))
        assert [token.coordinate for token in written.tokens] == pytest.approx(nearest.coordinate, abs=1e-3)
        p = [
            run_to_completion(engine.model.read_texts([prompt + ids[:n]], np.array([token])))[1][0, 0]
            for n, token in enumerate(ids)
        ]
        assert written.perplexity == pytest.approx(math.exp(-np.mean(np.log(p))), rel=1e-3)
    unsteered = [event.logprob for event in events if isinstance(event, TokenEvent) and event.row == "baseline"]
    assert done.written["baseline"].perplexity == pytest.approx(math.exp(-np.mean(unsteered)), rel=1e-3)
