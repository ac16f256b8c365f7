"""Shared options, and errors that name the option."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from explorer.errors import InputError, RequestError

if TYPE_CHECKING:
    from explorer.config import SteeringLimits

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output.")]
Model = Annotated[str, typer.Option(help="Hugging Face folder or id of a causal language model.")]
Text = Annotated[str, typer.Option(help=".txt (blank line between documents), .jsonl, .json, or a dataset id.")]
Layer = Annotated[int, typer.Option(min=0, help="Decoder block, from 0.")]
HookPoint = Annotated[str, typer.Option(help="resid_pre, resid_post, attn_out or mlp_out of that block.")]
Device = Annotated[str, typer.Option(help="Torch device, such as cpu or cuda.")]
Cluster = Annotated[int, typer.Option(min=0, help="Cluster number.")]


@contextmanager
def named_by_option() -> Iterator[None]:
    """Convert a settings ``ValidationError`` into an ``InputError`` that names the option."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        option = "--" + "-".join(part for part in first["loc"] if isinstance(part, str)).replace("_", "-")
        wanted = first["msg"].removeprefix("Input should be ")
        raise InputError(option, repr(first["input"]), wanted) from fault


def read_limits(options: Sequence[str]) -> "SteeringLimits":
    """The default limits, overridden by options of the form NAME=VALUE.

    Raises:
        RequestError: an unknown limit, one given twice, or a value out of range.
    """
    from pydantic import ValidationError

    from explorer.config import SteeringLimits

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
