"""A host's routes, with a fake model behind them."""

import contextlib
import itertools
import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import httpx
import numpy as np
import pytest
from fastapi.routing import APIRoute

from explorer.errors import RequestError
from explorer.http.streaming import StreamLimits
from explorer.steering.host import stream as stream_module
from explorer.steering.host.auth import BODY_LIMITS, MAX_FAILURES, OPEN_PATHS
from explorer.steering.host.server import create_app
from explorer.steering.protocol.refusal import ErrorBody
from explorer.steering.protocol.steer import Event, SteerRequest, event_from_json
from explorer.steering.protocol.wire import VIEWER_HEADER
from explorer.steering.scheduler.cooperative import Task
from explorer.steering.scheduler.scheduler import Scheduler
from tests import host_api
from tests.fake_host import TOKEN, WAIT, FakeHandlers, asked, asked_of_text, served

ROUTES = {("GET", "/healthz"), ("GET", "/v1/subject"), ("POST", "/v1/behaviour"), ("POST", "/v1/steer"),
          ("POST", "/v1/encode"), ("POST", "/v1/feature"), ("POST", "/v1/check"), ("POST", "/v1/sweep"),
          ("POST", "/v1/phrases"), ("GET", "/metrics"), ("GET", "/openapi.json")}  # fmt: skip
RIGHT = {"authorization": f"Bearer {TOKEN}"}


@dataclass
class Host:
    """A served host without a model."""

    url: str
    fake: FakeHandlers
    scheduler: Scheduler
    http: httpx.Client

    def until(self, running: int, waiting: int) -> None:
        """Wait until so many jobs run and wait."""
        with self.scheduler.changed:
            found = self.scheduler.changed.wait_for(
                lambda: (len(self.scheduler.active), len(self.scheduler.queue)) == (running, waiting), WAIT
            )
        assert found, (self.scheduler.running, self.scheduler.waiting)

    def until_held(self, jobs: int) -> None:
        """Wait until so many jobs run or wait."""
        with self.scheduler.changed:
            assert self.scheduler.changed.wait_for(
                lambda: len(self.scheduler.active) + len(self.scheduler.queue) == jobs, WAIT
            )


@pytest.fixture
def host() -> Iterator[Host]:
    fake = FakeHandlers()
    scheduler = Scheduler(running=fake.limits.running, queued=fake.limits.queued)
    with (
        served(create_app(fake, token=TOKEN, scheduler=scheduler)) as url,
        httpx.Client(base_url=url, headers=RIGHT, timeout=WAIT) as http,
    ):
        yield Host(url, fake, scheduler, http)
        fake.gate.set()


def refused(response: httpx.Response, status: int, code: str) -> ErrorBody:
    """Check status, code and shape of an error."""
    assert response.status_code == status, response.text
    body = ErrorBody.model_validate_json(response.content)
    assert body.code == code
    assert body.message
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    return body


def test_routes() -> None:
    app = create_app(FakeHandlers(), token=TOKEN)
    found = {
        (method, route.path)
        for route in app.routes
        for method in (getattr(route, "methods", None) or ())
        if method != "HEAD"
    }
    assert found == ROUTES
    assert {route.path for route in app.routes if isinstance(route, APIRoute)} & OPEN_PATHS == {"/healthz"}
    app.state.scheduler.close()


@pytest.mark.parametrize(("method", "path"), [*sorted(ROUTES), ("GET", "/nowhere"), ("DELETE", "/v1/steer")])
def test_every_route_but_healthz_needs_the_token(host: Host, method: str, path: str) -> None:
    wrong = [None, "", "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Bearer {TOKEN.upper()}",
             f"Basic {TOKEN}", TOKEN, f"Bearer  {TOKEN}", "Bearer \xff"]  # fmt: skip
    with httpx.Client(base_url=host.url, timeout=WAIT) as http:
        for offered in wrong:
            headers = [] if offered is None else [(b"authorization", offered.encode("latin-1"))]
            response = http.request(method, path, headers=headers, json=asked())
            if path in OPEN_PATHS:
                assert response.json() == {"status": "ok"}
            else:
                refused(response, 401, "unauthorized")
                assert response.headers["www-authenticate"] == "Bearer"
    assert host.fake.touched == 0


def test_only_wrong_tokens_are_throttled(host: Host) -> None:
    wrong = {"authorization": "Bearer wrong"}
    for _ in range(MAX_FAILURES):
        refused(host.http.get("/v1/subject", headers=wrong), 401, "unauthorized")
    response = host.http.get("/v1/subject", headers=wrong)
    refused(response, 429, "throttled")
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert host.http.get("/v1/subject").status_code == 200


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:80", "[::2]"])
def test_other_host_names_are_refused_even_with_the_token(host: Host, name: str) -> None:
    for path in ("/healthz", "/v1/subject"):
        refused(host.http.get(path, headers={"host": name}), 400, "bad_host")


@pytest.mark.parametrize("name", ["127.0.0.1:9", "localhost", "LOCALHOST:80", "[::1]:80"])
def test_own_host_names_are_accepted(host: Host, name: str) -> None:
    assert host.http.get("/healthz", headers={"host": name}).status_code == 200


BAD = [
    ("strength", "NaN", "strength"), ("strength", "Infinity", "strength"), ("strength", "-Infinity", "strength"),
    ("strength", "1e30", "strength"), ("strength", "1e999", "strength"), ("strength", '"1"', "strength"),
    ("strength", "true", "strength"), ("strength", "null", "strength"), ("cluster", "-1", "cluster"),
    ("cluster", "1.5", "cluster"), ("cluster", '"0"', "cluster"), ("end", "1.5", "end"), ("end", "NaN", "end"),
    ("end", '""', "end"), ("end", "[]", "end"), ("start", "{}", "start"), ("prompt", '""', "prompt"),
    ("prompt", "7", "prompt"), ("arms", "[]", "arms"), ("arms", '["sideways"]', "arms.0"), ("seed", "-1", "seed"),
    ("arms", json.dumps(["manifold"] * 5_000), "arms"), ("unknown", "1", "unknown"),
    ("fingerprint", "null", "fingerprint"),
]  # fmt: skip


@pytest.mark.parametrize("path", ["/v1/behaviour", "/v1/steer"])
@pytest.mark.parametrize(("key", "value", "field"), BAD)
def test_an_invalid_field_is_named_and_the_model_does_not_run(
    host: Host, path: str, key: str, value: str, field: str
) -> None:
    body = json.dumps(asked() | {key: "@"}).replace('"@"', value)
    response = host.http.post(path, content=body, headers={"content-type": "application/json"})
    assert refused(response, 422, "invalid").field == field
    assert host.fake.touched == 0


BAD_TEXTS = [
    ("text", '""', "text"), ("text", "7", "text"), ("text", "null", "text"), ("text", json.dumps("x" * 20_001), "text"),
    ("text", '["a"]', "text"), ("run", '""', "run"), ("fingerprint", "null", "fingerprint"),
    ("cluster", "0", "cluster"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "field"), BAD_TEXTS)
def test_an_invalid_text_is_named_and_the_model_does_not_run(host: Host, key: str, value: str, field: str) -> None:
    body = json.dumps(asked_of_text() | {key: "@"}).replace('"@"', value)
    response = host.http.post("/v1/encode", content=body, headers={"content-type": "application/json"})
    assert refused(response, 422, "invalid").field == field
    assert host.fake.touched == 0


BAD_CHECKS = [
    ("check", "prompts", "0", "prompts"), ("check", "strength", "1e30", "strength"), ("check", "arms", "[]", "arms"),
    ("sweep", "strengths", "[]", "strengths"), ("sweep", "strengths", "[NaN]", "strengths.0"),
    ("sweep", "strengths", json.dumps([0.0] * 65), "strengths"), ("sweep", "positions", "[1.5]", "positions.0"),
    ("sweep", "positions", "null", "positions"), ("sweep", "arms", '["sideways"]', "arms.0"),
    ("phrases", "phrases", "[]", "phrases"), ("phrases", "phrases", '[""]', "phrases.0"),
    ("phrases", "phrases", json.dumps(["x"] * 65), "phrases"), ("phrases", "waypoints", "1", "waypoints"),
    ("phrases", "phrases", json.dumps(["x" * 201]), "phrases.0"),
]  # fmt: skip
MORE = {"check": {}, "sweep": {"strengths": [1.0], "positions": [0.5, 1.0]}, "phrases": {"phrases": ["this is a test"]}}
"""Fields of each check beyond the path."""


@pytest.mark.parametrize(("check", "key", "value", "field"), BAD_CHECKS)
def test_an_invalid_field_of_a_check_is_named_and_the_model_does_not_run(
    host: Host, check: str, key: str, value: str, field: str
) -> None:
    body = json.dumps(asked() | MORE[check] | {key: "@"}).replace('"@"', value)
    response = host.http.post(f"/v1/{check}", content=body, headers={"content-type": "application/json"})
    assert refused(response, 422, "invalid").field == field
    assert host.fake.touched == 0


@pytest.mark.parametrize("check", MORE)
def test_checks_succeed_and_fail_like_other_requests(host: Host, check: str) -> None:
    assert host.http.post(f"/v1/{check}", json=asked() | MORE[check]).status_code == 200
    refused(host.http.post(f"/v1/{check}", json=asked("overflow") | MORE[check]), 422, "numeric_overflow")
    assert (
        "secret"
        not in refused(host.http.post(f"/v1/{check}", json=asked("broken") | MORE[check]), 500, "internal").message
    )


def test_malformed_bodies(host: Host) -> None:
    post = lambda body: host.http.post("/v1/steer", content=body, headers={"content-type": "application/json"})  # noqa: E731
    refused(post(b"{"), 400, "malformed")
    refused(post(b""), 422, "invalid")
    refused(post(b"[1]"), 422, "invalid")
    refused(post(b"\xff\xfe"), 400, "malformed")
    refused(post(b"[" * 20 + b"]" * 20), 400, "too_deep")
    refused(post(b'{"a":' * 2000), 400, "too_deep")
    refused(post(b" " * (BODY_LIMITS.max_bytes + 1)), 413, "too_large")
    refused(post(iter([b" " * 4096] * 20)), 413, "too_large")
    assert host.fake.touched == 0


def test_unknown_paths_and_wrong_methods(host: Host) -> None:
    refused(host.http.get("/nowhere"), 404, "not_found")
    refused(host.http.get("/v1/steer"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("prompt", "status", "code"),
    [("overflow", 422, "numeric_overflow"), ("deaf", 500, "hook_not_fired"), ("broken", 500, "internal")],
)
def test_failures_have_a_code_and_no_secrets(host: Host, prompt: str, status: int, code: str) -> None:
    body = refused(host.http.post("/v1/behaviour", json=asked(prompt)), status, code)
    assert "secret" not in body.message
    events = stream(host, asked(prompt))
    assert [event.type for event in events] == ["start", "token", "error"]
    assert events[-1].code == code
    assert "secret" not in events[-1].message
    assert "secret" not in refused(host.http.post("/v1/encode", json=asked_of_text(prompt)), status, code).message
    assert host.http.post("/v1/behaviour", json=asked()).status_code == 200
    host.until(0, 0)


def stream(host: Host, body: dict[str, object]) -> list:
    with host.http.stream("POST", "/v1/steer", json=body) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        return [event_from_json(line[5:]) for line in response.iter_lines() if line.startswith("data:")]


def test_a_stream_is_complete(host: Host) -> None:
    events = stream(host, asked(max_tokens=3))
    assert [event.type for event in events] == ["start", "token", "token", "token", "row_done", "done"]
    host.until(0, 0)
    assert host.fake.stopped == 0


def test_a_full_queue_refuses_at_once_with_retry_after(host: Host) -> None:
    limits = host.fake.limits
    with ThreadPoolExecutor(limits.running + limits.queued) as pool:
        full = limits.running + limits.queued
        jobs = [pool.submit(host.http.post, "/v1/behaviour", json=asked("wait")) for _ in range(full)]
        with host.scheduler.changed:
            assert host.scheduler.changed.wait_for(
                lambda: len(host.scheduler.active) + len(host.scheduler.queue) == full, WAIT
            )
        waits = []
        for path in ("/v1/behaviour", "/v1/steer", "/v1/encode"):
            body = asked_of_text("wait") if path == "/v1/encode" else asked("wait")
            response = host.http.post(path, json=body)
            refused(response, 429, "busy")
            waits.append(int(response.headers["retry-after"]))
        waits += [int(host.http.post("/v1/steer", json=asked()).headers["retry-after"]) for _ in range(20)]
        assert all(1 <= wait <= 4 for wait in waits)
        assert len(set(waits)) > 1, "retries are spread"
        assert host.fake.touched <= limits.running
        host.fake.gate.set()
        assert {job.result(WAIT).status_code for job in jobs} == {200}
    host.until(0, 0)


@pytest.mark.parametrize("path", ["/v1/behaviour", "/v1/steer", "/v1/check", "/v1/sweep", "/v1/phrases"])
def test_preparing_a_cluster_does_not_block_other_requests(host: Host, path: str) -> None:
    """Others are served meanwhile, and a client that leaves frees its place."""
    more = MORE.get(path.removeprefix("/v1/"), {})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(host.http.post, path, json=asked("slow") | more)
        with host.scheduler.changed:
            assert host.scheduler.changed.wait_for(lambda: len(host.scheduler.active) == 1, WAIT)
        assert host.http.post("/v1/behaviour", json=asked()).status_code == 200
        assert [event.type for event in stream(host, asked(max_tokens=1))] == ["start", "token", "row_done", "done"]
        assert not slow.done()
        host.fake.gate.set()
        assert slow.result(WAIT).status_code == 200
    host.fake.gate.clear()
    taken = host.fake.turns
    with pytest.raises(httpx.ReadTimeout):
        host.http.post(path, json=asked("slow") | more, timeout=0.2)
    host.until(0, 0)
    assert host.fake.turns > taken > 0


@pytest.mark.parametrize("path", ["/v1/behaviour", "/v1/steer", "/v1/check", "/v1/sweep", "/v1/phrases"])
def test_a_slow_reply_starts_with_heartbeats(host: Host, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A client gives up on a silent host; errors after the start are reported in the body."""
    monkeypatch.setattr(stream_module, "LIMITS", StreamLimits(heartbeat_seconds=0.01))
    more, silence = MORE.get(path.removeprefix("/v1/"), {}), ": still here" if path == "/v1/steer" else ""
    for prompt, expected in (("slow", '"fingerprint"'), ("slow overflow", '"code":"numeric_overflow"')):
        host.fake.gate.clear()
        with host.http.stream("POST", path, json=asked(prompt) | more) as response:
            assert response.status_code == 200
            lines = response.iter_lines()
            assert [line for line in itertools.islice(lines, 6) if line] == [silence] * 3 * bool(silence)
            host.until(1, 0)
            host.fake.gate.set()
            assert expected in "".join(lines)
        host.until(0, 0)


def test_random_disconnects_leave_nothing_behind(host: Host) -> None:
    """Two hundred: during the request, in the queue, while the model runs and while tokens are sent."""
    rng = np.random.default_rng(0)
    address = host.url.removeprefix("http://").split(":")
    for _ in range(200):
        (host.fake.gate.set if rng.random() < 0.5 else host.fake.gate.clear)()
        waits, short = rng.random() < 0.3, rng.random() < 0.3
        path, changes = ("/v1/behaviour", {}) if short else ("/v1/steer", {"max_tokens": 4096})
        body = json.dumps(asked("wait" if waits else "a prompt", **changes)).encode()
        head = (f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n").encode()  # fmt: skip
        with socket.create_connection((address[0], int(address[1])), timeout=WAIT) as raw:
            sent = head + body
            raw.sendall(sent[: int(rng.integers(1, len(sent) + 1))] if rng.random() < 0.3 else sent)
            if not waits and rng.random() < 0.7:
                raw.settimeout(0.05)
                receive_some(raw, int(rng.integers(1, 4000)))
    host.fake.gate.set()
    host.until(0, 0)
    assert 0 < host.fake.stopped < host.fake.touched, "some generations were cut, some completed"
    assert [event.type for event in stream(host, asked(max_tokens=1))] == ["start", "token", "row_done", "done"]


def receive_some(raw: socket.socket, count: int) -> None:
    with contextlib.suppress(TimeoutError):
        raw.recv(count)


def test_a_stalled_client_does_not_block_others(host: Host) -> None:
    body = json.dumps(asked(max_tokens=4096)).encode()
    address = host.url.removeprefix("http://").split(":")
    head = (f"POST /v1/steer HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n").encode()  # fmt: skip
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect((address[0], int(address[1])))
        raw.sendall(head + body)
        assert len(stream(host, asked(max_tokens=50))) == 53
    host.until(0, 0)


def test_the_queue_is_fair_between_viewers_of_one_app(host: Host) -> None:
    """One viewer fills the queue; another one behind the same address displaces its newest job."""
    full = host.fake.limits.running + host.fake.limits.queued
    with ThreadPoolExecutor(full + 1) as pool:
        first = [pool.submit(host.http.post, "/v1/behaviour", json=asked("wait"), headers={VIEWER_HEADER: "one"})
                 for _ in range(full)]  # fmt: skip
        with host.scheduler.changed:
            assert host.scheduler.changed.wait_for(
                lambda: len(host.scheduler.active) + len(host.scheduler.queue) == full, WAIT
            )
        other = pool.submit(host.http.post, "/v1/behaviour", json=asked("wait"), headers={VIEWER_HEADER: "two"})
        displaced = next(as_completed(first, WAIT)).result()
        refused(displaced, 429, "busy")
        refused(host.http.post("/v1/steer", json=asked(), headers={VIEWER_HEADER: "one"}), 429, "busy")
        host.fake.gate.set()
        assert other.result(WAIT).status_code == 200
        assert sorted(job.result(WAIT).status_code for job in first) == [200] * (full - 1) + [429]
    host.until(0, 0)


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "ü" * 20])
def test_a_host_needs_a_long_token(token: str) -> None:
    with pytest.raises(RequestError, match="at least 16"):
        create_app(FakeHandlers(), token=token, bind="0.0.0.0")


def test_one_thread_runs_the_model() -> None:
    seen: set[int] = set()

    class Recording(FakeHandlers):
        def steer(self, request: SteerRequest) -> Task[Event]:
            for event in super().steer(request):
                seen.add(threading.get_ident())
                yield event

    with (
        served(create_app(Recording(), token=TOKEN)) as url,
        httpx.Client(base_url=url, headers=RIGHT, timeout=WAIT) as http,
        ThreadPoolExecutor(4) as pool,
    ):
        list(pool.map(lambda _: http.post("/v1/steer", json=asked(max_tokens=5)), range(8)))
    assert len(seen) == 1


def test_the_openapi_document_describes_every_route_field_and_error(host: Host) -> None:
    document = host.http.get("/openapi.json").json()
    schemas, paths = document["components"]["schemas"], document["paths"]
    assert set(paths) == {path for _, path in ROUTES} - {"/openapi.json"}
    undocumented = [
        (name, field)
        for name, schema in schemas.items()
        for field, details in schema.get("properties", {}).items()
        if not details.get("description") and field != "type"
    ]
    assert undocumented == []
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert [path for path, methods in paths.items() for method in methods.values() if method.get("security") == []] == [
        *OPEN_PATHS
    ]
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named == set(schemas), "every reference resolves, and every schema is referred to"
    assert {"StartEvent", "TokenEvent", "RowDoneEvent", "DoneEvent", "ErrorEvent"} <= named
    assert list(paths["/v1/steer"]["post"]["responses"]["200"]["content"]) == ["text/event-stream"]


def test_the_api_page_is_up_to_date() -> None:
    assert host_api.PAGE.read_text() == host_api.page(), "docs/host-api.md is stale: run `python -m tests.host_api`"


@pytest.mark.parametrize(
    ("method", "path", "ask", "status"),
    [
        ("get", "/healthz", {"headers": {"host": "evil.example"}}, 400),
        ("get", "/v1/subject", {"headers": {"authorization": "Bearer wrong"}}, 401),
        ("get", "/metrics", {"headers": {"host": "evil.example"}}, 400),
        ("post", "/v1/steer", {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ("post", "/v1/encode", {"content": b" " * (BODY_LIMITS.max_bytes + 1)}, 413),
        ("post", "/v1/sweep", {"json": {}}, 422),
        ("post", "/v1/phrases", {"json": asked("overflow") | {"phrases": ["one"]}}, 422),
        ("post", "/v1/behaviour", {"json": asked("deaf")}, 500),
    ],
)
def test_errors_are_documented(host: Host, method: str, path: str, ask: dict[str, object], status: int) -> None:
    response = host.http.request(method, path, **ask)  # type: ignore[arg-type]
    assert response.status_code == status
    document = host.http.get("/openapi.json").json()
    documented = document["paths"][path][method]["responses"][str(status)]["content"]
    assert documented == {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}
    assert set(response.json()) == set(document["components"]["schemas"]["ErrorBody"]["properties"])
