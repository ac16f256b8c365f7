"""The base of every message of the steering protocol, and the types that several messages share. No torch.

Messages are plain data: frozen, unknown keys refused, every number finite and in range. Numbers are strict: "1" is not
a number. What the types cannot express (the cluster exists, the prompt is short enough) the host checks; it answers 422
and names the field.
"""

from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

VIEWER_HEADER = "x-explorer-viewer"
"""Header that names the end user where one client serves several: the host's fair queue treats each as a client of its
own. Any short text."""
PROTOCOL_VERSION = 1
"""Incremented when a request or reply changes its meaning."""
Arm: TypeAlias = Literal["manifold", "linear", "chord", "random", "shuffled", "flipped"]
"""A way of steering: along the curve; straight in the whole residual; straight inside the subspace; a random direction
of equal norm; the curve's points in shuffled order; the manifold arm's displacement with its sign flipped."""
Row: TypeAlias = Literal["baseline", "manifold", "linear", "chord", "random", "shuffled", "flipped"]
"""One row of generated text: an arm, or the unsteered model."""
Where: TypeAlias = Literal["last_prompt", "all_prompt", "generated"]
"""Steered tokens: the last prompt token; every prompt token; or the last prompt token and every generated one."""
Kind: TypeAlias = Literal["base", "instruct"]
"""A model that continues text, or one that answers messages: its tokenizer has a chat template."""
Finish: TypeAlias = Literal["length", "end", "stopped"]
"""The token limit was reached, the model ended the text, or the client stopped it."""
Finite: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(strict=True, ge=0.0, le=1.0)]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=0)]
PathEnd: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)] | Share
"""A place on the curve: a value's name, or an intrinsic coordinate in [0, 1]."""
Strength: TypeAlias = Annotated[float, Field(strict=True, ge=-100.0, le=100.0)]
"""Multiple of a whole move."""
Distance: TypeAlias = Annotated[float, Field(ge=0.0)]
"""Distance from the curve, in units of the cluster's own spread around it; 1 is usual."""
ARMS: tuple[Arm, ...] = ("manifold", "linear", "chord", "random", "shuffled", "flipped")
DEFAULT_ARMS: tuple[Arm, ...] = ("manifold", "linear", "chord")


class Wire(BaseModel):
    """A message or a part of one: frozen, without unknown keys and NaN.

    The docstring under a field is its description in the OpenAPI document.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


Reply = TypeVar("Reply", bound=Wire)


class Request(Wire, Generic[Reply]):
    """A message that is answered by one ``Reply``: the type parameter lets a type checker derive the reply from the
    request, and is no part of the schema."""
