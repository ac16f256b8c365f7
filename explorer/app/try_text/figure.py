"""A text that was tried: its tokens, and the clusters that fire on each, which light up on the map. In words."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from explorer.app.figures.colors import GREY, cluster_turns, position_colors
from explorer.app.figures.strips import nearest_value
from explorer.app.site.cluster_filters import likeness
from explorer.app.ui.format import counted, feature_name, number, visible
from explorer.records import ClusterGeometry, ClusterSummary
from explorer.runs.run.label_file import LabelTable
from explorer.runs.run.reader import Run
from explorer.steering.protocol.features import EncodedToken, EncodeReply, Firing

FAR = 2.0
"""In usual distances: from here on a place on the curve says little, and its marker is hollow."""
SHOWN_FEATURES = 8
"""Features that a line names; more are counted."""


@dataclass(frozen=True)
class TextFiring:
    """One cluster at one token, as the page shows it."""

    cluster: int
    """Cluster number."""
    label: str
    """Its name."""
    place: str
    """Where on the curve the token lies, in words; "" where the shape has no curve."""
    features: str
    """Which core features fire, in words; each that has a label with the first of them."""
    coordinate: float | None
    """Intrinsic coordinate; None where the shape has no curve."""
    far: bool
    """Whether the token lies FAR from the curve."""
    color: str
    """Colour of the place; grey where there is none."""
    hue: str
    """Colour of the cluster on the map."""


@dataclass(frozen=True)
class TextToken:
    """One token, as the page shows it."""

    text: str
    """Its text, white space made visible."""
    special: bool
    """Whether the tokenizer added it."""
    firing: tuple[TextFiring, ...]
    """Clusters that fire here: those with a curve first, the most manifold-like first."""


@dataclass(frozen=True)
class TextView:
    """Everything that the page draws of a text."""

    run: str
    """Id of the run."""
    text: str
    """The text as it was asked."""
    summary: str
    """How many clusters fire, in words."""
    tokens: tuple[TextToken, ...]
    """The text, token by token."""
    counts: dict[str, int]
    """On how many tokens each cluster fires, by its number; keys are text, as in JSON."""


def text_view(run: Run, text: str, reply: EncodeReply) -> TextView:
    """Turn a host's reply into what the page draws.

    Raises:
        RunError: the reply names a cluster that the run does not have.
    """
    summaries = {one.cluster: run.summary(one.cluster) for one in reply.clusters}
    geometries = {number: run.cluster(number) for number in summaries}
    token = _token_of(summaries, geometries, run.labels())
    return TextView(
        run=run.id,
        text=text,
        summary=_summary(len(reply.clusters)),
        tokens=tuple(token(one) for one in reply.tokens),
        counts={str(one.cluster): one.tokens for one in reply.clusters},
    )


def _summary(count: int) -> str:
    if not count:
        return "No cluster fires on this text."
    return f"{counted(count, 'cluster')} {'fires' if count == 1 else 'fire'} on this text."


def _token_of(
    summaries: dict[int, ClusterSummary], geometries: dict[int, ClusterGeometry], labels: LabelTable
) -> Callable[[EncodedToken], TextToken]:
    def token(one: EncodedToken) -> TextToken:
        order = sorted(one.firing, key=lambda f: (f.coordinate is None, -likeness(summaries[f.cluster]), f.cluster))
        firing = tuple(_firing(summaries[f.cluster], geometries[f.cluster], labels, f) for f in order)
        return TextToken(visible(one.text).strip() or "…", one.special, firing)

    return token


def _firing(summary: ClusterSummary, geometry: ClusterGeometry, labels: LabelTable, firing: Firing) -> TextFiring:
    closed, at = summary.shape == "closed curve", firing.coordinate
    return TextFiring(
        cluster=summary.id,
        label=summary.label,
        place="" if at is None else _place(summary, geometry, at, firing.off_manifold or 0.0),
        features=_features(firing.features, len(summary.features), labels),
        coordinate=at,
        far=firing.off_manifold is not None and firing.off_manifold >= FAR,
        color=GREY if at is None else position_colors(closed, np.array([at]))[0],
        hue=position_colors(True, cluster_turns(np.array([float(summary.id)])))[0],
    )


def _place(summary: ClusterSummary, geometry: ClusterGeometry, at: float, off: float) -> str:
    near = f"near {nearest_value(summary, geometry, at)}" if summary.order else f"at {at:.2f}"
    away = f"{number(round(off, 1))} times the usual distance from the curve"
    return f"{near}, {away}{', too far to say much' if off >= FAR else ''}"


def _features(fires: tuple[int, ...], core: int, labels: LabelTable) -> str:
    named = ", ".join(feature_name(one, labels.of(one)) for one in fires[:SHOWN_FEATURES])
    more = " …" if len(fires) > SHOWN_FEATURES else ""
    return f"{len(fires)} of {counted(core, 'core feature')}: {named}{more}"
