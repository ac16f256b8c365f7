"""One cluster becomes a manifold: its tokens, its atoms, its shape, its values, its portrait."""

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
from explorer.maths.portrait.portrait import draw_portrait, portrait_svg
from explorer.maths.position.values import NamedValues, cluster_label, describe_shape
from explorer.maths.shape.coordinate import Orientation, curve_at, orient, unorient
from explorer.maths.shape.curve import fit_path
from explorer.maths.shape.intervals import shape_intervals
from explorer.pipeline.build.contexts import contexts_of
from explorer.pipeline.build.firing import Firing, codes_on, core_cofires
from explorer.pipeline.build.reading import Cloud, ClusterReader, Reading, lag_of
from explorer.records import (
    CURVES,
    ClusterGeometry,
    Clustering,
    ClusterSummary,
    Membership,
    Shape,
)
from explorer.runs.bundle.reader import Bundle

CURVE_SHARE = 0.9999
"""Share of the curve's own variance that the directions of steering hold."""
PATH_HARMONICS = 3
"""The steering path may bend as often as the claimed curve, or so often if that is more."""
PATH_STIFFNESS = 0.1
"""Its stiffness, as a multiple of what cross-validation chooses: a stiffer one blurs what tells neighbours apart."""
SUREST = 0.6
"""Share of the known samples that the steering path runs through, in each of"""
STRETCHES = 48
"""stretches along the curve,"""
FEWEST_SURE = 8
"""but at least so many of each."""
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
class _Fit:
    """A cluster's shape with the coordinate turned so that its values stand in order. Samples: the known ones."""

    reading: Reading
    """Which tokens name the position."""
    known: Int64[np.ndarray, "sample"]
    """Rows of the cloud of which position can be told."""
    points: Float32[np.ndarray, "sample direction"]
    """Where they stand."""
    coordinate: Float32[np.ndarray, "sample"]
    """Intrinsic coordinate."""
    curve: Float32[np.ndarray, "knot direction"]
    """The claimed curve among them, its knots equally spaced in the coordinate."""
    subspace: Subspace
    """Directions in which the curve runs, for steering."""
    path: Float32[np.ndarray, "knot axis"]
    """The curve in them."""
    values: NamedValues
    """Named from tokens."""

    @property
    def closed(self) -> bool:
        """Whether the coordinate is cyclic."""
        return self.reading.shape.kind == "closed curve"


@dataclass(frozen=True)
class ClusterBuilder:
    """Builds manifolds from one bundle's clusters."""

    reader: ClusterReader
    """Reads where a cluster's tokens stand."""
    clustering: Clustering
    """Which features belong together."""

    @classmethod
    def of(cls, bundle: Bundle, firing: Firing, clustering: Clustering, settings: BuildSettings) -> "ClusterBuilder":
        """Read from a bundle what the geometry needs."""
        reader = ClusterReader(firing, bundle.decoder(), bundle.tokens(), bundle.residuals(), settings)
        return cls(reader, clustering)

    @property
    def settings(self) -> BuildSettings:
        """Every choice."""
        return self.reader.settings

    def build(self, number: int) -> Manifold:
        """Recover the geometry of one cluster; its chance comes from the build's seed and its number."""
        rng = np.random.default_rng([self.settings.seed, number])
        core = np.flatnonzero(self.clustering.label == number).astype(np.int32)
        cloud, membership, reading = self.reader.read(core, rng)
        fit = self._fit(membership, reading, cloud)
        geometry = self._geometry(membership, cloud, fit, rng)
        summary = self._summary(number, membership, cloud, fit, rng)
        return Manifold(
            summary,
            geometry,
            portrait_svg(draw_portrait(geometry.points, geometry.coordinate, geometry.curve, fit.reading.shape.kind)),
        )

    def _fit(self, membership: Membership, reading: Reading, cloud: Cloud) -> _Fit:
        span = self.reader.span(membership, cloud.part(reading.position.known))
        inside = span.coordinates(cloud.activations)
        known = np.flatnonzero(reading.position.known)
        closed = reading.shape.kind == "closed curve"
        values = self.reader.values_on(reading, reading.shape)
        coordinate = orient(reading.shape.coordinate, values.orientation, closed=closed).astype(np.float32)
        told = reading.position.information[known]
        surest = np.flatnonzero(_surest(told, coordinate))
        curve = fit_path(
            inside[known][surest],
            coordinate[surest],
            closed=closed,
            knots=self.settings.geometry.knots,
            most_harmonics=max(PATH_HARMONICS, reading.shape.harmonics),
            stiffness=PATH_STIFFNESS,
        )
        subspace = _directions_of(curve, span)
        path = (curve @ span.basis + span.center - subspace.center) @ subspace.basis.T
        points = reading.position.points[known]
        return _Fit(
            reading,
            known,
            points,
            coordinate,
            _turned(reading.shape, values.orientation),
            subspace,
            path.astype(np.float32),
            values,
        )

    def _geometry(self, membership: Membership, cloud: Cloud, fit: _Fit, rng: np.random.Generator) -> ClusterGeometry:
        settings = self.settings.geometry
        n = len(fit.known)
        drawn = (
            np.sort(rng.choice(n, settings.drawn_points, replace=False)) if n > settings.drawn_points else np.arange(n)
        )
        tokens = cloud.tokens[fit.known]
        codes = codes_on(self.reader.firing, membership.atoms, tokens)
        placed = _padded(fit.points)
        strength = _padded(fit.reading.position.strength[None])[0]
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
            axis_share=strength / max(float(fit.reading.position.strength.sum()), 1e-12),
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
        """Contexts of each atom's strongest tokens."""
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
        self, number: int, membership: Membership, cloud: Cloud, fit: _Fit, rng: np.random.Generator
    ) -> ClusterSummary:
        shape = fit.reading.shape
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
        """Document of each token."""
        return np.searchsorted(self.reader.tokens.doc_offsets, tokens, side="right")

    def _scores(self, number: int, membership: Membership, cloud: Cloud, fit: _Fit) -> dict[str, float]:
        shape, position = fit.reading.shape, fit.reading.position
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
        """Variance inside the span of a few of the atoms' directions, beside principal axes and random ones."""
        spread = scatter_matrix(activations)
        curves = {
            "atoms_hold": greedy_variance(spread, self.reader.decoder.W_dec[membership.atoms]),
            "pca_holds": principal_variance(spread),
            "random_holds": random_variance(spread, rng=rng),
        }
        return {f"{name}_{n}": held for name, curve in curves.items() for n, held in zip(COUNTS, curve, strict=True)}

    def _common(self, tokens: Int64[np.ndarray, "sample"], most: int = 3) -> list[str]:
        """Texts of the tokens that the cluster fires on most."""
        ids, counts = np.unique(self.reader.tokens.token_ids[tokens], return_counts=True)
        texts = (
            self.reader.tokens.vocabulary.text(int(ids[best])).strip() for best in np.argsort(-counts, kind="stable")
        )
        return list(islice((text for text in texts if text), most))


def _padded(points: Float32[np.ndarray, "sample axis"]) -> Float32[np.ndarray, "sample xyz"]:
    """The first three columns, zeros where there are fewer."""
    drawn = points[:, :DRAWN_AXES]
    return np.pad(drawn, ((0, 0), (0, DRAWN_AXES - drawn.shape[1])))


def _turned(shape: Shape, orientation: Orientation) -> Float32[np.ndarray, "knot direction"]:
    """A shape's curve along the coordinate in which its values stand in order."""
    closed, knots = shape.kind == "closed curve", len(shape.curve)
    at = np.linspace(0.0, 1.0, knots, endpoint=not closed)
    return curve_at(shape.curve, unorient(at, orientation, closed=closed), closed=closed).astype(np.float32)


def _surest(
    told: Float32[np.ndarray, "sample"], coordinate: Float32[np.ndarray, "sample"]
) -> Bool[np.ndarray, "sample"]:
    """The share of the samples of which most is told, stretch by stretch along the curve.

    Where an answer is soft, the mean state of all is softer than any; a path through it would steer to hesitation.
    """
    stretch = np.minimum((coordinate * STRETCHES).astype(np.int64), STRETCHES - 1)
    kept = np.zeros(len(told), dtype=bool)
    for part in np.unique(stretch):
        rows = np.flatnonzero(stretch == part)
        best = rows[np.argsort(-told[rows], kind="stable")]
        kept[best[: max(FEWEST_SURE, int(np.ceil(SUREST * len(rows))))]] = True
    return kept


def _directions_of(curve: Float32[np.ndarray, "knot axis"], span: Subspace) -> Subspace:
    """The directions of the cluster's span in which its curve runs: there steering moves, and nowhere else."""
    middle = curve.mean(0)
    _, size, axes = np.linalg.svd(curve - middle, full_matrices=False)
    share = size**2 / max(float((size**2).sum()), 1e-300)
    kept = max(1, int(np.searchsorted(np.cumsum(share), CURVE_SHARE)) + 1)
    basis = (axes[:kept] @ span.basis).astype(np.float32)
    return Subspace((span.center + middle @ span.basis).astype(np.float32), basis, share[:kept].astype(np.float32))


def _means(
    rows: Float32[np.ndarray, "sample d_model"], index: Int32[np.ndarray, "sample"], n_values: int
) -> tuple[Float32[np.ndarray, "value d_model"], Int32[np.ndarray, "value"]]:
    """Mean row of each value, and how many rows it is over."""
    count = np.bincount(index[index >= 0], minlength=n_values).astype(np.int32)
    total = sums_by_group(rows, index, n_values)
    return (total / np.maximum(count, 1)[:, None]).astype(np.float32), count
