"""What `explorer compare` tells: plain JSON values, whose keys are a stable contract, or rows for people."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from pydantic import JsonValue

from explorer.records import ClusterSummary
from explorer.runs.compare.compare import Likeness, PairComparison, RunComparison, RunMatch, RunReading
from explorer.runs.report.show import printable, summary_table
from explorer.runs.run.reader import Run

CHANGING = ("variance_explained", "p_value", "stability", "chance_p")
"""Scores that are held beside each other."""

Rows = tuple[str, list[str], list[list[str]]]
"""Title, header and rows of a table."""
Fact = tuple[str, str, str]
"""A name, and what it is on either side."""


def runs_table(left: RunReading, right: RunReading, found: RunComparison) -> dict[str, JsonValue]:
    """All matches of two runs.

    Returns:
        `left` and `right` (`run`, `title`, `n_clusters`), `by` (what clusters were matched by), `beyond` (what the
        background of a match is), `matches`: a list of {`left`, `right`, `left_label`, `right_label`, `similarity`,
        `background`, `features`, `words`, `span`, `chance`}, null where the runs do not allow the comparison, and
        `only_left`, `only_right`: lists of {`id`, `label`}.
    """
    mine, theirs = left.run, right.run
    return {
        "left": _about(mine),
        "right": _about(theirs),
        "by": found.by,
        "beyond": found.beyond,
        "matches": [
            {
                "left": match.left,
                "right": match.right,
                "left_label": mine.summary(match.left).label,
                "right_label": theirs.summary(match.right).label,
                "background": match.background,
                **_likeness(match.likeness),
            }
            for match in found.matches
        ],
        "only_left": [_named(mine.summary(number)) for number in found.only_left],
        "only_right": [_named(theirs.summary(number)) for number in found.only_right],
    }


def pair_table(left: RunReading, right: RunReading, found: PairComparison) -> dict[str, JsonValue]:
    """Two clusters.

    Returns:
        `left` and `right` (`run`, `title`, `n_clusters`, `cluster`: as `explorer show` tells it), the numbers of
        their likeness, `shared_features` (null between different SAEs), `kept`, `lost`, `gained`,
        `order_correlation` and `distance_correlation` (null for too few common values).
    """
    match = found.match
    mine, theirs = left.run.summary(match.left), right.run.summary(match.right)
    return {
        "left": {**_about(left.run), "cluster": summary_table(mine)},
        "right": {**_about(right.run), "cluster": summary_table(theirs)},
        **_likeness(match.likeness),
        "shared_features": None if found.shared is None else list(found.shared),
        "kept": list(found.kept),
        "lost": list(found.lost),
        "gained": list(found.gained),
        "order_correlation": found.order_correlation,
        "distance_correlation": found.distance_correlation,
    }


def runs_rows(left: RunReading, right: RunReading, found: RunComparison) -> Rows:
    """All matches as a table for people; clusters without a match are counted in the title."""
    title = (
        f"{printable(left.run.manifest.title)} and {printable(right.run.manifest.title)}: {len(found.matches)} matches "
        f"by {found.by}, more alike than {found.beyond}; none for {len(found.only_left)} clusters of the first, "
        f"{len(found.only_right)} of the second"
    )
    header = ["first", "", "second", "", "similarity", "background", "features", "words", "span", "shapes"]
    return title, header, [_match_row(left.run, right.run, match) for match in found.matches]


def pair_rows(left: RunReading, right: RunReading, found: PairComparison) -> Rows:
    """Two clusters as a table for people, one row a fact."""
    match = found.match
    mine, theirs = left.run.summary(match.left), right.run.summary(match.right)
    told = ", ".join(f"{name} {_written(value)}" for name, value in asdict(match.likeness).items() if value is not None)
    shared = "" if found.shared is None else f"; {len(found.shared)} features in common"
    title = (
        f"{printable(mine.label)} and {printable(theirs.label)}: {told}{shared}\n"
        f"{len(found.kept)} values in common (order r {_written(found.order_correlation)}, "
        f"distances r {_written(found.distance_correlation)})\n"
        f"lost: {_names(found.lost)}\ngained: {_names(found.gained)}"
    )
    rows = [[name, one, other] for name, one, other in changes(mine, theirs)]
    return title, ["", printable(left.run.manifest.title), printable(right.run.manifest.title)], rows


def changes(mine: ClusterSummary, theirs: ClusterSummary) -> list[Fact]:
    """Facts and scores of two clusters beside each other: name, one, the other."""
    scores = [_fact(name.replace("_", " "), mine, theirs, partial(_score, name)) for name in CHANGING]
    return [*facts(mine, theirs), *scores]


def facts(mine: ClusterSummary, theirs: ClusterSummary) -> list[Fact]:
    """What is counted and named of two clusters beside each other: name, one, the other."""
    told: tuple[tuple[str, Callable[[ClusterSummary], str]], ...] = (
        ("shape", lambda one: one.shape),
        ("values", lambda one: str(len(one.order))),
        ("features, core + halo", lambda one: f"{len(one.features)} + {len(one.halo)}"),
        ("regime", lambda one: one.regime),
        ("tokens", lambda one: f"{one.n_tokens:,}"),
        ("intrinsic dimension", lambda one: f"{one.intrinsic_dim:.1f}"),
    )
    return [_fact(name, mine, theirs, tell) for name, tell in told]


def _fact(name: str, mine: ClusterSummary, theirs: ClusterSummary, tell: Callable[[ClusterSummary], str]) -> Fact:
    return name, tell(mine), tell(theirs)


def _score(name: str, one: ClusterSummary) -> str:
    return _written(one.scores.get(name))


def _match_row(mine: Run, theirs: Run, match: RunMatch) -> list[str]:
    left, right, likeness = mine.summary(match.left), theirs.summary(match.right), match.likeness
    shapes = left.shape if left.shape == right.shape else f"{left.shape} -> {right.shape}"
    numbers = (likeness.similarity, match.background, likeness.features, likeness.words, likeness.span)
    labels = [str(left.id), printable(left.label), str(right.id), printable(right.label)]
    return [*labels, *(_written(value) for value in numbers), shapes]


def _about(run: Run) -> dict[str, JsonValue]:
    return {"run": run.id, "title": run.manifest.title, "n_clusters": len(run.manifest.clusters)}


def _named(summary: ClusterSummary) -> dict[str, JsonValue]:
    return {"id": summary.id, "label": summary.label}


def _likeness(likeness: Likeness) -> dict[str, JsonValue]:
    return {"similarity": likeness.similarity, **asdict(likeness)}


def _names(values: tuple[str, ...]) -> str:
    return printable(", ".join(values)) or "none"


def _written(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
