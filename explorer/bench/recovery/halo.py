"""Halo benchmark: planted variance explained by core and halo, and regime classification accuracy."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64
from pydantic import JsonValue

from explorer.bench.planted.zoo import sample_zoo
from explorer.bench.recovery.datasets import zoo_dataset
from explorer.bench.recovery.methods import hdbscan_on_graph
from explorer.bench.recovery.planted_regime import PlantedFields, planted_fields
from explorer.bench.recovery.scores import MIN_GROUP_SIZE, RECOVERED_F1
from explorer.bench.recovery.zoo_sae import ZooSae, encode, train_on_zoo
from explorer.bench.settings import HaloBenchSettings
from explorer.config import BuildSettings
from explorer.maths.features.explained import matching_pursuit, restricted_r2
from explorer.maths.features.halo import cluster_subspace, grow_halo
from explorer.maths.features.regime import RegimeEstimate, classify_regime
from explorer.pipeline.build.firing import (
    FiringMatrix,
    codes_on,
    core_cofires,
    core_tokens,
    firing_matrix,
    halo_candidates,
)
from explorer.records.cluster import Regime
from explorer.records.progress import Progress, silent

WELL_EXPLAINED = 0.9
"""Manifolds with a lower R2 of the whole SAE are reported separately: no choice of atoms can exceed it."""
REGIMES: tuple[Regime, ...] = ("tiling", "compact capture", "dilution")
"""The regimes that are claimed, without "undetermined"."""


@dataclass(frozen=True)
class HaloResult:
    """One halo of one cluster."""

    r2: float
    """Restricted R2 of core and halo on the planted contribution."""
    halo: int
    """Number of features in the halo."""
    own: int
    """Number of these that the manifold owns."""


@dataclass(frozen=True)
class ClusterResult:
    """The cluster that matches a manifold."""

    f1: float
    """Agreement with the features that the manifold owns."""
    core: int
    """Number of features of the core."""
    core_r2: float
    """Restricted R2 of the core alone."""
    grown: HaloResult
    """Core and halo as in a build."""
    lifted: HaloResult
    """With halo candidates restricted to features that fire more often on the core's samples than elsewhere."""
    labelled_r2: float
    """Restricted R2 of the best choice of as many atoms, given the planted contribution."""
    regime: Regime
    """Classified regime."""
    numbers: dict[str, float]
    """Statistics behind the regime."""


@dataclass(frozen=True)
class ManifoldResult:
    """One planted manifold that owns enough features."""

    k: int
    """Features per sample."""
    seed: int
    """Seed of zoo and SAE."""
    number: int
    """Index in the zoo."""
    kind: str
    owned: int
    """Number of features that it owns."""
    sae_r2: float
    """Restricted R2 of all the SAE's features."""
    fields: PlantedFields
    """Ground truth from its positions."""
    found: ClusterResult | None
    """Its cluster, if there is one."""


@dataclass(frozen=True, eq=False)
class _ZooBench:
    """An SAE with the data it is evaluated on."""

    trained: ZooSae
    firing: FiringMatrix
    """Where its features fire."""
    label: Int64[np.ndarray, "feature"]
    """Clusters, as a build finds them."""
    codes: Float32[np.ndarray, "held_out feature"]
    """Its codes on held-out samples."""
    active: Bool[np.ndarray, "held_out manifold"]
    """Manifolds of the held-out samples."""
    contribution: tuple[Float32[np.ndarray, "present axis"], ...]
    """Contributions of the manifolds to them."""
    settings: HaloBenchSettings


def measure_halos(settings: HaloBenchSettings, *, progress: Progress = silent) -> tuple[ManifoldResult, ...]:
    """Train SAEs on the zoo, cluster their codes, and measure every manifold that owns at least MIN_GROUP_SIZE
    features.

    Args:
        settings: sizes and seeds.
        progress: called after every SAE.
    """
    planned = list(product(settings.k, range(settings.seed, settings.seed + settings.seeds)))
    measured: list[ManifoldResult] = []
    for done, (k, seed) in enumerate(planned, start=1):
        bench = _prepare(k, seed, settings)
        for number in range(len(bench.trained.zoo.kind)):
            owned = np.flatnonzero(bench.trained.owner == number).astype(np.int32)
            if len(owned) >= MIN_GROUP_SIZE:
                measured.append(_measure(bench, k, seed, number, owned))
        progress("halo", done, len(planned))
    return tuple(measured)


def _prepare(k: int, seed: int, settings: HaloBenchSettings) -> _ZooBench:
    trained = train_on_zoo(k, settings.zoo, seed=seed)
    further = sample_zoo(trained.zoo, settings.held_out, rng=np.random.default_rng([seed, k, 1]))
    label = np.asarray(hdbscan_on_graph(BuildSettings().cofiring.similarity)(zoo_dataset(trained)), dtype=np.int64)
    codes = encode(trained.sae, further.points)
    return _ZooBench(
        trained,
        firing_matrix([trained.codes], trained.codes.n_features),
        label,
        codes,
        further.active,
        further.contribution,
        settings,
    )


def _measure(bench: _ZooBench, k: int, seed: int, number: int, owned: Int32[np.ndarray, "owned"]) -> ManifoldResult:
    rng = np.random.default_rng([seed, k, 2, number])
    where = np.flatnonzero(bench.active[:, number])
    codes, target = bench.codes[where], bench.contribution[number]
    fitted = rng.permutation(len(where)) < len(where) // 2
    fields = planted_fields(codes[:, owned], target, fitted, rng=rng)

    def r2(features: Int32[np.ndarray, "atom"]) -> float:
        return restricted_r2(codes[:, features], target, fitted)

    def labelled(most: int) -> float:
        return r2(matching_pursuit(codes[fitted], target[fitted], most).astype(np.int32))

    alive = np.flatnonzero((codes > 0).any(0)).astype(np.int32)
    best, f1 = _best_cluster(bench.label, owned)
    found = _found(bench, best, f1, owned, r2, labelled, rng) if f1 > RECOVERED_F1 else None
    kind = bench.trained.zoo.kind[number]
    return ManifoldResult(k, seed, number, kind, len(owned), r2(alive), fields, found)


def _best_cluster(label: Int64[np.ndarray, "feature"], owned: Int32[np.ndarray, "owned"]) -> tuple[int, float]:
    """The cluster with the largest F1 against the owned features, and that F1."""
    inside = label[owned]
    scores = {
        int(one): 2.0 * float((inside == one).sum()) / (len(owned) + float((label == one).sum()))
        for one in np.unique(inside[inside >= 0])
    }
    best = max(scores, key=lambda one: scores[one], default=-1)
    return best, scores.get(best, 0.0)


def _found(
    bench: _ZooBench,
    cluster: int,
    f1: float,
    owned: Int32[np.ndarray, "owned"],
    r2: Callable[[Int32[np.ndarray, "atom"]], float],
    labelled: Callable[[int], float],
    rng: np.random.Generator,
) -> ClusterResult:
    core = np.flatnonzero(bench.label == cluster).astype(np.int32)
    grown, lifted = (_grow(bench, core, lift, rng) for lift in (0.0, bench.settings.least_lift))
    judged = _judge(bench, core, rng)

    def result_of(atoms: Int32[np.ndarray, "atom"]) -> HaloResult:
        return HaloResult(r2(atoms), len(atoms) - len(core), int(np.isin(atoms[len(core) :], owned).sum()))

    return ClusterResult(
        f1,
        len(core),
        r2(core),
        result_of(grown),
        result_of(lifted),
        labelled(len(grown)),
        judged.regime,
        judged.statistics,
    )


def _grow(
    bench: _ZooBench, core: Int32[np.ndarray, "core"], least_lift: float, rng: np.random.Generator
) -> Int32[np.ndarray, "atom"]:
    """Core and halo from what a build knows: where the core fires, and the SAE's input there."""
    settings = BuildSettings().halo
    tokens = core_tokens(bench.firing, core, settings.core_share).usual
    candidates = halo_candidates(bench.firing, core, tokens, least_lift)
    codes = bench.firing.of_on(candidates, tokens)
    W_dec, read = bench.trained.sae.W_dec.numpy(), bench.trained.samples.points[tokens]
    return grow_halo(core, candidates, codes, read, W_dec, settings, rng=rng).atoms


def _judge(bench: _ZooBench, core: Int32[np.ndarray, "core"], rng: np.random.Generator) -> RegimeEstimate:
    """Classify a core on the samples where most of it fires, by its reconstruction there.

    Without text there is no position readout: the coordinate is the first principal axis, as for surfaces and blobs.
    """
    tokens = core_tokens(bench.firing, core, BuildSettings().halo.core_share).usual
    codes, directions = codes_on(bench.firing, core, tokens), bench.trained.sae.W_dec.numpy()[core]
    written = codes @ directions
    points = cluster_subspace(written, directions).coordinates(written)
    along = points[:, 0] - points[:, 0].min()
    coordinate = (along / max(float(along.max()), 1e-12)).astype(np.float32)
    cofires = core_cofires(bench.firing, core)
    return classify_regime(codes, points, coordinate, closed=False, rng=rng, cofires=cofires)


def report_values(measured: tuple[ManifoldResult, ...]) -> dict[str, JsonValue]:
    """Every manifold unrounded, for programs."""
    return {"manifolds": [asdict(one) for one in measured]}


def halo_rows(measured: tuple[ManifoldResult, ...]) -> tuple[str, list[str], list[list[str]]]:
    """The table of restricted R2: means over the manifolds that the SAE explains well, and over the rest."""
    header = ["k", "SAE R2", "n", "found", "core", "core + halo", "lifted", "labelled", "all", "halo", "lifted halo"]
    rows = []
    for k, well in product(sorted({one.k for one in measured}), (True, False)):
        group = [one for one in measured if one.k == k and (one.sae_r2 >= WELL_EXPLAINED) == well]
        if group:
            rows.append([str(k), f"{'>=' if well else '<'} {WELL_EXPLAINED:.1f}", *_means(group)])
    return "Restricted R2 of planted manifolds, means over those with a cluster (halos: features, own)", header, rows


def _means(group: list[ManifoldResult]) -> list[str]:
    found = [(one, one.found) for one in group if one.found is not None]
    counts = [str(len(group)), str(len(found))]
    if not found:
        return [*counts, *["–"] * 7]
    r2 = [(own.core_r2, own.grown.r2, own.lifted.r2, own.labelled_r2, one.sae_r2) for one, own in found]
    halos = [
        "{:.1f}, {:.1f}".format(*np.mean([(halo.halo, halo.own) for halo in kind], axis=0))
        for kind in ([own.grown for _, own in found], [own.lifted for _, own in found])
    ]
    return [*counts, *(f"{mean:.3f}" for mean in np.mean(r2, axis=0)), *halos]


def regime_rows(measured: tuple[ManifoldResult, ...]) -> tuple[str, list[str], list[list[str]]]:
    """The table of regimes: planted against classified."""
    header = ["k", "planted", "clusters", *REGIMES, "undetermined", "correct"]
    rows = list(_regimes(measured))
    classified = [one for one in measured if one.found is not None and one.found.regime != "undetermined"]
    right = sum(one.found is not None and one.found.regime == one.fields.regime for one in classified)
    return f"Regimes of found clusters ({right} of {len(classified)} correct)", header, rows


def _regimes(measured: tuple[ManifoldResult, ...]) -> Iterator[list[str]]:
    for k, planted in product(sorted({one.k for one in measured}), REGIMES):
        judged = [one.found.regime for one in measured if one.k == k and one.found and one.fields.regime == planted]
        if judged:
            classified = len(judged) - judged.count("undetermined")
            counts = [judged.count(regime) for regime in (*REGIMES, "undetermined")]
            yield [str(k), planted, str(len(judged)), *map(str, counts), f"{judged.count(planted)} of {classified}"]
