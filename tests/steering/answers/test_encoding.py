"""Clusters of a text's tokens, against the plain rule, a slow reference and the prompt's own position."""

import dataclasses
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from explorer.config import SteeringLimits
from explorer.errors import RequestError
from explorer.lm.generation import forward as forward_module
from explorer.lm.model.load import blocks
from explorer.runs.run.reader import Run
from explorer.steering.answers.displacements import curve_position
from explorer.steering.answers.encoding import cluster_of, core_firing, token_rule
from explorer.steering.answers.handlers import Handlers
from explorer.steering.engine.engine import Engine
from explorer.steering.engine.prepared import prepare
from explorer.steering.protocol.features import EncodedToken, EncodeReply, EncodeRequest, FiredCluster, Firing
from explorer.steering.protocol.refusal import Refusal
from explorer.steering.scheduler.cooperative import run_to_completion
from tests.planted import planted_world
from tests.steering.conftest import behaviour_request
from tests.steering.engine.test_engine import nothing_is_left


def text_of(seed: int, count: int = 60) -> str:
    return "".join(random.Random(seed).choices(planted_world().vocabulary, k=count)).strip()


def encode_request(engine: Engine, **changes: object) -> EncodeRequest:
    fields = {"run": "planted", "fingerprint": engine.subject.fingerprint, "text": text_of(0)}
    return EncodeRequest.model_validate(fields | changes)


@pytest.fixture(scope="module")
def run(engine: Engine) -> Run:
    return engine.runs["planted"]


def slow_states(engine: Engine, text: str) -> torch.Tensor:
    """State of every token, each from a separate forward pass over the text before it."""
    ids, place, last = engine.tokenizer.encode(text), engine.subject.place, []
    assert place.hook == "resid_post"
    handle = blocks(place.model)[place.layer].register_forward_hook(
        lambda _, __, out: last.append(out[0, -1] if out.ndim == 3 else out[-1])
    )
    with torch.inference_mode():
        for end in range(1, len(ids) + 1):
            place.model(input_ids=torch.tensor([ids[:end]]), use_cache=False)
    handle.remove()
    return torch.stack(last)


@pytest.mark.parametrize("seed", range(4))
def test_the_clusters_of_a_token_follow_the_plain_rule(answers: Handlers, run: Run, seed: int) -> None:
    text = text_of(seed)
    reply = answers.answer(encode_request(answers.engine, text=text))
    states = slow_states(answers.engine, text)
    fires = answers.engine.subject.sae.encode(states) > 0
    expected = []
    for state in fires:
        here = []
        for one in run.manifest.clusters:
            core = [feature for feature in one.features if state[feature]]
            drawn = run.cluster(one.id).codes[:, : len(one.features)]
            least = min(-(-len(one.features) // 2), min(int((row > 0).sum()) for row in drawn))
            if len(core) >= least:
                here.append((one.id, tuple(core)))
        expected.append(here)
    assert [[(one.cluster, one.features) for one in token.firing] for token in reply.tokens] == expected
    assert any(expected)
    counts = {one.cluster: one.tokens for one in reply.clusters}
    assert counts == {c: n for c in range(2) if (n := sum(one[0] == c for here in expected for one in here))}


def test_a_tokens_position_agrees_with_the_prompts_own_position(answers: Handlers) -> None:
    engine = answers.engine
    words = text_of(0).split()
    reply = answers.answer(encode_request(engine, text=" ".join(words)))
    firings = [(at, one) for at, token in enumerate(reply.tokens) for one in token.firing]
    assert firings
    for at, one in firings:
        prompt = " ".join(words[: at + 1])
        read = engine.read(behaviour_request(engine, prompt=prompt))
        own, distance = curve_position(engine.prepared("planted", one.cluster).manifold, read.prefix.residual)
        assert one.coordinate == pytest.approx(own, abs=1e-4)
        assert one.off_manifold is not None
        # The two units come from different samples of the same contexts.
        assert one.off_manifold == pytest.approx(distance / engine.prepared("planted", one.cluster).spread, rel=0.25)


def test_the_text_takes_one_forward_pass(answers: Handlers, monkeypatch: pytest.MonkeyPatch) -> None:
    request = encode_request(answers.engine)
    first = answers.answer(request)
    calls = 0
    plain = forward_module.read_every

    def counted(*args: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return plain(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("explorer.steering.engine.model.read_every", counted)
    assert answers.answer(request) == first
    assert calls == 1
    assert nothing_is_left(answers.engine)


def test_a_shape_without_a_curve_has_no_coordinate(
    answers: Handlers, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = tuple(dataclasses.replace(one, shape="blob") for one in run.manifest.clusters)
    monkeypatch.setattr(run, "manifest", run.manifest.model_copy(update={"clusters": blobs}))
    reply = Handlers(answers.engine).answer(encode_request(answers.engine))
    firings = [one for token in reply.tokens for one in token.firing]
    assert firings
    assert {(one.coordinate, one.off_manifold) for one in firings} == {(None, None)}


def test_the_reply_does_not_depend_on_earlier_steering(answers: Handlers) -> None:
    fresh = Handlers(answers.engine).answer(encode_request(answers.engine))
    answers.answer(behaviour_request(answers.engine))
    assert answers.answer(encode_request(answers.engine)) == fresh


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"text": " "}, RequestError, "text"),
        ({"text": "it " * 97}, RequestError, "97 tokens"),
        ({"run": "other"}, Refusal, "no run 'other' here, but planted"),
        ({"fingerprint": "sha256:other"}, Refusal, "the request is for sha256:other"),
    ],
)
def test_invalid_requests_are_refused(
    answers: Handlers, changes: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        answers.answer(encode_request(answers.engine, **changes))


def test_the_hosts_prompt_limit_applies(engine: Engine) -> None:
    tight = Engine(engine.subject, engine.runs, SteeringLimits(max_prompt_tokens=5))
    with pytest.raises(RequestError, match="6 tokens"):
        Handlers(tight).answer(encode_request(tight, text="it rained on the parcel and"))


def test_activations_that_are_not_finite_are_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.steering.engine.model.read_every", lambda *_: torch.full((1, 2, 4), torch.nan))
    with pytest.raises(Refusal, match="not finite") as caught:
        Handlers(engine).answer(encode_request(engine, text="it rained"))
    assert caught.value.body.code == "numeric_overflow"


def test_a_cluster_without_values_refuses_a_readout(answers: Handlers, run: Run) -> None:
    summary = dataclasses.replace(run.summary(0), order=(), value_offset=0)
    none = np.full_like(run.cluster(0).value, -1)
    geometry = dataclasses.replace(
        run.cluster(0), value=none, value_coordinate=np.zeros(0, np.float32), value_count=np.zeros(0, np.int32),
        value_residual=np.zeros((0, run.manifest.model.d_model), np.float32),
    )  # fmt: skip
    engine = answers.engine
    prepared = run_to_completion(
        prepare(summary, geometry, engine.tokenizer.encode, engine.tokenizer.bos, engine.model.read_texts)
    )
    assert prepared.readout.names == ()
    assert prepared.behaviour_manifold is None


features = st.lists(st.lists(st.integers(0, 19), unique=True).map(sorted), max_size=8)
clusters = st.lists(st.integers(-1, 3), min_size=20, max_size=20)


@given(features, clusters)
def test_every_core_feature_is_listed_once_where_it_fires(fires: list[list[int]], cluster: list[int]) -> None:
    found = core_firing([np.array(one, np.int64) for one in fires], np.array(cluster, np.int32))
    firings = {(token, feature) for by_token in found.values() for token, them in by_token.items() for feature in them}
    assert firings == {(token, one) for token, them in enumerate(fires) for one in them if cluster[one] >= 0}
    assert all(
        cluster[one] == number for number, by_token in found.items() for them in by_token.values() for one in them
    )


@given(st.integers(1, 12), st.floats(0.05, 1.0), st.integers(0, 2**32 - 1))
def test_the_rule_requires_the_share_or_what_the_build_accepted(core: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = (rng.random((5, core + 2)) < rng.random()).astype(np.float16)
    geometry = _geometry_with(codes, core)
    fewest = int((codes[:, :core] > 0).sum(axis=1).min())
    rule = token_rule(geometry, share)
    assert rule.needed == max(1, min(int(np.ceil(share * core)), fewest))
    assert all(rule.holds(np.flatnonzero(row[:core]).tolist()) for row in codes if row[:core].any())


def test_a_feature_on_all_tokens_of_a_cluster_is_required_where_fewer_suffice() -> None:
    codes = np.zeros((6, 5), np.float16)
    codes[:, 2] = 1
    codes[:3, :] = 1
    rule = token_rule(_geometry_with(codes, 5), 0.5)
    assert rule == (1, (2,))
    assert [rule.holds(fired) for fired in ([2], [0, 2], [0, 1, 3, 4], [])] == [True, True, False, False]


def test_a_run_without_a_token_sample_uses_the_share() -> None:
    assert token_rule(_geometry_with(np.zeros((0, 7), np.float16), 5), 0.5) == (3, ())


def _geometry_with(codes: np.ndarray, core: int) -> object:
    @dataclasses.dataclass
    class Geometry:
        codes: np.ndarray
        n_core: int
        atoms: np.ndarray

    return Geometry(codes, core, np.arange(codes.shape[1], dtype=np.int32))


def test_features_outside_clusters_have_no_owner(run: Run) -> None:
    table = cluster_of(run)
    assert {int(one) for one in table[list(run.summary(0).features)]} == {0}
    assert (table == -1).sum() == run.manifest.n_features - run.manifest.n_clustered


share = st.floats(0, 1)
firings = st.builds(
    Firing, cluster=st.integers(0, 9), features=st.lists(st.integers(0, 99), min_size=1, max_size=3).map(tuple),
    coordinate=st.none() | share, off_manifold=st.none() | st.floats(0, 1e6),
)  # fmt: skip
replies = st.builds(
    EncodeReply, fingerprint=st.text(), run=st.text(),
    tokens=st.lists(st.builds(EncodedToken, text=st.text(), special=st.booleans(),
                              firing=st.lists(firings, max_size=3)), max_size=4).map(tuple),
    clusters=st.lists(st.builds(FiredCluster, cluster=st.integers(0, 9), core=st.integers(1, 9),
                                needed=st.integers(1, 9), always=st.lists(st.integers(0, 9), max_size=3).map(tuple),
                                tokens=st.integers(1, 9)), max_size=3).map(tuple),
)  # fmt: skip


@given(replies)
def test_a_reply_round_trips_through_json(reply: EncodeReply) -> None:
    assert EncodeReply.model_validate_json(reply.model_dump_json()) == reply


@given(st.text(min_size=1, max_size=200))
def test_a_request_round_trips_through_json(text: str) -> None:
    request = EncodeRequest(run="a", fingerprint="b", text=text)
    assert EncodeRequest.model_validate_json(request.model_dump_json()) == request
