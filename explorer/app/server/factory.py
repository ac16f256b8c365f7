"""Builds the app: Dash on FastAPI with its pages, routes and callbacks, behind the front filter."""

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

from dash import Dash, html
from dash.backends._fastapi import reset_current_request, set_current_request
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from explorer.app.atlas import callbacks as atlas
from explorer.app.atlas.routes import run_router
from explorer.app.compare import callbacks as compare
from explorer.app.compare.callbacks import compare_router
from explorer.app.manifold import callbacks as manifold
from explorer.app.security.callbacks import TypedDash
from explorer.app.security.filter import EdgeSettings
from explorer.app.security.prefix import UnderPrefix
from explorer.app.server import router
from explorer.app.server.edge import build_edge
from explorer.app.server.relay import RelayLimits
from explorer.app.site.hosts import SteeringHosts
from explorer.app.site.shares import ShareStore
from explorer.app.site.site import Site
from explorer.app.steering import callbacks as steering
from explorer.app.tour import callbacks as tour
from explorer.app.try_text import callbacks as text
from explorer.app.ui.page import frame as page_frame
from explorer.app.ui.scripts import assets_digest, modules
from explorer.app.view.links import PAGE_PATHS, Links
from explorer.places import shipped_folder
from explorer.runs.run.catalog import Catalog

STYLES = (
    "ui/tokens", "ui/base", "ui/controls", "ui/shell", "gallery/gallery", "atlas/atlas", "ui/cards",
    "manifold/manifold", "manifold/features", "manifold/belief", "steering/steering", "steering/checks",
    "try_text/text", "tour/tour", "ui/notes", "compare/compare",
)  # fmt: skip
"""Style sheets of assets/css, in order."""
ENTRY = "main.js"
"""Entry of the ES modules in assets/js. They run after Dash's own scripts, and start its renderer."""
INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{%title%}</title>
    <link rel="icon" type="image/svg+xml" href="ASSETS/favicon.svg">
    {%css%}
    <script src="ASSETS/js/theme.js"></script>
    PRELOADS
    <script type="module" src="ASSETS/js/ENTRY"></script>
  </head>
  <body>
    <noscript>Manifold Explorer draws in the browser and needs JavaScript.</noscript>
    {%app_entry%}
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>
"""


class CompressResponses:
    """Compresses what the app computes. Dash's own scripts are left alone: each request would compress them again."""

    def __init__(self, app: ASGIApp) -> None:
        self.plain = app
        self.compressed = GZipMiddleware(app, minimum_size=2_000, compresslevel=4)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        static = scope["type"] != "http" or "/_dash-component-suites/" in scope["path"]
        await (self.plain if static else self.compressed)(scope, receive, send)


def create_app(
    catalog: Catalog,
    *,
    hosts: SteeringHosts,
    shares_path: Path,
    edge: EdgeSettings,
    prefix: str = "/",
    relay_limits: RelayLimits | None = None,
    view_only: bool = False,
) -> ASGIApp:
    """Build the app; serve the result with one worker.

    Args:
        catalog: the runs to browse.
        hosts: steering hosts by run.
        shares_path: SQLite file of shared results; created at the first share.
        edge: what the front filter lets through; with ``edge.read_only`` nothing is stored.
        prefix: path under which a proxy serves the app, with a slash at both ends.
        relay_limits: bounds of the relay.
        view_only: serve nothing outside ``prefix``, and only shared results of the catalog's single run.
    """
    app_version = version("manifold-explorer")
    shares = ShareStore(shares_path, app_version, edge.read_only, only_of=catalog.entries[0].id if view_only else None)
    site = Site(catalog, hosts, shares, Links(prefix))
    dash_app = _dash(prefix, app_version)
    _add_pages(dash_app)
    dash_app.server.include_router(run_router(catalog))
    dash_app.server.include_router(compare_router(site))
    for part in (router, atlas, manifold, steering, text, tour, compare):
        part.register(dash_app, site)
    whole = build_edge(dash_app, hosts=hosts, shares=shares, settings=edge, limits=relay_limits)
    return whole if prefix == "/" else UnderPrefix(whole, prefix, only=view_only)


def _dash(prefix: str, app_version: str) -> Dash:
    server = FastAPI(title="Manifold Explorer", version=app_version, docs_url=None, redoc_url=None)
    server.add_middleware(CompressResponses)
    assets_path = f"assets/{assets_digest()}"
    assets = prefix + assets_path
    app = TypedDash(
        "explorer.app",
        server=server,  # type: ignore[arg-type] # Dash takes a FastAPI app and is typed for Flask
        backend="fastapi",
        assets_folder=str(shipped_folder("assets")),
        assets_url_path=assets_path,
        include_assets_files=False,
        use_pages=False,
        requests_pathname_prefix=prefix,
        routes_pathname_prefix="/",
        serve_locally=True,
        suppress_callback_exceptions=True,
        title="Manifold Explorer",
        update_title="",
        index_string=_index(assets),
        external_stylesheets=[f"{assets}/css/{name}.css" for name in STYLES],
        add_log_handler=False,
    )
    app.renderer = ""  # main.js starts it: Dash would start it before the callbacks are registered
    app.layout = html.Div(page_frame())  # type: ignore[arg-type] # records, for which Dash has no type
    return app


def _index(assets: str) -> str:
    # Preloading fetches all modules at once; without it each is fetched only after its importer has been parsed.
    preloads = "\n    ".join(f'<link rel="modulepreload" href="ASSETS/js/{path}">' for path in modules(ENTRY))
    return INDEX.replace("PRELOADS", preloads).replace("ENTRY", ENTRY).replace("ASSETS", assets)


def _add_pages(app: Dash) -> None:
    # Known addresses get routes of their own; all others fall to Dash's catch-all, which serves the same page.
    for path in PAGE_PATHS[1:]:
        app.server.add_api_route(path, _page(app), methods=["GET"], include_in_schema=False)


def _page(app: Dash) -> Callable[[Request], Awaitable[HTMLResponse]]:
    async def page(request: Request) -> HTMLResponse:
        token = set_current_request(request)  # type: ignore[no-untyped-call]
        try:
            return HTMLResponse(app.index())  # type: ignore[no-untyped-call]
        finally:
            reset_current_request(token)  # type: ignore[no-untyped-call]

    return page
