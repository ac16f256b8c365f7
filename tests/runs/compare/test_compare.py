"""Comparison recovers the planted ring and curve in another run, and reports what changed."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from explorer.errors import RunError
from explorer.maths.shape.coordinate import Orientation
from explorer.runs.compare.matching import compare_runs, counterpart, most_alike
from explorer.runs.compare.pair import Alignment, aligned, compare_clusters
from explorer.runs.compare.similarity import MatchingInput, read_matching_input
from explorer.runs.run.reader import open_run
from explorer.runs.run.writer import RunWriter
from tests.pipeline.command import run_command
from tests.planted import BINS, DAYS, KNOTS, RunParts, planted_parts, ring_point, write_parts, write_planted_run

CACHED_RUNS = Path(__file__).parents[3] / "cached_runs"
DOCS = Path(__file__).parents[3] / "docs"
MIRROR = np.diag([1.0, -1.0, 1.0]).astype(np.float32)


def _other_parts() -> RunParts:
    """The same world with the clusters swapped; its ring is mirrored, shifted, reversed and lacks Sunday."""
    parts = planted_parts()
    summaries = (replace(parts.summaries[1], id=0), replace(parts.summaries[0], id=1, order=DAYS[:-1]))
    ring = parts.geometries[0]
    mask = ring.value < len(DAYS) - 1
    bins = ((2 / 7 - (np.arange(BINS) + 0.5) / BINS) % 1.0 * BINS).astype(np.int64)
    turned = replace(
        ring,
        points=(ring.points @ MIRROR)[mask],
        curve=(ring_point((2 / 7 - np.arange(KNOTS) / KNOTS) % 1.0) @ MIRROR).astype(np.float32),
        tuning=ring.tuning[:, bins],
        coordinate=((2 / 7 - ring.coordinate) % 1.0).astype(np.float32)[mask],
        value_coordinate=((2 / 7 - ring.value_coordinate) % 1.0).astype(np.float32)[:-1],
        value=ring.value[mask],
        token_index=ring.token_index[mask],
        codes=ring.codes[mask],
        context_ids=ring.context_ids[mask],
        value_residual=ring.value_residual[:-1],
        value_count=ring.value_count[:-1],
    )
    table = replace(
        parts.table,
        cluster=np.where(parts.table.cluster >= 0, 1 - parts.table.cluster, parts.table.cluster).astype(np.int32),
    )
    return replace(parts, table=table, summaries=summaries, geometries=(parts.geometries[1], turned))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: the planted one, a changed copy, and a copy of that with another SAE and text."""
    runs = tmp_path_factory.mktemp("compare")
    write_planted_run(runs / "one")
    for name, bundle in (("other", "0"), ("apart", "1")):
        with RunWriter(runs / name) as writer:
            write_parts(writer, _other_parts())
        manifest = runs / name / "run.json"
        content = json.loads(manifest.read_text())
        content["bundle"] = bundle * 64
        manifest.write_text(json.dumps(content))
    return runs


@pytest.fixture(scope="module")
def one(folder: Path) -> MatchingInput:
    return read_matching_input(open_run(folder / "one"))


@pytest.fixture(scope="module")
def other(folder: Path) -> MatchingInput:
    return read_matching_input(open_run(folder / "other"))


@pytest.fixture(scope="module")
def apart(folder: Path) -> MatchingInput:
    return read_matching_input(open_run(folder / "apart"))


def test_clusters_of_one_sae_match_by_their_features(one: MatchingInput, other: MatchingInput) -> None:
    found = compare_runs(one, other)
    assert found.by == "features in common"
    assert {(match.left, match.right) for match in found.matches} == {(0, 1), (1, 0)}
    assert all(match.similarity.overall == match.similarity.features == 1 for match in found.matches)
    assert found.only_left == found.only_right == ()


def test_clusters_of_different_saes_match_by_words_and_span(one: MatchingInput, apart: MatchingInput) -> None:
    found = compare_runs(one, apart)
    assert found.by == "words in common × subspace in common"
    assert {(match.left, match.right) for match in found.matches} == {(0, 1), (1, 0)}
    assert all(match.similarity.features is None for match in found.matches)
    similarity = most_alike(one, 0, apart, 2)[0].similarity
    assert similarity.words > 0.9
    assert similarity.span is not None
    assert similarity.overall == pytest.approx(similarity.words * similarity.span)


def _planted_run(like: MatchingInput, bases: list[np.ndarray], words: np.ndarray) -> MatchingInput:
    counts = csr_matrix(words)
    names = tuple(f"word {number}" for number in range(words.shape[1]))
    return replace(like, words=names, counts=(counts, counts), bases=tuple(one.astype(np.float32) for one in bases))


def _axes(rng: np.random.Generator, near: np.ndarray | None = None, away: float = 0.0) -> np.ndarray:
    """Four random directions in 64 dimensions, or four perturbed from given ones."""
    drawn = np.linalg.qr(rng.standard_normal((64, 4)))[0].T
    return drawn if near is None else np.linalg.qr((near + away * drawn).T)[0].T


def test_counterparts_are_found_among_distractors_across_distant_layers(
    one: MatchingInput, apart: MatchingInput
) -> None:
    rng = np.random.default_rng(0)
    n, n_words = 12, 40
    topic_words = [rng.permutation(n_words)[:6] for _ in range(2 * n)]

    def word_counts(topics: range) -> np.ndarray:
        """Common words of every cluster, plus the topic's own words."""
        rows = rng.poisson(3.0, (len(topics), n_words)).astype(float)
        for row, topic in enumerate(topics):
            rows[row, topic_words[topic]] += 60
        return rows

    mine = [_axes(rng) for _ in range(2 * n)]
    common = [_axes(rng, basis, 1.2) for basis in mine[:n]]
    family = _axes(rng)
    others = [_axes(rng, family, 0.7) for _ in range(n)]  # one family, unlike the left
    order = rng.permutation(2 * n + 1)
    split = _axes(rng, common[0], 0.3)  # the second half of the first topic on the right
    theirs, words = (
        [*common, *others, split],
        np.concatenate([word_counts(range(n)), word_counts(range(n)), word_counts(range(1))]),
    )
    right = _planted_run(apart, [theirs[place] for place in order], words[order])
    found = compare_runs(_planted_run(one, mine, word_counts(range(2 * n))), right)
    place = {int(topic): number for number, topic in enumerate(order)}
    matched = {match.left: match.right for match in found.matches}
    assert {topic: matched.get(topic) for topic in range(1, n)} == {topic: place[topic] for topic in range(1, n)}
    assert matched[0] in (place[0], place[2 * n]), "one of its two halves"
    assert not set(matched) - set(range(n)), "no distractor has a match"
    assert all(match.background < match.similarity.overall < 0.6 for match in found.matches)
    assert len(found.only_left) == n


def test_between_models_clusters_more_similar_to_their_own_run_have_no_match(
    one: MatchingInput, apart: MatchingInput
) -> None:
    run = open_run(apart.run.path)
    run.manifest = run.manifest.model_copy(update={"model": replace(run.manifest.model, id="another")})
    bases = [np.eye(1, 4)] * 3
    left = np.array([[9.0, 9, 0, 0, 0, 0], [0, 0, 9, 9, 1, 0], [0, 0, 9, 8, 1, 0]])
    right = np.array([[0.0, 0, 1, 0, 9, 9], [0, 0, 2, 0, 9, 9], [9, 5, 0, 0, 0, 9]])
    found = compare_runs(_planted_run(one, bases, left), _planted_run(replace(apart, run=run), bases, right))
    assert [(match.left, match.right) for match in found.matches] == [(0, 2)]
    assert (found.only_left, found.only_right) == ((1, 2), (0, 1))


def test_a_run_matches_itself_completely_by_either_similarity() -> None:
    reading = read_matching_input(open_run(CACHED_RUNS / "almanac"))
    other = open_run(reading.run.path)
    other.manifest = other.manifest.model_copy(update={"bundle": "0" * 64, "subject": None})
    for like in (reading, replace(reading, run=other)):
        found = compare_runs(reading, like)
        assert [(match.left, match.right) for match in sorted(found.matches, key=lambda match: match.left)] == [
            (number, number) for number in range(len(reading.bases))
        ]


def test_comparing_does_not_mutate_its_inputs(one: MatchingInput, apart: MatchingInput) -> None:
    rng = np.random.default_rng(0)
    occurrences = rng.poisson(2.0, (2, 6)).astype(float)
    spelled = ("day", "noon", "day", "night", "noon", "dawn")  # pairs of tokens display as one word
    mine, theirs = (
        replace(_planted_run(run, [_axes(rng), _axes(rng)], occurrences), words=words)
        for run, words in ((one, spelled), (apart, spelled[::-1]))
    )
    before = [counts.toarray() for counts in (*mine.counts, *theirs.counts)]
    first = compare_runs(mine, theirs)
    assert compare_runs(mine, theirs) == first
    after = [counts.toarray() for counts in (*mine.counts, *theirs.counts)]
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_the_docs_state_the_number_of_matches_of_the_demo() -> None:
    stated = re.search(r"Of the (\d+) clusters (\d+) have a match in\s+the (\d+)", (DOCS / "almanac.md").read_text())
    assert stated is not None
    mine, theirs = (read_matching_input(open_run(CACHED_RUNS / name)) for name in ("almanac", "almanac-block-4"))
    ways = compare_runs(mine, theirs), compare_runs(theirs, mine)
    assert {(match.left, match.right) for match in ways[0].matches} == {(m.right, m.left) for m in ways[1].matches}
    assert stated.groups() == tuple(str(n) for n in (len(mine.bases), len(ways[0].matches), len(theirs.bases)))


def test_between_models_only_words_are_compared(one: MatchingInput, apart: MatchingInput) -> None:
    manifest = apart.run.manifest.model_copy(update={"model": replace(apart.run.manifest.model, id="another")})
    run = open_run(apart.run.path)
    run.manifest = manifest
    found = compare_runs(one, replace(apart, run=run))
    assert found.by == "words in common"
    assert {(match.left, match.right) for match in found.matches} == {(0, 1), (1, 0)}
    assert found.matches[0].similarity.span is None


def test_changes_between_two_rings(one: MatchingInput, other: MatchingInput) -> None:
    found = compare_clusters(one, 0, other, 1)
    assert (found.kept, found.lost, found.gained) == (DAYS[:-1], ("Sunday",), ())
    assert found.order_correlation == pytest.approx(1)
    assert found.distance_correlation == pytest.approx(1)
    assert found.shared is not None
    assert set(found.shared) == {*one.run.summary(0).features, *one.run.summary(0).halo}


def test_a_mirrored_reversed_ring_is_aligned_with_its_original(one: MatchingInput, other: MatchingInput) -> None:
    alignment = compare_clusters(one, 0, other, 1).alignment
    mine, theirs = one.run.cluster(0), other.run.cluster(1)
    drawn = aligned(theirs, alignment, closed=True)
    for value in range(len(DAYS) - 1):
        gap = (drawn.value_coordinate[value] - mine.value_coordinate[value] + 0.5) % 1 - 0.5
        assert abs(gap) < 0.02
        middle = [part.points[part.value == value].mean(axis=0) for part in (mine, drawn)]
        assert np.linalg.norm(middle[0] - middle[1]) < 0.15
    where = np.round(drawn.value_coordinate[0] * len(drawn.curve)).astype(int) % len(drawn.curve)
    assert np.linalg.norm(drawn.curve[where] - mine.curve[0]) < 0.15
    peak = drawn.tuning.argmax(axis=1)
    assert np.abs((peak - mine.tuning.argmax(axis=1) + 24) % 48 - 24)[: mine.n_core].max() <= 2


def test_the_identity_alignment_changes_nothing(one: MatchingInput) -> None:
    geometry = one.run.cluster(1)
    same = aligned(geometry, Alignment(np.eye(3, dtype=np.float32), Orientation(0.0, False)), closed=False)
    np.testing.assert_allclose(same.curve, geometry.curve, atol=1e-6)
    np.testing.assert_array_equal(same.tuning, geometry.tuning)


def test_a_ring_and_a_curve_share_nothing(one: MatchingInput) -> None:
    found = compare_clusters(one, 0, one, 1)
    assert found.kept == ()
    assert found.order_correlation is None
    assert found.distance_correlation is None
    assert found.match.similarity.features == 0


def test_within_one_run_the_counterpart_is_another_cluster(one: MatchingInput) -> None:
    assert counterpart(one, 0, one) == 1
    with pytest.raises(RunError, match="no cluster 2"):
        counterpart(one, 2, one)


def test_the_command_compares_runs_and_pairs(folder: Path) -> None:
    found = run_command("compare", folder / "one", folder / "other", "--json").document
    assert [(match["left"], match["right"]) for match in found["matches"]] == [(0, 1), (1, 0)]
    assert found["by"] == "features in common"
    pair = run_command("compare", folder / "one", folder / "other", "--cluster", "0", "--json").document
    assert (pair["left"]["cluster"]["id"], pair["right"]["cluster"]["id"]) == (0, 1)
    assert pair["lost"] == ["Sunday"]
    assert "Sunday" in run_command("compare", folder / "one", folder / "other", "--cluster", "0").out


def test_other_without_cluster_is_refused(folder: Path) -> None:
    result = run_command("compare", folder / "one", folder / "other", "--other", "0")
    assert result.code == 2
    assert "--cluster too" in result.err
