"""Which clusters a text's tokens are in, by the run's own rule, and where on their curves they lie."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int32, Int64

from explorer.maths.steering import Manifold, coordinates, nearest_on_curve
from explorer.records import CURVES, ClusterGeometry, ClusterSummary
from explorer.runs.run import Run
from explorer.steering.encode_protocol import EncodedToken, EncodeReply, EncodeRequest, FiredCluster, Firing
from explorer.steering.engine import Encoded, Engine
from explorer.steering.natural import usual_distance

_KEPT_CURVES = 256


@dataclass(frozen=True)
class Curve:
    """A cluster's curve with the distance that is usual there."""

    manifold: Manifold
    """The curve in the cluster's subspace."""
    usual: float
    """Root mean square distance of the cluster's own tokens from it, in units of the residual."""


@dataclass(frozen=True)
class Found:
    """One cluster that fires in a text."""

    cluster: int
    """Cluster number."""
    core: int
    """Features of its core."""
    needed: int
    """How many must fire on a token."""
    at: tuple[int, ...]
    """Tokens of the text on which that many fire."""
    features: tuple[tuple[int, ...], ...]
    """Which do, for each of these tokens."""


class Encoder:
    """Answers `POST /v1/encode`; what it learns of clusters is kept."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._needed: dict[tuple[str, int], int] = {}
        self._curves: dict[tuple[str, int], Curve | None] = {}

    def encode(self, request: EncodeRequest) -> EncodeReply:
        """For each token of a text the clusters that fire there, from one forward pass over the text.

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
                FiredCluster(cluster=one.cluster, core=one.core, needed=one.needed, tokens=len(one.at)) for one in found
            ),
        )

    def _found(self, run: Run, cluster: int, fired: dict[int, list[int]]) -> Found:
        key = (run.id, cluster)
        if key not in self._needed:
            self._needed[key] = needed_features(run.cluster(cluster), run.manifest.settings.halo.core_share)
        needed = self._needed[key]
        at = tuple(token for token in sorted(fired) if len(fired[token]) >= needed)
        core = len(run.summary(cluster).features)
        return Found(cluster, core, needed, at, tuple(tuple(sorted(fired[token])) for token in at))

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


def needed_features(geometry: ClusterGeometry, share: float) -> int:
    """How many core features must fire on a token for it to be the cluster's, at least 1.

    The share that the run's settings name, or fewer where the build asked for fewer (tiles that hardly overlap never
    fire together): then the tokens that the run draws of the cluster show with how many it was content.
    """
    named = int(np.ceil(share * geometry.n_core))
    fewest = (geometry.codes[:, : geometry.n_core] > 0).sum(axis=1).min(initial=named)
    return max(1, int(fewest))
