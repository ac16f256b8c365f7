"""A page as one self-contained HTML file that opens from disk and is drawn by the app's own scripts."""

import base64
import re
from collections.abc import Sequence
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from plotly.io.json import to_json_plotly

from explorer.app.security.headers import script_hash
from explorer.app.still.manifold import manifold_still
from explorer.app.still.markup import Markup
from explorer.app.tour.page import tour_page
from explorer.app.tour.slides import make_slides
from explorer.app.tour.tour_file import TourFolder
from explorer.app.ui.page import Page
from explorer.app.ui.scripts import one_script
from explorer.places import shipped_folder
from explorer.records.cluster import ClusterSummary
from explorer.runs.io.atomic import write_bytes
from explorer.runs.run.catalog import scan
from explorer.runs.run.reader import Run

STYLES = (
    "ui/tokens", "ui/base", "ui/controls", "ui/shell", "manifold/manifold", "manifold/belief", "steering/steering",
    "tour/tour", "still/still",
)  # fmt: skip
"""Style sheets of assets/css that a page from disk needs, in order."""
ENTRY = "still/main.js"
"""Entry of its modules in assets/js."""
_BREAKS_OUT = re.compile(r"</(script|style)|<!--", re.IGNORECASE)


def manifold_file(run: Run, cluster: int, out: Path) -> int:
    """Write one manifold as an HTML file.

    Returns:
        Size of the file in bytes.

    Raises:
        RunError: the run is broken, or the cluster does not exist.
        ExplorerError: the file cannot be written.
    """
    return _write(out, manifold_still(run, cluster))


def tour_file(folder: TourFolder, out: Path) -> int:
    """Write a tour with its recorded results as an HTML file.

    Returns:
        Size of the file in bytes.

    Raises:
        InputError: the tour breaks its format.
        ExplorerError: the file cannot be written.
    """
    slides = make_slides(folder, scan(folder.root.parent.parent), page=None, portrait=_inside)
    return _write(out, tour_page(slides, None))


def page_text(page: Page) -> str:
    """The content of the file.

    Its content security policy allows only its own scripts, each by hash, and loads nothing.
    """
    markup = Markup()
    body = markup.write(page.body)
    scripts = [_contained(_plotly()), _contained(one_script(ENTRY))]
    theme = _contained(_asset("js", "theme"))
    data = _data(markup.stores)
    style = _contained("\n".join(_asset("css", name) for name in STYLES))
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(_policy([theme, *scripts]))}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta name="generator" content="Manifold Explorer {escape(version("manifold-explorer"))}">',
            f"<title>{escape(page.title)}</title>",
            f"<style>{style}</style>",
            f"<script>{theme}</script>",
            "</head>",
            f'<body class="still"><main id="page">{body}</main>',
            f'<script type="application/json" id="still-data">{data}</script>',
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>",
            "",
        ]
    )


def _write(out: Path, page: Page) -> int:
    data = page_text(page).encode("utf-8")
    write_bytes(out, data)
    return len(data)


def _policy(scripts: Sequence[str]) -> str:
    hashes = " ".join(script_hash(script) for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"


def _asset(kind: str, name: str) -> str:
    return (shipped_folder("assets") / kind / f"{name}.{kind}").read_text(encoding="utf-8")


def _plotly() -> str:
    return files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")


def _contained(source: str) -> str:
    """A script or style sheet that is safe to inline.

    Raises:
        ValueError: it contains a sequence that would end its element early.
    """
    source = source.replace("\r\n", "\n")
    if _BREAKS_OUT.search(source):
        raise ValueError("a script or style sheet that cannot be inlined")
    return source


def _data(values: dict[str, Any]) -> str:
    """JSON that cannot end its script element, whatever texts it contains."""
    return str(to_json_plotly(values)).replace("<", "\\u003c")


def _inside(run: Run, summary: ClusterSummary) -> str:
    """A portrait as a data URL."""
    picture = base64.b64encode(run.thumbnail(summary.id).encode("utf-8")).decode("ascii")
    return f"data:image/svg+xml;base64,{picture}"
