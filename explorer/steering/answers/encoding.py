"""Which clusters a text's tokens are in, by the run's own rule, and where on their curves they lie."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int32, Int64

from explorer.maths.steering.arms import Manifold, coordinates, nearest_on_curve
from explorer.records import CURVES, ClusterGeometry, ClusterSummary
from explorer.runs.run.reader import Run
from explorer.steering.engine.engine import Encoded, Engine
from explorer.steering.engine.prepared import usual_distance
from explorer.steering.protocol.features import EncodedToken, EncodeReply, EncodeRequest, FiredCluster, Firing
from explorer.steering.scheduler.cooperative import Turns

_KEPT_CURVES = 256


@dataclass(frozen=True)
class Curve:
    """A cluster's curve with the distance that is usual there."""

    manifold: Manifold
    """The curve in the cluster's subspace."""
    usual: float
    """Root mean square distance of the cluster's own tokens from it, in units of the residual."""


class TokenRule(NamedTuple):
    """Which tokens are a cluster's."""

    needed: int
    """How many features of its core must fire."""
    always: tuple[int, ...]
    """Which of them must."""

    def holds(self, fired: Sequence[int]) -> bool:
        """Whether a token on which these features of the core fire is the cluster's."""
        return len(fired) >= self.needed and set(self.always).issubset(fired)


@dataclass(frozen=True)
class Found:
    """One cluster that fires in a text."""

    cluster: int
    """Cluster number."""
    core: int
    """Features of its core."""
    rule: TokenRule
    """Which tokens are its own."""
    at: tuple[int, ...]
    """Tokens of the text that are its own."""
    features: tuple[tuple[int, ...], ...]
    """Features of its core that fire, for each of these tokens."""


class Encoder:
    """Answers `POST /v1/encode`; what it learns of clusters is kept."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rules: dict[tuple[str, int], TokenRule] = {}
        self._curves: dict[tuple[str, int], Curve | None] = {}

    def encoding(self, request: EncodeRequest) -> Turns[EncodeReply]:
        """For each token of a text the clusters that fire there, from one forward pass over the text; a cluster a turn.

        The first time that a cluster with a curve fires, the model also reads some of its stored contexts, to learn
        which distance from the curve is usual.

        Raises:
            RequestError: the text is empty, or longer than the limits or the model allow.
            Refusal: another subject or run, or activations that are not finite.
        """
        run = self._engine.served(request.run, request.fingerprint)
        encoded = self._engine.encode(request.text)
        fired = core_firing(encoded.features, cluster_of(run))
        found = [one for cluster in sorted(fired) if (one := self._found(run, cluster, fired[cluster])).at]
        placed: list[list[Firing]] = [[] for _ in encoded.texts]
        for one in found:
            yield
            for token, firing in zip(one.at, self._firings(run, one, encoded), strict=True):
                placed[token].append(firing)
        return EncodeReply(
            fingerprint=self._engine.subject.fingerprint,
            run=run.id,
            tokens=tuple(
                EncodedToken(text=text, special=special, firing=tuple(here))
                for text, special, here in zip(encoded.texts, encoded.special, placed, strict=True)
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
        """Numbers of the tokens on which a cluster fires, by the run's own rule.

        Args:
            run: the run.
            cluster: cluster number.
            features: for each token the features that fire on it.
        """
        fired = core_firing(features, cluster_of(run)).get(cluster, {})
        return frozenset(self._found(run, cluster, fired).at)

    def _found(self, run: Run, cluster: int, fired: dict[int, list[int]]) -> Found:
        key = (run.id, cluster)
        if key not in self._rules:
            self._rules[key] = token_rule(run.cluster(cluster), run.manifest.settings.halo.core_share)
        rule = self._rules[key]
        at = tuple(token for token in sorted(fired) if rule.holds(fired[token]))
        core = len(run.summary(cluster).features)
        return Found(cluster, core, rule, at, tuple(tuple(sorted(fired[token])) for token in at))

    def _firings(self, run: Run, one: Found, encoded: Encoded) -> Iterator[Firing]:
        places = self._places(run, one.cluster, encoded.residual[list(one.at)])
        for features, (coordinate, off) in zip(one.features, places, strict=True):
            yield Firing(cluster=one.cluster, features=features, coordinate=coordinate, off_manifold=off)

    def _places(
        self, run: Run, cluster: int, residual: Float[np.ndarray, "token d_model"]
    ) -> list[tuple[float, float] | tuple[None, None]]:
        """Coordinate and distance in usual distances of each state; neither where the cluster has no curve."""
        curve = self._curve(run, cluster)
        if curve is None:
            return [(None, None)] * len(residual)
        nearest = nearest_on_curve(curve.manifold, coordinates(curve.manifold, residual))
        off = nearest.distance / curve.usual
        return list(zip(nearest.coordinate.tolist(), off.tolist(), strict=True))

    def _curve(self, run: Run, cluster: int) -> Curve | None:
        key = (run.id, cluster)
        if key not in self._curves:
            if len(self._curves) >= _KEPT_CURVES:
                self._curves.pop(next(iter(self._curves)))
            self._curves[key] = self._learn(run.summary(cluster), run, cluster)
        return self._curves[key]

    def _learn(self, summary: ClusterSummary, run: Run, cluster: int) -> Curve | None:
        if summary.shape not in CURVES:
            return None
        geometry = run.cluster(cluster)
        manifold = Manifold.of(geometry, closed=summary.shape == "closed curve")
        return Curve(manifold, usual_distance(manifold, geometry, self._engine.bos, self._engine.read_states))


def cluster_of(run: Run) -> Int32[np.ndarray, "feature"]:
    """The cluster in whose core each feature is; -1 where it is in none."""
    found = np.full(run.manifest.n_features, -1, np.int32)
    for one in run.manifest.clusters:
        found[list(one.features)] = one.id
    return found


def core_firing(
    features: Sequence[Int64[np.ndarray, "fires"]], cluster: Int32[np.ndarray, "feature"]
) -> dict[int, dict[int, list[int]]]:
    """Core features that fire, by cluster and by token.

    Args:
        features: for each token of a text the features that fire on it.
        cluster: the cluster in whose core each feature is; -1 where it is in none.
    """
    found: dict[int, dict[int, list[int]]] = {}
    for token, fires in enumerate(features):
        for feature in fires[cluster[fires] >= 0].tolist():
            found.setdefault(int(cluster[feature]), {}).setdefault(token, []).append(feature)
    return found


def token_rule(geometry: ClusterGeometry, share: float) -> TokenRule:
    """Which tokens are a cluster's, as the build chose them.

    The share that the run's settings name; or fewer where the build asked for fewer, since tiles that hardly overlap
    never fire together, or took the tokens of the core's most central feature. Then the tokens that the run draws of
    the cluster show with how many it was content, and which features are on all of them.
    """
    fires = geometry.codes[:, : geometry.n_core] > 0
    named = int(np.ceil(share * geometry.n_core))
    fewest = int(fires.sum(axis=1).min(initial=named))
    if fewest == named:
        return TokenRule(named, ())
    always = geometry.atoms[: geometry.n_core][fires.all(axis=0)]
    return TokenRule(max(1, fewest), tuple(always.tolist()))
