"""Request limits of a host as command-line options."""

from collections.abc import Sequence

from pydantic import ValidationError

from explorer.config import SteeringLimits
from explorer.errors import RequestError


def read_limits(options: Sequence[str]) -> SteeringLimits:
    """The default limits, overridden by options of the form NAME=VALUE.

    Raises:
        RequestError: an unknown limit, one given twice, or a value out of range.
    """
    given: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or name in given or name not in SteeringLimits.model_fields:
            wanted = f"NAME=VALUE, each name once: {', '.join(SteeringLimits.model_fields)}"
            raise RequestError("--limit", repr(option), wanted)
        given[name] = value
    try:
        return SteeringLimits.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(f"--limit {first['loc'][0]}", repr(first["input"]), str(first["msg"])) from error
