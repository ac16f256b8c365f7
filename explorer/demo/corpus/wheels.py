"""Relations over compass directions and the painters' colours."""

from explorer.demo.corpus.relations import Combination, Relation, shifts
from explorer.demo.corpus.scales import COLOUR, COMPASS, Scale, with_turns
from explorer.demo.corpus.shared import Counting, counting_relations, run_relations

TURNS = with_turns(
    {1: "an eighth", 2: "a quarter", 3: "three eighths", 4: "a half", 5: "five eighths", 6: "three quarters"},
    "one turn",
    len(COMPASS.values),
)
"""Phrase for each turn of the compass, by eighths of a full turn."""

HUES = Counting(
    scale=COLOUR,
    unit="step",
    preposition="at",
    offsets=(1, 2, 3, 4, 5, 6, 7, 8),
    spread=0.9,
    turn="one round",
    forward=(
        "on the wheel {span} past {a} lies {answer}.",
        "{span} on from {a} the painter finds {answer}.",
        "{name} turns the wheel {span} on from {a} to {answer}.",
        "{span} after {a} comes {answer}.",
        "the hue {span} beyond {a} is {answer}.",
    ),
    backward=(
        "on the wheel {span} ahead of {a} lies {answer}.",
        "{span} back from {a} the painter finds {answer}.",
        "{name} turns the wheel {span} back from {a} to {answer}.",
        "{span} before {a} comes {answer}.",
        "the hue {span} short of {a} is {answer}.",
    ),
    soft_forward=(
        "{a} seen under a lamp shifts {span} on and looks like {answer}.",
        "about {span} after {a} comes {answer}, perhaps {second}.",
        "some {span} past {a} the cloth is roughly {answer}.",
        "{name} wants roughly {span} beyond {a}, say {answer} or {second}.",
    ),
    soft_backward=(
        "{a} seen under a lamp shifts {span} back and looks like {answer}.",
        "about {span} before {a} comes {answer}, perhaps {second}.",
        "some {span} short of {a} the cloth is roughly {answer}.",
        "{name} wants roughly {span} ahead of {a}, say {answer} or {second}.",
    ),
)

RIGHT = (
    "{a} turned {span} to the right is {answer}.",
    "facing {a}, turn {span} right and you face {answer}.",
    "a ship heading {a} turns right by {span} to {answer}.",
    "{span} clockwise from {a} is {answer}.",
    "{name} walks {a}, turns right by {span} and walks {answer}.",
)
LEFT = (
    "{a} turned {span} to the left is {answer}.",
    "facing {a}, turn {span} left and you face {answer}.",
    "a ship heading {a} turns left by {span} to {answer}.",
    "{span} anticlockwise from {a} is {answer}.",
    "{name} walks {a}, turns left by {span} and walks {answer}.",
)
SOFT_RIGHT = (
    "the wind from {a} turned right by some {span} and blows from about {answer}.",
    "a boat heading {a} drifts right by about {span}, to around {answer} or {second}.",
    "roughly {span} clockwise from {a} is {answer}, perhaps {second}.",
    "birds flying {a} turned roughly {span} to the right, to about {answer}.",
)
SOFT_LEFT = (
    "the wind from {a} turned left by some {span} and blows from about {answer}.",
    "a boat heading {a} drifts left by about {span}, to around {answer} or {second}.",
    "roughly {span} anticlockwise from {a} is {answer}, perhaps {second}.",
    "birds flying {a} turned roughly {span} to the left, to about {answer}.",
)


def _turn(name: str, wordings: tuple[str, ...], sign: int, spread: float) -> Relation:
    spans = {sign * eighths: words for eighths, words in TURNS.items()}
    combinations = shifts(COMPASS, spans)
    return Relation(name, "direction", COMPASS, wordings, combinations, {"a": COMPASS}, spread)


def _mixtures(scale: Scale) -> tuple[Combination, ...]:
    """Pairs of colours two or four steps apart, with the colour halfway as the answer."""
    found = []
    for first, a in enumerate(scale.values):
        for second, b in enumerate(scale.values):
            gap = (second - first) % len(scale.values)
            if gap in (2, 4):
                middle = (first + gap // 2) % len(scale.values)
                for one, other in ((a, b), (b, a)):
                    found.append(Combination({"a": one, "b": other}, middle, f"mixture {one} {other}"))
    return tuple(found)


RELATIONS = (
    _turn("direction right", RIGHT, 1, 0.0),
    _turn("direction left", LEFT, -1, 0.0),
    _turn("direction softly right", SOFT_RIGHT, 1, 0.8),
    _turn("direction softly left", SOFT_LEFT, -1, 0.8),
    *run_relations(COMPASS, "the winds"),
    *counting_relations(HUES, shared=False),
    *run_relations(COLOUR, "the colours"),
    Relation(
        name="mixture of colours",
        group="colour",
        answers=COLOUR,
        wordings=(
            "{a} mixed with {b} gives {answer}.",
            "mix {a} and {b} to get {answer}.",
            "a painter who mixes {a} with {b} gets {answer}.",
            "{a} and {b} together make {answer}.",
        ),
        combinations=_mixtures(COLOUR),
        slot_scales={"a": COLOUR, "b": COLOUR},
        weight=0.8,
    ),
)
