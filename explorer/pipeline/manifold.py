"""One cluster becomes a manifold: its tokens, its atoms, its shape, its values, its portrait."""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float32, Int32, Int64
from pydantic import TypeAdapter

from explorer.config import BuildSettings
from explorer.maths.coordinate import orient, orient_curve
from explorer.maths.curve import fit_path, project_to_curve
from explorer.maths.geometry import fit_shape
from explorer.maths.membership import Subspace, cluster_subspace, grow_halo
from explorer.maths.portrait import portrait_svg
from explorer.maths.regime import feature_order, judge_regime, tuning_curves
from explorer.maths.values import Values, label_of, name_values, shape_in_words
from explorer.pipeline.contexts import contexts_of
from explorer.pipeline.firing import Firing, codes_on, core_tokens
from explorer.records import (
    CONTEXT_BEFORE,
    ClusterGeometry,
    Clustering,
    ClusterSummary,
    Decoder,
    Membership,
    Residuals,
    Shape,
    Tokens,
)
from explorer.runs.bundle import Bundle

CANDIDATE_FIRES = 5
"""A feature that fires on fewer of a cluster's sampled tokens is no candidate for its halo,"""
CANDIDATE_SHARE = 0.002
"""nor one that fires on less than this share of them."""
POSITION_SHARE = 0.1
"""The hub is projected out where at least this share of the variance is left to show position."""
WEAK = 0.1
"""Share of the tokens, those nearest the middle of the position space, that the curve is not fitted on."""
DRAWN_AXES = 3
"""Axes of the drawn cloud."""

_SUMMARY = TypeAdapter(ClusterSummary)


@dataclass(frozen=True)
class Manifold:
    """What a build knows of one cluster."""

    summary: ClusterSummary
    """For the manifest."""
    geometry: ClusterGeometry
    """For its own file."""
    portrait: str
    """SVG for its tile."""

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As arrays, to be kept between builds."""
        arrays = {field.name: np.asarray(getattr(self.geometry, field.name)) for field in fields(ClusterGeometry)}
        texts = {"summary": _SUMMARY.dump_json(self.summary), "portrait": self.portrait.encode("utf-8")}
        return arrays | {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Manifold":
        """Back from arrays."""
        stored = {field.name: arrays[field.name] for field in fields(ClusterGeometry) if field.name != "n_core"}
        geometry = ClusterGeometry(n_core=int(arrays["n_core"]), **stored)
        summary = _SUMMARY.validate_json(arrays["summary"].tobytes())
        return cls(summary, geometry, arrays["portrait"].tobytes().decode("utf-8"))


@dataclass(frozen=True)
class _Cloud:
    """The tokens that one cluster's geometry is fitted on."""

    n_tokens: int
    """How many tokens the cluster has."""
    tokens: Int64[np.ndarray, "sample"]
    """Those that are sampled, ascending."""
    activations: Float32[np.ndarray, "sample d_model"]
    """What the SAE reads there."""


@dataclass(frozen=True)
class _Fit:
    """A cloud's shape with the coordinate turned so that its values stand in order."""

    shape: Shape
    """As fitted on the tokens that show position well."""
    position: Subspace
    """The space that it was fitted in: the hub is projected out."""
    subspace: Subspace
    """The span of all atoms, in which steering moves."""
    coordinate: Float32[np.ndarray, "sample"]
    """Of every sampled token."""
    curve: Float32[np.ndarray, "knot position_axis"]
    """In the position space."""
    path: Float32[np.ndarray, "knot axis"]
    """In the span of all atoms."""
    values: Values
    """Named from tokens."""

    @property
    def closed(self) -> bool:
        """Whether the coordinate is cyclic."""
        return self.shape.kind == "closed curve"


@dataclass(frozen=True)
class ClusterBuilder:
    """Builds manifolds from one bundle's clusters."""

    firing: Firing
    """Where features fire."""
    decoder: Decoder
    """What they write."""
    tokens: Tokens
    """The text."""
    residuals: Residuals | None
    """Stored activations; where there are none, the SAE's reconstruction stands in."""
    clustering: Clustering
    """Which features belong together."""
    settings: BuildSettings
    """Every choice."""

    @classmethod
    def of(cls, bundle: Bundle, firing: Firing, clustering: Clustering, settings: BuildSettings) -> "ClusterBuilder":
        """Read from a bundle what the geometry needs."""
        return cls(firing, bundle.decoder(), bundle.tokens(), bundle.residuals(), clustering, settings)

    def build(self, number: int) -> Manifold:
        """Recover the geometry of one cluster; its chance comes from the build's seed and its number."""
        rng = np.random.default_rng([self.settings.seed, number])
        core = np.flatnonzero(self.clustering.label == number).astype(np.int32)
        cloud = self._cloud(core, rng)
        membership = self._membership(core, cloud, rng)
        fit = self._fit(membership, cloud, rng)
        geometry = self._geometry(membership, cloud, fit, rng)
        summary = self._summary(number, membership, cloud, fit, rng)
        return Manifold(
            summary, geometry, portrait_svg(geometry.points, geometry.coordinate, geometry.curve, fit.shape.kind)
        )

    def _cloud(self, core: Int32[np.ndarray, "core"], rng: np.random.Generator) -> _Cloud:
        tokens = core_tokens(self.firing, core, self.settings.halo.core_share)
        n_tokens = len(tokens)
        if self.residuals is not None:
            tokens = tokens[np.isin(tokens, self.residuals.token_index, assume_unique=True)]
        most = self.settings.geometry.max_points
        if len(tokens) > most:
            tokens = np.sort(rng.choice(tokens, most, replace=False))
        return _Cloud(n_tokens, tokens, self._activations(tokens))

    def _activations(self, tokens: Int64[np.ndarray, "sample"]) -> Float32[np.ndarray, "sample d_model"]:
        if self.residuals is not None:
            rows = np.searchsorted(self.residuals.token_index, tokens)
            return self.residuals.values[rows].astype(np.float32)
        features = self._features_on(tokens, least=1)
        codes = codes_on(self.firing, features, tokens)
        return np.asarray(codes @ self.decoder.W_dec[features] + self.decoder.b_dec)

    def _features_on(self, tokens: Int64[np.ndarray, "sample"], least: float) -> Int32[np.ndarray, "candidate"]:
        """Features that fire on at least so many of the tokens, ascending."""
        inside = np.zeros(self.firing.n_tokens, dtype=bool)
        inside[tokens] = True
        running = np.concatenate([[0], np.cumsum(inside[self.firing.tokens])])
        counts = running[self.firing.offsets[1:]] - running[self.firing.offsets[:-1]]
        return np.flatnonzero(counts >= least).astype(np.int32)

    def _membership(self, core: Int32[np.ndarray, "core"], cloud: _Cloud, rng: np.random.Generator) -> Membership:
        least = max(CANDIDATE_FIRES, CANDIDATE_SHARE * len(cloud.tokens))
        candidates = np.union1d(core, self._features_on(cloud.tokens, least)).astype(np.int32)
        codes = codes_on(self.firing, candidates, cloud.tokens)
        W_dec = self.decoder.W_dec
        return grow_halo(core, candidates, codes, cloud.activations, W_dec, self.settings.halo, rng=rng)

    def _fit(self, membership: Membership, cloud: _Cloud, rng: np.random.Generator) -> _Fit:
        settings = self.settings.geometry
        directions = self.decoder.W_dec[membership.atoms]
        subspace = cluster_subspace(cloud.activations, directions)
        position = cluster_subspace(cloud.activations, directions, without=directions[: membership.n_core])
        if position.share.sum() < POSITION_SHARE * subspace.share.sum():
            position = subspace
        points = position.coordinates(cloud.activations)
        strength = np.linalg.norm(points, axis=1)
        strong = strength >= np.quantile(strength, WEAK)
        shape = fit_shape(points[strong], rng=rng, settings=settings)
        closed = shape.kind == "closed curve"
        coordinate = project_to_curve(points, shape.curve, closed)
        path = fit_path(subspace.coordinates(cloud.activations), coordinate, closed=closed, knots=settings.knots)
        ids = self.tokens.token_ids
        following = contexts_of(self.tokens, cloud.tokens)[:, CONTEXT_BEFORE + 1]
        values = name_values(ids[cloud.tokens], following, coordinate, self.tokens.vocabulary, closed=closed, rng=rng)
        turn = values.orientation
        return _Fit(
            shape,
            position,
            subspace,
            orient(coordinate, turn, closed=closed).astype(np.float32),
            orient_curve(shape.curve, turn, closed=closed),
            orient_curve(path, turn, closed=closed),
            values,
        )

    def _geometry(self, membership: Membership, cloud: _Cloud, fit: _Fit, rng: np.random.Generator) -> ClusterGeometry:
        settings = self.settings.geometry
        n = len(cloud.tokens)
        drawn = (
            np.sort(rng.choice(n, settings.drawn_points, replace=False)) if n > settings.drawn_points else np.arange(n)
        )
        codes = codes_on(self.firing, membership.atoms, cloud.tokens)
        axes = fit.position.basis[:DRAWN_AXES]
        missing = DRAWN_AXES - len(axes)
        placed = fit.position.coordinates(cloud.activations[drawn])[:, :DRAWN_AXES]
        share = fit.position.share[:DRAWN_AXES] / max(float(fit.position.share.sum()), 1e-12)
        ids, strength = self._examples(membership.atoms)
        residual, count = _means(cloud.activations, fit.values.index, len(fit.values.names))
        return ClusterGeometry(
            atoms=membership.atoms,
            n_core=membership.n_core,
            atom_gain=membership.gain,
            atom_null=membership.null_gain,
            token_index=cloud.tokens[drawn],
            points=np.pad(placed, ((0, 0), (0, missing))),
            coordinate=fit.coordinate[drawn],
            value=fit.values.index[drawn],
            codes=codes[drawn].astype(np.float16),
            context_ids=contexts_of(self.tokens, cloud.tokens[drawn]),
            curve=np.pad(fit.curve[:, :DRAWN_AXES], ((0, 0), (0, missing))).astype(np.float32),
            axis_share=np.pad(share, (0, missing)).astype(np.float32),
            basis=fit.subspace.basis,
            center=fit.subspace.center,
            path=fit.path,
            value_coordinate=fit.values.coordinate,
            value_residual=residual,
            value_count=count,
            tuning=tuning_curves(codes, fit.coordinate, closed=fit.closed, bins=settings.bins),
            example_ids=ids,
            example_activation=strength,
        )

    def _examples(
        self, atoms: Int32[np.ndarray, "atom"]
    ) -> tuple[Int32[np.ndarray, "atom example context"], Float32[np.ndarray, "atom example"]]:
        """Contexts of each atom's strongest tokens."""
        most = self.settings.geometry.examples
        strength = np.zeros((len(atoms), most), np.float32)
        where = np.zeros((len(atoms), most), np.int64)
        for row, atom in enumerate(atoms):
            tokens, values = self.firing.of(int(atom))
            best = np.argsort(-values, kind="stable")[:most]
            strength[row, : len(best)] = values[best]
            where[row, : len(best)] = tokens[best]
        shown = contexts_of(self.tokens, where.ravel()).reshape(len(atoms), most, -1)
        return np.where(strength[:, :, None] > 0, shown, np.int32(-1)).astype(np.int32), strength

    def _summary(
        self, number: int, membership: Membership, cloud: _Cloud, fit: _Fit, rng: np.random.Generator
    ) -> ClusterSummary:
        codes = codes_on(self.firing, membership.atoms, cloud.tokens)
        points = fit.position.coordinates(cloud.activations)
        judged = judge_regime(codes, points, fit.coordinate, closed=fit.closed, rng=rng)
        tuning = tuning_curves(codes, fit.coordinate, closed=fit.closed, bins=self.settings.geometry.bins)
        return ClusterSummary(
            id=number,
            label=label_of(fit.values, self._common(cloud.tokens)),
            words=shape_in_words(fit.shape.kind, fit.values),
            features=tuple(int(atom) for atom in membership.atoms[: membership.n_core]),
            halo=tuple(int(atom) for atom in membership.atoms[membership.n_core :]),
            n_tokens=cloud.n_tokens,
            n_sampled=len(cloud.tokens),
            shape=fit.shape.kind,
            intrinsic_dim=fit.shape.intrinsic_dim,
            regime=judged.regime,
            order=fit.values.names,
            value_offset=fit.values.offset,
            feature_order=tuple(int(membership.atoms[row]) for row in feature_order(tuning)),
            scores=self._scores(number, membership, fit) | judged.numbers,
        )

    def _scores(self, number: int, membership: Membership, fit: _Fit) -> dict[str, float]:
        curved = fit.shape.kind in ("closed curve", "open curve")
        return {
            "variance_explained": fit.shape.variance_explained,
            "p_value": fit.shape.p_value,
            "persistence": float(self.clustering.persistence[number]),
            "manifold_likeness": fit.shape.variance_explained if curved else 0.0,
            "atoms_explain": float(membership.gain.sum()),
            "core_explains": float(membership.gain[: membership.n_core].sum()),
            "position_share": float(fit.position.share.sum()),
            "value_bits": fit.values.information.bits,
            "value_bits_null": fit.values.information.null,
        }

    def _common(self, tokens: Int64[np.ndarray, "sample"], most: int = 3) -> list[str]:
        """Texts of the tokens that the cluster fires on most."""
        ids, counts = np.unique(self.tokens.token_ids[tokens], return_counts=True)
        texts = [self.tokens.vocabulary.text(int(ids[best])).strip() for best in np.argsort(-counts, kind="stable")]
        return [text for text in texts if text][:most]


def _means(
    rows: Float32[np.ndarray, "sample d_model"], index: Int32[np.ndarray, "sample"], n_values: int
) -> tuple[Float32[np.ndarray, "value d_model"], Int32[np.ndarray, "value"]]:
    """Mean row of each value, and how many rows it is over."""
    count = np.bincount(index[index >= 0], minlength=n_values).astype(np.int32)
    total = np.zeros((n_values, rows.shape[1]))
    np.add.at(total, index[index >= 0], rows[index >= 0])
    return (total / np.maximum(count, 1)[:, None]).astype(np.float32), count
