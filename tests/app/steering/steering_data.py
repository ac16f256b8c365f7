"""Steering requests and replies as hypothesis strategies, and one fixed example."""

from typing import Any

from hypothesis import strategies as st

from explorer.app.site.shares import SharedResult
from explorer.steering.protocol.behaviour import (
    ArmBehaviour,
    BehaviourReply,
    BehaviourRequest,
    PromptToken,
    Reach,
    TopToken,
)
from explorer.steering.protocol.checks import (
    AcrossPrompts,
    ArmSpread,
    CheckReply,
    Phrase,
    PhraseArm,
    PhrasesReply,
    Spread,
    SweepArm,
    SweepReply,
)
from explorer.steering.protocol.steer import DoneEvent, RowDoneEvent, StartEvent, SteerRequest, Written, WrittenToken

FINGERPRINT = "sha256:" + "ab" * 32
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
SHARE = st.floats(0.0, 1.0)
POSITIVE = st.floats(0.0, 1e6)


def request(**changes: Any) -> BehaviourRequest:
    """Monday to Thursday."""
    fields = {"run": "almanac", "fingerprint": FINGERPRINT, "cluster": 3, "prompt": "Today is", "end": "Thursday"}
    return BehaviourRequest(**(fields | changes))


def steer_request(**changes: Any) -> SteerRequest:
    """The same path as text generation."""
    fields = {"run": "almanac", "fingerprint": FINGERPRINT, "cluster": 3, "prompt": "Today is", "end": "Thursday"}
    return SteerRequest(**(fields | changes))


def arm(waypoints: int, classes: int, **changes: Any) -> ArmBehaviour:
    """One arm with uniform probabilities."""
    fields = {
        "arm": "manifold",
        "coordinate": (0.5,) * waypoints,
        "probabilities": ((1 / classes,) * classes,) * waypoints,
        "top": (TopToken(text=" Monday", probability=0.5),) * waypoints,
        "off_manifold": (1.0,) * waypoints,
        "kl": (0.1,) * waypoints,
        "e_bc": 0.25,
        "reach": Reach(target="Thursday", p_target=0.9, visited=1.0),
        "hook_fired": 2,
    }
    return ArmBehaviour(**(fields | changes))


def reply(values: tuple[str, ...] = DAYS, waypoints: int = 5, **changes: Any) -> BehaviourReply:
    """A reply over the first days of the week."""
    classes = len(values) + 1
    fields = {
        "fingerprint": FINGERPRINT,
        "run": "almanac",
        "cluster": 3,
        "closed": True,
        "values": values,
        "value_coordinate": (0.5,) * len(values),
        "partial_values": (),
        "own_coordinate": 0.0,
        "own_off_manifold": 1.0,
        "start": 0.0,
        "end": 0.5,
        "strength": 1.0,
        "seed": 0,
        "baseline": (1 / classes,) * classes,
        "baseline_top": TopToken(text=" Monday", probability=0.5),
        "arms": (arm(waypoints, classes),),
        "effect": None,
        "prompt_tokens": (PromptToken(text="Today", steered=False), PromptToken(text=" is", steered=True)),
    }
    return BehaviourReply(**(fields | changes))


def start_event(**changes: Any) -> StartEvent:
    """The first event of a generation with two columns."""
    fields = {
        "fingerprint": FINGERPRINT,
        "rows": ("baseline", "manifold"),
        "own_coordinate": 0.0,
        "coordinate": 0.5,
        "off_manifold": {"baseline": 1.0, "manifold": 1.1},
        "prompt_tokens": (PromptToken(text="Today", steered=False),),
    }
    return StartEvent(**(fields | changes))


def shared(**changes: Any) -> SharedResult:
    """A complete result with text."""
    fields = {
        "view": "?v=1&to=Thursday",
        "label": "before Monday, Tuesday",
        "behaviour_request": request(),
        "behaviour": reply(),
        "steer_request": steer_request(arms=("manifold",)),
        "start": start_event(),
        "texts": (
            RowDoneEvent(row="baseline", finish="length", text=" Monday.", hook_fired=0),
            RowDoneEvent(row="manifold", finish="end", text=" Thursday <b>", hook_fired=1),
        ),
    }
    return SharedResult(**(fields | changes))


def checks() -> dict[str, Any]:
    """Checks of the same result."""
    path = {"fingerprint": FINGERPRINT, "run": "almanac", "cluster": 3}
    spread = Spread(mean=0.5, sd=0.1)
    arms = tuple(
        ArmSpread(arm=one, e_bc=spread, p_target=spread, visited=None) for one in ("manifold", "linear", "chord")
    )
    across = AcrossPrompts(start="Monday", end="Thursday", prompts=8, arms=arms)
    token = WrittenToken(text=" Monday", coordinate=0.5, off_manifold=1.0, fires=True)
    grid, top = ((0.1, 0.2), (0.3, 0.4)), TopToken(text=" Monday", probability=0.5)
    sweep = SweepArm(arm="manifold", p_target=grid, off_manifold=grid, kl=grid, top=((top, top), (top, top)))
    phrase = Phrase(text="a <b>test", read="a test", tokens=2, baseline=-3.0, arms=(
        PhraseArm(arm="manifold", logprob=(-3.0, -2.0)),))  # fmt: skip
    return {
        "done": DoneEvent(
            hook_fired={"baseline": 0, "manifold": 1}, finish={"baseline": "length", "manifold": "end"}, tokens=2,
            written={"manifold": Written(tokens=(token,), perplexity=2.0, repeated=None)},
        ),
        "check": CheckReply(controls=reply(), across=across, adjacent=across),
        "sweep": SweepReply(target="Thursday", strengths=(0.0, 1.0), positions=(0.0, 1.0), baseline=0.1, safe=2.0,
                            arms=(sweep,), **path),
        "phrases": PhrasesReply(phrases=(phrase,), **path),
    }  # fmt: skip


@st.composite
def results(draw: st.DrawFn) -> SharedResult:
    """Results of any size with arbitrary text."""
    values = tuple(draw(st.lists(NAME, min_size=1, max_size=4, unique=True)))
    waypoints = draw(st.integers(2, 4))
    classes = len(values) + 1
    row = st.tuples(*[SHARE] * classes)
    arms = tuple(
        arm(
            waypoints,
            classes,
            arm=name,
            probabilities=draw(st.tuples(*[row] * waypoints)),
            kl=draw(st.tuples(*[POSITIVE] * waypoints)),
            e_bc=draw(st.none() | POSITIVE),
        )
        for name in draw(st.lists(st.sampled_from(["manifold", "linear", "chord"]), min_size=1, unique=True))
    )
    prompt = draw(NAME)
    return shared(
        label=draw(TEXT),
        behaviour_request=request(prompt=prompt, end=draw(SHARE), strength=draw(st.floats(-100, 100))),
        behaviour=reply(values, waypoints, arms=arms, baseline=draw(row)),
        steer_request=steer_request(prompt=prompt, seed=draw(st.integers(0, 2**32 - 1))),
        texts=(RowDoneEvent(row="manifold", finish="stopped", text=draw(TEXT), hook_fired=draw(st.integers(1, 99))),),
    )
