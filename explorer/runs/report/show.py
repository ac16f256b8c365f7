"""Output of `explorer show`: a run or one cluster as JSON with stable keys, and as tables for people."""

from dataclasses import asdict
from typing import Final

import numpy as np
from pydantic import JsonValue

from explorer.records.bundle import FeatureLabel
from explorer.records.cluster import CONTEXT_BEFORE, ClusterSummary
from explorer.runs.run.reader import Run

LEADING_SCORES = ("intrinsic_dim", "variance_explained", "p_value", "stability", "dissolved", "chance_p")
"""Numbers of a cluster that are listed first: its shape with the null test, and its robustness."""
SPARE = ("order", "dim", "halo", "core", "tokens", "regime")
"""Columns of the table of clusters that a narrow terminal omits, in this order; the label names some values."""
SHOWN_VALUES = 12
"""Maximum number of values in one row of the table of clusters."""


def run_table(run: Run) -> dict[str, JsonValue]:
    """A run as JSON, without its arrays.

    Returns:
        `format_version`, `run` (its id), `title`, `model`, `sae`, `subject`, `dataset`, `bundle`, `settings`, `seeds`,
            `versions`, `dropped`, `n_features`, `n_clustered`, `n_noise`, `n_left_out`, `evidence` (draws behind the
            robustness scores, or null), `chance_clusters` (mean number of clusters by chance, or null), and `clusters`:
            a list of `summary_table`.
    """
    table = run.manifest.model_dump(mode="json", exclude={"format", "sha256", "clusters", "n_tokens"})
    table["chance_clusters"] = chance_clusters(run)
    return {"run": run.id, **table, "clusters": [summary_table(summary) for summary in run.manifest.clusters]}


def summary_table(summary: ClusterSummary) -> dict[str, JsonValue]:
    """One cluster as JSON, without its arrays: the fields of ClusterSummary; `features` is the core."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(summary).items()}


def cluster_table(run: Run, number: int) -> dict[str, JsonValue]:
    """A run and one of its clusters as JSON, with the cluster's arrays.

    Args:
        run: an open run.
        number: the cluster.

    Returns:
        `run_table` merged with the cluster's `summary_table`, and `points` [sample, 3], `coordinate` [sample],
            `token_text` [sample], `value` [sample], `curve` [knot, 3], `value_coordinate` [value], `value_count`
            [value], `labels` (of its features, core first) and `variance_explained` (null if missing).

    Raises:
        RunError: there is no such cluster, or its file is broken.
    """
    summary, geometry, vocabulary = run.summary(number), run.cluster(number), run.vocabulary()
    drawn = geometry.context_ids[:, CONTEXT_BEFORE].tolist()
    return {
        **run_table(run),
        **summary_table(summary),
        "points": _json_list(geometry.points),
        "coordinate": _json_list(geometry.coordinate),
        "token_text": [vocabulary.text(token_id) if token_id >= 0 else "" for token_id in drawn],
        "value": _json_list(geometry.value),
        "curve": _json_list(geometry.curve),
        "value_coordinate": _json_list(geometry.value_coordinate),
        "value_count": _json_list(geometry.value_count),
        "labels": [{"feature": one.feature, "label": one.label, "source": one.source} for one in _labels(run, summary)],
        "variance_explained": summary.scores.get("variance_explained"),
    }


def run_rows(run: Run) -> tuple[str, list[str], list[list[str]]]:
    """A run as a table: title, header, one row per cluster."""
    manifest = run.manifest
    title = (
        f"{printable(manifest.title)}: {manifest.n_features} features, {manifest.n_clustered} in "
        f"{len(manifest.clusters)} clusters, {manifest.n_noise} noise, {manifest.n_left_out} left out{_chance(run)}"
    )
    header = ["id", "label", "shape", "dim", "regime", "core", "halo", "tokens", "stable", "chance p", "order"]
    return title, header, [_row(summary) for summary in manifest.clusters]


def _row(summary: ClusterSummary) -> list[str]:
    return [
        str(summary.id),
        printable(summary.label),
        summary.shape,
        f"{summary.intrinsic_dim:.1f}",
        summary.regime,
        str(len(summary.features)),
        str(len(summary.halo)),
        str(summary.n_tokens),
        *(_score(summary, name) for name in ("stability", "chance_p")),
        _first_values(summary.order),
    ]


def _score(summary: ClusterSummary, name: str) -> str:
    """A score with two decimals; a dash if it is missing."""
    return f"{summary.scores[name]:.2f}" if name in summary.scores else "-"


def _chance(run: Run) -> str:
    mean = chance_clusters(run)
    return "" if mean is None else f"; codes shuffled within documents give {mean:.3g} clusters"


def chance_clusters(run: Run) -> float | None:
    """Mean number of clusters over the shuffled draws; None without draws."""
    made = run.manifest.evidence.chance_clusters if run.manifest.evidence else ()
    return sum(made) / len(made) if made else None


def _first_values(order: tuple[str, ...]) -> str:
    shown = " ".join(order[:SHOWN_VALUES])
    return printable(shown if len(order) <= SHOWN_VALUES else f"{shown} … {len(order)} in all")


def cluster_facts(run: Run, number: int) -> tuple[str, list[str], list[list[str]]]:
    """Facts and scores of a cluster as a table: title, header, one row per number, the most important first.

    Raises:
        RunError: there is no such cluster.
    """
    summary = run.summary(number)
    single, curves = gather_curves(summary.scores)
    numbers = {"intrinsic_dim": summary.intrinsic_dim, **single}
    first = [name for name in LEADING_SCORES if name in numbers]
    rest = sorted(numbers.keys() - LEADING_SCORES)
    rows = [
        ["shape, regime", f"{summary.shape}, {summary.regime}"],
        ["tokens", f"{summary.n_tokens}, {summary.n_sampled} of them sampled"],
        ["core", _features(summary.features)],
        ["halo", _features(summary.halo)],
        *([name, f"{numbers[name]:.3g}{_interval(summary, name)}"] for name in (*first, *rest)),
        *([name, _curve(curve)] for name, curve in curves.items()),
    ]
    title = f"Cluster {number}: {printable(summary.label)}\n{printable(summary.words)}\n"
    return title, ["what", "value"], [[printable(name), printable(value)] for name, value in rows]


def cluster_rows(run: Run, number: int) -> tuple[str, list[str], list[list[str]]]:
    """A cluster's values as a table: title, header, one row per value along the coordinate.

    Raises:
        RunError: there is no such cluster, or its file is broken.
    """
    summary, geometry = run.summary(number), run.cluster(number)
    rows = [
        [printable(value), f"{coordinate:.3f}", str(count)]
        for value, coordinate, count in zip(
            summary.order, geometry.value_coordinate.tolist(), geometry.value_count.tolist(), strict=True
        )
    ]
    return f"\n{len(rows)} values, in their order along the shape", ["value", "coordinate", "tokens"], rows


def label_rows(run: Run, number: int) -> tuple[str, list[str], list[list[str]]]:
    """Labels of a cluster's features as a table: title, header, one row per label, core first.

    Raises:
        RunError: there is no such cluster, or the labels are broken.
    """
    labels = _labels(run, run.summary(number))
    rows = [[str(one.feature), printable(one.label), printable(one.source)] for one in labels]
    title = f"\n{len(rows)} {'label' if len(rows) == 1 else 'labels'} of its features"
    return title, ["feature", "label", "source"], rows


def _labels(run: Run, summary: ClusterSummary) -> list[FeatureLabel]:
    labels = run.labels()
    return [one for feature in (*summary.features, *summary.halo) for one in labels.of(feature)]


def _features(numbers: tuple[int, ...]) -> str:
    return f"{len(numbers)}: {', '.join(map(str, numbers))}" if numbers else "none"


def _interval(summary: ClusterSummary, name: str) -> str:
    """The bounds of a number's interval; empty if it was not measured."""
    low, high = summary.intervals.get(name, (None, None))
    return "" if low is None else f" ({low:.3g} to {high:.3g})"


def _curve(curve: dict[int, float]) -> str:
    return ", ".join(f"{value:.3g} by {atoms}" for atoms, value in curve.items())


def printable(text: str) -> str:
    """Text that is safe for a terminal: control characters become replacement characters."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _json_list(array: np.ndarray) -> list[JsonValue]:
    plain: list[JsonValue] = array.tolist()
    return plain


CURVES_OF_ATOMS: Final = ("r2_at", "atoms_hold", "pca_holds", "random_holds")
"""Names of the curves: restricted R2 of position; variance within the span of that many of the cluster's directions, of
principal axes, and of random directions."""


def gather_curves(scores: dict[str, float]) -> tuple[dict[str, float], dict[str, dict[int, float]]]:
    """Separate single scores from scores per number of atoms.

    Args:
        scores: numbers by name.

    Returns:
        The single scores unchanged, and the curves by name: number of atoms to value, ascending.
    """
    single: dict[str, float] = {}
    curves: dict[str, dict[int, float]] = {}
    for name, value in scores.items():
        curve, _, atoms = name.rpartition("_")
        if curve in CURVES_OF_ATOMS and atoms.isdecimal():
            curves.setdefault(curve, {})[int(atoms)] = value
        else:
            single[name] = value
    return single, {name: dict(sorted(curve.items())) for name, curve in curves.items()}
