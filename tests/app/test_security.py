"""The edge filter: host and site checks, body validation, response headers and error replies."""

import asyncio
import json
import re
from itertools import product
from typing import Any

import pytest
from dash import Dash
from fastapi import FastAPI
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.app.security.filter import EdgeFilter, protect
from explorer.app.security.headers import FIXED, inline_scripts, page_policy, script_hash
from explorer.app.security.origins import check_host, check_site
from explorer.errors import RequestError
from explorer.http.bodies import BodyLimits, parse_json
from explorer.http.errors import ErrorReply
from explorer.http.hosts import host_list, is_loopback, parse_authority
from tests.app.edge_app import HOST, JSON_TYPE, UPDATE, Wire, ask, fail_body, good_body, post, settings, small_dash


@pytest.fixture(scope="module")
def dash_app() -> Dash:
    return small_dash()


@pytest.fixture(scope="module")
def plain() -> FastAPI:
    app: FastAPI = small_dash(Dash).server
    return app


@pytest.fixture(scope="module")
def edge(dash_app: Dash) -> ASGIApp:
    return protect(dash_app.server, dash_app, settings())


def code_of(response: Any) -> str:
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.keys() == {"code", "message"}
    return str(body["code"])


# Malformed callback bodies. Plain Dash answers many of these with 500.
MALFORMED: dict[str, object] = {
    "no body": b"",
    "no JSON": b"hello",
    "half a JSON": b'{"output": "said.children"',
    "a list": [],
    "null": None,
    "a number": 3,
    "an empty object": {},
    "no output": good_body(output=...),
    "an unknown output": good_body(output="other.children"),
    "an output that is a number": good_body(output=7),
    "an output that is a list": good_body(output=["said.children"]),
    "inputs missing": good_body(inputs=...),
    "inputs null": good_body(inputs=None),
    "inputs an object": good_body(inputs={"id": "button", "property": "n_clicks", "value": 1}),
    "an input that is text": good_body(inputs=["button.n_clicks"]),
    "an input without an id": good_body(inputs=[{"property": "n_clicks", "value": 1}]),
    "an input without a property": good_body(inputs=[{"id": "button", "value": 1}]),
    "too many inputs": good_body(inputs=[{"id": "button", "property": "n_clicks", "value": 1}] * 3),
    "a value of another type": good_body(inputs=[{"id": "button", "property": "n_clicks", "value": {"a": 1}}]),
    "state missing": good_body(state=...),
    "state null": good_body(state=None),
    "outputs missing": good_body(outputs=...),
    "outputs a number": good_body(outputs=5),
    "another component's output": good_body(outputs={"id": "url", "property": "children"}),
    "changedPropIds null": good_body(changedPropIds=None),
    "NaN": b'{"output": NaN}',
    "a number that overflows": b'{"output": 1e999}',
    "an integer of a million digits": b'{"output": ' + b"9" * 900_000 + b"}",
    "half a surrogate pair": json.dumps(good_body(state=[{"id": "url", "property": "pathname", "value": "\ud800"}])),
    "Latin-1": '{"output": "ä"}'.encode("latin-1"),
    "UTF-16": json.dumps(good_body()).encode("utf-16"),
    "deep": b"[" * 20_000 + b"]" * 20_000,
    "deep in a value": good_body(state=[{"id": "url", "property": "pathname", "value": [[[[["x"] * 2]]]]}]),
}


# Fields that Dash ignores: values are validated by type, so the reply is the same.
IGNORED_FIELDS: dict[str, object] = {
    "another component's input": good_body(inputs=[{"id": "url", "property": "n_clicks", "value": 3}]),
    "a deep id": good_body(inputs=[{"id": {"a": {"b": []}}, "property": "n_clicks", "value": 3}]),
    "changedPropIds of numbers": good_body(changedPropIds=[1, 2]),
    "changedPropIds of nonsense": good_body(changedPropIds=["{.x"]),
    "an unknown key": good_body(cancelJob="1"),
}


@pytest.mark.parametrize("name", IGNORED_FIELDS)
def test_fields_that_dash_ignores_do_not_change_the_reply(edge: ASGIApp, name: str) -> None:
    response = post(edge, IGNORED_FIELDS[name])
    assert (response.status_code, response.content) == (200, post(edge, good_body()).content)


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_callback_is_refused_as_json(edge: ASGIApp, name: str) -> None:
    body = MALFORMED[name]
    response = post(edge, body.encode() if isinstance(body, str) else body)
    assert 400 <= response.status_code < 500, response.text
    assert code_of(response) in {"malformed", "too_deep", "unknown_callback"}


def test_plain_dash_answers_many_of_these_with_500(plain: ASGIApp) -> None:
    """Baseline that justifies the filter; fails if Dash fixes its validation."""
    failing = [name for name, body in MALFORMED.items() if post(plain, body).status_code >= 500]
    assert len(failing) >= 11, failing


def test_plain_dash_answers_any_host_and_site(plain: ASGIApp) -> None:
    foreign = {"host": "evil.example", "origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    response = post(plain, good_body(), headers=foreign)
    assert response.status_code == 200
    assert "content-security-policy" not in response.headers


def test_wrong_content_type_is_refused(edge: ASGIApp, plain: ASGIApp) -> None:
    body = json.dumps(good_body()).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""):
        response = ask(edge, "POST", UPDATE, {"content-type": kind}, body)
        assert (response.status_code, code_of(response)) == (415, "unsupported_type")
    assert ask(plain, "POST", UPDATE, {"content-type": "text/plain"}, body).status_code == 500


def test_good_callbacks_pass_untouched(edge: ASGIApp, plain: ASGIApp) -> None:
    bodies = [
        good_body(),
        good_body(changedPropIds=[]),
        good_body(inputs=[{"id": "button", "property": "n_clicks"}], parsedChangedPropsIds=...),
        {
            "output": "..left.children...right.children..",
            "outputs": [{"id": "left", "property": "children"}, {"id": "right", "property": "children"}],
            "inputs": [[{"id": {"kind": "tile", "n": n}, "property": "n_clicks", "value": n} for n in range(3)]],
            "changedPropIds": ['{"kind":"tile","n":1}.n_clicks'],
        },
    ]
    for body in bodies:
        response = post(edge, body)
        assert response.status_code == 200, response.text
        assert response.json() == post(plain, body).json()


def test_callback_without_output_passes(edge: ASGIApp, dash_app: Dash) -> None:
    name = next(key for key, entry in dash_app.callback_map.items() if entry["no_output"])
    inputs = [{"id": "button", "property": "n_clicks_timestamp", "value": -1}]
    response = post(edge, {"output": name, "inputs": inputs, "changedPropIds": []})
    assert response.status_code == 204


def test_clientside_callbacks_are_not_callable_on_the_server(edge: ASGIApp) -> None:
    body = good_body(output="client.children", outputs={"id": "client", "property": "children"}, state=...)
    assert code_of(post(edge, body)) == "unknown_callback"


def test_background_job_parameters_are_refused(edge: ASGIApp) -> None:
    for query in ("cancelJob=1", "job=1", "cacheKey=a", "oldJob=2"):
        assert code_of(post(edge, good_body(), f"{UPDATE}?{query}")) == "malformed"
    assert post(edge, good_body(), f"{UPDATE}?endId=abc").status_code == 200


KEYS = st.sampled_from(["output", "outputs", "inputs", "state", "changedPropIds", "parsedChangedPropsIds", "x"])
WORDS = st.sampled_from(["said.children", "said", "button", "n_clicks", "url", "pathname", "id", "property", "value"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=12
)
MUTANTS = st.dictionaries(KEYS, VALUES, max_size=4).map(lambda changes: good_body(**changes))
BODIES = (
    MUTANTS.map(lambda body: json.dumps(body).encode()) | VALUES.map(lambda v: json.dumps(v).encode()) | st.binary()
)


@effort(max_examples=600, deadline=None)
@given(body=BODIES)
def test_no_body_gives_a_server_error(body: bytes) -> None:
    response = post(FUZZED, body)
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        code_of(response)


_FUZZED_DASH = small_dash()
FUZZED = protect(_FUZZED_DASH.server, _FUZZED_DASH, settings())


# Hosts

HOSTS = {
    HOST: True,
    "localhost:8050": True,
    "LOCALHOST:8050": True,
    "[::1]:8050": True,
    "127.0.0.1": False,
    "127.0.0.1:8051": False,
    "127.0.0.1:80500": False,
    "127.0.0.2:8050": False,
    "evil.example": False,
    "evil.example:8050": False,
    "localhost.evil.example:8050": False,
    "localhost:8050@evil.example": False,
    "localhost:8050,evil.example": False,
    "localhost.:8050": False,
    "": False,
    "0:8050": False,
    "2130706433:8050": False,
}


@pytest.mark.parametrize("host", HOSTS)
def test_host_names(host: str) -> None:
    refusal = check_host(Headers({"host": host}), "http", host_list("127.0.0.1", 8050))
    if HOSTS[host]:
        assert refusal is None
    else:
        assert refusal is not None
        assert (refusal.status in {400, 421}, refusal.code) == (True, "bad_host")


ROUTES = [("GET", "/"), ("GET", "/_dash-layout"), ("GET", "/api/steer/x"), ("POST", UPDATE), ("OPTIONS", "/")]


@pytest.mark.parametrize(("host", "allowed"), [(HOST, True), ("evil.example", False)])
def test_every_route_checks_the_host(edge: ASGIApp, host: str, allowed: bool) -> None:
    for method, path in ROUTES:
        content = json.dumps(good_body()).encode() if method == "POST" else None
        response = ask(edge, method, path, {"host": host} | (JSON_TYPE if content else {}), content)
        assert (response.status_code not in {400, 421}) == allowed, (method, path)
        assert allowed or code_of(response) == "bad_host"


def test_host_header_missing_or_twice_is_refused() -> None:
    hosts = host_list("127.0.0.1", 8050)
    for raw in ([], [(b"host", HOST.encode()), (b"host", b"evil.example")]):
        refusal = check_host(Headers(raw=raw), "http", hosts)
        assert refusal is not None
        assert refusal.status == 400


@pytest.mark.parametrize(
    ("bind", "port", "extra", "host", "allowed"),
    [
        ("localhost", 8050, (), "localhost:8050", True),
        ("::1", 8050, (), "[::1]:8050", True),
        ("127.0.0.1", 8050, ("gpu.example",), "gpu.example:9", True),
        ("127.0.0.1", 8050, ("localhost:9000",), "localhost:9000", True),
        ("127.0.0.1", 8050, ("localhost:9000",), "localhost:9001", False),
        ("127.0.0.1", 80, (), "localhost", True),
        ("127.0.0.1", None, (), "localhost:41234", True),
        ("0.0.0.0", 8050, ("gpu.example",), "gpu.example:8050", True),
        ("0.0.0.0", 8050, ("gpu.example",), "localhost:8050", False),
        ("0.0.0.0", 8050, ("gpu.example",), "0.0.0.0:8050", False),
        ("192.168.1.5", 8050, (), "192.168.1.5:8050", True),
        ("192.168.1.5", 8050, (), "localhost:8050", False),
        ("::", 8050, ("a.example",), "[::]:8050", False),
    ],
)
def test_host_list(bind: str, port: int | None, extra: tuple[str, ...], host: str, allowed: bool) -> None:
    authority = parse_authority(host)
    assert authority is not None
    assert host_list(bind, port, extra).allows(authority, "http") == allowed


def test_a_wildcard_address_requires_a_host_name() -> None:
    with pytest.raises(RequestError, match="at least one name"):
        host_list("0.0.0.0", 8050)
    with pytest.raises(RequestError, match="a host name"):
        host_list("127.0.0.1", 8050, ["http://x"])
    assert is_loopback("127.9.9.9")
    assert not is_loopback("10.0.0.1")


# Sites

SITES: list[tuple[dict[str, str], bool, bool]] = [
    # headers, GET allowed, POST allowed
    ({}, True, True),
    ({"sec-fetch-site": "same-origin", "origin": f"http://{HOST}"}, True, True),
    ({"sec-fetch-site": "none"}, True, True),
    ({"sec-fetch-site": "same-site"}, False, False),
    ({"sec-fetch-site": "cross-site"}, False, False),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False, False),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "origin": "https://evil.example"}, False, False),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, True, False),
    ({"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, True, False),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, True, False),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "embed"}, False, False),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "object"}, False, False),
    ({"sec-fetch-site": "surprise"}, False, False),
    ({"origin": f"http://{HOST}"}, True, True),
    ({"origin": f"https://{HOST}"}, True, True),
    ({"origin": "http://localhost:8050"}, False, False),
    ({"origin": "http://127.0.0.1:9999"}, False, False),
    ({"origin": "https://evil.example"}, False, False),
    ({"origin": "null"}, False, False),
    ({"origin": "file://"}, False, False),
    ({"origin": "http://["}, False, False),
    ({"origin": "https://evil.example", "sec-fetch-site": "same-origin"}, False, False),
]


@pytest.mark.parametrize(("headers", "read_passes", "write_passes"), SITES)
def test_sites(headers: dict[str, str], read_passes: bool, write_passes: bool) -> None:
    passes = {"GET": read_passes} | dict.fromkeys(("HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"), write_passes)
    for method, expected in passes.items():
        refusal = check_site(method, Headers({"host": HOST} | headers))
        assert (refusal is None) == expected, method
        assert refusal is None or (refusal.status, refusal.code) == (403, "cross_site")


OWN_SITE = {"sec-fetch-site": "same-origin", "origin": f"http://{HOST}"}
OTHER_SITE = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "origin": "https://evil.example"}
FOLLOWED_LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.mark.parametrize(("headers", "passes"), [(OWN_SITE, True), (OTHER_SITE, False), (FOLLOWED_LINK, True)])
def test_every_route_checks_the_site_of_reads(edge: ASGIApp, headers: dict[str, str], passes: bool) -> None:
    for path, accept in product(("/", "/_dash-layout", "/api/steer/x"), ("text/html", "text/event-stream")):
        response = ask(edge, "GET", path, headers | {"accept": accept})
        assert (response.status_code != 403) == passes, (path, accept)
        assert passes or code_of(response) == "cross_site"


def test_every_method_checks_the_site_of_writes(edge: ASGIApp) -> None:
    content = json.dumps(good_body()).encode()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for foreign in (OTHER_SITE, FOLLOWED_LINK):
            refused = ask(edge, method, UPDATE, JSON_TYPE | foreign, content)
            assert (refused.status_code, code_of(refused)) == (403, "cross_site"), method
        own = ask(edge, method, UPDATE, JSON_TYPE | OWN_SITE, content)
        if method == "POST":
            assert own.status_code == 200
        else:
            assert (own.status_code, code_of(own)) == (405, "method_not_allowed")


@given(site=st.text(max_size=12), origin=st.text(max_size=20), mode=st.text(max_size=8))
def test_site_check_never_raises(site: str, origin: str, mode: str) -> None:
    raw = [("host", HOST), ("sec-fetch-site", site), ("origin", origin), ("sec-fetch-mode", mode)]
    headers = Headers(raw=[(name.encode(), value.encode("latin-1", "replace")) for name, value in raw])
    assert isinstance(check_site("POST", headers), ErrorReply)


# Sizes


def test_large_bodies_are_refused_by_content_length_and_by_received_bytes(edge: ASGIApp) -> None:
    assert code_of(post(edge, b" " * 1_000_001)) == "too_large"

    async def without_length() -> Wire:
        wire = Wire("POST", UPDATE, headers=JSON_TYPE)
        wire.sent = [{"type": "http.request", "body": b" " * 100_000, "more_body": True} for _ in range(20)]
        await wire.run(edge)
        assert len(wire.sent) >= 8, "the rest of the body was not read"
        return wire

    assert asyncio.run(without_length()).status == 413


@pytest.mark.parametrize("length", ["-1", "x", "9" * 5000, "1.5"])
def test_invalid_content_lengths_are_refused(edge: ASGIApp, length: str) -> None:
    async def run() -> int:
        wire = Wire("POST", UPDATE, headers=JSON_TYPE | {"content-length": length})
        await wire.run(edge)
        return wire.status

    assert asyncio.run(run()) == 413


def test_slow_bodies_time_out(dash_app: Dash) -> None:
    slow = EdgeFilter(dash_app.server, settings(limits=BodyLimits(seconds=0.01)))

    async def run() -> int:
        wire = Wire("POST", UPDATE, headers=JSON_TYPE)
        wire.sent = []
        await wire.run(slow)
        return wire.status

    assert asyncio.run(run()) == 408


def test_safe_methods_have_no_body(edge: ASGIApp) -> None:
    assert code_of(ask(edge, "GET", "/", JSON_TYPE, b"[1]")) == "malformed"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)  # fmt: skip


@given(value=JSON_VALUES)
def test_valid_json_round_trips(value: Any) -> None:
    no_null = "\\u0000" not in json.dumps(value)
    parsed = parse_json(json.dumps(value).encode(), BodyLimits(max_depth=100))
    assert (parsed == value) if no_null else isinstance(parsed, ErrorReply)


def test_depth_is_counted_exactly() -> None:
    limits = BodyLimits(max_depth=5)
    assert not isinstance(parse_json(b"[" * 5 + b"]" * 5, limits), ErrorReply)
    assert isinstance(parse_json(b"[" * 6 + b"1" + b"]" * 6, limits), ErrorReply)


# Responses


def paths_of(app: FastAPI) -> list[str]:
    paths = [getattr(route, "path", "") for route in app.routes]
    return sorted({re.sub(r"\{.*?\}", "x", path) for path in paths if path and "{path:path}" not in path})


def test_every_route_sets_the_security_headers(edge: ASGIApp, dash_app: Dash) -> None:
    routes = [*paths_of(dash_app.server), "/nowhere", "/_dash-component-suites/dash/nothing.js"]
    assert {"/", "/_dash-layout", "/_dash-dependencies", UPDATE} <= set(routes)
    for path in routes:
        for method in ("GET", "HEAD", "POST", "OPTIONS", "TRACE"):
            response = ask(edge, method, path)
            assert response.status_code < 500, (method, path, response.text)
            for name, value in FIXED.items():
                assert response.headers[name] == value, (method, path)
            assert "frame-ancestors 'self'" in response.headers["content-security-policy"]
            assert "content-type" in response.headers or response.status_code in {204, 307}


def test_unknown_component_files_are_not_found(edge: ASGIApp) -> None:
    for path in ("dash/nothing.js", "nothing/x.js", "dash/..%2f..%2fversion.py", "os/path.py"):
        response = ask(edge, "GET", f"/_dash-component-suites/{path}")
        assert (response.status_code, code_of(response)) == (404, "not_found")


def test_every_inline_script_of_the_page_is_in_its_policy(edge: ASGIApp) -> None:
    page = ask(edge, "GET", "/")
    policy = page.headers["content-security-policy"]
    executable = [s for s in inline_scripts(page.text) if not s.lstrip().startswith("{")]
    assert len(executable) >= 2, "the start script and the clientside callback"
    for script in executable:
        assert script_hash(script) in policy
    script_src = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in script_src
    assert "http:" not in policy
    assert "https:" not in policy


def test_an_injected_script_gets_no_hash_in_the_policy() -> None:
    injected = "<html><script>alert(1)</script></html>"

    async def page(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": injected.encode()})

    response = ask(EdgeFilter(page, settings()), "GET", "/")
    assert response.text == injected
    assert script_hash("alert(1)") not in response.headers["content-security-policy"]


def test_responses_other_than_pages_are_sandboxed(edge: ASGIApp) -> None:
    policy = ask(edge, "GET", "/_dash-layout").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert policy.endswith("; sandbox")


def test_frame_ancestors_can_be_set() -> None:
    assert "frame-ancestors https://notes.example" in page_policy([], "https://notes.example")


def test_app_errors_are_reported_and_other_errors_are_hidden(edge: ASGIApp, caplog: pytest.LogCaptureFixture) -> None:
    reported = post(edge, fail_body("request"))
    assert (reported.status_code, reported.json()["message"]) == (400, "link: found a comma, wanted a full stop")
    broken = post(edge, fail_body("run"))
    assert (broken.status_code, code_of(broken)) == (404, "unreadable")
    assert "run.json" in broken.text
    assert "somebody" not in broken.text
    hidden = post(edge, fail_body("else"))
    assert (hidden.status_code, code_of(hidden)) == (500, "internal")
    assert "secret" not in hidden.text
    assert "Traceback" not in hidden.text
    assert "the secret of the house" in caplog.text


@pytest.mark.parametrize("body", [b"<h1>Traceback (most recent call last)</h1>", b'{"error": "secret"}', b""])
def test_error_pages_of_other_code_are_replaced(body: bytes) -> None:
    async def failing(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": [(b"x-secret", b"1")]})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"secret"})

    response = ask(EdgeFilter(failing, settings()), "GET", "/")
    assert (response.status_code, code_of(response)) == (500, "internal")
    assert "secret" not in response.text
    assert "x-secret" not in response.headers


def test_an_exception_in_the_app_gives_an_error_reply(caplog: pytest.LogCaptureFixture) -> None:
    async def raising(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise OSError("the disk is on fire")

    response = ask(EdgeFilter(raising, settings()), "GET", "/")
    assert (response.status_code, code_of(response)) == (500, "internal")
    assert "fire" in caplog.text


def test_read_only_refuses_posts_outside_the_allow_list(dash_app: Dash) -> None:
    server = protect(dash_app.server, dash_app, settings(read_only=True))
    assert post(server, good_body()).status_code == 200
    for path in ("/api/share", "/api/anything", "/"):
        assert code_of(post(server, {}, path)) == "read_only"


def test_streams_are_not_buffered() -> None:
    """The second chunk is produced only after the first has arrived, so buffering would deadlock."""
    first_received = asyncio.Event()

    async def stream(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await first_received.wait()
        await send({"type": "http.response.body", "body": b"two"})

    async def run() -> bytes:
        wire = Wire("GET", "/")
        task = asyncio.create_task(wire.run(EdgeFilter(stream, settings())))
        await wire.until(b"one")
        first_received.set()
        await task
        return wire.body

    assert asyncio.run(run()) == b"onetwo"


def test_websockets_are_refused(edge: ASGIApp) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    asyncio.run(edge({"type": "websocket", "path": "/_dash-ws-callback", "headers": []}, receive, send))  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]


XSS = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    "${alert(1)}",
    "$\\x$",
]


@pytest.mark.parametrize("text", XSS)
def test_markup_round_trips_unchanged_in_json(edge: ASGIApp, text: str) -> None:
    response = post(edge, good_body(state=[{"id": "url", "property": "pathname", "value": text}]))
    assert response.json()["response"]["said"]["children"] == f"3 {text}"
    assert response.headers["content-type"].startswith("application/json")
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("text", XSS)
def test_markup_in_a_url_is_not_reflected_in_the_page(edge: ASGIApp, text: str) -> None:
    assert "alert(1)" not in ask(edge, "GET", f"/?q={text}").text


@pytest.mark.parametrize(
    "body", [good_body(output="canary-1"), good_body(outputs={"id": "canary-1", "property": "children"})]
)
def test_a_refusal_does_not_echo_the_request(edge: ASGIApp, body: dict[str, object]) -> None:
    response = post(edge, body)
    assert 400 <= response.status_code < 500
    assert "canary-1" not in response.text
