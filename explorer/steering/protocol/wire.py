"""The vocabulary of the steering protocol: what every message is, and the types that several messages share. No torch.

Messages are plain data: frozen, unknown keys refused, every number finite and in range. Numbers are strict: "1" is not
a number. What the types cannot express (the cluster exists, the prompt is short enough) the host checks; it answers 422
and names the field.
"""

from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

VIEWER_HEADER = "x-explorer-viewer"
"""Header by which a client that asks for several people tells them apart: the host's places and turns are shared fairly
between them. Any short text."""
PROTOCOL_VERSION = 1
"""Raised when a request or reply changes its meaning."""
Arm: TypeAlias = Literal["manifold", "linear", "chord", "random", "shuffled", "flipped"]
"""A way to move: along the curve, straight in the whole residual, straight inside the subspace, an equal move in a
random direction, the curve's points in shuffled order, the manifold's move with its sign turned."""
Row: TypeAlias = Literal["baseline", "manifold", "linear", "chord", "random", "shuffled", "flipped"]
"""One column of generated text: an arm, or the model left alone."""
Where: TypeAlias = Literal["last_prompt", "all_prompt", "generated"]
"""At the last prompt token only, at every prompt token, or at the last one and at each token fed back after it."""
Kind: TypeAlias = Literal["base", "instruct"]
"""A model that goes on with text, or one that answers messages: its tokenizer has a chat template."""
Finish: TypeAlias = Literal["length", "end", "stopped"]
"""The limit was reached, the model ended its text, or somebody stopped it."""
Finite: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(strict=True, ge=0.0, le=1.0)]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=0)]
Place: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)] | Share
"""A value's name, or an intrinsic coordinate in [0, 1]."""
Strength: TypeAlias = Annotated[float, Field(strict=True, ge=-100.0, le=100.0)]
"""Multiple of a whole move."""
Distance: TypeAlias = Annotated[float, Field(ge=0.0)]
"""From the curve, in units of the cluster's own spread around it; 1 is usual."""
ARMS: tuple[Arm, ...] = ("manifold", "linear", "chord", "random", "shuffled", "flipped")
DEFAULT_ARMS: tuple[Arm, ...] = ("manifold", "linear", "chord")


class Wire(BaseModel):
    """Frozen data of the protocol; refuses keys that it does not know, and NaN. What stands under a field is its
    description in the OpenAPI document."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


Reply = TypeVar("Reply", bound=Wire)


class Request(Wire, Generic[Reply]):
    """A message that is answered by one ``Reply``: the type parameter lets a type checker derive the reply from the
    request, and is no part of the schema."""
