"""What `explorer show` tells: a run or one cluster as plain JSON values. The keys are a stable contract."""

from dataclasses import asdict

import numpy as np
from pydantic import JsonValue

from explorer.records import CONTEXT_BEFORE, ClusterSummary
from explorer.runs.run import Run


def run_table(run: Run) -> dict[str, JsonValue]:
    """A run without its arrays.

    Returns:
        `format_version`, `run` (its id), `title`, `model`, `sae`, `subject`, `dataset`, `bundle`, `settings`,
        `seeds`, `versions`, `dropped`, `n_features`, `n_clustered`, `n_noise`, `n_left_out`, and `clusters`: a list
        of `summary_table`.
    """
    told = run.manifest.model_dump(mode="json", exclude={"format", "sha256", "clusters", "n_tokens"})
    return {"run": run.id, **told, "clusters": [summary_table(summary) for summary in run.manifest.clusters]}


def summary_table(summary: ClusterSummary) -> dict[str, JsonValue]:
    """One cluster without its arrays: the fields of ClusterSummary; `features` is the core."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(summary).items()}


def cluster_table(run: Run, number: int) -> dict[str, JsonValue]:
    """A run with everything of one of its clusters.

    Args:
        run: an open run.
        number: the cluster.

    Returns:
        `run_table`, the cluster's own `summary_table` beside it, and `points` [sample, 3], `coordinate` [sample],
        `token_text` [sample], `value` [sample], `curve` [knot, 3], `value_coordinate` [value], `value_count` [value]
        and `variance_explained` (null where the build gives none).

    Raises:
        RunError: there is no such cluster, or its file is broken.
    """
    summary, geometry, vocabulary = run.summary(number), run.cluster(number), run.vocabulary()
    drawn = geometry.context_ids[:, CONTEXT_BEFORE].tolist()
    return {
        **run_table(run),
        **summary_table(summary),
        "points": _plain(geometry.points),
        "coordinate": _plain(geometry.coordinate),
        "token_text": [vocabulary.text(token_id) if token_id >= 0 else "" for token_id in drawn],
        "value": _plain(geometry.value),
        "curve": _plain(geometry.curve),
        "value_coordinate": _plain(geometry.value_coordinate),
        "value_count": _plain(geometry.value_count),
        "variance_explained": summary.scores.get("variance_explained"),
    }


def _plain(array: np.ndarray) -> list[JsonValue]:
    plain: list[JsonValue] = array.tolist()
    return plain
