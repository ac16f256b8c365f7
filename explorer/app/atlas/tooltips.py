"""Tooltips: a feature of the map, or a drawn token of a cluster."""

from explorer.app.ui.format import count, cut, number, read_context, visible
from explorer.errors import RequestError
from explorer.records.clustering import LEFT_OUT
from explorer.runs.run.reader import Run

TIP_LABELS = 3
"""Labels shown in a tooltip."""


def feature_tooltip(run: Run, feature: int) -> dict[str, str | int | list[dict[str, str]]]:
    """Tooltip of a feature; ``labels`` holds the first few labels, shortened.

    Raises:
        RequestError: the feature does not exist.
    """
    if not 0 <= feature < run.manifest.n_features:
        raise RequestError("feature", str(feature), f"0 to {run.manifest.n_features - 1}")
    table, vocabulary = run.features(), run.vocabulary()
    cluster = int(table.cluster[feature])
    tokens = [visible(vocabulary.text(int(token))).strip() for token in table.top_tokens[feature] if token >= 0]
    labels = run.labels().of(feature)[:TIP_LABELS]
    where = (
        run.summary(cluster).label
        if cluster >= 0
        else "fires too rarely"
        if cluster == LEFT_OUT
        else "noise: in no cluster"
    )
    return {
        "feature": feature,
        "cluster": cluster,
        "title": f"feature {feature}",
        "where": where,
        "labels": [{"label": cut(one.label), "source": cut(one.source)} for one in labels],
        "tokens": "on " + ", ".join(tokens[:8]),
        "fires": f"{count(int(table.fires[feature]))} tokens · mean {number(float(table.mean_activation[feature]))}",
    }


def sample_tooltip(run: Run, cluster: int, index: int) -> dict[str, str]:
    """Tooltip of a drawn token: its context, position, value and token index.

    Raises:
        RequestError: the point does not exist.
    """
    summary, geometry = run.summary(cluster), run.cluster(cluster)
    if not 0 <= index < len(geometry.points):
        raise RequestError("point", str(index), f"0 to {len(geometry.points) - 1}")
    context = read_context(run.vocabulary(), geometry.context_ids[index])
    value = int(geometry.value[index])
    named = f" · {visible(summary.order[value]).strip()}" if value >= 0 else ""
    where = f"position {geometry.coordinate[index]:.3f}{named} · token {count(int(geometry.token_index[index]))}"
    return {"before": context.before[-120:], "token": context.token, "after": context.after[:60], "where": where}
