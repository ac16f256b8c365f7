"""The message of `GET /v1/subject`: what a host holds and what it allows. No torch."""

from typing import Annotated

from pydantic import Field

from explorer.config import SteeringLimits
from explorer.records import Hook
from explorer.steering.protocol.wire import Arm, Count, Kind, Wire


class ServedRun(Wire):
    """One run that a host can steer."""

    id: str
    """Name that requests use."""
    clusters: Count
    """How many clusters it has, numbered from 0."""


class SubjectReply(Wire):
    """What a host holds and what it allows: `GET /v1/subject`."""

    protocol_version: int
    """PROTOCOL_VERSION of the host."""
    app_version: str
    """Version of this project that the host runs."""
    fingerprint: str
    """Over model, vocabulary, SAE, layer and hook."""
    model: str
    """Id of the language model."""
    sae: str
    """Id of the sparse autoencoder."""
    layer: Count
    """Decoder block, from 0."""
    hook: Hook
    """Where in that block."""
    d_model: Count
    """Width of the residual stream."""
    device: str
    """Such as "cpu" or "cuda:0"."""
    dtype: str
    """Such as "float32"."""
    kind: Kind = "base"
    """Whether it takes messages."""
    batch_difference: Annotated[float, Field(ge=0.0)] | None = None
    """Largest difference of a row's logits in a batch and of the same row alone, and of a text's rows together with
    those of other texts and by themselves, as measured on this device and in this number format when the subject was
    opened; 0 is equal to the bit."""
    arms: tuple[Arm, ...]
    """Arms on offer."""
    limits: SteeringLimits
    """What one request may ask for."""
    runs: tuple[ServedRun, ...]
    """Runs on offer."""
