"""Options that several commands share, and how their errors name them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from explorer.errors import InputError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output.")]
Model = Annotated[str, typer.Option(help="Hugging Face folder or id of a causal language model.")]
Text = Annotated[str, typer.Option(help=".txt (blank line between documents), .jsonl, .json, or a dataset id.")]
Layer = Annotated[int, typer.Option(min=0, help="Decoder block, from 0.")]
HookPoint = Annotated[str, typer.Option(help="resid_pre, resid_post, attn_out or mlp_out of that block.")]
Device = Annotated[str, typer.Option(help="Such as cpu or cuda.")]
Cluster = Annotated[int, typer.Option(min=0, help="Cluster number.")]


@contextmanager
def named_by_option() -> Iterator[None]:
    """Report a value that a settings record refuses under the option that it came from."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        option = "--" + "-".join(part for part in first["loc"] if isinstance(part, str)).replace("_", "-")
        wanted = first["msg"].removeprefix("Input should be ")
        raise InputError(option, repr(first["input"]), wanted) from fault
