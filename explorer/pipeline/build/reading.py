"""Reads a cluster's position: which tokens are its own, which atoms carry position there, and on what tokens lie."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from explorer.config import BuildSettings
from explorer.maths.features.halo import Subspace, cluster_subspace, grow_halo
from explorer.maths.position.ordering import LagFit
from explorer.maths.position.readout import PositionReadout, read_position
from explorer.maths.position.values import NamedValues, has_gap, name_values
from explorer.maths.shape.fit import ALPHA, fit_shape, shape_along
from explorer.maths.shape.search import explained_by_lag
from explorer.pipeline.build.contexts import contexts_of
from explorer.pipeline.build.firing import Firing, core_tokens, halo_candidates
from explorer.records import CONTEXT_BEFORE, CURVES, Decoder, Membership, Residuals, Shape, ShapeKind, Tokens

ATOMS_A_VALUE = 3
"""A curve through many values has so many atoms for each, if that is more than the settings' limit."""
FEWEST_STORED = 40
"""Stored activations below which a cluster's geometry is fitted on the SAE's reconstruction."""
FEWEST_VALUES = 3
"""Position is read off tokens: a curve along which fewer of them have a place of their own is not one of position."""
IN_ORDER = 0.7
"""How far the lag of its values along a curve of position explains their distances, beyond what chance would, at least.
Where the values' own order drew the curve, less will do if as many at random places in as many directions never reach
it."""
READINGS = 2
"""Ways in which the position of tokens is read; each has its share of the chance to claim a shape by mistake."""


@dataclass(frozen=True)
class Cloud:
    """The tokens that one cluster's geometry is fitted on."""

    n_tokens: int
    """How many tokens the cluster has."""
    tokens: Int64[np.ndarray, "sample"]
    """Those that are sampled, ascending."""
    activations: Float32[np.ndarray, "sample d_model"]
    """What the SAE reads there."""

    def part(self, rows: Bool[np.ndarray, "sample"]) -> "Cloud":
        """Some of the samples."""
        return Cloud(self.n_tokens, self.tokens[rows], self.activations[rows])


@dataclass(frozen=True)
class Told:
    """What one way to read a cluster's position tells: by the token here, or by the one that comes next."""

    offset: int
    """0 for the token here, 1 for the next."""
    ids: Int32[np.ndarray, "sample"]
    """That token of each sample; -1 where it has none that could name a place."""
    position: PositionReadout
    """Where the samples stand."""
    claim: float
    """Largest p at which a shape may be claimed; 0 where the tokens tell no more than shuffled ones."""


@dataclass(frozen=True)
class Reading(Told):
    """The same with the shape that shows in it."""

    shape: Shape
    """What the known samples lie on."""

    @property
    def known_share(self) -> float:
        """Share of the samples of which position is known."""
        return float(self.position.known.mean())

    @property
    def tokens(self) -> Int32[np.ndarray, "value"]:
        """The tokens that have a place."""
        placed = np.unique(self.ids[self.position.known])
        return placed[placed >= 0]

    @property
    def rank(self) -> tuple[bool, float]:
        """A reading that shows a curve goes before one that does not. Of two curves that of the next token does, which
        is what steering moves; of none, the one that tells more."""
        curved = self.shape.kind in CURVES
        return curved, float(self.offset) if curved else self.position.bits


@dataclass(frozen=True)
class ClusterReader:
    """Reads clusters of one bundle."""

    firing: Firing
    """Where features fire."""
    decoder: Decoder
    """What they write."""
    tokens: Tokens
    """The text."""
    residuals: Residuals | None
    """Stored activations; where there are none, the SAE's reconstruction stands in."""
    settings: BuildSettings
    """Every choice."""

    def read(self, core: Int32[np.ndarray, "core"], rng: np.random.Generator) -> tuple[Cloud, Membership, Reading]:
        """Choose a cluster's tokens and atoms, and read where the tokens stand.

        A cluster is about that order which is known on the largest share of the tokens that it is read on: weekdays and
        not the hours that a few of them tell. Of the tokens that may be the cluster's those are taken on which most of
        its values lie in order, and the largest share of the samples on its curve. Where there is no order, the usual
        tokens are, and what a search finds there.
        """
        choices = core_tokens(self.firing, core, self.settings.halo.core_share).different
        claim = ALPHA / (READINGS * len(choices))
        tried, ordered = {}, []
        for name, cloud in self._clouds(choices, rng).items():
            membership = self._membership(core, cloud, rng)
            told, inside = [], self.span(membership, cloud).coordinates(cloud.activations)
            for offset in (1, 0):
                told.append(self.tell(inside, cloud, offset, claim, rng))
                if (reading := self.ordered(told[-1], rng)) is not None:
                    ordered.append((cloud, membership, reading))
                    break
            tried[name] = cloud, membership, told
        if ordered:
            same = [ordered[number] for number in of_one_thing([reading for _, _, reading in ordered])]
            cloud, membership, best = max(same, key=lambda one: self._order_rank(one[2]))
        else:
            cloud, membership, told = tried.get("usual", tried["central"])
            best = max((self._searched(one, rng) for one in told), key=lambda reading: reading.rank)
        return cloud, *self._regrown(core, cloud, membership, best, rng)

    def _order_rank(self, reading: Reading) -> tuple[int, float]:
        on_curve = reading.known_share * reading.shape.variance_explained
        return len(self.values_on(reading, reading.shape).names), on_curve

    def _clouds(
        self, choices: dict[str, Int64[np.ndarray, "token_of_core"]], rng: np.random.Generator
    ) -> dict[str, Cloud]:
        """A cloud of each choice of tokens; where choices overlap, what is not stored is reconstructed once."""
        stored = {name: self._stored(tokens) for name, tokens in choices.items()}
        chosen = {name: self._sampled(choices[name] if own is None else own, rng) for name, own in stored.items()}
        unstored = [chosen[name] for name, own in stored.items() if own is None]
        bare = np.unique(np.concatenate([np.zeros(0, np.int64), *unstored]))
        rebuilt = self._reconstructed(bare)
        return {
            name: Cloud(
                len(choices[name]),
                tokens,
                rebuilt[np.searchsorted(bare, tokens)] if stored[name] is None else self._residual(tokens),
            )
            for name, tokens in chosen.items()
        }

    def _sampled(
        self, tokens: Int64[np.ndarray, "token_of_core"], rng: np.random.Generator
    ) -> Int64[np.ndarray, "sample"]:
        """As many as a shape is fitted on."""
        most = self.settings.geometry.max_points
        return np.sort(rng.choice(tokens, most, replace=False)) if len(tokens) > most else tokens

    def _stored(self, tokens: Int64[np.ndarray, "token_of_core"]) -> Int64[np.ndarray, "stored"] | None:
        """Those of the tokens whose activation is stored, or None where these are too few to tell a shape."""
        if self.residuals is None:
            return None
        index = self.residuals.token_index
        place = np.minimum(np.searchsorted(index, tokens), max(len(index) - 1, 0))
        stored = tokens[index[place] == tokens] if len(index) else tokens[:0]
        return stored if len(stored) >= FEWEST_STORED else None

    def _residual(self, tokens: Int64[np.ndarray, "sample"]) -> Float32[np.ndarray, "sample d_model"]:
        assert self.residuals is not None
        return self.residuals.values[np.searchsorted(self.residuals.token_index, tokens)].astype(np.float32)

    def _reconstructed(self, tokens: Int64[np.ndarray, "sample"]) -> Float32[np.ndarray, "sample d_model"]:
        """What the SAE makes of its codes, which stands in for activations that are not stored."""
        return np.asarray(self.firing.on(tokens) @ self.decoder.W_dec + self.decoder.b_dec)

    def _membership(
        self, core: Int32[np.ndarray, "core"], cloud: Cloud, rng: np.random.Generator, n_values: int = 0
    ) -> Membership:
        halo = self.settings.halo
        halo = halo.model_copy(update={"max_atoms": max(halo.max_atoms, ATOMS_A_VALUE * n_values)})
        full = len(core) >= halo.max_atoms
        candidates = core if full else halo_candidates(self.firing, core, cloud.tokens, halo.least_lift)
        codes = self.firing.of_on(candidates, cloud.tokens)
        W_dec = self.decoder.W_dec
        return grow_halo(core, candidates, codes, cloud.activations, W_dec, halo, rng=rng)

    def _regrown(
        self,
        core: Int32[np.ndarray, "core"],
        cloud: Cloud,
        membership: Membership,
        reading: Reading,
        rng: np.random.Generator,
    ) -> tuple[Membership, Reading]:
        """Where a curve shows, the halo is grown anew on the tokens of which position is known.

        On all tokens of a core the halo spends itself on wording and on the core's other populations. Many values need
        many atoms. The new ones are kept if a curve still shows in them, and through no fewer values.
        """
        if reading.shape.kind not in CURVES:
            return membership, reading
        part = cloud.part(reading.position.known)
        n_before = len(self.values_on(reading, reading.shape).names)
        again = self._membership(core, part, rng, n_before)
        inside = self.span(again, part).coordinates(cloud.activations)
        told = self.tell(inside, cloud, reading.offset, reading.claim, rng)
        reread = self.ordered(told, rng) or self._searched(told, rng)
        better = reread.shape.kind in CURVES and len(self.values_on(reread, reread.shape).names) >= n_before
        return (again, reread) if better else (membership, reading)

    def span(self, membership: Membership, cloud: Cloud) -> Subspace:
        """Directions inside the span of the atoms' decoder rows in which a cloud's activations vary."""
        return cluster_subspace(cloud.activations, self.decoder.W_dec[membership.atoms])

    def tell(
        self,
        inside: Float32[np.ndarray, "sample axis"],
        cloud: Cloud,
        offset: int,
        claim: float,
        rng: np.random.Generator,
    ) -> Told:
        """Read the position of every sample of a cloud, given its coordinates in the span of the atoms."""
        ids = self._ids(cloud, offset)
        position = read_position(inside, ids, rng=rng, alpha=claim)
        told = position.bits > 0 and position.p_value <= ALPHA
        return Told(offset, ids, position, claim if told else 0.0)

    def _ids(self, cloud: Cloud, offset: int) -> Int32[np.ndarray, "sample"]:
        """The token here or the next, -1 where there is none."""
        if offset == 0:
            return np.asarray(self.tokens.token_ids[cloud.tokens])
        return contexts_of(self.tokens, cloud.tokens)[:, CONTEXT_BEFORE + offset]

    def ordered(self, told: Told, rng: np.random.Generator) -> Reading | None:
        """The curve on which the known samples lie in the order of their tokens, if these have one; no other token has
        a place on it."""
        position, order = told.position, told.position.order
        if told.claim <= 0 or order is None:
            return None
        points = position.points[position.known]
        shape = shape_along(
            points,
            order.place[position.known],
            closed=order.closed,
            harmonics=len(order.tokens) // 2,
            p_value=order.p_value,
            rng=rng,
            settings=self.settings.geometry,
        )
        told = replace(told, ids=np.where(np.isin(told.ids, order.tokens), told.ids, -1).astype(np.int32))
        if shape is None:
            return None
        lag = lag_of(points, self.values_on(told, shape), shape)
        if lag.above_chance < IN_ORDER and not lag.beyond_chance:
            return None
        return Reading(**vars(told), shape=shape)

    def _searched(self, told: Told, rng: np.random.Generator) -> Reading:
        """What the known samples lie on by their positions alone."""
        points = told.position.points[told.position.known]

        def fitted(curves: Sequence[ShapeKind]) -> Shape:
            return fit_shape(points, rng=rng, settings=self.settings.geometry, alpha=told.claim, curves=curves)

        shape = fitted(CURVES)
        if shape.kind == "closed curve" and has_gap(self.values_on(told, shape)):
            opened = fitted(("open curve",))
            shape = opened if opened.kind == "open curve" else shape
        if shape.kind in CURVES and lag_of(points, self.values_on(told, shape), shape).above_chance < IN_ORDER:
            shape = fitted(())
        return Reading(**vars(told), shape=shape)

    def values_on(self, told: Told, shape: Shape) -> NamedValues:
        """The values of the known samples along a shape."""
        closed = shape.kind == "closed curve"
        named = told.ids[told.position.known]
        return name_values(named, told.offset, shape.coordinate, self.tokens.vocabulary, closed=closed)


def lag_of(points: Float32[np.ndarray, "known direction"], values: NamedValues, shape: Shape) -> LagFit:
    """How far a curve orders its values: those that follow each other on it are those that lie near."""
    if len(values.names) < FEWEST_VALUES:
        return LagFit(0.0, FEWEST_VALUES, points.shape[1])
    centres = np.array([points[values.index == value].mean(axis=0) for value in range(len(values.names))])
    return LagFit(explained_by_lag(centres, shape.curve, closed=shape.kind == "closed curve"), *centres.shape)


def of_one_thing(readings: Sequence[Reading]) -> list[int]:
    """Which readings are about the thing that is known on the largest share of samples, or about part of it."""
    surest = max(readings, key=lambda reading: reading.known_share)
    return [i for i, one in enumerate(readings) if np.isin(one.tokens, surest.tokens).any()]
