"""A callback's own annotations decide which values reach it."""

from typing import Any, Literal

import pytest

from explorer.app.security.values import parameter_checks, property_takes


def plain(word: str, number: float, flag: bool, choice: Literal["a", "b"], many: list[int | None]) -> None: ...


def nullable(path: str | None, *rest: str) -> None: ...


def loose(one, two: Any, three: object) -> None: ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize(
    ("place", "good", "bad"),
    [
        (0, ["", "x", None], [1, 1.5, True, [], {}, ["x"]]),
        (1, [1, 1.5, None], ["1", "", True, [], {}]),
        (2, [True, False, None], [0, 1, "true"]),
        (3, ["a", "b", None], ["c", 1, ["a"]]),
        (4, [[], [1, None], None], [["1"], "1", {}, [[1]]]),
    ],
)
def test_annotations_decide(place: int, good: list[Any], bad: list[Any]) -> None:
    accepts = parameter_checks(plain, ["value"] * 5)[place]
    assert all(accepts(value) for value in good)
    assert not any(accepts(value) for value in bad)


def test_a_part_of_the_address_is_null_only_where_it_may_be() -> None:
    first, second, third = parameter_checks(nullable, ["pathname", "search", "value"])
    assert first(None)
    assert not second(None)
    assert third(None)
    assert not third(3)


def test_what_is_not_annotated_takes_anything() -> None:
    assert all(accepts(value) for accepts in parameter_checks(loose, ["value"] * 3) for value in (1, "x", [], {}, None))


def test_a_function_with_fewer_arguments_than_the_browser_sends() -> None:
    assert len(parameter_checks(plain, ["value"] * 7)) == 7


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("n_clicks", [None, 0, 5, -1], ["1", 1.5, True, -2, 10**20, []]),
        ("pathname", [None, "/"], [1, [], {}]),
        ("value", [None, 1, "x", True, ["a", 1]], [{}, [{}], [[1]]]),
        ("data", [None, 1, {}, [[]]], []),
    ],
)
def test_properties_decide(name: str, good: list[Any], bad: list[Any]) -> None:
    assert all(property_takes(name, value) for value in good)
    assert not any(property_takes(name, value) for value in bad)
