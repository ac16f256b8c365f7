"""The message of `GET /v1/subject`: what a host holds and what it allows. No torch."""

from typing import Annotated

from pydantic import Field

from explorer.config import SteeringLimits
from explorer.records.subject import Hook
from explorer.steering.protocol.wire import Arm, Count, Kind, Wire


class ServedRun(Wire):
    """A run that the host serves."""

    id: str
    """Run id, as requests use it."""
    clusters: Count
    """Number of clusters; they are numbered from 0."""


class SubjectReply(Wire):
    """Reply of `GET /v1/subject`: model, SAE and runs of a host, and its limits."""

    protocol_version: int
    """Version of the protocol that the host speaks."""
    app_version: str
    """Version of Manifold Explorer that the host runs."""
    fingerprint: str
    """Hash over model, vocabulary, SAE, layer and hook."""
    model: str
    """Id of the language model."""
    sae: str
    """Id of the sparse autoencoder."""
    layer: Count
    """BatchedGenerator block, from 0."""
    hook: Hook
    """Hook point in that block."""
    d_model: Count
    """Width of the residual stream."""
    device: str
    """Torch device, such as "cpu" or "cuda:0"."""
    dtype: str
    """Number format, such as "float32"."""
    kind: Kind = "base"
    """Whether the model continues text or answers messages."""
    batch_difference: Annotated[float, Field(ge=0.0)] | None = None
    """Largest difference between a row's logits in a batch and alone, and between a text's logits in a batch with other
    texts and without them; measured on this device and in this number format when the host started. 0 means bitwise
    equality."""
    arms: tuple[Arm, ...]
    """Available arms."""
    limits: SteeringLimits
    """Bounds of one request."""
    runs: tuple[ServedRun, ...]
    """Available runs."""
