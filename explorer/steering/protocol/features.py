"""The messages of `POST /v1/encode` (the clusters that fire on a text) and `POST /v1/feature` (the next tokens that one
feature promotes). No torch."""

from typing import Annotated

from pydantic import Field

from explorer.steering.protocol.wire import Count, Request, Share, Wire

DEFAULT_TOP = 10
"""Default number of tokens in a reply."""
MAX_TOP = 100
"""Largest number of tokens in a reply."""


class Firing(Wire):
    """One cluster on one token."""

    cluster: Count
    """Cluster number."""
    features: tuple[Count, ...] = Field(min_length=1)
    """Features of its core that fire on the token, ascending."""
    coordinate: Share | None
    """Intrinsic coordinate of the curve's nearest point to the token's state; None where the shape has no curve."""
    off_manifold: Annotated[float, Field(ge=0.0)] | None
    """Distance from the curve, in usual distances of the cluster's own tokens; None where the shape has no curve."""


class EncodedToken(Wire):
    """One token of the text."""

    text: str
    """Text, word-initial space included; empty where a character is incomplete."""
    special: bool
    """Whether the token is special, such as a beginning-of-text token. No cluster fires on special tokens: the geometry
    of a run excludes them."""
    firing: tuple[Firing, ...]
    """Clusters that fire on it, by number."""


class FiredCluster(Wire):
    """A cluster that fires on the text."""

    cluster: Count
    """Cluster number."""
    core: Annotated[int, Field(ge=1)]
    """Number of features in its core."""
    needed: Annotated[int, Field(ge=1)]
    """How many of them must fire for a token to belong to the cluster, by the run's own rule."""
    always: tuple[Count, ...] = ()
    """Features that must be among them."""
    tokens: Annotated[int, Field(ge=1)]
    """Number of tokens that belong to it."""


class EncodeReply(Wire):
    """Reply of `POST /v1/encode`."""

    fingerprint: str
    """Subject that produced the reply."""
    run: str
    """Run id."""
    tokens: tuple[EncodedToken, ...]
    """Tokens of the text, in order."""
    clusters: tuple[FiredCluster, ...]
    """Clusters that fire on it, by number."""


class EncodeRequest(Request[EncodeReply]):
    """Request of `POST /v1/encode`: find the clusters that fire on each token of a text."""

    run: str = Field(min_length=1, max_length=200)
    """Run id, from ``SubjectReply.runs``."""
    fingerprint: str = Field(min_length=1, max_length=200)
    """Subject named by the client's copy of the run; the host refuses a different one."""
    text: str = Field(min_length=1, max_length=20_000)
    """The text. The host's limit on prompt tokens applies as well."""


class TokenLogit(Wire):
    """One token of the vocabulary, with its logit."""

    text: str
    """Text, word-initial space included."""
    logit: float
    """What the feature's direction adds to the token's logit, minus the mean over the vocabulary."""


class FeatureReply(Wire):
    """Reply of `POST /v1/feature`."""

    fingerprint: str
    """Subject that produced the reply."""
    run: str
    """Run id."""
    feature: Count
    """Feature number."""
    promoted: tuple[TokenLogit, ...]
    """Tokens with the largest logits, descending."""
    suppressed: tuple[TokenLogit, ...]
    """Tokens with the smallest logits, ascending."""


class FeatureRequest(Request[FeatureReply]):
    """Request of `POST /v1/feature`: find the next tokens that a feature promotes and suppresses (logit lens)."""

    run: str = Field(min_length=1, max_length=200)
    """Run id, from ``SubjectReply.runs``."""
    fingerprint: str = Field(min_length=1, max_length=200)
    """Subject named by the client's copy of the run; the host refuses a different one."""
    feature: Count
    """Feature number."""
    top: Annotated[int, Field(ge=1, le=MAX_TOP)] = DEFAULT_TOP
    """Number of tokens at each end."""
