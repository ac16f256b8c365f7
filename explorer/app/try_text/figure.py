"""View of a probed text: its tokens, and the clusters that fire on each of them."""

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
"""Off-manifold distance, in units of the usual distance, from which a position is unreliable: drawn hollow."""
SHOWN_FEATURES = 8
"""Features named in a line; the rest are counted."""


@dataclass(frozen=True)
class TextFiring:
    """One cluster at one token."""

    cluster: int
    label: str
    place: str
    """Position on the curve in words; "" if the shape has no curve."""
    features: str
    """Core features that fire, in words, with the first label of each."""
    coordinate: float | None
    """Intrinsic coordinate; None if the shape has no curve."""
    far: bool
    """Whether the token is at least FAR from the curve."""
    color: str
    """Colour of the position; grey if there is none."""
    hue: str
    """Colour of the cluster on the map."""


@dataclass(frozen=True)
class TextToken:
    """One token."""

    text: str
    """With white space made visible."""
    special: bool
    """Whether the tokenizer added it."""
    firing: tuple[TextFiring, ...]
    """Clusters that fire here: shapes with a curve first, by manifold-likeness."""


@dataclass(frozen=True)
class TextView:
    """Data of the panel."""

    run: str
    """Id of the run."""
    text: str
    """As requested."""
    summary: str
    """Number of clusters that fire, in words."""
    tokens: tuple[TextToken, ...]
    counts: dict[str, int]
    """Number of tokens on which each cluster fires, by cluster id (as text, for JSON)."""


def text_view(run: Run, text: str, reply: EncodeReply) -> TextView:
    """View of a host's reply.

    Raises:
        RunError: the reply names a cluster that does not exist in the run.
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
    distance = f"{number(round(off, 1))} times the usual distance from the curve"
    return f"{near}, {distance}{', too far to be reliable' if off >= FAR else ''}"


def _features(fires: tuple[int, ...], core: int, labels: LabelTable) -> str:
    named = ", ".join(feature_name(one, labels.of(one)) for one in fires[:SHOWN_FEATURES])
    more = " …" if len(fires) > SHOWN_FEATURES else ""
    return f"{len(fires)} of {counted(core, 'core feature')}: {named}{more}"
