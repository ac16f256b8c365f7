"""Real cities with their latitude and longitude (degrees, rounded to 0.1), and relations between them."""

import math
from dataclasses import dataclass

from explorer.demo.corpus.relations import Combination, Relation
from explorer.demo.corpus.scales import COMPASS, Scale

COORDINATES: dict[str, tuple[float, float]] = {
    "Lisbon": (38.7, -9.1),
    "Madrid": (40.4, -3.7),
    "Barcelona": (41.4, 2.2),
    "Dublin": (53.3, -6.3),
    "Edinburgh": (56.0, -3.2),
    "London": (51.5, -0.1),
    "Paris": (48.9, 2.4),
    "Lyon": (45.8, 4.8),
    "Brussels": (50.8, 4.4),
    "Amsterdam": (52.4, 4.9),
    "Zurich": (47.4, 8.5),
    "Milan": (45.5, 9.2),
    "Rome": (41.9, 12.5),
    "Naples": (40.8, 14.3),
    "Palermo": (38.1, 13.4),
    "Munich": (48.1, 11.6),
    "Hamburg": (53.6, 10.0),
    "Berlin": (52.5, 13.4),
    "Copenhagen": (55.7, 12.6),
    "Oslo": (59.9, 10.8),
    "Stockholm": (59.3, 18.1),
    "Helsinki": (60.2, 24.9),
    "Riga": (56.9, 24.1),
    "Warsaw": (52.2, 21.0),
    "Prague": (50.1, 14.4),
    "Vienna": (48.2, 16.4),
    "Budapest": (47.5, 19.0),
    "Belgrade": (44.8, 20.5),
    "Sofia": (42.7, 23.3),
    "Athens": (38.0, 23.7),
    "Istanbul": (41.0, 29.0),
    "Bucharest": (44.4, 26.1),
    "Kyiv": (50.5, 30.5),
    "Moscow": (55.8, 37.6),
}

CARDINALS = ("north", "east", "south", "west")
CLEAR_DEGREES = 32.0
"""Maximum deviation of a bearing from a cardinal direction, in degrees, for that direction to be stated."""

CLEAR_MARGIN = 2.5
"""Minimum lead, in degrees of latitude or the same distance east or west, for a city to count as further."""

NEIGHBOURHOOD_KM = 350.0
"""Kilometres that count as one place of distance in the soft relations."""

KM_PER_DEGREE = 111.2
MIDDLE_LATITUDE = 48.0
"""Reference latitude for the length of a degree of longitude, in degrees."""


def offset_km(first: str, second: str) -> tuple[float, float]:
    """Kilometres east and north from the first city to the second (equirectangular projection)."""
    (lat1, lon1), (lat2, lon2) = COORDINATES[first], COORDINATES[second]
    shrink = math.cos(math.radians(MIDDLE_LATITUDE))
    return (lon2 - lon1) * shrink * KM_PER_DEGREE, (lat2 - lat1) * KM_PER_DEGREE


def cardinal(first: str, second: str) -> str | None:
    """Cardinal direction from the first city to the second, or None if it is not clearly one of the four."""
    east, north = offset_km(first, second)
    bearing = math.degrees(math.atan2(east, north)) % 360
    nearest = round(bearing / 90) * 90
    return CARDINALS[nearest // 90 % 4] if abs(bearing - nearest) <= CLEAR_DEGREES else None


@dataclass(frozen=True)
class CityScale(Scale):
    """Scale of cities, with geographical distance."""

    def distance(self, first: int, second: int) -> float:
        """Distance on the map, in units of `NEIGHBOURHOOD_KM`."""
        return math.hypot(*offset_km(self.values[first], self.values[second])) / NEIGHBOURHOOD_KM


CITY = CityScale("city", tuple(COORDINATES), tuple(float(i) for i in range(len(COORDINATES))))


def _pairs() -> tuple[tuple[str, str], ...]:
    return tuple((a, b) for a in COORDINATES for b in COORDINATES if a != b)


def _bearings() -> tuple[Combination, ...]:
    found = []
    for a, b in _pairs():
        direction = cardinal(a, b)
        if direction is not None:
            answer = COMPASS.values.index(direction)
            found.append(Combination({"a": a, "b": b}, answer, f"bearing {a} {b}"))
    return tuple(found)


def _further() -> tuple[Combination, ...]:
    found = []
    for a, b in _pairs():
        east, north = (km / KM_PER_DEGREE for km in offset_km(a, b))
        for direction, lead in (("north", north), ("south", -north), ("east", east), ("west", -east)):
            if abs(lead) >= CLEAR_MARGIN:
                winner = b if lead > 0 else a
                slots = {"a": a, "b": b, "way": direction}
                found.append(Combination(slots, CITY.values.index(winner), f"further {direction} {a} {b}"))
    return tuple(found)


def _remarks() -> tuple[Combination, ...]:
    pairs = ((a, b, cardinal(b, a)) for a, b in _pairs())
    return tuple(
        Combination({"a": a, "way": way}, CITY.values.index(b), f"remark {a} {b}") for a, b, way in pairs if way
    )


RELATIONS = (
    Relation(
        name="bearing of a city",
        group="city",
        answers=COMPASS,
        wordings=(
            "from {a}, {b} lies to the {answer}.",
            "seen from {a}, {b} is in the {answer}.",
            "a plane from {a} to {b} flies {answer}.",
            "from {a} to {b} the road runs {answer}.",
            "{name} leaves {a} for {b} and travels {answer}.",
        ),
        combinations=_bearings(),
        slot_scales={"a": CITY, "b": CITY},
        weight=1.0,
    ),
    Relation(
        name="the city further on",
        group="city",
        answers=CITY,
        wordings=(
            "of {a} and {b} the one further {way} is {answer}.",
            "between {a} and {b}, the city further {way} is {answer}.",
            "further {way} of the two, {a} and {b}, is {answer}.",
            "{name} compares {a} and {b}, and further {way} lies {answer}.",
        ),
        combinations=_further(),
        slot_scales={"a": CITY, "b": CITY, "way": COMPASS},
        weight=1.0,
    ),
    Relation(
        name="around a city",
        group="city",
        answers=CITY,
        wordings=(
            "a storm over {a} is felt around {answer}, perhaps {second}.",
            "{name} lives not far from {a}, near {answer}.",
            "a short flight from {a} lands near {answer} or {second}.",
            "the radio of {a} is heard around {answer}.",
            "a {thing} lost in {a} was found near {answer}.",
        ),
        combinations=tuple(Combination({"a": city}, i, f"around {city}") for i, city in enumerate(CITY.values)),
        slot_scales={"a": CITY},
        spread=0.7,
        computed=False,
        weight=0.8,
    ),
    Relation(
        name="remark on two cities",
        group="city",
        answers=CITY,
        wordings=("{a} lies {way} of {answer}.", "{a} is further {way} than {answer}."),
        combinations=_remarks(),
        slot_scales={"a": CITY, "way": COMPASS},
        computed=False,
        scored=False,
        weight=0.3,
    ),
)
