"""The messages of `POST /v1/feature`: one feature, and which next tokens its direction speaks for. No torch."""

from typing import Annotated

from pydantic import Field

from explorer.steering.protocol.protocol import Count, Wire

TOP = 10
"""Tokens that are told where a request does not say."""
MOST = 100
"""Tokens that one request may ask for."""


class FeatureRequest(Wire):
    """Ask what one feature does to the next token by itself."""

    run: str = Field(min_length=1, max_length=200)
    """Which of the host's runs: an id from ``SubjectReply.runs``."""
    fingerprint: str = Field(min_length=1, max_length=200)
    """The subject that the asker's copy of the run names; another one is refused."""
    feature: Count
    """Feature number."""
    top: Annotated[int, Field(ge=1, le=MOST)] = TOP
    """How many tokens at each end."""


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
