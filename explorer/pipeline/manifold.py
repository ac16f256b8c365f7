"""One cluster becomes a manifold: its tokens, its atoms, its shape, its values, its portrait."""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64
from pydantic import TypeAdapter

from explorer.config import BuildSettings
from explorer.maths.coordinate import orient
from explorer.maths.curve import fit_path
from explorer.maths.geometry import CLAIM, fit_shape, shape_along
from explorer.maths.membership import Subspace, cluster_subspace, grow_halo
from explorer.maths.portrait import portrait_svg
from explorer.maths.position import Position, read_position
from explorer.maths.regime import feature_order, judge_regime, tuning_curves
from explorer.maths.search import explained_by_lag
from explorer.maths.values import Values, breaks_off, label_of, name_values, shape_in_words
from explorer.pipeline.contexts import contexts_of
from explorer.pipeline.firing import Firing, codes_on, core_tokens
from explorer.records import (
    CONTEXT_BEFORE,
    CURVES,
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
FEWEST_STORED = 40
"""Stored activations below which a cluster's geometry is fitted on the SAE's reconstruction."""
CURVE_SHARE = 0.9999
"""Share of the curve's own variance that the directions of steering hold."""
PATH_HARMONICS = 6
"""Bends of the steering path, or half as many as it has values if that is more; with still more it follows wording."""
PATH_STIFFNESS = 1 / 3
"""Its stiffness, as a multiple of what cross-validation chooses: a stiffer one blurs what tells neighbours apart."""
SUREST = 0.7
"""Share of the known samples that the steering path runs through, in each of"""
STRETCHES = 48
"""stretches along the curve,"""
FEWEST_SURE = 8
"""but at least so many of each."""
FEWEST_VALUES = 3
"""Position is read off tokens: a curve along which fewer of them have a place of their own is not one of position."""
IN_ORDER = 0.7
"""Share of the variance of its values' distances that their lag along a curve of position explains, at least."""
DRAWN_AXES = 3
"""Axes of the drawn cloud."""
READINGS = 2
"""Ways in which the position of tokens is read; each has its share of the chance to claim a shape by mistake."""

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

    def part(self, rows: Bool[np.ndarray, "sample"]) -> "_Cloud":
        """Some of the samples."""
        return _Cloud(self.n_tokens, self.tokens[rows], self.activations[rows])


@dataclass(frozen=True)
class _Claim:
    """What is asked of a curve before it is claimed."""

    p_value: float
    """The largest."""
    search: bool
    """Whether one is searched where the text's tokens lie in no order."""


@dataclass(frozen=True)
class _Reading:
    """One way to read a cluster's position: by the token here, or by the one that comes next."""

    offset: int
    """0 for the token here, 1 for the next."""
    ids: Int32[np.ndarray, "sample"]
    """That token of each sample."""
    position: Position
    """Where the samples stand."""
    shape: Shape
    """What the known ones lie on."""


@dataclass(frozen=True)
class _Fit:
    """A cluster's shape with the coordinate turned so that its values stand in order. Samples: the known ones."""

    reading: _Reading
    """Which tokens name the position."""
    known: Int64[np.ndarray, "sample"]
    """Rows of the cloud of which position can be told."""
    points: Float32[np.ndarray, "sample direction"]
    """Where they stand."""
    coordinate: Float32[np.ndarray, "sample"]
    """Intrinsic coordinate."""
    subspace: Subspace
    """Directions in which the curve runs, for steering."""
    path: Float32[np.ndarray, "knot axis"]
    """The curve in them."""
    values: Values
    """Named from tokens."""

    @property
    def closed(self) -> bool:
        """Whether the coordinate is cyclic."""
        return self.reading.shape.kind == "closed curve"


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
        cloud, membership, reading = self._chosen(core, rng)
        fit = self._fit(membership, reading, cloud)
        geometry = self._geometry(membership, cloud, fit, rng)
        summary = self._summary(number, membership, cloud, fit, rng)
        return Manifold(
            summary,
            geometry,
            portrait_svg(geometry.points, geometry.coordinate, geometry.curve, fit.reading.shape.kind),
        )

    def _chosen(self, core: Int32[np.ndarray, "core"], rng: np.random.Generator) -> tuple[_Cloud, Membership, _Reading]:
        """Of the tokens that may be the cluster's those that show a curve; of two such choices, that of which a larger
        share is known. Only the first is searched; in a wider one the text's tokens must put themselves in order."""
        choices = core_tokens(self.firing, core, self.settings.halo.core_share)
        claims = [_Claim(CLAIM / (READINGS * len(choices)), search) for search in (True, False)]
        clouds = [self._cloud(tokens, rng) for tokens in choices]
        found = [(cloud, *self._settled(core, cloud, claim, rng)) for cloud, claim in zip(clouds, claims, strict=False)]
        curved = [one for one in found if one[2].shape.kind in CURVES]
        return max(curved, key=lambda one: one[2].position.known.mean()) if curved else found[0]

    def _cloud(self, tokens: Int64[np.ndarray, "token_of_core"], rng: np.random.Generator) -> _Cloud:
        stored = self._stored(tokens)
        chosen = tokens if stored is None else stored
        most = self.settings.geometry.max_points
        if len(chosen) > most:
            chosen = np.sort(rng.choice(chosen, most, replace=False))
        activations = self._reconstructed(chosen) if stored is None else self._residual(chosen)
        return _Cloud(len(tokens), chosen, activations)

    def _stored(self, tokens: Int64[np.ndarray, "token_of_core"]) -> Int64[np.ndarray, "stored"] | None:
        """Those of the tokens whose activation is stored, or None where these are too few to tell a shape."""
        if self.residuals is None:
            return None
        stored = tokens[np.isin(tokens, self.residuals.token_index, assume_unique=True)]
        return stored if len(stored) >= FEWEST_STORED else None

    def _residual(self, tokens: Int64[np.ndarray, "sample"]) -> Float32[np.ndarray, "sample d_model"]:
        assert self.residuals is not None
        return self.residuals.values[np.searchsorted(self.residuals.token_index, tokens)].astype(np.float32)

    def _reconstructed(self, tokens: Int64[np.ndarray, "sample"]) -> Float32[np.ndarray, "sample d_model"]:
        """What the SAE makes of its codes, which stands in for activations that are not stored."""
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

    def _settled(
        self, core: Int32[np.ndarray, "core"], cloud: _Cloud, claim: _Claim, rng: np.random.Generator
    ) -> tuple[Membership, _Reading]:
        """Atoms and reading; where a curve shows, the halo is grown anew on the tokens of which position is known.

        On all tokens of a core the halo spends itself on wording and on the core's other populations. The new atoms are
        kept if a curve still shows in them.
        """
        membership = self._membership(core, cloud, rng)
        reading = self._reading(self._span(membership, cloud).coordinates(cloud.activations), cloud, claim, rng)
        if reading.shape.kind not in CURVES:
            return membership, reading
        again = self._membership(core, cloud.part(reading.position.known), rng)
        inside = self._span(again, cloud.part(reading.position.known)).coordinates(cloud.activations)
        reread = self._read(inside, self._ids(cloud)[reading.offset], reading.offset, claim, rng)
        return (again, reread) if reread.shape.kind in CURVES else (membership, reading)

    def _span(self, membership: Membership, cloud: _Cloud) -> Subspace:
        return cluster_subspace(cloud.activations, self.decoder.W_dec[membership.atoms])

    def _fit(self, membership: Membership, reading: _Reading, cloud: _Cloud) -> _Fit:
        span = self._span(membership, cloud.part(reading.position.known))
        inside = span.coordinates(cloud.activations)
        known = np.flatnonzero(reading.position.known)
        closed = reading.shape.kind == "closed curve"
        values = self._values(reading.ids[known], reading.offset, reading.shape)
        coordinate = orient(reading.shape.coordinate, values.orientation, closed=closed).astype(np.float32)
        told = reading.position.told[known]
        surest = np.flatnonzero(_surest(told, coordinate))
        curve = fit_path(
            inside[known][surest],
            coordinate[surest],
            closed=closed,
            knots=self.settings.geometry.knots,
            most_harmonics=max(PATH_HARMONICS, len(values.names) // 2),
            stiffness=PATH_STIFFNESS,
        )
        subspace = _directions_of(curve, span)
        path = (curve @ span.basis + span.center - subspace.center) @ subspace.basis.T
        points = reading.position.points[known]
        return _Fit(reading, known, points, coordinate, subspace, path.astype(np.float32), values)

    def _reading(
        self, inside: Float32[np.ndarray, "sample axis"], cloud: _Cloud, claim: _Claim, rng: np.random.Generator
    ) -> _Reading:
        """By the next token, which is what steering moves, if that shows a curve; else by the token here, if that does;
        else by whichever tells more."""
        here, following = self._ids(cloud)
        ahead = self._read(inside, following, 1, claim, rng)
        if ahead.shape.kind in CURVES:
            return ahead
        found = self._read(inside, here, 0, claim, rng)
        return found if found.shape.kind in CURVES or found.position.bits > ahead.position.bits else ahead

    def _ids(self, cloud: _Cloud) -> tuple[Int32[np.ndarray, "sample"], Int32[np.ndarray, "sample"]]:
        """The token here and the next, -1 where there is none."""
        following = contexts_of(self.tokens, cloud.tokens)[:, CONTEXT_BEFORE + 1]
        return self.tokens.token_ids[cloud.tokens], following

    def _read(
        self,
        inside: Float32[np.ndarray, "sample axis"],
        ids: Int32[np.ndarray, "sample"],
        offset: int,
        claim: _Claim,
        rng: np.random.Generator,
    ) -> _Reading:
        position = read_position(inside, ids, rng=rng, claim=claim.p_value)
        told = position.bits > 0 and position.p_value <= CLAIM
        points, named = position.points[position.known], ids[position.known]
        shape = self._ordered(points, named, offset, position, rng) if told else None
        if shape is None:
            shape = self._searched(points, named, offset, claim.p_value if told and claim.search else 0.0, rng)
        return _Reading(offset, ids, position, shape)

    def _ordered(
        self,
        points: Float32[np.ndarray, "known direction"],
        named: Int32[np.ndarray, "known"],
        offset: int,
        position: Position,
        rng: np.random.Generator,
    ) -> Shape | None:
        """The curve on which the known samples lie in the order of their tokens, if these have one."""
        if position.order is None:
            return None
        place, closed, p = position.order.place[position.known], position.order.closed, position.order.p_value
        shape = shape_along(points, place, closed=closed, p_value=p, rng=rng, settings=self.settings.geometry)
        ordered = shape is not None and _in_order(points, self._values(named, offset, shape), shape)
        return shape if ordered else None

    def _searched(
        self,
        points: Float32[np.ndarray, "known direction"],
        named: Int32[np.ndarray, "known"],
        offset: int,
        claim: float,
        rng: np.random.Generator,
    ) -> Shape:
        """What the known samples lie on by their positions alone."""
        settings = self.settings.geometry
        shape = fit_shape(points, rng=rng, settings=settings, claim=claim)
        if shape.kind == "closed curve" and breaks_off(self._values(named, offset, shape)):
            opened = fit_shape(points, rng=rng, settings=settings, claim=claim, curves=("open curve",))
            shape = opened if opened.kind == "open curve" else shape
        if shape.kind in CURVES and not _in_order(points, self._values(named, offset, shape), shape):
            shape = fit_shape(points, rng=rng, settings=settings, claim=claim, curves=())
        return shape

    def _values(self, ids: Int32[np.ndarray, "sample"], offset: int, shape: Shape) -> Values:
        closed = shape.kind == "closed curve"
        return name_values(ids, offset, shape.coordinate, self.tokens.vocabulary, closed=closed)

    def _geometry(self, membership: Membership, cloud: _Cloud, fit: _Fit, rng: np.random.Generator) -> ClusterGeometry:
        settings = self.settings.geometry
        n = len(fit.known)
        drawn = (
            np.sort(rng.choice(n, settings.drawn_points, replace=False)) if n > settings.drawn_points else np.arange(n)
        )
        tokens = cloud.tokens[fit.known]
        codes = codes_on(self.firing, membership.atoms, tokens)
        placed = _padded(fit.points[:, :DRAWN_AXES])
        strength = _padded(fit.reading.position.strength[None, :DRAWN_AXES])[0]
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
            context_ids=contexts_of(self.tokens, tokens[drawn]),
            curve=fit_path(placed, fit.coordinate, closed=fit.closed, knots=settings.knots),
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
            tokens, values = self.firing.of(int(atom))
            best = np.argsort(-values, kind="stable")[:most]
            strength[row, : len(best)] = values[best]
            where[row, : len(best)] = tokens[best]
        shown = contexts_of(self.tokens, where.ravel()).reshape(len(atoms), most, -1)
        return np.where(strength[:, :, None] > 0, shown, np.int32(-1)).astype(np.int32), strength

    def _summary(
        self, number: int, membership: Membership, cloud: _Cloud, fit: _Fit, rng: np.random.Generator
    ) -> ClusterSummary:
        shape = fit.reading.shape
        codes = codes_on(self.firing, membership.atoms, cloud.tokens[fit.known])
        judged = judge_regime(codes, fit.points, fit.coordinate, closed=fit.closed, rng=rng)
        tuning = tuning_curves(codes, fit.coordinate, closed=fit.closed, bins=self.settings.geometry.bins)
        return ClusterSummary(
            id=number,
            label=label_of(fit.values, self._common(cloud.tokens)),
            words=shape_in_words(shape.kind, fit.values),
            features=tuple(int(atom) for atom in membership.atoms[: membership.n_core]),
            halo=tuple(int(atom) for atom in membership.atoms[membership.n_core :]),
            n_tokens=cloud.n_tokens,
            n_sampled=len(fit.known),
            shape=shape.kind,
            intrinsic_dim=shape.intrinsic_dim,
            regime=judged.regime,
            order=fit.values.names,
            value_offset=fit.values.offset,
            feature_order=tuple(int(membership.atoms[row]) for row in feature_order(tuning)),
            scores=self._scores(number, membership, cloud, fit) | judged.numbers,
        )

    def _scores(self, number: int, membership: Membership, cloud: _Cloud, fit: _Fit) -> dict[str, float]:
        shape, position = fit.reading.shape, fit.reading.position
        return {
            "variance_explained": shape.variance_explained,
            "p_value": shape.p_value,
            "persistence": float(self.clustering.persistence[number]),
            "manifold_likeness": shape.variance_explained if shape.kind in CURVES else 0.0,
            "atoms_explain": float(membership.gain.sum()),
            "core_explains": float(membership.gain[: membership.n_core].sum()),
            "known_share": len(fit.known) / len(cloud.tokens),
            "position_bits": position.bits,
            "position_p_value": position.p_value,
        }

    def _common(self, tokens: Int64[np.ndarray, "sample"], most: int = 3) -> list[str]:
        """Texts of the tokens that the cluster fires on most."""
        ids, counts = np.unique(self.tokens.token_ids[tokens], return_counts=True)
        texts = [self.tokens.vocabulary.text(int(ids[best])).strip() for best in np.argsort(-counts, kind="stable")]
        return [text for text in texts if text][:most]


def _padded(points: Float32[np.ndarray, "sample axis"]) -> Float32[np.ndarray, "sample xyz"]:
    """Three columns, zeros where there are fewer."""
    return np.pad(points, ((0, 0), (0, DRAWN_AXES - points.shape[1])))


def _in_order(points: Float32[np.ndarray, "known direction"], values: Values, shape: Shape) -> bool:
    """Whether a curve orders its values: those that follow each other on it are those that lie near."""
    if len(values.names) < FEWEST_VALUES:
        return False
    centres = np.array([points[values.index == value].mean(axis=0) for value in range(len(values.names))])
    return explained_by_lag(centres, shape.curve, closed=shape.kind == "closed curve") >= IN_ORDER


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
    total = np.zeros((n_values, rows.shape[1]))
    np.add.at(total, index[index >= 0], rows[index >= 0])
    return (total / np.maximum(count, 1)[:, None]).astype(np.float32), count
