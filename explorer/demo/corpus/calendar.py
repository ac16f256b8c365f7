"""Relations over days, months, seasons and hours."""

from explorer.demo.corpus.relations import Combination, Relation, looked_up
from explorer.demo.corpus.scales import DAY_PART, HOUR, MONTH, ORDINAL, SEASON, WEEKDAY, span
from explorer.demo.corpus.shared import Counting, counting_relations, run_relations

WEEKDAYS = Counting(
    scale=WEEKDAY,
    unit="day",
    preposition="on",
    offsets=(1, 2, 3, 4, 5, 6),
    turn="one week",
    spread=1.1,
    soft_weight=1.6,
    forward=(
        "today is {a}, and in {span} it is {answer}.",
        "a ship that leaves on {a} and sails for {span} lands on {answer}.",
    ),
    backward=(
        "today is {a}, and {span} ago it was {answer}.",
        "a ship that lands on {a} after sailing for {span} had left on {answer}.",
    ),
    soft_forward=("snow is due some {span} after {a}, around {answer}, perhaps {second}.",),
    soft_backward=("the fair ends on {a} and began some {span} before, around {answer}, perhaps {second}.",),
)
MONTHS = Counting(
    scale=MONTH,
    unit="month",
    preposition="in",
    offsets=(1, 2, 3, 4, 5, 6, 7, 8),
    turn="one year",
    spread=1.15,
    soft_weight=1.2,
    forward=(
        "this month is {a}, and in {span} it is {answer}.",
        "wheat sown in {a} is cut {span} later, in {answer}.",
    ),
    backward=(
        "this month is {a}, and {span} ago it was {answer}.",
        "wheat cut in {a} was sown {span} before, in {answer}.",
    ),
    soft_forward=("seeds sown in {a} flower some {span} later, around {answer}.",),
    soft_backward=("seeds that flower in {a} were sown some {span} before, around {answer}.",),
)
HOURS = Counting(
    scale=HOUR,
    unit="hour",
    preposition="at",
    offsets=(1, 2, 3, 4, 5, 6, 8, 12),
    turn="one day",
    spread=1.2,
    forward=(
        "{span} after {a} the clock says {answer}.",
        "a train that leaves at {a} and runs for {span} arrives at {answer}.",
    ),
    backward=(
        "{span} before {a} the clock says {answer}.",
        "a train that arrives at {a} and ran for {span} had left at {answer}.",
    ),
    soft_forward=("the rain that began at {a} lasts some {span}, until about {answer}.",),
    soft_backward=("the rain that stopped at {a} lasted some {span}, since about {answer}.",),
)
SEASONS = Counting(
    scale=SEASON,
    unit="season",
    preposition="in",
    offsets=(1, 2, 3),
    spread=0.6,
    computed=False,
)
"""Not `computed`: with four seasons and three steps, no fact can be inferred from the other eleven."""

_SEASON_OF_MONTH = {month: ((month + 1) // 3) % 4 for month in range(12)}
_PART_OF_HOUR = {hour: 0 if hour < 6 or hour >= 22 else 1 if hour < 12 else 2 if hour < 18 else 3 for hour in range(24)}


def _seasons_ahead() -> tuple[Combination, ...]:
    """The season a number of months after a given month."""
    return tuple(
        Combination({"a": month, "span": span(months, "month")}, _SEASON_OF_MONTH[(start + months) % 12], key)
        for start, month in enumerate(MONTH.values)
        for months in range(1, 13)
        for key in (f"season {month} {months:+d}",)
    )


SEASONS_AHEAD = Relation(
    name="season after months",
    group="season",
    answers=SEASON,
    wordings=(
        "{span} after {a} it will be {answer}.",
        "it is {a}, and in {span} it will be {answer}.",
        "{span} on from {a} the season is {answer}.",
        "{name} sails in {a} and is back after {span}, when it is {answer}.",
    ),
    combinations=_seasons_ahead(),
    slot_scales={"a": MONTH},
    weight=2.0,
)
TABLES = (
    Relation(
        name="season of a month",
        group="season",
        answers=SEASON,
        wordings=("{a} is a month of {answer}.", "in {a} it is {answer}.", "{a} falls in {answer}."),
        combinations=looked_up(MONTH, SEASON, _SEASON_OF_MONTH),
        slot_scales={"a": MONTH},
        computed=False,
    ),
    Relation(
        name="part of the day",
        group="hour",
        answers=DAY_PART,
        wordings=(
            "at {a} it is {answer}.",
            "{a} is an hour of the {answer}.",
            "the clock says {a}, so it is {answer}.",
        ),
        combinations=looked_up(HOUR, DAY_PART, _PART_OF_HOUR),
        slot_scales={"a": HOUR},
        computed=False,
        weight=0.25,
    ),
    Relation(
        name="ordinal of a month",
        group="ordinal",
        answers=ORDINAL,
        wordings=(
            "{a} is the {answer} month.",
            "{a} is month number {answer}.",
            "in the year {a} comes {answer}.",
            "{name} counts {a} as the {answer} month.",
            "the place of {a} in the year is {answer}.",
            "born in {a}, {name} came in the {answer} month.",
        ),
        combinations=looked_up(MONTH, ORDINAL, {month: month for month in range(12)}),
        slot_scales={"a": MONTH},
        computed=False,
    ),
    Relation(
        name="month of an ordinal",
        group="ordinal",
        answers=MONTH,
        wordings=(
            "the {a} month is {answer}.",
            "month number {a} is {answer}.",
            "{a} in the year is {answer}.",
            "{name} calls the {a} month {answer}.",
            "the {a} place in the year is taken by {answer}.",
            "whoever is born in the {a} month is born in {answer}.",
        ),
        combinations=looked_up(ORDINAL, MONTH, {month: month for month in range(12)}),
        slot_scales={"a": ORDINAL},
        computed=False,
    ),
    Relation(
        name="ordinal of a weekday",
        group="ordinal",
        answers=ORDINAL,
        wordings=(
            "{a} is the {answer} day.",
            "{a} is day number {answer}.",
            "in the week {a} comes {answer}.",
            "{name} counts {a} as the {answer} day.",
            "the place of {a} in the week is {answer}.",
            "born on {a}, {name} came on the {answer} day.",
        ),
        combinations=looked_up(WEEKDAY, ORDINAL, {day: day for day in range(7)}),
        slot_scales={"a": WEEKDAY},
        computed=False,
        weight=0.6,
    ),
    Relation(
        name="weekday of an ordinal",
        group="ordinal",
        answers=WEEKDAY,
        wordings=(
            "the {a} day is {answer}.",
            "day number {a} is {answer}.",
            "{a} in the week is {answer}.",
            "{name} calls the {a} day {answer}.",
            "the {a} place in the week is taken by {answer}.",
            "whoever is born on the {a} day is born on {answer}.",
        ),
        combinations=looked_up(ORDINAL, WEEKDAY, {day: day for day in range(7)}),
        slot_scales={"a": ORDINAL},
        computed=False,
        weight=0.6,
    ),
)

RELATIONS = (
    *counting_relations(WEEKDAYS),
    *counting_relations(MONTHS),
    *counting_relations(HOURS),
    *counting_relations(SEASONS),
    SEASONS_AHEAD,
    *run_relations(WEEKDAY, "the days"),
    *run_relations(MONTH, "the months"),
    *run_relations(HOUR, "the hours"),
    *run_relations(SEASON, "the seasons"),
    *TABLES,
)
