"""Data that a page asks for as it needs it: tile pictures, and what stands behind a hovered point."""

import hashlib
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from explorer.app.contexts import read_context
from explorer.app.figures.atlas_map import map_features
from explorer.app.words import count, number, visible
from explorer.errors import RequestError
from explorer.records import LEFT_OUT
from explorer.runs.catalog import Catalog
from explorer.runs.run import Run


def run_router(catalog: Catalog) -> APIRouter:
    """The routes that read a run."""
    router = APIRouter(prefix="/api/run")

    @router.get("/{run_id}/thumbnail/{cluster}.svg")
    def thumbnail(run_id: str, cluster: int) -> Response:
        """A tile's picture: static shapes, checked by the reader."""
        picture = catalog.run(run_id).thumbnail(cluster)
        etag = f'"{hashlib.sha256(picture.encode()).hexdigest()[:32]}"'
        return Response(
            picture, media_type="image/svg+xml", headers={"etag": etag, "cache-control": "private, max-age=300"}
        )

    @router.get("/{run_id}/map/{group}/{index}")
    def map_point(run_id: str, group: Literal["noise", "clustered"], index: int) -> Response:
        """What stands behind one point of the map."""
        return JSONResponse(feature_words(catalog.run(run_id), group, index))

    @router.get("/{run_id}/cluster/{cluster}/sample/{index}")
    def sample(run_id: str, cluster: int, index: int) -> Response:
        """A drawn token in its context."""
        return JSONResponse(sample_words(catalog.run(run_id), cluster, index))

    return router


def feature_words(run: Run, group: str, index: int) -> dict[str, str | int]:
    """A feature in words.

    Raises:
        RequestError: there is no such point.
    """
    table, vocabulary = run.features(), run.vocabulary()
    features = map_features(table, group)
    if not 0 <= index < len(features):
        raise RequestError("map point", str(index), f"0 to {len(features) - 1}")
    feature = int(features[index])
    cluster = int(table.cluster[feature])
    tokens = [visible(vocabulary.text(int(token))).strip() for token in table.top_tokens[feature] if token >= 0]
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
        "tokens": "on " + ", ".join(tokens[:8]),
        "fires": f"{count(int(table.fires[feature]))} tokens · mean {number(float(table.mean_activation[feature]))}",
    }


def sample_words(run: Run, cluster: int, index: int) -> dict[str, str]:
    """A drawn token in its context, in words.

    Raises:
        RequestError: there is no such point.
    """
    summary, geometry = run.summary(cluster), run.cluster(cluster)
    if not 0 <= index < len(geometry.points):
        raise RequestError("point", str(index), f"0 to {len(geometry.points) - 1}")
    context = read_context(run.vocabulary(), geometry.context_ids[index])
    value = int(geometry.value[index])
    named = f" · {visible(summary.order[value]).strip()}" if value >= 0 else ""
    where = f"position {geometry.coordinate[index]:.3f}{named} · token {count(int(geometry.token_index[index]))}"
    return {"before": context.before[-120:], "token": context.token, "after": context.after[:60], "where": where}
