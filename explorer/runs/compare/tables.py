"""Output of `explorer compare`: JSON values, whose keys are a stable contract, and rows for people."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from pydantic import JsonValue

from explorer.records.cluster import ClusterSummary
from explorer.runs.compare.matching import RunComparison, RunMatch
from explorer.runs.compare.pair import PairComparison
from explorer.runs.compare.similarity import ClusterSimilarity, MatchingInput
from explorer.runs.report.show import printable, summary_table
from explorer.runs.run.reader import Run

CHANGING = ("variance_explained", "p_value", "stability", "chance_p")
"""Scores shown side by side."""

Rows = tuple[str, list[str], list[list[str]]]
"""Title, header and rows of a table."""
Fact = tuple[str, str, str]
"""Name, left value, right value."""


def runs_table(left: MatchingInput, right: MatchingInput, found: RunComparison) -> dict[str, JsonValue]:
    """All matches of two runs as JSON.

    Returns:
        `left` and `right` (`run`, `title`, `n_clusters`), `by` (description of the similarity), `beyond` (description
            of the background), `matches`: a list of {`left`, `right`, `left_label`, `right_label`, `similarity`,
            `background`, `features`, `words`, `span`, `chance`}, null where the runs do not allow the comparison, and
            `only_left`, `only_right`: lists of {`id`, `label`}.
    """
    mine, theirs = left.run, right.run
    return {
        "left": _run_header(mine),
        "right": _run_header(theirs),
        "by": found.by,
        "beyond": found.beyond,
        "matches": [
            {
                "left": match.left,
                "right": match.right,
                "left_label": mine.summary(match.left).label,
                "right_label": theirs.summary(match.right).label,
                "background": match.background,
                **_similarity(match.similarity),
            }
            for match in found.matches
        ],
        "only_left": [_id_and_label(mine.summary(number)) for number in found.only_left],
        "only_right": [_id_and_label(theirs.summary(number)) for number in found.only_right],
    }


def pair_table(left: MatchingInput, right: MatchingInput, found: PairComparison) -> dict[str, JsonValue]:
    """A pair of clusters as JSON.

    Returns:
        `left` and `right` (`run`, `title`, `n_clusters`, `cluster`: as in `explorer show`), the similarity numbers,
            `shared_features` (null between different SAEs), `kept`, `lost`, `gained`, `order_correlation` and
            `distance_correlation` (null for too few common values).
    """
    match = found.match
    mine, theirs = left.run.summary(match.left), right.run.summary(match.right)
    return {
        "left": {**_run_header(left.run), "cluster": summary_table(mine)},
        "right": {**_run_header(right.run), "cluster": summary_table(theirs)},
        **_similarity(match.similarity),
        "shared_features": None if found.shared is None else list(found.shared),
        "kept": list(found.kept),
        "lost": list(found.lost),
        "gained": list(found.gained),
        "order_correlation": found.order_correlation,
        "distance_correlation": found.distance_correlation,
    }


def runs_rows(left: MatchingInput, right: MatchingInput, found: RunComparison) -> Rows:
    """All matches as a table; the title counts the clusters without a match."""
    title = (
        f"{printable(left.run.manifest.title)} and {printable(right.run.manifest.title)}: {len(found.matches)} matches "
        f"by {found.by}, more similar than {found.beyond}; none for {len(found.only_left)} clusters of the first, "
        f"{len(found.only_right)} of the second"
    )
    header = ["first", "", "second", "", "similarity", "background", "features", "words", "span", "shapes"]
    return title, header, [_match_row(left.run, right.run, match) for match in found.matches]


def pair_rows(left: MatchingInput, right: MatchingInput, found: PairComparison) -> Rows:
    """Two clusters as a table, one row per fact."""
    match = found.match
    mine, theirs = left.run.summary(match.left), right.run.summary(match.right)
    numbers = asdict(match.similarity)
    described = ", ".join(f"{name} {_decimals(value)}" for name, value in numbers.items() if value is not None)
    shared = "" if found.shared is None else f"; {len(found.shared)} features in common"
    title = (
        f"{printable(mine.label)} and {printable(theirs.label)}: {described}{shared}\n"
        f"{len(found.kept)} values in common (order r {_decimals(found.order_correlation)}, "
        f"distances r {_decimals(found.distance_correlation)})\n"
        f"lost: {_names(found.lost)}\ngained: {_names(found.gained)}"
    )
    rows = [[name, one, other] for name, one, other in changes(mine, theirs)]
    return title, ["", printable(left.run.manifest.title), printable(right.run.manifest.title)], rows


def changes(mine: ClusterSummary, theirs: ClusterSummary) -> list[Fact]:
    """Facts and scores of two clusters, side by side."""
    scores = [_fact(name.replace("_", " "), mine, theirs, partial(_score, name)) for name in CHANGING]
    return [*facts(mine, theirs), *scores]


def facts(mine: ClusterSummary, theirs: ClusterSummary) -> list[Fact]:
    """Counts and names of two clusters, side by side."""
    columns: tuple[tuple[str, Callable[[ClusterSummary], str]], ...] = (
        ("shape", lambda one: one.shape),
        ("values", lambda one: str(len(one.order))),
        ("features, core + halo", lambda one: f"{len(one.features)} + {len(one.halo)}"),
        ("regime", lambda one: one.regime),
        ("tokens", lambda one: f"{one.n_tokens:,}"),
        ("intrinsic dimension", lambda one: f"{one.intrinsic_dim:.1f}"),
    )
    return [_fact(name, mine, theirs, cell) for name, cell in columns]


def _fact(name: str, mine: ClusterSummary, theirs: ClusterSummary, cell: Callable[[ClusterSummary], str]) -> Fact:
    return name, cell(mine), cell(theirs)


def _score(name: str, one: ClusterSummary) -> str:
    return _decimals(one.scores.get(name))


def _match_row(mine: Run, theirs: Run, match: RunMatch) -> list[str]:
    left, right, similarity = mine.summary(match.left), theirs.summary(match.right), match.similarity
    shapes = left.shape if left.shape == right.shape else f"{left.shape} -> {right.shape}"
    numbers = (similarity.overall, match.background, similarity.features, similarity.words, similarity.span)
    labels = [str(left.id), printable(left.label), str(right.id), printable(right.label)]
    return [*labels, *(_decimals(value) for value in numbers), shapes]


def _run_header(run: Run) -> dict[str, JsonValue]:
    return {"run": run.id, "title": run.manifest.title, "n_clusters": len(run.manifest.clusters)}


def _id_and_label(summary: ClusterSummary) -> dict[str, JsonValue]:
    return {"id": summary.id, "label": summary.label}


def _similarity(similarity: ClusterSimilarity) -> dict[str, JsonValue]:
    return {"similarity": similarity.overall, **asdict(similarity)}


def _names(values: tuple[str, ...]) -> str:
    return printable(", ".join(values)) or "none"


def _decimals(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
