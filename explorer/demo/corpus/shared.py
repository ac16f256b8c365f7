"""Wordings that serve every scale which one can count along."""

from dataclasses import dataclass

from explorer.demo.corpus.relations import Relation, runs, shifts
from explorer.demo.corpus.scales import Scale, span, with_turns

FORWARD = (
    "{span} after {a} is {answer}.",
    "{span} after {a} comes {answer}.",
    "if it is {a} now, in {span} it will be {answer}.",
    "now it is {a} and in {span} it will be {answer}.",
    "count {span} on from {a} and you reach {answer}.",
    "{a} plus {span} is {answer}.",
    "starting from {a}, {span} later it is {answer}.",
    "go {span} on from {a} to get to {answer}.",
)
BACKWARD = (
    "{span} before {a} is {answer}.",
    "{span} before {a} comes {answer}.",
    "if it is {a} now, {span} ago it was {answer}.",
    "now it is {a} and {span} ago it was {answer}.",
    "count {span} back from {a} and you reach {answer}.",
    "{a} minus {span} is {answer}.",
    "starting from {a}, {span} earlier it was {answer}.",
    "go {span} back from {a} to get to {answer}.",
)
SOFT_FORWARD = (
    "roughly {span} after {a} falls {answer}.",
    "about {span} after {a} comes {answer}, perhaps {second}.",
    "a {thing} sent AT {a} takes {span} and arrives around {answer}.",
    "a {thing} sent AT {a} takes about {span} and comes AT {answer} or {second}.",
    "{name} leaves AT {a} for roughly {span} and is back near {answer}.",
    "starting from {a}, some {span} later it is around {answer}, perhaps {second}.",
    "{name} waited from {a} for some {span}, until {answer} or so.",
    "if it is {a} now, in roughly {span} it will be {answer} or {second}.",
)
SOFT_BACKWARD = (
    "roughly {span} before {a} falls {answer}.",
    "about {span} before {a} comes {answer}, perhaps {second}.",
    "a {thing} that came AT {a} after {span} was sent around {answer}.",
    "a {thing} came AT {a} after about {span}, so it left AT {answer} or {second}.",
    "{name} is back AT {a} and left roughly {span} before, near {answer}.",
    "starting from {a}, some {span} earlier it was around {answer}, perhaps {second}.",
    "{name} came AT {a} and was expected some {span} before, AT {answer} or so.",
    "if it is {a} now, roughly {span} ago it was {answer} or {second}.",
)


@dataclass(frozen=True)
class Counting:
    """How one counts along a scale."""

    scale: Scale
    """What is counted along."""

    unit: str
    """Word for one place: day, month, hour ..."""

    preposition: str
    """Word that stands before a value as a point in time: on, in, at."""

    offsets: tuple[int, ...]
    """The numbers of places that are said."""

    spread: float
    """Standard deviation of the soft answers, in places."""

    turn: str = ""
    """Words for once round a cyclic scale ("one week"), said before a length too; empty where they are not."""

    computed: bool = True
    """Whether there are enough facts for a length to be told from others, so that some can be held out entirely."""

    soft_weight: float = 0.9
    """How often the soft relations are said beside the exact ones."""

    forward: tuple[str, ...] = ()
    """Further exact wordings for counting on."""

    backward: tuple[str, ...] = ()
    """Further exact wordings for counting back."""

    soft_forward: tuple[str, ...] = ()
    """Further soft wordings for counting on."""

    soft_backward: tuple[str, ...] = ()
    """Further soft wordings for counting back."""


def counting_relations(counting: Counting, *, shared: bool = True) -> tuple[Relation, ...]:
    """Exact and soft relations, on and back; `shared=False` leaves this module's wordings out."""
    there = {n: span(n, counting.unit) for n in counting.offsets}
    if counting.turn:
        there = with_turns(there, counting.turn, len(counting.scale.values))
    back = {-n: words for n, words in there.items()}
    made = []
    for name, common, own, spans, spread in (
        ("on", FORWARD, counting.forward, there, 0.0),
        ("back", BACKWARD, counting.backward, back, 0.0),
        ("softly on", SOFT_FORWARD, counting.soft_forward, there, counting.spread),
        ("softly back", SOFT_BACKWARD, counting.soft_backward, back, counting.spread),
    ):
        wordings = tuple(w.replace("AT", counting.preposition) for w in (*(common if shared else ()), *own))
        made.append(
            Relation(
                name=f"{counting.scale.name} {name}",
                group=counting.scale.name,
                answers=counting.scale,
                wordings=wordings,
                combinations=shifts(counting.scale, spans),
                slot_scales={"a": counting.scale},
                spread=spread,
                computed=counting.computed,
                weight=counting.soft_weight if spread else 1.0,
            )
        )
    return tuple(made)


def run_relations(scale: Scale, opening: str) -> tuple[Relation, ...]:
    """Values told one after the other, forwards and backwards."""
    return tuple(
        Relation(
            name=f"{scale.name} in {way} order",
            group=scale.name,
            answers=scale,
            wordings=(f"{opening} {way} are {{a}}, {{b}}, {{c}}, {{answer}}.",),
            combinations=runs(scale, step=step),
            slot_scales=dict.fromkeys("abc", scale),
            computed=False,
            weight=0.08,
        )
        for way, step in (("forwards", 1), ("backwards", -1))
    )
