"""Position readout of a cluster: its tokens, the atoms that carry position on them, and the shape that the positions
lie on."""

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
from explorer.pipeline.build.firing import FiringMatrix, core_tokens, halo_candidates
from explorer.records.bundle import Decoder, Residuals, Tokens
from explorer.records.cluster import CONTEXT_AFTER, CONTEXT_BEFORE, CURVES, Membership, Shape, ShapeKind

ATOMS_A_VALUE = 3
"""Atoms per value of a curve, where that exceeds the maximum number in the settings."""
FEWEST_STORED = 40
"""Minimum number of stored activations; with fewer, a cluster's geometry is fitted on the SAE's reconstruction."""
FEWEST_VALUES = 3
"""Minimum number of tokens with a position of their own for a curve to count as one of position."""
IN_ORDER = 0.7
"""Minimum lag score: how well the lag between values along a curve explains their distances, beyond chance. Where the
values' own order determined the curve, a lower score suffices if random curves through as many values in as many
dimensions never reach it."""
READINGS = 2
"""Number of readouts (this token, next token); the false-positive rate of a shape is divided among them."""


@dataclass(frozen=True)
class PointCloud:
    """The tokens on which one cluster's geometry is fitted."""

    n_tokens: int
    """Number of the cluster's tokens before sampling."""
    tokens: Int64[np.ndarray, "sample"]
    """Sampled tokens, ascending."""
    activations: Float32[np.ndarray, "sample d_model"]
    """Activations that the SAE reads there."""

    def part(self, rows: Bool[np.ndarray, "sample"]) -> "PointCloud":
        """A subset of the samples."""
        return PointCloud(self.n_tokens, self.tokens[rows], self.activations[rows])


@dataclass(frozen=True)
class TokenReadout:
    """Position of a cluster's samples, read out from this token or from the next one."""

    offset: int
    """0 for this token, 1 for the next."""
    ids: Int32[np.ndarray, "sample"]
    """Token id of each sample at that offset; -1 where none could name a position."""
    position: PositionReadout
    alpha: float
    """Significance level for claiming a shape; 0 where the tokens carry no more information than shuffled ones."""


@dataclass(frozen=True)
class ShapeReadout(TokenReadout):
    """A token readout with the shape fitted to it."""

    shape: Shape
    """Shape of the samples with a known position."""

    @property
    def known_share(self) -> float:
        """Fraction of the samples with a known position."""
        return float(self.position.known.mean())

    @property
    def tokens(self) -> Int32[np.ndarray, "value"]:
        """Tokens with a position."""
        placed = np.unique(self.ids[self.position.known])
        return placed[placed >= 0]

    @property
    def rank(self) -> tuple[bool, float]:
        """Sort key: a readout with a curve precedes one without. Of two curves, that of the next token wins, because
        steering moves the next token; of two readouts without a curve, the more informative one."""
        curved = self.shape.kind in CURVES
        return curved, float(self.offset) if curved else self.position.bits


@dataclass(frozen=True)
class PositionReader:
    """Reads out clusters of one bundle."""

    firing: FiringMatrix
    """Sparse activations of the bundle."""
    decoder: Decoder
    tokens: Tokens
    residuals: Residuals | None
    """Stored activations; None falls back to the SAE's reconstruction."""
    settings: BuildSettings

    def read(
        self, core: Int32[np.ndarray, "core"], rng: np.random.Generator
    ) -> tuple[PointCloud, Membership, ShapeReadout]:
        """Choose a cluster's tokens and atoms, and read out the position of its tokens.

        The subject of a cluster is the order that is known on the largest fraction of its tokens: weekdays, rather than
        the hours that a few of them name. Among the candidate token sets, the one with most values in order wins; ties
        go to the largest fraction of samples on the curve. Without any order, the usual tokens are taken, and a shape
        is searched for there.

        Args:
            core: features of the cluster's core.
            rng: generator of the cluster.

        Returns:
            The sampled tokens, core and halo, and the readout with its shape.
        """
        choices = core_tokens(self.firing, core, self.settings.halo.core_share).distinct
        alpha = ALPHA / (READINGS * len(choices))
        tried, ordered = {}, []
        for name, cloud in self._clouds(choices, rng).items():
            membership = self._membership(core, cloud, rng)
            readouts, inside = [], self.span(membership, cloud).coordinates(cloud.activations)
            for offset in (1, 0):
                readouts.append(self.read_out(inside, cloud, offset, alpha, rng))
                if (shaped := self.ordered(readouts[-1], rng)) is not None:
                    ordered.append((cloud, membership, shaped))
                    break
            tried[name] = cloud, membership, readouts
        if ordered:
            same = [ordered[number] for number in sharing_tokens([shaped for _, _, shaped in ordered])]
            cloud, membership, best = max(same, key=lambda one: self._order_rank(one[2]))
        else:
            cloud, membership, readouts = tried.get("usual", tried["central"])
            best = max((self._searched(one, rng) for one in readouts), key=lambda shaped: shaped.rank)
        return cloud, *self._regrown(core, cloud, membership, best, rng)

    def _order_rank(self, shaped: ShapeReadout) -> tuple[int, float]:
        on_curve = shaped.known_share * shaped.shape.variance_explained
        return len(self.values_on(shaped, shaped.shape).names), on_curve

    def _clouds(
        self, choices: dict[str, Int64[np.ndarray, "token_of_core"]], rng: np.random.Generator
    ) -> dict[str, PointCloud]:
        """Point cloud of each candidate token set; unstored activations of overlapping sets are reconstructed once."""
        stored = {name: self._stored(tokens) for name, tokens in choices.items()}
        chosen = {name: self._sampled(choices[name] if own is None else own, rng) for name, own in stored.items()}
        unstored = [chosen[name] for name, own in stored.items() if own is None]
        bare = np.unique(np.concatenate([np.zeros(0, np.int64), *unstored]))
        rebuilt = self._reconstructed(bare)
        return {
            name: PointCloud(
                len(choices[name]),
                tokens,
                rebuilt[np.searchsorted(bare, tokens)] if stored[name] is None else self._residual(tokens),
            )
            for name, tokens in chosen.items()
        }

    def _sampled(
        self, tokens: Int64[np.ndarray, "token_of_core"], rng: np.random.Generator
    ) -> Int64[np.ndarray, "sample"]:
        """A sample of at most the maximum number of tokens that a shape is fitted on."""
        most = self.settings.geometry.max_points
        return np.sort(rng.choice(tokens, most, replace=False)) if len(tokens) > most else tokens

    def _stored(self, tokens: Int64[np.ndarray, "token_of_core"]) -> Int64[np.ndarray, "stored"] | None:
        """The tokens whose activation is stored, or None if there are too few."""
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
        """Reconstruction from the codes, in place of activations that are not stored."""
        return np.asarray(self.firing.on(tokens) @ self.decoder.W_dec + self.decoder.b_dec)

    def _membership(
        self, core: Int32[np.ndarray, "core"], cloud: PointCloud, rng: np.random.Generator, n_values: int = 0
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
        cloud: PointCloud,
        membership: Membership,
        shaped: ShapeReadout,
        rng: np.random.Generator,
    ) -> tuple[Membership, ShapeReadout]:
        """Grow the halo again on the tokens with a known position, where there is a curve.

        Grown on all tokens of a core, the halo fits wording and the core's other populations. Many values need many
        atoms. The new atoms are used if they still show a curve, through no fewer values.
        """
        if shaped.shape.kind not in CURVES:
            return membership, shaped
        part = cloud.part(shaped.position.known)
        n_before = len(self.values_on(shaped, shaped.shape).names)
        again = self._membership(core, part, rng, n_before)
        inside = self.span(again, part).coordinates(cloud.activations)
        readout = self.read_out(inside, cloud, shaped.offset, shaped.alpha, rng)
        reshaped = self.ordered(readout, rng) or self._searched(readout, rng)
        better = reshaped.shape.kind in CURVES and len(self.values_on(reshaped, reshaped.shape).names) >= n_before
        return (again, reshaped) if better else (membership, shaped)

    def span(self, membership: Membership, cloud: PointCloud) -> Subspace:
        """Principal directions of a cloud's activations within the span of the atoms' decoder rows."""
        return cluster_subspace(cloud.activations, self.decoder.W_dec[membership.atoms])

    def read_out(
        self,
        inside: Float32[np.ndarray, "sample axis"],
        cloud: PointCloud,
        offset: int,
        alpha: float,
        rng: np.random.Generator,
    ) -> TokenReadout:
        """Read out the position of every sample, given its coordinates in the span of the atoms.

        Args:
            inside: coordinates of the samples [sample, axis].
            cloud: the samples.
            offset: 0 reads this token, 1 the next.
            alpha: significance level.
            rng: generator of the cluster.
        """
        ids = self._ids(cloud, offset)
        position = read_position(inside, ids, rng=rng, alpha=alpha)
        informative = position.bits > 0 and position.p_value <= ALPHA
        return TokenReadout(offset, ids, position, alpha if informative else 0.0)

    def _ids(self, cloud: PointCloud, offset: int) -> Int32[np.ndarray, "sample"]:
        """Token id of this or the next token; -1 where there is none."""
        if offset == 0:
            return np.asarray(self.tokens.token_ids[cloud.tokens])
        return contexts_of(self.tokens, cloud.tokens)[:, CONTEXT_BEFORE + offset]

    def ordered(self, readout: TokenReadout, rng: np.random.Generator) -> ShapeReadout | None:
        """The curve through the known samples in the order of their tokens, or None if they have no order; other tokens
        get no position on it."""
        position, order = readout.position, readout.position.order
        if readout.alpha <= 0 or order is None:
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
        readout = replace(readout, ids=np.where(np.isin(readout.ids, order.tokens), readout.ids, -1).astype(np.int32))
        if shape is None:
            return None
        lag = lag_of(points, self.values_on(readout, shape), shape)
        if lag.above_chance < IN_ORDER and not lag.beyond_chance:
            return None
        return ShapeReadout(**vars(readout), shape=shape)

    def _searched(self, readout: TokenReadout, rng: np.random.Generator) -> ShapeReadout:
        """The shape of the known samples, searched for without their tokens."""
        points = readout.position.points[readout.position.known]

        def fitted(curves: Sequence[ShapeKind]) -> Shape:
            return fit_shape(points, rng=rng, settings=self.settings.geometry, alpha=readout.alpha, curves=curves)

        shape = fitted(CURVES)
        if shape.kind == "closed curve" and has_gap(self.values_on(readout, shape)):
            opened = fitted(("open curve",))
            shape = opened if opened.kind == "open curve" else shape
        if shape.kind in CURVES and lag_of(points, self.values_on(readout, shape), shape).above_chance < IN_ORDER:
            shape = fitted(())
        return ShapeReadout(**vars(readout), shape=shape)

    def values_on(self, readout: TokenReadout, shape: Shape) -> NamedValues:
        """Named values of the known samples along a shape."""
        closed = shape.kind == "closed curve"
        named = readout.ids[readout.position.known]
        return name_values(named, readout.offset, shape.coordinate, self.tokens.vocabulary, closed=closed)


def lag_of(points: Float32[np.ndarray, "known direction"], values: NamedValues, shape: Shape) -> LagFit:
    """LagFit score of a curve: how well it orders its values, so that neighbours along it are neighbours in space."""
    if len(values.names) < FEWEST_VALUES:
        return LagFit(0.0, FEWEST_VALUES, points.shape[1])
    centres = np.array([points[values.index == value].mean(axis=0) for value in range(len(values.names))])
    return LagFit(explained_by_lag(centres, shape.curve, closed=shape.kind == "closed curve"), *centres.shape)


def sharing_tokens(readouts: Sequence[ShapeReadout]) -> list[int]:
    """Indices of the readouts that share tokens with the one known on the largest fraction of samples."""
    best_known = max(readouts, key=lambda shaped: shaped.known_share)
    return [i for i, one in enumerate(readouts) if np.isin(one.tokens, best_known.tokens).any()]


WINDOW = np.arange(-CONTEXT_BEFORE, CONTEXT_AFTER + 1)
"""Offsets of a context relative to its token."""


def contexts_of(tokens: Tokens, at: Int64[np.ndarray, "sample"]) -> Int32[np.ndarray, "sample context"]:
    """Token ids around each token [sample, context]; -1 beyond its document."""
    doc = np.searchsorted(tokens.doc_offsets, at, side="right") - 1
    place = at[:, None] + WINDOW
    inside = (place >= tokens.doc_offsets[doc][:, None]) & (place < tokens.doc_offsets[doc + 1][:, None])
    clipped = np.clip(place, 0, len(tokens.token_ids) - 1)
    return np.where(inside, tokens.token_ids[clipped], np.int32(-1)).astype(np.int32)
