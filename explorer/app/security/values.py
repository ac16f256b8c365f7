"""Which values a callback can take: by the property that they come from, and by its function's own annotations."""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from explorer.app.security.bodies import Json

Accepts = Callable[[Json], bool]
"""Whether a value is of the right type."""
ADDRESS_PARTS = frozenset({"pathname", "search", "hash", "href"})


def _is_text(value: Json) -> bool:
    return value is None or isinstance(value, str)


def _is_count(value: Json) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and -1 <= value < 2**53)


def _is_choice(value: Json) -> bool:
    flat = value if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, (str, int, float)) for item in flat)


_PROPERTY_TYPES: Mapping[str, Accepts] = (
    dict.fromkeys(ADDRESS_PARTS, _is_text)
    | dict.fromkeys(("n_clicks", "n_submit", "n_blur", "n_intervals", "n_clicks_timestamp"), _is_count)
    | {"value": _is_choice}
)


def property_takes(name: str, value: Json) -> bool:
    """Whether a property of one of Dash's own components can hold this value; properties not listed hold anything."""
    accepts = _PROPERTY_TYPES.get(name)
    return accepts is None or accepts(value)


def anything(_value: Json) -> bool:
    """Takes every value."""
    return True


def parameter_checks(function: Callable[..., Any], properties: Sequence[str]) -> tuple[Accepts, ...]:
    """Checks for a callback's arguments in order, from its function's annotations.

    A component that is not filled in yet sends null, so null is always taken, except for a part of the address: that
    is null only where the annotation says so. Arguments without an annotation take anything.

    Args:
        function: the callback's own function.
        properties: property behind each argument.
    """
    hints = typing.get_type_hints(function)
    names = _argument_names(function, len(properties))
    return tuple(
        _check(hints[name], property_name) if name in hints else anything
        for name, property_name in zip(names, properties, strict=True)
    )


def _argument_names(function: Callable[..., Any], count: int) -> list[str]:
    names: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        many = parameter.kind is inspect.Parameter.VAR_POSITIONAL
        names += [parameter.name] * (count - len(names) if many else 1)
    return [*names, *[""] * count][:count]


def _check(annotation: Any, property_name: str) -> Accepts:
    adapter: TypeAdapter[object] = TypeAdapter(annotation)

    def accepts(value: Json) -> bool:
        if value is None and property_name not in ADDRESS_PARTS:
            return True
        try:
            adapter.validate_python(value, strict=True)
        except ValidationError:
            return False
        return True

    return accepts
