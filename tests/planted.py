"""Synthetic data with known shapes: a ring of weekdays and a curve of years, tiled by features, among noise features.

`write_planted_bundle` writes codes, decoder, tokens and activations as a feature bundle; `write_planted_run` writes the
run that an ideal build would produce. The fixtures `planted_bundle` and `planted_run` provide both.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from explorer.config import BuildSettings, ClusteringSettings
from explorer.maths.clustering.hdbscan import cluster_tree
from explorer.records.bundle import Codes, Concept, FeatureLabel, Vocabulary
from explorer.records.cluster import CONTEXT_AFTER, CONTEXT_BEFORE, ClusterGeometry, ClusterSummary
from explorer.records.clustering import LEFT_OUT, NOISE, CondensedTree, Evidence, FeatureTable, NeighbourGraph
from explorer.records.subject import DatasetInfo, ModelInfo, SaeInfo, SubjectInfo
from explorer.runs.bundle.writer import BundleWriter
from explorer.runs.run.label_file import LabelTable
from explorer.runs.run.writer import RunWriter

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
YEARS = tuple(str(year) for year in range(1900, 2000, 10))
FILLERS = (
    "the",
    "parcel",
    "was",
    "sent",
    "on",
    "and",
    "arrived",
    "around",
    "it",
    "rained",
    "in",
    "<b>&",
    "naïve",
    "日",
)
D_MODEL = 32
RING, CURVE, NOISES, RARE = 12, 10, 40, 2
N_FEATURES = RING + CURVE + NOISES + RARE
N_DOCS, DOC_LENGTH = 300, 24
N_TOKENS = N_DOCS * DOC_LENGTH
KNOTS, BINS, EXAMPLES = 128, 48, 8

MODEL = ModelInfo("planted/rings", "", 2, "resid_post", D_MODEL, 4)
SAE = SaeInfo("planted/sae", N_FEATURES, "topk", "planted/2-rings")
DATASET = DatasetInfo("planted.txt", N_DOCS, N_TOKENS)
EVIDENCE = Evidence(10, (0, 2) * 9 + (1,))
"""Ten resamples, and nineteen shuffles with one cluster each on average."""

LABELS = (
    FeatureLabel(0, "the week begins", "hand"),
    FeatureLabel(0, "Mondays & <b>meetings</b>", "a language model"),
    FeatureLabel(RING, "a century begins", "a language model"),
    FeatureLabel(RING + CURVE + 1, "يوم من الأسبوع", "hand"),
    FeatureLabel(N_FEATURES - 1, "in no cluster", ""),
)
"""Two labels of one ring feature, and one each of a curve feature, a halo feature of both, and a feature left out."""


@dataclass(frozen=True)
class World:
    """Tokens, positions, codes, decoder and residuals."""

    vocabulary: list[str]
    token_ids: np.ndarray
    doc_offsets: np.ndarray
    ring: np.ndarray
    """Position in turns of every token that is a weekday, NaN elsewhere."""
    curve: np.ndarray
    """Position in [0, 1] of every token that is a year, NaN elsewhere."""
    codes: np.ndarray
    """Dense activations [token, feature]."""
    W_dec: np.ndarray
    b_dec: np.ndarray
    residual: np.ndarray


@cache
def planted_world(seed: int = 0) -> World:
    """Draw the data; deterministic in the seed."""
    rng = np.random.default_rng(seed)
    vocabulary = [f" {word}" for word in (*DAYS, *YEARS, *FILLERS)]
    token_ids = rng.integers(len(DAYS) + len(YEARS), len(vocabulary), N_TOKENS).astype(np.int32)
    place = rng.uniform(size=N_TOKENS)
    is_day, is_year = place < 0.2, (place >= 0.2) & (place < 0.35)
    token_ids[is_day] = rng.integers(0, len(DAYS), is_day.sum())
    token_ids[is_year] = len(DAYS) + rng.integers(0, len(YEARS), is_year.sum())
    ring = np.where(is_day, (token_ids + rng.normal(0, 0.12, N_TOKENS)) / len(DAYS) % 1.0, np.nan)
    steps = (token_ids - len(DAYS) + 0.5 + rng.normal(0, 0.12, N_TOKENS)) / len(YEARS)
    curve = np.where(is_year, np.clip(steps, 0, 1), np.nan)
    codes = np.concatenate([_ring_tiles(ring), _curve_tiles(curve), _noise(rng)], axis=1).astype(np.float16)
    W_dec, b_dec = _decoder(rng)
    residual = codes.astype(np.float32) @ W_dec + b_dec + rng.normal(0, 0.02, (N_TOKENS, D_MODEL))
    doc_offsets = np.arange(0, N_TOKENS + 1, DOC_LENGTH, dtype=np.int64)
    return World(vocabulary, token_ids, doc_offsets, ring, curve, codes, W_dec, b_dec, residual.astype(np.float32))


def _ring_tiles(ring: np.ndarray) -> np.ndarray:
    away = np.abs((ring[:, None] - np.arange(RING) / RING + 0.5) % 1.0 - 0.5) * RING
    return np.nan_to_num(np.maximum(0.0, 1.0 - (away / 1.6) ** 2))


def _curve_tiles(curve: np.ndarray) -> np.ndarray:
    away = np.abs(curve[:, None] - np.linspace(0, 1, CURVE)) * (CURVE - 1)
    return np.nan_to_num(np.maximum(0.0, 1.0 - (away / 1.6) ** 2))


def _noise(rng: np.random.Generator) -> np.ndarray:
    rates = np.concatenate([np.full(NOISES, 0.03), np.full(RARE, 0.0005)])
    return (rng.uniform(size=(N_TOKENS, len(rates))) < rates) * rng.uniform(0.2, 1.0, (N_TOKENS, len(rates)))


def ring_point(u: np.ndarray) -> np.ndarray:
    """Points [position, axis] of the planted ring; ``u`` in turns."""
    return np.stack([np.cos(2 * np.pi * u), np.sin(2 * np.pi * u), 0 * u], axis=1)


def curve_point(u: np.ndarray) -> np.ndarray:
    """Points [position, axis] of the planted curve, half a turn of a helix; ``u`` in [0, 1]."""
    return np.stack([np.cos(np.pi * u), np.sin(np.pi * u), 0.6 * u - 0.3], axis=1)


def _decoder(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    axes, _ = np.linalg.qr(rng.standard_normal((D_MODEL, D_MODEL)))
    tiles = [
        ring_point(np.arange(RING) / RING) @ axes[0:3] + axes[6],
        curve_point(np.linspace(0, 1, CURVE)) @ axes[3:6] + axes[7],
        rng.standard_normal((NOISES + RARE, D_MODEL)) / np.sqrt(D_MODEL),
    ]
    return np.concatenate(tiles).astype(np.float32), (0.1 * rng.standard_normal(D_MODEL)).astype(np.float32)


def sparse(codes: np.ndarray) -> Codes:
    """Dense activations [token, feature] as CSR."""
    rows, features = np.nonzero(codes)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(codes)))]).astype(np.int64)
    return Codes(indptr, features.astype(np.uint32), codes[rows, features], codes.shape[1])


def write_planted_bundle(path: Path, *, seed: int = 0, shards: int = 1) -> Path:
    """Write the planted data as a feature bundle."""
    world = planted_world(seed)
    with BundleWriter(path) as writer:
        for part in np.array_split(world.codes, shards):
            codes = sparse(part)
            writer.write_codes(codes.indptr, codes.features, codes.values)
        writer.write_decoder(world.W_dec, world.b_dec)
        writer.write_tokens(world.token_ids, world.doc_offsets, world.vocabulary)
        sampled = np.arange(0, N_TOKENS, 2, dtype=np.int64)
        writer.write_activations(world.residual[sampled], sampled)
        writer.write_concepts(_concepts(world))
        writer.finish(MODEL, SAE, DATASET, {"planted_seed": seed})
    return path


def _concepts(world: World) -> list[Concept]:
    concepts = []
    for token, token_id in enumerate(world.token_ids.tolist()):
        if token_id < len(DAYS):
            concepts.append(Concept(token, "weekday", DAYS[token_id], float(token_id), float(len(DAYS))))
        elif token_id < len(DAYS) + len(YEARS):
            year = YEARS[token_id - len(DAYS)]
            concepts.append(Concept(token, "year", year, float(year), None))
    return concepts


@dataclass(frozen=True)
class RunParts:
    """Contents of the planted run."""

    table: FeatureTable
    graph: NeighbourGraph
    tree: CondensedTree
    vocabulary: Vocabulary
    summaries: tuple[ClusterSummary, ...]
    geometries: tuple[ClusterGeometry, ...]
    labels: LabelTable
    seed: int


@cache
def planted_parts(seed: int = 0) -> RunParts:
    """Results of an ideal build: cluster 0 is the ring of weekdays, cluster 1 the curve of years."""
    world = planted_world(seed)
    (ring, ring_arrays), (curve, curve_arrays) = (_cluster(world, number, seed) for number in (0, 1))
    table = _table(world, (ring, curve), seed)
    graph = _graph(world)
    scored = np.where(table.cluster == LEFT_OUT, 0, 1)
    tree = cluster_tree(graph, scored, ClusteringSettings(), 1).tree
    words, labels = Vocabulary.pack(world.vocabulary), LabelTable.pack(LABELS)
    return RunParts(table, graph, tree, words, (ring, curve), (ring_arrays, curve_arrays), labels, seed)


def write_planted_run(path: Path, *, seed: int = 0) -> Path:
    """Write the run of an ideal build."""
    with RunWriter(path) as writer:
        write_parts(writer, planted_parts(seed))
    return path


def write_parts(writer: RunWriter, parts: RunParts) -> None:
    """Write all parts of a run and its manifest."""
    writer.write_features(parts.table)
    writer.write_graph(parts.graph)
    writer.write_tree(parts.tree)
    writer.write_vocabulary(parts.vocabulary)
    writer.write_labels(parts.labels)
    for summary, geometry in zip(parts.summaries, parts.geometries, strict=True):
        writer.write_cluster(summary.id, geometry, _portrait(geometry))
    writer.finish(
        title="Planted rings",
        model=MODEL,
        sae=SAE,
        subject=SubjectInfo("", MODEL, SAE, "planted/rings", "planted/sae"),
        dataset=DATASET,
        bundle="0" * 64,
        settings=BuildSettings(seed=parts.seed),
        seeds={"planted": parts.seed},
        versions={"numpy": np.__version__},
        n_tokens=N_TOKENS,
        clusters=parts.summaries,
        evidence=EVIDENCE,
    )


def _cluster(world: World, number: int, seed: int) -> tuple[ClusterSummary, ClusterGeometry]:
    rng = np.random.default_rng([seed, number])
    closed = number == 0
    position, values = (world.ring, DAYS) if closed else (world.curve, YEARS)
    first_id, first_atom, count = (0, 0, RING) if closed else (len(DAYS), RING, CURVE)
    tokens = np.flatnonzero(np.isfinite(position))
    tokens = np.sort(rng.choice(tokens, min(600, len(tokens)), replace=False)).astype(np.int64)
    u = position[tokens].astype(np.float32)
    halo = 2
    atoms = np.concatenate([np.arange(first_atom, first_atom + count), np.arange(RING + CURVE, RING + CURVE + halo)])
    codes = world.codes[np.ix_(tokens, atoms)]
    shape = ring_point if closed else curve_point
    knots = np.arange(KNOTS) / KNOTS if closed else np.linspace(0, 1, KNOTS)
    value = (world.token_ids[tokens] - first_id).astype(np.int32)
    mean = np.stack([world.residual[tokens[value == k]].mean(axis=0) for k in range(len(values))])
    basis = np.linalg.qr(
        (world.W_dec[first_atom : first_atom + count] - world.W_dec[atoms[0]])[[1, 4] if closed else [1, 4, 8]].T
    )[0].T
    center = world.residual[tokens].mean(axis=0)
    value_u = np.arange(len(values)) / len(values) if closed else (np.arange(len(values)) + 0.5) / len(values)
    turn = value_u if closed else np.clip(value_u, 0, 1)
    path = np.stack(
        [np.interp(knots, turn, axis, period=1.0 if closed else None) for axis in ((mean - center) @ basis.T).T]
    )
    peak = np.argsort([float(u[codes[:, k].argmax()]) for k in range(len(atoms))], kind="stable")
    geometry = ClusterGeometry(
        atoms=atoms.astype(np.int32),
        n_core=count,
        atom_gain=np.linspace(0.2, 0.01, len(atoms), dtype=np.float32),
        atom_null=np.full(len(atoms), 0.005, np.float32),
        token_index=tokens,
        points=(shape(u) + rng.normal(0, 0.05, (len(u), 3))).astype(np.float32),
        coordinate=u,
        value=value,
        codes=codes,
        context_ids=_contexts(world, tokens),
        curve=shape(knots).astype(np.float32),
        axis_share=np.array([0.55, 0.35, 0.05], np.float32),
        basis=basis.astype(np.float32),
        center=center.astype(np.float32),
        path=path.T.astype(np.float32),
        value_coordinate=value_u.astype(np.float32),
        value_residual=mean.astype(np.float32),
        value_count=np.bincount(value, minlength=len(values)).astype(np.int32),
        tuning=_tuning(u, codes),
        **_examples(world, atoms),
    )
    summary = ClusterSummary(
        id=number,
        label=f"{values[0]}, {values[1]}, {values[2]}",
        words="a ring that closes" if closed else "a curve with two ends",
        features=tuple(atoms[:count].tolist()),
        halo=tuple(atoms[count:].tolist()),
        n_tokens=int(np.isfinite(position).sum()),
        n_sampled=len(tokens),
        shape="closed curve" if closed else "open curve",
        intrinsic_dim=1.1,
        regime="tiling",
        order=values,
        value_offset=0,
        feature_order=tuple(atoms[peak].tolist()),
        scores={
            "variance_explained": 0.97,
            "p_value": 0.01,
            "persistence": 0.4,
            "manifold_likeness": 0.9,
            "stability": 0.93 if closed else 0.55,
            "dissolved": 0.0 if closed else 0.4,
            "chance_p": 0.05 if closed else 0.2,
        },
        intervals={"intrinsic_dim": (1.02, 1.18), "variance_explained": (0.96, 0.98)} if closed else {},
    )
    return summary, geometry


def _contexts(world: World, tokens: np.ndarray) -> np.ndarray:
    places = tokens[:, None] + np.arange(-CONTEXT_BEFORE, CONTEXT_AFTER + 1)
    inside = places // DOC_LENGTH == tokens[:, None] // DOC_LENGTH
    return np.where(inside, world.token_ids[np.clip(places, 0, N_TOKENS - 1)], -1).astype(np.int32)


def _tuning(u: np.ndarray, codes: np.ndarray) -> np.ndarray:
    bins = np.minimum((u * BINS).astype(int), BINS - 1)
    count = np.maximum(np.bincount(bins, minlength=BINS), 1)
    sums = [np.bincount(bins, weights=codes[:, k].astype(float), minlength=BINS) for k in range(codes.shape[1])]
    return (np.stack(sums) / count).astype(np.float32)


def _examples(world: World, atoms: np.ndarray) -> dict[str, np.ndarray]:
    strongest = np.argsort(-world.codes[:, atoms].T.astype(np.float32), axis=1, kind="stable")[:, :EXAMPLES]
    ids = np.stack([_contexts(world, tokens) for tokens in strongest])
    activation = np.take_along_axis(world.codes[:, atoms].T.astype(np.float32), strongest, axis=1)
    return {"example_ids": ids, "example_activation": activation}


def _table(world: World, clusters: tuple[ClusterSummary, ...], seed: int) -> FeatureTable:
    rng = np.random.default_rng([seed, 9])
    codes = world.codes.astype(np.float32)
    fires = (codes > 0).sum(axis=0)
    label = np.full(N_FEATURES, NOISE, np.int32)
    label[-RARE:] = LEFT_OUT
    xy = rng.normal(0, 4, (N_FEATURES, 2)).astype(np.float32)
    for summary in clusters:
        atoms = list(summary.features)
        label[atoms] = summary.id
        shape = ring_point if summary.shape == "closed curve" else curve_point
        xy[atoms] = shape(np.arange(len(atoms)) / len(atoms))[:, :2] + (5 - 10 * summary.id, 0)
    xy[label == LEFT_OUT] = np.nan
    sums = np.stack([np.bincount(world.token_ids, codes[:, k], len(world.vocabulary)) for k in range(N_FEATURES)])
    top = np.argsort(-sums, axis=1, kind="stable")[:, :5]
    return FeatureTable(
        xy=xy,
        cluster=label,
        membership=np.where(label >= 0, 0.9, 0.0).astype(np.float32),
        fires=fires.astype(np.int64),
        mean_activation=(codes.sum(axis=0) / np.maximum(fires, 1)).astype(np.float32),
        max_activation=codes.max(axis=0),
        top_tokens=np.where(np.take_along_axis(sums, top, axis=1) > 0, top, -1).astype(np.int32),
    )


def _graph(world: World) -> NeighbourGraph:
    on = (world.codes > 0).astype(np.float64)
    both = on.T @ on / N_TOKENS
    rate = np.diag(both)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.nan_to_num(np.log(both / (rate[:, None] * rate)) / -np.log(both), nan=-1.0)
    np.fill_diagonal(score, -1.0)
    best = np.argsort(-score, axis=1, kind="stable")[:, :20]
    best_score = np.take_along_axis(score, best, axis=1)
    neighbour = np.where(best_score > 0, best, -1).astype(np.int32)
    return NeighbourGraph(neighbour, np.where(best_score > 0, best_score, 0).astype(np.float32))


def _portrait(arrays: ClusterGeometry) -> str:
    dots = "".join(
        f'<circle cx="{60 + 45 * x:.1f}" cy="{60 - 45 * y:.1f}" r="1.5" fill="#4fb0c6"/>'
        for x, y, _ in arrays.points[:200]
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 120">{dots}</svg>'
