"""Security headers of every response, with a content security policy under which Dash and plotly work."""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from dash import Dash

ScriptHashes = Callable[[], Sequence[str]]
"""Returns the CSP hashes of the app's own inline scripts."""

FIXED = {
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc\s*=)[^>]*>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)


def page_policy(hashes: Sequence[str], frame_ancestors: str) -> str:
    """The content security policy of a page.

    ``style-src`` needs 'unsafe-inline': plotly and Dash set style attributes and add style elements from script, and
    neither takes a nonce. A style runs no script, and with ``img-src``, ``font-src`` and ``connect-src``
    restricted to the app it cannot call out. ``script-src`` allows the app's own files and, by hash, its own inline
    scripts: no 'unsafe-inline', so injected markup runs nothing, and no 'unsafe-eval'. Plotly's ``scattergl`` would
    need the latter, since regl compiles draw commands with the Function constructor; no figure has such a trace, and
    ``scatter3d`` does not need it.

    Args:
        hashes: CSP sources such as ``'sha256-...'`` of the inline scripts that may run.
        frame_ancestors: CSP sources that may frame the page.
    """
    directives = {
        "default-src": "'none'",
        "script-src": " ".join(("'self'", *hashes)),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "frame-src": "'self'",
        "manifest-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": frame_ancestors,
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def file_policy(frame_ancestors: str) -> str:
    """The policy of everything but pages: an SVG or JSON that is opened directly runs nothing."""
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors {frame_ancestors}; sandbox"


def script_hash(source: str) -> str:
    """CSP source of an inline script."""
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def inline_scripts(html: str) -> list[str]:
    """Inline scripts of a page or a template, without Dash's placeholders."""
    return [source for source in _INLINE_SCRIPT.findall(html) if source and not re.fullmatch(r"\s*{%\w+%}\s*", source)]


def dash_script_hashes(dash_app: "Dash") -> ScriptHashes:
    """Hashes of what a Dash app writes inline: its start script, its clientside callbacks, its template's scripts.

    They come from the app's sources, never from a rendered page, so an injected script cannot authorise itself. They
    are computed on demand, since callbacks may be added later.
    """
    hashes: dict[str, str] = {}

    def current() -> Sequence[str]:
        for source in (*dash_app._inline_scripts, dash_app.renderer, *inline_scripts(dash_app.index_string)):
            if source and source not in hashes:
                hashes[source] = script_hash(source)
        return tuple(hashes.values())

    return current


def harden(headers: MutableHeaders, hashes: ScriptHashes, frame_ancestors: str) -> None:
    """Set the security headers of a response, replacing those that are there."""
    for name, value in FIXED.items():
        headers[name] = value
    is_page = headers.get("content-type", "").startswith("text/html")
    headers["content-security-policy"] = (
        page_policy(hashes(), frame_ancestors) if is_page else file_policy(frame_ancestors)
    )
