"""The messages of `POST /v1/encode` (the clusters that fire on a text) and `POST /v1/feature` (the next tokens that one
feature promotes). No torch."""

from typing import Annotated

from pydantic import Field

from explorer.steering.protocol.wire import Count, Request, Share, Wire

TOP = 10
"""Tokens that are told where a request does not say."""
MOST = 100
"""Tokens that one request may ask for."""


class Firing(Wire):
    """One cluster at one token."""

    cluster: Count
    """Cluster number."""
    features: tuple[Count, ...] = Field(min_length=1)
    """Features of its core that fire here, ascending."""
    coordinate: Share | None
    """Intrinsic coordinate of the curve's point nearest to the token's state; None where the shape has no curve."""
    off_manifold: Annotated[float, Field(ge=0.0)] | None
    """Distance from that point, in units of the usual distance of the cluster's own tokens; None likewise."""


class EncodedToken(Wire):
    """One token of the text as the model reads it."""

    text: str
    """Its text, word-initial space included; empty where a character is not complete yet."""
    special: bool
    """Whether the tokenizer added it, such as a beginning-of-text token. No cluster is told of such a token: the
    geometry of a run leaves them out."""
    firing: tuple[Firing, ...]
    """Clusters that fire here, by their number."""


class FiredCluster(Wire):
    """A cluster that fires somewhere in the text."""

    cluster: Count
    """Cluster number."""
    core: Annotated[int, Field(ge=1)]
    """Features of its core."""
    needed: Annotated[int, Field(ge=1)]
    """How many of them must fire on a token for it to be the cluster's: the run's own rule,"""
    always: tuple[Count, ...] = ()
    """and which of them, where it names some."""
    tokens: Annotated[int, Field(ge=1)]
    """On how many tokens of the text it fires."""


class EncodeReply(Wire):
    """Answer to EncodeRequest: `POST /v1/encode`."""

    fingerprint: str
    """Subject that answered."""
    run: str
    """Which run."""
    tokens: tuple[EncodedToken, ...]
    """The text, token by token."""
    clusters: tuple[FiredCluster, ...]
    """Clusters that fire somewhere in it, by their number."""


class EncodeRequest(Request[EncodeReply]):
    """Ask which clusters a text's tokens are in."""

    run: str = Field(min_length=1, max_length=200)
    """Which of the host's runs: an id from ``SubjectReply.runs``."""
    fingerprint: str = Field(min_length=1, max_length=200)
    """The subject that the asker's copy of the run names; another one is refused."""
    text: str = Field(min_length=1, max_length=20_000)
    """The text. The host's own limit on a prompt's tokens holds too."""


class TokenLogit(Wire):
    """One token of the vocabulary."""

    text: str
    """Its text, word-initial space included."""
    logit: float
    """What the direction adds to its logit, less the vocabulary's mean."""


class FeatureReply(Wire):
    """Answer to FeatureRequest: `POST /v1/feature`."""

    fingerprint: str
    """Subject that answered."""
    run: str
    """Which run."""
    feature: Count
    """Feature number."""
    promoted: tuple[TokenLogit, ...]
    """Tokens that it speaks for, strongest first."""
    suppressed: tuple[TokenLogit, ...]
    """Tokens that it speaks against, strongest first."""


class FeatureRequest(Request[FeatureReply]):
    """Ask what one feature does to the next token by itself."""

    run: str = Field(min_length=1, max_length=200)
    """Which of the host's runs: an id from ``SubjectReply.runs``."""
    fingerprint: str = Field(min_length=1, max_length=200)
    """The subject that the asker's copy of the run names; another one is refused."""
    feature: Count
    """Feature number."""
    top: Annotated[int, Field(ge=1, le=MOST)] = TOP
    """How many tokens at each end."""
