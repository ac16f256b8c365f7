"""Counting relations, with wordings shared by all scales that can be counted along."""

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
    """Parameters of the counting relations of one scale."""

    scale: Scale

    unit: str
    """Noun for one place of the scale: day, month, hour ..."""

    preposition: str
    """Preposition of a value as a point in time: on, in, at."""

    offsets: tuple[int, ...]
    """Numbers of places to count."""

    spread: float
    """Standard deviation of soft answers, in places of the scale."""

    turn: str = ""
    """Phrase for a full turn of a cyclic scale ("one week"), which may also precede a span; empty if unused."""

    computed: bool = True
    """Whether answers can be inferred from the other facts, so that some can be held out in every wording."""

    soft_weight: float = 0.9
    """Sampling weight of a soft relation, relative to 1 for an exact one."""

    forward: tuple[str, ...] = ()
    """Additional exact wordings for counting forwards."""

    backward: tuple[str, ...] = ()
    """Additional exact wordings for counting backwards."""

    soft_forward: tuple[str, ...] = ()
    """Additional soft wordings for counting forwards."""

    soft_backward: tuple[str, ...] = ()
    """Additional soft wordings for counting backwards."""


def counting_relations(counting: Counting, *, shared: bool = True) -> tuple[Relation, ...]:
    """Exact and soft relations, forwards and backwards; `shared=False` omits the shared wordings."""
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
    """Relations that list consecutive values, forwards and backwards."""
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
