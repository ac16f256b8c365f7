"""The limits that a host is started with, as they are typed on the command line."""

from collections.abc import Sequence

from pydantic import ValidationError

from explorer.config import SteeringLimits
from explorer.errors import RequestError


def read_limits(told: Sequence[str]) -> SteeringLimits:
    """The usual limits but for those that are told, each as NAME=VALUE.

    Raises:
        RequestError: no such limit, one twice, or a value out of its range.
    """
    given: dict[str, str] = {}
    for one in told:
        name, equals, value = one.partition("=")
        if not equals or name in given or name not in SteeringLimits.model_fields:
            wanted = f"NAME=VALUE, each name once: {', '.join(SteeringLimits.model_fields)}"
            raise RequestError("--limit", repr(one), wanted)
        given[name] = value
    try:
        return SteeringLimits.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(f"--limit {first['loc'][0]}", repr(first["input"]), str(first["msg"])) from error
