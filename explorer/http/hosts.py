"""Host headers and listen addresses: which names a server answers under, against DNS rebinding."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers

from explorer.errors import RequestError

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
DEFAULT_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::([0-9]{1,5}))?")


@dataclass(frozen=True)
class Authority:
    """A host name with its port, as in a Host header."""

    name: str
    """Lower case; IPv6 in brackets."""
    port: int | None
    """None where the header names none; in a HostList, any port."""


def parse_authority(text: str) -> Authority | None:
    """Parse ``name`` or ``name:port``; None for anything else."""
    match = _AUTHORITY.fullmatch(text.lower())
    if match is None:
        return None
    return Authority(match[1], int(match[2]) if match[2] else None)


def host_header(headers: Headers) -> Authority | None:
    """The Host header; None if it is missing, repeated or malformed."""
    values = headers.getlist("host")
    return parse_authority(values[0]) if len(values) == 1 else None


@dataclass(frozen=True)
class HostList:
    """Names that a server answers under."""

    names: frozenset[Authority]

    def allows(self, authority: Authority, scheme: str) -> bool:
        """Whether a request with this Host header is meant for this server."""
        port = authority.port if authority.port is not None else DEFAULT_PORTS.get(scheme)
        return not self.names.isdisjoint({Authority(authority.name, port), Authority(authority.name, None)})


def is_loopback(bind: str) -> bool:
    """Whether a listen address can be reached from this machine only."""
    if bind == "localhost":
        return True
    try:
        return ipaddress.ip_address(bind).is_loopback
    except ValueError:
        return False


def is_wildcard(bind: str) -> bool:
    """Whether a listen address stands for every interface, as 0.0.0.0 and :: do."""
    try:
        return ipaddress.ip_address(bind).is_unspecified
    except ValueError:
        return False


def bracketed(bind: str) -> str:
    """A listen address as a URL or a Host header spells it: IPv6 in brackets."""
    return f"[{bind}]" if ":" in bind else bind


def host_list(bind: str, port: int | None, extra: Iterable[str] = ()) -> HostList:
    """Names that a server on this address answers under.

    On loopback these are the loopback names with its port; elsewhere the address itself, unless it is a wildcard.

    Args:
        bind: listen address.
        port: listen port; None allows every port, for tests that bind port 0.
        extra: further ``name`` (any port) or ``name:port``, such as the name of a proxy or an SSH tunnel.

    Raises:
        RequestError: an extra name is not a host name, or no name is left under which a browser could call.
    """
    names = {Authority(name, port) for name in _own_names(bind)}
    for text in extra:
        authority = parse_authority(text)
        if authority is None:
            raise RequestError("allowed host", repr(text), "a host name, or name:port")
        names.add(authority)
    if not names:
        raise RequestError(f"bind address {bind}", "no allowed host name", "at least one name that browsers will use")
    return HostList(frozenset(names))


def _own_names(bind: str) -> set[str]:
    own = set(LOOPBACK_NAMES) if is_loopback(bind) else set()
    try:
        bind = str(ipaddress.ip_address(bind))  # the shortest spelling, which browsers send
    except ValueError:
        return own | ({bind.lower()} if parse_authority(bind) else set())
    return own if is_wildcard(bind) else own | {bracketed(bind)}
