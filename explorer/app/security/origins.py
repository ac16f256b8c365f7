"""Who may ask: the Host allow-list against DNS rebinding, and fetch metadata against other sites' requests."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from explorer.app.security.answers import Refusal
from explorer.errors import RequestError

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:([0-9]{1,5}|\*))?")
_OWN_SITES = frozenset({"same-origin", "none"})
_DEFAULT_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Authority:
    """A host name with its port, as in a Host header."""

    name: str
    """Lower case; IPv6 in brackets."""
    port: int | None
    """None where none is named."""


def parse_authority(text: str) -> Authority | None:
    """Read ``name`` or ``name:port``; None where it is neither."""
    match = _AUTHORITY.fullmatch(text.lower())
    if match is None:
        return None
    return Authority(match[1], int(match[2]) if match[2] else None)


@dataclass(frozen=True)
class HostList:
    """The names under which the app answers."""

    names: frozenset[Authority]
    """Allowed names; a port of None stands for every port."""

    def allows(self, authority: Authority, scheme: str) -> bool:
        """Whether a request with this Host header is for this app."""
        port = authority.port if authority.port is not None else _DEFAULT_PORT.get(scheme)
        return not self.names.isdisjoint({Authority(authority.name, port), Authority(authority.name, None)})


def frame_ancestors(origins: Iterable[str]) -> str:
    """Who may show the app in a frame, as CSP sources: itself, and the origins that are named.

    Raises:
        RequestError: one that is no origin; "*" in place of the port stands for every port.
    """
    named = list(origins)
    for origin in named:
        if not _ORIGIN.fullmatch(origin):
            raise RequestError(
                "--allow-frame", repr(origin), "an origin such as https://notes.example or http://localhost:*"
            )
    return " ".join(("'self'", *named))


def is_loopback(bind: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    if bind == "localhost":
        return True
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return False


def host_list(bind: str, port: int | None, extra: Iterable[str] = ()) -> HostList:
    """The names that a server may be asked by.

    On loopback the loopback names with that port; elsewhere the address itself unless it is a wildcard. ``extra`` adds
    ``name`` (every port) or ``name:port``: what a proxy or an SSH tunnel is called by.

    Args:
        bind: address that the server listens on.
        port: its port; None allows every port, for tests that bind port 0.
        extra: further names.

    Raises:
        RequestError: an extra name is no host name, or nothing is left that anybody could call the server by.
    """
    own = LOOPBACK_NAMES if is_loopback(bind) else ()
    names = {Authority(name, port) for name in (*own, *_literal(bind))}
    for text in extra:
        authority = parse_authority(text)
        if authority is None:
            raise RequestError("allowed host", repr(text), "a host name, or name:port")
        names.add(authority)
    if not names:
        raise RequestError(f"bind address {bind}", "no allowed host name", "at least one name that browsers will use")
    return HostList(frozenset(names))


def _literal(bind: str) -> tuple[str, ...]:
    try:
        address = ipaddress.ip_address(bind)
    except ValueError:
        return (bind.lower(),) if parse_authority(bind) else ()
    if address.is_unspecified:
        return ()
    return (f"[{address}]",) if address.version == 6 else (str(address),)


def check_host(headers: Headers, scheme: str, hosts: HostList) -> Refusal | None:
    """Refuse a request that names another host: DNS rebinding, or a proxy that was not named."""
    values = headers.getlist("host")
    authority = parse_authority(values[0]) if len(values) == 1 else None
    if authority is None:
        return Refusal(400, "bad_host", "The request needs exactly one readable Host header.")
    if hosts.allows(authority, scheme):
        return None
    return Refusal(421, "bad_host", "This server does not answer under that host name; name it when you start the app.")


def check_site(method: str, headers: Headers) -> Refusal | None:
    """Refuse what another site sends or reads, another port of the same machine included.

    Follows the resource isolation policy of fetch metadata (https://web.dev/articles/fetch-metadata): requests from
    this origin and from the address bar pass; from elsewhere a plain navigation passes, such as a followed link.
    Clients without these headers pass: they are no browsers, or older than 2023 and then checked by Origin.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in _OWN_SITES and not _is_navigation(method, headers):
        return Refusal(403, "cross_site", "Requests from other sites are refused.")
    origin = headers.get("origin")
    if origin is not None and not _same_origin(origin, headers["host"]):
        return Refusal(403, "cross_site", "The Origin header names another site.")
    return None


def _is_navigation(method: str, headers: Headers) -> bool:
    plain = headers.get("sec-fetch-dest") not in {"object", "embed"}
    return method == "GET" and headers.get("sec-fetch-mode") == "navigate" and plain


def _same_origin(origin: str, host: str) -> bool:
    # The scheme may differ behind a proxy that ends TLS; the host was checked against the allow-list before.
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in _DEFAULT_PORT and parts.netloc.lower() == host.lower()
