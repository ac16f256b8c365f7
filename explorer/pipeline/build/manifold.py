"""Recovers one cluster's manifold: tokens, atoms, shape, values, steering path and portrait."""

from dataclasses import dataclass, fields
from itertools import islice

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64
from pydantic import TypeAdapter

from explorer.config import BuildSettings
from explorer.maths.features.explained import (
    COUNTS,
    greedy_variance,
    principal_variance,
    random_variance,
    scatter_matrix,
)
from explorer.maths.features.halo import Subspace
from explorer.maths.features.regime import classify_regime, order_by_peak, tuning_curves
from explorer.maths.group_sums import sums_by_group
from explorer.maths.position.values import NamedValues, cluster_label, describe_shape
from explorer.maths.shape.coordinate import Orientation, curve_at, orient, unorient
from explorer.maths.shape.curve import fit_path
from explorer.maths.shape.intervals import shape_intervals
from explorer.pipeline.build.firing import FiringMatrix, codes_on, core_cofires
from explorer.pipeline.build.position_readout import PointCloud, PositionReader, ShapeReadout, contexts_of, lag_of
from explorer.records.cluster import CURVES, ClusterGeometry, ClusterSummary, Membership, Shape
from explorer.records.clustering import Clustering
from explorer.runs.bundle.reader import Bundle
from explorer.runs.report.portrait import draw_portrait, portrait_svg

CURVE_SHARE = 0.9999
"""Fraction of the curve's variance within the steering subspace."""
PATH_HARMONICS = 3
"""Minimum number of harmonics of the steering path; the claimed curve may have more."""
PATH_STIFFNESS = 0.1
"""Its stiffness, as a multiple of the cross-validated one: a stiffer path blurs the difference between neighbours."""
SUREST = 0.6
"""Fraction of the known samples that the steering path is fitted to, in each of"""
STRETCHES = 48
"""segments along the curve,"""
FEWEST_SURE = 8
"""but at least this many per segment."""
DRAWN_AXES = 3
"""Axes of the drawn cloud."""

_SUMMARY = TypeAdapter(ClusterSummary)


@dataclass(frozen=True)
class RecoveredManifold:
    """Everything that a run stores about one cluster."""

    summary: ClusterSummary
    """Entry of the manifest."""
    geometry: ClusterGeometry
    """Arrays of the cluster's file."""
    portrait: str
    """SVG of its tile."""

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As arrays, for the stage cache."""
        arrays = {field.name: np.asarray(getattr(self.geometry, field.name)) for field in fields(ClusterGeometry)}
        texts = {"summary": _SUMMARY.dump_json(self.summary), "portrait": self.portrait.encode("utf-8")}
        return arrays | {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "RecoveredManifold":
        """The inverse of `to_arrays`."""
        stored = {field.name: arrays[field.name] for field in fields(ClusterGeometry) if field.name != "n_core"}
        geometry = ClusterGeometry(n_core=int(arrays["n_core"]), **stored)
        summary = _SUMMARY.validate_json(arrays["summary"].tobytes())
        return cls(summary, geometry, arrays["portrait"].tobytes().decode("utf-8"))


@dataclass(frozen=True)
class _Fit:
    """A cluster's shape, oriented so that its values are in order. Samples are those with a known position."""

    readout: ShapeReadout
    known: Int64[np.ndarray, "sample"]
    """Rows of the cloud with a known position."""
    points: Float32[np.ndarray, "sample direction"]
    coordinate: Float32[np.ndarray, "sample"]
    curve: Float32[np.ndarray, "knot direction"]
    """The claimed curve, its knots equally spaced in the coordinate."""
    subspace: Subspace
    """Subspace of the curve, for steering."""
    path: Float32[np.ndarray, "knot axis"]
    """The curve in that subspace."""
    values: NamedValues
    """NamedValues named after tokens."""

    @property
    def closed(self) -> bool:
        """Whether the coordinate is cyclic."""
        return self.readout.shape.kind == "closed curve"


@dataclass(frozen=True)
class ClusterBuilder:
    """Recovers the manifolds of one bundle's clusters."""

    reader: PositionReader
    """Position readout of the clusters."""
    clustering: Clustering
    """The clusters."""

    @classmethod
    def of(
        cls, bundle: Bundle, firing: FiringMatrix, clustering: Clustering, settings: BuildSettings
    ) -> "ClusterBuilder":
        """Read from a bundle what the geometry needs."""
        reader = PositionReader(firing, bundle.decoder(), bundle.tokens(), bundle.residuals(), settings)
        return cls(reader, clustering)

    @property
    def settings(self) -> BuildSettings:
        """The build's settings."""
        return self.reader.settings

    def build(self, number: int) -> RecoveredManifold:
        """Recover the geometry of one cluster; its generator is seeded by the build's seed and its number."""
        rng = np.random.default_rng([self.settings.seed, number])
        core = np.flatnonzero(self.clustering.label == number).astype(np.int32)
        cloud, membership, readout = self.reader.read(core, rng)
        fit = self._fit(membership, readout, cloud)
        geometry = self._geometry(membership, cloud, fit, rng)
        summary = self._summary(number, membership, cloud, fit, rng)
        return RecoveredManifold(
            summary,
            geometry,
            portrait_svg(draw_portrait(geometry.points, geometry.coordinate, geometry.curve, fit.readout.shape.kind)),
        )

    def _fit(self, membership: Membership, readout: ShapeReadout, cloud: PointCloud) -> _Fit:
        span = self.reader.span(membership, cloud.part(readout.position.known))
        inside = span.coordinates(cloud.activations)
        known = np.flatnonzero(readout.position.known)
        closed = readout.shape.kind == "closed curve"
        values = self.reader.values_on(readout, readout.shape)
        coordinate = orient(readout.shape.coordinate, values.orientation, closed=closed).astype(np.float32)
        certain = np.flatnonzero(_most_certain(readout.position.information[known], coordinate))
        curve = fit_path(
            inside[known][certain],
            coordinate[certain],
            closed=closed,
            knots=self.settings.geometry.knots,
            most_harmonics=max(PATH_HARMONICS, readout.shape.harmonics),
            stiffness=PATH_STIFFNESS,
        )
        subspace = _directions_of(curve, span)
        path = (curve @ span.basis + span.center - subspace.center) @ subspace.basis.T
        points = readout.position.points[known]
        return _Fit(
            readout,
            known,
            points,
            coordinate,
            _oriented_curve(readout.shape, values.orientation),
            subspace,
            path.astype(np.float32),
            values,
        )

    def _geometry(
        self, membership: Membership, cloud: PointCloud, fit: _Fit, rng: np.random.Generator
    ) -> ClusterGeometry:
        settings = self.settings.geometry
        n = len(fit.known)
        drawn = (
            np.sort(rng.choice(n, settings.drawn_points, replace=False)) if n > settings.drawn_points else np.arange(n)
        )
        tokens = cloud.tokens[fit.known]
        codes = codes_on(self.reader.firing, membership.atoms, tokens)
        placed = _padded(fit.points)
        strength = _padded(fit.readout.position.strength[None])[0]
        ids, activation = self._examples(membership.atoms)
        residual, count = _means(cloud.activations[fit.known], fit.values.index, len(fit.values.names))
        return ClusterGeometry(
            atoms=membership.atoms,
            n_core=membership.n_core,
            atom_gain=membership.gain,
            atom_null=membership.null_gain,
            token_index=tokens[drawn],
            points=placed[drawn],
            coordinate=fit.coordinate[drawn],
            value=fit.values.index[drawn],
            codes=codes[drawn].astype(np.float16),
            context_ids=contexts_of(self.reader.tokens, tokens[drawn]),
            curve=_padded(fit.curve),
            axis_share=strength / max(float(fit.readout.position.strength.sum()), 1e-12),
            basis=fit.subspace.basis,
            center=fit.subspace.center,
            path=fit.path,
            value_coordinate=fit.values.coordinate,
            value_residual=residual,
            value_count=count,
            tuning=tuning_curves(codes, fit.coordinate, closed=fit.closed, bins=settings.bins),
            example_ids=ids,
            example_activation=activation,
        )

    def _examples(
        self, atoms: Int32[np.ndarray, "atom"]
    ) -> tuple[Int32[np.ndarray, "atom example context"], Float32[np.ndarray, "atom example"]]:
        """Contexts and activations of each atom's strongest tokens."""
        most = self.settings.geometry.examples
        strength = np.zeros((len(atoms), most), np.float32)
        where = np.zeros((len(atoms), most), np.int64)
        for row, atom in enumerate(atoms):
            tokens, values = self.reader.firing.of(int(atom))
            best = np.argsort(-values, kind="stable")[:most]
            strength[row, : len(best)] = values[best]
            where[row, : len(best)] = tokens[best]
        shown = contexts_of(self.reader.tokens, where.ravel()).reshape(len(atoms), most, -1)
        return np.where(strength[:, :, None] > 0, shown, np.int32(-1)).astype(np.int32), strength

    def _summary(
        self, number: int, membership: Membership, cloud: PointCloud, fit: _Fit, rng: np.random.Generator
    ) -> ClusterSummary:
        shape = fit.readout.shape
        codes = codes_on(self.reader.firing, membership.atoms, cloud.tokens[fit.known])
        cofires = core_cofires(self.reader.firing, membership.atoms[: membership.n_core])
        judged = classify_regime(codes, fit.points, fit.coordinate, closed=fit.closed, rng=rng, cofires=cofires)
        tuning = tuning_curves(codes, fit.coordinate, closed=fit.closed, bins=self.settings.geometry.bins)
        return ClusterSummary(
            id=number,
            label=cluster_label(fit.values, self._common(cloud.tokens)),
            words=describe_shape(shape.kind, fit.values),
            features=tuple(int(atom) for atom in membership.atoms[: membership.n_core]),
            halo=tuple(int(atom) for atom in membership.atoms[membership.n_core :]),
            n_tokens=cloud.n_tokens,
            n_sampled=len(fit.known),
            shape=shape.kind,
            intrinsic_dim=shape.intrinsic_dim,
            regime=judged.regime,
            order=fit.values.names,
            value_offset=fit.values.offset,
            feature_order=tuple(int(membership.atoms[row]) for row in order_by_peak(tuning)),
            scores=self._scores(number, membership, cloud, fit)
            | judged.statistics
            | self._variance(membership, cloud.activations[fit.known], rng),
            intervals=shape_intervals(fit.points, shape, self._doc(cloud.tokens[fit.known])),
        )

    def _doc(self, tokens: Int64[np.ndarray, "sample"]) -> Int64[np.ndarray, "sample"]:
        """Document number of each token, from 1."""
        return np.searchsorted(self.reader.tokens.doc_offsets, tokens, side="right")

    def _scores(self, number: int, membership: Membership, cloud: PointCloud, fit: _Fit) -> dict[str, float]:
        shape, position = fit.readout.shape, fit.readout.position
        in_order = max(lag_of(fit.points, fit.values, shape).above_chance, 0.0) if shape.kind in CURVES else 0.0
        return {
            "variance_explained": shape.variance_explained,
            "p_value": shape.p_value,
            "persistence": float(self.clustering.persistence[number]),
            "in_order": in_order,
            "manifold_likeness": shape.variance_explained * in_order,
            "atoms_explain": float(membership.gain.sum()),
            "core_explains": float(membership.gain[: membership.n_core].sum()),
            "known_share": len(fit.known) / len(cloud.tokens),
            "position_bits": position.bits,
            "position_p_value": position.p_value,
        }

    def _variance(
        self, membership: Membership, activations: Float32[np.ndarray, "known d_model"], rng: np.random.Generator
    ) -> dict[str, float]:
        """Variance within the span of a few atoms' directions, compared with principal axes and random directions."""
        spread = scatter_matrix(activations)
        curves = {
            "atoms_hold": greedy_variance(spread, self.reader.decoder.W_dec[membership.atoms]),
            "pca_holds": principal_variance(spread),
            "random_holds": random_variance(spread, rng=rng),
        }
        return {f"{name}_{n}": held for name, curve in curves.items() for n, held in zip(COUNTS, curve, strict=True)}

    def _common(self, tokens: Int64[np.ndarray, "sample"], most: int = 3) -> list[str]:
        """Texts of the cluster's most frequent tokens."""
        ids, counts = np.unique(self.reader.tokens.token_ids[tokens], return_counts=True)
        texts = (
            self.reader.tokens.vocabulary.text(int(ids[best])).strip() for best in np.argsort(-counts, kind="stable")
        )
        return list(islice((text for text in texts if text), most))


def _padded(points: Float32[np.ndarray, "sample axis"]) -> Float32[np.ndarray, "sample xyz"]:
    """The first three columns, padded with zeros."""
    drawn = points[:, :DRAWN_AXES]
    return np.pad(drawn, ((0, 0), (0, DRAWN_AXES - drawn.shape[1])))


def _oriented_curve(shape: Shape, orientation: Orientation) -> Float32[np.ndarray, "knot direction"]:
    """A shape's curve along the oriented coordinate."""
    closed, knots = shape.kind == "closed curve", len(shape.curve)
    at = np.linspace(0.0, 1.0, knots, endpoint=not closed)
    return curve_at(shape.curve, unorient(at, orientation, closed=closed), closed=closed).astype(np.float32)


def _most_certain(
    certainty: Float32[np.ndarray, "sample"], coordinate: Float32[np.ndarray, "sample"]
) -> Bool[np.ndarray, "sample"]:
    """Mask of the samples with the most certain readout, segment by segment along the curve.

    Where a model's answer is uncertain, the mean state over all samples is more uncertain than any; a path through it
    would steer towards hesitation.
    """
    stretch = np.minimum((coordinate * STRETCHES).astype(np.int64), STRETCHES - 1)
    mask = np.zeros(len(certainty), dtype=bool)
    for part in np.unique(stretch):
        rows = np.flatnonzero(stretch == part)
        best = rows[np.argsort(-certainty[rows], kind="stable")]
        mask[best[: max(FEWEST_SURE, int(np.ceil(SUREST * len(rows))))]] = True
    return mask


def _directions_of(curve: Float32[np.ndarray, "knot axis"], span: Subspace) -> Subspace:
    """The directions of the cluster's span along which its curve runs: steering moves only within them."""
    middle = curve.mean(0)
    _, size, axes = np.linalg.svd(curve - middle, full_matrices=False)
    share = size**2 / max(float((size**2).sum()), 1e-300)
    rank = max(1, int(np.searchsorted(np.cumsum(share), CURVE_SHARE)) + 1)
    basis = (axes[:rank] @ span.basis).astype(np.float32)
    return Subspace((span.center + middle @ span.basis).astype(np.float32), basis, share[:rank].astype(np.float32))


def _means(
    rows: Float32[np.ndarray, "sample d_model"], index: Int32[np.ndarray, "sample"], n_values: int
) -> tuple[Float32[np.ndarray, "value d_model"], Int32[np.ndarray, "value"]]:
    """Mean row of each value, and the number of rows that it averages."""
    count = np.bincount(index[index >= 0], minlength=n_values).astype(np.int32)
    total = sums_by_group(rows, index, n_values)
    return (total / np.maximum(count, 1)[:, None]).astype(np.float32), count
