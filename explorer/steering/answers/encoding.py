"""`POST /v1/encode`: the clusters that fire on each token of a text, and their positions on the clusters' curves.

The same rule decides which tokens of generated text belong to a cluster.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int32, Int64

from explorer.maths.steering.arms import SteeringManifold, coordinates, nearest_on_curve
from explorer.records.cluster import CURVES, ClusterGeometry, ClusterSummary
from explorer.runs.run.reader import Run
from explorer.steering.engine.engine import Engine
from explorer.steering.engine.prepared import usual_distance
from explorer.steering.protocol.features import EncodedToken, EncodeReply, EncodeRequest, FiredCluster, Firing
from explorer.steering.scheduler.cooperative import Cooperative

_CACHED_CURVES = 256


@dataclass(frozen=True)
class UsualCurve:
    """A cluster's curve with the usual distance of its tokens."""

    manifold: SteeringManifold
    usual: float
    """Root mean square distance of the cluster's own tokens, in units of the residual."""


class TokenRule(NamedTuple):
    """Which tokens belong to a cluster."""

    needed: int
    """How many features of its core must fire."""
    always: tuple[int, ...]
    """Features of its core that must be among them."""

    def holds(self, fired: Sequence[int]) -> bool:
        """Whether a token belongs to the cluster, given the features of its core that fire there."""
        return len(fired) >= self.needed and set(self.always).issubset(fired)


@dataclass(frozen=True)
class ClusterFirings:
    """One cluster that fires in a text."""

    cluster: int
    core: int
    """Number of features of its core."""
    rule: TokenRule
    at: tuple[int, ...]
    """Tokens of the text that belong to it."""
    features: tuple[tuple[int, ...], ...]
    """Features of its core that fire on each of these tokens, ascending."""


class Encoder:
    """The handler of `POST /v1/encode`; caches each cluster's token rule and curve."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rules: dict[tuple[str, int], TokenRule] = {}
        self._curves: dict[tuple[str, int], UsualCurve | None] = {}

    def encode(self, request: EncodeRequest) -> Cooperative[EncodeReply]:
        """The clusters that fire on each token, from one forward pass over the text; one cluster at a time.

        The first time that a cluster with a curve fires, the model also reads some of its stored contexts, which give
        the usual distance from the curve.

        Raises:
            RequestError: the text is empty, or longer than the limits or the model allow.
            Refusal: another subject or run, or activations that are not finite.
        """
        run = self._engine.served(request.run, request.fingerprint)
        tokenizer = self._engine.tokenizer
        ids = tokenizer.text_ids("text", request.text)
        read = self._engine.model.read_text(ids)
        special = [token in tokenizer.special for token in ids]
        features = [np.empty(0, np.int64) if skip else one for skip, one in zip(special, read.features, strict=True)]
        fired = core_firing(features, cluster_of(run))
        found = [one for cluster in sorted(fired) if (one := self._firings(run, cluster, fired[cluster])).at]
        placed: list[list[Firing]] = [[] for _ in ids]
        for one in found:
            yield
            for token, firing in zip(one.at, self._placed(run, one, read.residual[list(one.at)]), strict=True):
                placed[token].append(firing)
        return EncodeReply(
            fingerprint=self._engine.subject.fingerprint,
            run=run.id,
            tokens=tuple(
                EncodedToken(text=text, special=skipped, firing=tuple(here))
                for text, skipped, here in zip(tokenizer.token_texts(ids), special, placed, strict=True)
            ),
            clusters=tuple(
                FiredCluster(
                    cluster=one.cluster,
                    core=one.core,
                    needed=one.rule.needed,
                    always=one.rule.always,
                    tokens=len(one.at),
                )
                for one in found
            ),
        )

    def own_tokens(self, run: Run, cluster: int, features: Sequence[Int64[np.ndarray, "fires"]]) -> frozenset[int]:
        """Numbers of the tokens that belong to a cluster, by the run's own rule.

        Args:
            run: the run.
            cluster: cluster number.
            features: features that fire on each token.
        """
        fired = core_firing(features, cluster_of(run)).get(cluster, {})
        return frozenset(self._firings(run, cluster, fired).at)

    def _firings(self, run: Run, cluster: int, fired: dict[int, list[int]]) -> ClusterFirings:
        key = (run.id, cluster)
        if key not in self._rules:
            self._rules[key] = token_rule(run.cluster(cluster), run.manifest.settings.halo.core_share)
        rule = self._rules[key]
        at = tuple(token for token in sorted(fired) if rule.holds(fired[token]))
        core = len(run.summary(cluster).features)
        return ClusterFirings(cluster, core, rule, at, tuple(tuple(sorted(fired[token])) for token in at))

    def _placed(self, run: Run, one: ClusterFirings, residual: Float[np.ndarray, "token d_model"]) -> Iterator[Firing]:
        positions = self._positions(run, one.cluster, residual)
        for features, (coordinate, off) in zip(one.features, positions, strict=True):
            yield Firing(cluster=one.cluster, features=features, coordinate=coordinate, off_manifold=off)

    def _positions(
        self, run: Run, cluster: int, residual: Float[np.ndarray, "token d_model"]
    ) -> list[tuple[float, float] | tuple[None, None]]:
        """Coordinate of each state, and its distance in usual distances; None where the cluster has no curve."""
        curve = self._curve(run, cluster)
        if curve is None:
            return [(None, None)] * len(residual)
        nearest = nearest_on_curve(curve.manifold, coordinates(curve.manifold, residual))
        off = nearest.distance / curve.usual
        return list(zip(nearest.coordinate.tolist(), off.tolist(), strict=True))

    def _curve(self, run: Run, cluster: int) -> UsualCurve | None:
        key = (run.id, cluster)
        if key not in self._curves:
            if len(self._curves) >= _CACHED_CURVES:
                self._curves.pop(next(iter(self._curves)))
            self._curves[key] = self._measure_curve(run.summary(cluster), run, cluster)
        return self._curves[key]

    def _measure_curve(self, summary: ClusterSummary, run: Run, cluster: int) -> UsualCurve | None:
        if summary.shape not in CURVES:
            return None
        geometry = run.cluster(cluster)
        manifold = SteeringManifold.of(geometry, closed=summary.shape == "closed curve")
        bos, read_states = self._engine.tokenizer.bos, self._engine.model.read_states
        return UsualCurve(manifold, usual_distance(manifold, geometry, bos, read_states))


def cluster_of(run: Run) -> Int32[np.ndarray, "feature"]:
    """The cluster whose core contains each feature; -1 where there is none."""
    owner = np.full(run.manifest.n_features, -1, np.int32)
    for one in run.manifest.clusters:
        owner[list(one.features)] = one.id
    return owner


def core_firing(
    features: Sequence[Int64[np.ndarray, "fires"]], cluster: Int32[np.ndarray, "feature"]
) -> dict[int, dict[int, list[int]]]:
    """Core features that fire, by cluster and by token.

    Args:
        features: features that fire on each token.
        cluster: the cluster whose core contains each feature; -1 where there is none.
    """
    fired: dict[int, dict[int, list[int]]] = {}
    for token, fires in enumerate(features):
        for feature in fires[cluster[fires] >= 0].tolist():
            fired.setdefault(int(cluster[feature]), {}).setdefault(token, []).append(feature)
    return fired


def token_rule(geometry: ClusterGeometry, share: float) -> TokenRule:
    """Which tokens belong to a cluster, as the build chose them.

    The build requires the share of core features that the run's settings name. Where tiles hardly overlap it accepts
    fewer, or takes the tokens of the core's most central feature; the run's sample of the cluster's tokens then shows
    how many sufficed, and which features fire on all of them.
    """
    fires = geometry.codes[:, : geometry.n_core] > 0
    named = int(np.ceil(share * geometry.n_core))
    fewest = int(fires.sum(axis=1).min(initial=named))
    if fewest == named:
        return TokenRule(named, ())
    always = geometry.atoms[: geometry.n_core][fires.all(axis=0)]
    return TokenRule(max(1, fewest), tuple(always.tolist()))
