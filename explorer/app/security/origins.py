"""Who may send requests: the Host allow-list against DNS rebinding, fetch metadata against other sites, and framing."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from explorer.errors import RequestError
from explorer.http.errors import ErrorReply
from explorer.http.hosts import DEFAULT_PORTS, HostList, host_header

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:([0-9]{1,5}|\*))?")
_OWN_SITES = frozenset({"same-origin", "none"})


def frame_ancestors(origins: Iterable[str]) -> str:
    """CSP sources that may frame the app: itself and the given origins; "*" as a port stands for every port.

    Raises:
        RequestError: one of them is not an origin.
    """
    named = list(origins)
    for origin in named:
        if not _ORIGIN.fullmatch(origin):
            raise RequestError(
                "--allow-frame", repr(origin), "an origin such as https://notes.example or http://localhost:*"
            )
    return " ".join(("'self'", *named))


def check_host(headers: Headers, scheme: str, hosts: HostList) -> ErrorReply | None:
    """Refuse a request for another host: DNS rebinding, or a proxy that was not named."""
    authority = host_header(headers)
    if authority is None:
        return ErrorReply(400, "bad_host", "The request needs exactly one valid Host header.")
    if hosts.allows(authority, scheme):
        return None
    message = "This server does not answer under that host name; name it when you start the app."
    return ErrorReply(421, "bad_host", message)


def check_site(method: str, headers: Headers) -> ErrorReply | None:
    """Refuse requests from other sites, other ports of the same machine included.

    Follows the resource isolation policy for fetch metadata (https://web.dev/articles/fetch-metadata): requests from
    this origin and from the address bar pass, and plain navigations from elsewhere, such as a followed link. Clients
    without these headers are no browsers, or older than 2023 and then checked by Origin.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in _OWN_SITES and not _is_navigation(method, headers):
        return ErrorReply(403, "cross_site", "Requests from other sites are refused.")
    origin = headers.get("origin")
    if origin is not None and not _same_origin(origin, headers["host"]):
        return ErrorReply(403, "cross_site", "The Origin header names another site.")
    return None


def _is_navigation(method: str, headers: Headers) -> bool:
    plain = headers.get("sec-fetch-dest") not in {"object", "embed"}
    return method == "GET" and headers.get("sec-fetch-mode") == "navigate" and plain


def _same_origin(origin: str, host: str) -> bool:
    # The scheme may differ behind a proxy that terminates TLS; the host has passed the allow-list.
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in DEFAULT_PORTS and parts.netloc.lower() == host.lower()
