"""HTTP routes of a run's data: map points, cluster columns, thumbnails, tooltips, and points as text."""

import hashlib
import json

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from explorer.app.atlas.map import cluster_columns, map_points
from explorer.app.atlas.tooltips import feature_tooltip, sample_tooltip
from explorer.app.view.selection import read_picks
from explorer.runs.report.tables import as_tsv, points_table, table_rows
from explorer.runs.run.catalog import Catalog
from explorer.runs.run.reader import Run


def run_router(catalog: Catalog) -> APIRouter:
    """Routes that read a run."""
    router = APIRouter(prefix="/api/run")

    @router.get("/{run_id}/thumbnail/{cluster}.svg")
    def thumbnail(run_id: str, cluster: int) -> Response:
        """A tile's SVG: static shapes, validated by the reader."""
        return _cached(catalog.run(run_id).thumbnail(cluster).encode(), "image/svg+xml")

    @router.get("/{run_id}/points")
    def points(run_id: str) -> Response:
        """Place, cluster and firing rate of every feature; see ``map_points``."""
        return _cached(map_points(catalog.run(run_id).features()), "application/octet-stream")

    @router.get("/{run_id}/clusters")
    def clusters(run_id: str) -> Response:
        """Properties of every cluster for map, tiles and table; see ``cluster_columns``."""
        columns = cluster_columns(catalog.run(run_id).manifest.clusters)
        return _cached(json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode(), "application/json")

    @router.get("/{run_id}/feature/{feature}")
    def feature(run_id: str, feature: int) -> Response:
        """Tooltip of a feature on the map."""
        return JSONResponse(feature_tooltip(catalog.run(run_id), feature))

    @router.get("/{run_id}/cluster/{cluster}/sample/{index}")
    def sample(run_id: str, cluster: int, index: int) -> Response:
        """Tooltip of a drawn token of a cluster."""
        return JSONResponse(sample_tooltip(catalog.run(run_id), cluster, index))

    @router.get("/{run_id}/cluster/{cluster}/points.tsv")
    def cluster_points(run_id: str, cluster: int, pick: str = "") -> Response:
        """All drawn tokens, or the selected ones, as tab-separated text."""
        return Response(points_text(catalog.run(run_id), cluster, pick), media_type="text/tab-separated-values")

    return router


def _cached(content: bytes, media_type: str) -> Response:
    """A response that the browser may cache for five minutes."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Response(content, media_type=media_type, headers={"etag": etag, "cache-control": "private, max-age=300"})


def points_text(run: Run, cluster: int, pick: str) -> str:
    """The drawn tokens of a cluster, or the selected ones, as tab-separated text with a header line.

    Raises:
        RequestError: ``pick`` is not a list of numbers.
    """
    summary, geometry = run.summary(cluster), run.cluster(cluster)
    rows = list(table_rows(points_table(summary, geometry, run.vocabulary())))
    picked = read_picks(pick, len(geometry.points)).tolist() or range(len(geometry.points))
    return as_tsv([rows[0], *(rows[1 + sample] for sample in picked)])
