"""Data that a page asks for as it needs it: the map, tile pictures, and what stands behind a hovered point."""

import hashlib
import json

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from explorer.app.atlas.map import cluster_columns, map_points
from explorer.app.atlas.tooltips import feature_words, sample_words
from explorer.app.view.selection import read_picks
from explorer.runs.report.tables import as_tsv, points_table, table_rows
from explorer.runs.run.catalog import Catalog
from explorer.runs.run.reader import Run


def run_router(catalog: Catalog) -> APIRouter:
    """The routes that read a run."""
    router = APIRouter(prefix="/api/run")

    @router.get("/{run_id}/thumbnail/{cluster}.svg")
    def thumbnail(run_id: str, cluster: int) -> Response:
        """A tile's picture: static shapes, checked by the reader."""
        return _kept(catalog.run(run_id).thumbnail(cluster).encode(), "image/svg+xml")

    @router.get("/{run_id}/points")
    def points(run_id: str) -> Response:
        """Every feature's place, cluster and firing rate; see ``map_points``."""
        return _kept(map_points(catalog.run(run_id).features()), "application/octet-stream")

    @router.get("/{run_id}/clusters")
    def clusters(run_id: str) -> Response:
        """What the map, the tiles and the table tell of every cluster, column by column."""
        columns = cluster_columns(catalog.run(run_id).manifest.clusters)
        return _kept(json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode(), "application/json")

    @router.get("/{run_id}/feature/{feature}")
    def feature(run_id: str, feature: int) -> Response:
        """What stands behind one point of the map."""
        return JSONResponse(feature_words(catalog.run(run_id), feature))

    @router.get("/{run_id}/cluster/{cluster}/sample/{index}")
    def sample(run_id: str, cluster: int, index: int) -> Response:
        """A drawn token in its context."""
        return JSONResponse(sample_words(catalog.run(run_id), cluster, index))

    @router.get("/{run_id}/cluster/{cluster}/points.tsv")
    def cluster_points(run_id: str, cluster: int, pick: str = "") -> Response:
        """The drawn tokens, or those of them that are picked, as tab-separated text."""
        return Response(points_text(catalog.run(run_id), cluster, pick), media_type="text/tab-separated-values")

    return router


def _kept(content: bytes, media_type: str) -> Response:
    """Content that a browser may keep for a while."""
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Response(content, media_type=media_type, headers={"etag": etag, "cache-control": "private, max-age=300"})


def points_text(run: Run, cluster: int, pick: str) -> str:
    """The drawn tokens of a cluster as tab-separated text with a header line, by their token number.

    Raises:
        RequestError: ``pick`` is no list of numbers.
    """
    summary, geometry = run.summary(cluster), run.cluster(cluster)
    rows = list(table_rows(points_table(summary, geometry, run.vocabulary())))
    picked = read_picks(pick, len(geometry.points)).tolist() or range(len(geometry.points))
    return as_tsv([rows[0], *(rows[1 + sample] for sample in picked)])
