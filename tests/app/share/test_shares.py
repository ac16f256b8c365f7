"""Shared results: stored permanently, returned unchanged, refused with a reason where that is not possible."""

import hashlib
import json
import math
import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from pydantic import ValidationError
from starlette.types import ASGIApp

from explorer.app.security.errors import install_error_handlers
from explorer.app.security.filter import EdgeFilter
from explorer.app.share.routes import share_router
from explorer.app.site.shares import READERS, SharedResult, ShareLimits, ShareStore
from explorer.errors import InputError, RequestError
from tests.app.edge_app import ask, post, settings
from tests.app.steering.steering_data import (
    FINGERPRINT,
    checks,
    reply,
    request,
    results,
    shared,
    start_event,
    steer_request,
)

GOLDEN = {version: Path(__file__).parent / "data" / f"share-v{version}.json" for version in (1, 2)}


@pytest.fixture
def store(tmp_path: Path) -> ShareStore:
    return ShareStore(tmp_path / "shares.sqlite", "0.1.0")


def served(store: ShareStore, **changes: Any) -> ASGIApp:
    server = FastAPI()
    server.include_router(share_router(store))
    install_error_handlers(server)
    return EdgeFilter(server, settings(**changes))


@pytest.fixture(scope="module")
def module_store(tmp_path_factory: pytest.TempPathFactory) -> ShareStore:
    return ShareStore(tmp_path_factory.mktemp("shares") / "shares.sqlite", "0.1.0")


@effort(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(result=results())
def test_a_stored_result_is_returned_unchanged(module_store: ShareStore, result: SharedResult) -> None:
    share = module_store.get(module_store.put(result))
    assert share is not None
    assert share.result == result
    assert (share.format_version, share.app_version) == (2, "0.1.0")


def test_routes_store_and_return(store: ShareStore) -> None:
    app = served(store)
    stored = post(app, shared().model_dump(mode="json"), "/api/share")
    assert stored.status_code == 201
    assert stored.json()["path"] == f"/s/{stored.json()['id']}"
    replayed = ask(app, "GET", f"/api/share/{stored.json()['id']}")
    assert replayed.status_code == 200
    assert replayed.headers["content-type"] == "application/json"
    assert SharedResult.model_validate(replayed.json()["result"]) == shared()


def test_a_share_outlives_its_store(store: ShareStore) -> None:
    share_id = store.put(shared())
    again = ShareStore(store.path, "0.2.0", read_only=True).get(share_id)
    assert again is not None
    assert again.app_version == "0.1.0"


def test_ids_are_random_and_long(store: ShareStore) -> None:
    ids = [store.put(shared()) for _ in range(64)]
    assert len(set(ids)) == 64
    assert all(len(share_id) == 22 for share_id in ids), "22 characters of 6 bits hold 128 bits"
    # Each of the first 21 characters is uniform over 64, so 64 ids almost never share one in more than 10 places.
    for place in range(21):
        column = [share_id[place] for share_id in ids]
        assert max(column.count(letter) for letter in column) <= 10


@pytest.mark.parametrize(
    "share_id", ["", "x", "A" * 22, "A" * 23, "' OR 1=1 --", "../../etc/passwd", "%", "\0" * 22, "ä" * 22]
)
def test_unknown_ids_are_not_found(store: ShareStore, share_id: str) -> None:
    assert store.get(share_id) is None
    store.put(shared())
    assert store.get(share_id) is None


def test_unknown_id_is_a_404(store: ShareStore) -> None:
    response = ask(served(store), "GET", f"/api/share/{'A' * 22}")
    assert response.status_code == 404
    assert response.json() == {"code": "not_found", "message": "There is no shared result under this link."}


def test_read_only_refuses(store: ShareStore) -> None:
    store.put(shared())
    locked = ShareStore(store.path, "0.1.0", read_only=True)
    with pytest.raises(RequestError, match="read-only"):
        locked.put(shared())
    response = post(served(locked), shared().model_dump(mode="json"), "/api/share")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    response = post(served(store, read_only=True), shared().model_dump(mode="json"), "/api/share")
    assert (response.status_code, response.json()["code"]) == (403, "read_only")


def test_read_only_creates_no_file(tmp_path: Path) -> None:
    store = ShareStore(tmp_path / "none.sqlite", "0.1.0", read_only=True)
    assert store.get("A" * 22) is None
    assert not list(tmp_path.iterdir())


def test_only_the_owner_can_read_the_file(store: ShareStore) -> None:
    store.put(shared())
    for path in store.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_rows_are_immutable(store: ShareStore) -> None:
    store.put(shared())
    connection = sqlite3.connect(store.path)
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        connection.execute("UPDATE share SET created = ''")
    connection.close()


# Consistency


BROKEN: dict[str, Callable[[], SharedResult]] = {
    "another cluster": lambda: shared(behaviour=reply(cluster=4)),
    "another run": lambda: shared(behaviour=reply(run="other")),
    "another subject": lambda: shared(behaviour=reply(fingerprint="sha256:" + "cd" * 32)),
    "texts of another subject": lambda: shared(steer_request=steer_request(fingerprint="sha256:0")),
    "texts started with another subject": lambda: shared(start=start_event(fingerprint="sha256:0")),
    "texts without a request": lambda: shared(steer_request=None),
    "texts without a start": lambda: shared(start=None),
    "a column that was not requested": lambda: shared(start=start_event(rows=("baseline",))),
    "a column twice": lambda: shared(texts=shared().texts + shared().texts),
    "a hook that never fired": lambda: shared(texts=(shared().texts[1].model_copy(update={"hook_fired": 0}),)),
    "a baseline of another length": lambda: shared(behaviour=reply(baseline=(1.0,))),
    "values without coordinates": lambda: shared(behaviour=reply(value_coordinate=(0.5,))),
    "an arm of other waypoints": lambda: shared(behaviour=reply(arms=(reply().arms[0].model_copy(update={"kl": ()}),))),
    "a long label": lambda: shared(label="x" * 401),
}


@pytest.mark.parametrize("name", BROKEN)
def test_inconsistent_results_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        BROKEN[name]()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["behaviour", "strength"], "1"),
        (["behaviour", "strength"], None),
        (["behaviour", "baseline", 0], 1.5),
        (["behaviour", "surprise"], 1),
        (["texts", 0, "row"], "sideways"),
        (["behaviour_request", "cluster"], -1),
        (["behaviour_request", "prompt"], "x" * 20_001),
    ],
)
def test_invalid_values_are_named(store: ShareStore, path: list[Any], value: object) -> None:
    body = shared().model_dump(mode="json")
    place = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    response = post(served(store), body, "/api/share")
    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert ".".join(map(str, path)) in response.json()["message"]
    assert not store.path.exists()


def test_an_invalid_view_is_refused(store: ShareStore) -> None:
    response = post(served(store), shared(view="?v=1&surprise=1").model_dump(mode="json"), "/api/share")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


# Limits


def test_size_and_number_are_capped(tmp_path: Path) -> None:
    size = len(shared().model_dump_json())
    small = ShareStore(tmp_path / "a.sqlite", "0.1.0", limits=ShareLimits(max_bytes=size // 2))
    with pytest.raises(RequestError, match=f"at most {size // 2}"):
        small.put(shared())
    few = ShareStore(tmp_path / "b.sqlite", "0.1.0", limits=ShareLimits(max_shares=2))
    few.put(shared())
    share_id = few.put(shared())
    with pytest.raises(RequestError, match="fewer than 2: the store is full"):
        few.put(shared())
    assert few.get(share_id) is not None
    tight = ShareStore(tmp_path / "c.sqlite", "0.1.0", limits=ShareLimits(max_total_bytes=int(size * 2.5)))
    tight.put(shared())
    tight.put(shared())
    with pytest.raises(RequestError, match="the store is full"):
        tight.put(shared())


def test_concurrent_writers(tmp_path: Path) -> None:
    """Every writer opens the file itself, the first ones before it exists; no result is lost or refused."""
    path = tmp_path / "shares.sqlite"
    ids: list[str] = []
    errors: list[Exception] = []
    ready = threading.Barrier(8)

    def write() -> None:
        store = ShareStore(path, "0.1.0")
        ready.wait(10)
        try:
            ids.extend(store.put(shared()) for _ in range(5))
        except InputError as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert len(set(ids)) == 40
    store = ShareStore(path, "0.1.0")
    assert all(store.get(share_id) is not None for share_id in ids)


def test_the_number_limit_holds_for_concurrent_writers(tmp_path: Path) -> None:
    limits = ShareLimits(max_shares=10)
    ShareStore(tmp_path / "s.sqlite", "0.1.0", limits=limits).put(shared())
    refused: list[Exception] = []

    def write() -> None:
        for _ in range(5):
            try:
                ShareStore(tmp_path / "s.sqlite", "0.1.0", limits=limits).put(shared())
            except RequestError as error:
                refused.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    connection = sqlite3.connect(tmp_path / "s.sqlite")
    assert connection.execute("SELECT COUNT(*) FROM share").fetchone() == (10,)
    connection.close()
    assert len(refused) == 4 * 5 - 9


# Damage


def fold_journal(path: Path) -> None:
    """Checkpoint the write-ahead log, so that damage to the file is damage to the data."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.01, 0.3, 0.6])
def test_a_truncated_database_is_an_error(store: ShareStore, keep: float) -> None:
    share_id, *_ = [store.put(shared()) for _ in range(4)]
    fold_journal(store.path)
    os.truncate(store.path, math.floor(store.path.stat().st_size * keep))
    with pytest.raises(InputError, match=r"shares\.sqlite: found .*, wanted a readable.* database of shares"):
        store.get(share_id)
    response = ask(served(store), "GET", f"/api/share/{share_id}")
    assert (response.status_code, response.json()["code"]) == (503, "unreadable")
    assert str(store.path.parent) not in response.text


def test_a_damaged_database_returns_the_share_or_an_error(store: ShareStore) -> None:
    """After a change to any byte, the share is returned whole or an error is raised; never another share."""
    share_id = store.put(shared())
    fold_journal(store.path)
    good = store.path.read_bytes()
    errors = 0
    for place in range(0, len(good), 97):
        store.path.write_bytes(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
        try:
            share = store.get(share_id)
            assert share is None or share.result == shared()
        except (InputError, RequestError):
            errors += 1
    assert errors > 5


def test_a_file_that_is_not_a_database(store: ShareStore) -> None:
    store.path.write_text("hello " * 1000)
    for use in (lambda: store.get("A" * 22), lambda: store.put(shared())):
        with pytest.raises(InputError, match=r"shares\.sqlite: found file is not a database"):
            use()


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError):
        ShareStore(tmp_path / "link.sqlite", "0.1.0").put(shared())
    assert not (tmp_path / "elsewhere").exists()


def test_an_unwritable_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found"):
        ShareStore(tmp_path / "no" / "such" / "folder.sqlite", "0.1.0").put(shared())


# Versions


def plant(store: ShareStore, payload: bytes, version: int = 1) -> str:
    """Insert a row as another version of the app would write it."""
    store.put(shared())
    share_id = "B" * 22
    row = (share_id, version, "2026-01-01", hashlib.sha256(payload).hexdigest(), len(payload), payload)
    connection = sqlite3.connect(store.path)
    connection.execute("INSERT INTO share VALUES (?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    return share_id


def test_a_newer_row_is_refused(store: ShareStore) -> None:
    share_id = plant(store, b"{}", version=3)
    with pytest.raises(RequestError, match="format version 3, wanted 1, 2: a newer version of the app wrote it"):
        store.get(share_id)
    response = ask(served(store), "GET", f"/api/share/{share_id}")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


def test_a_newer_file_is_refused(store: ShareStore) -> None:
    store.put(shared())
    connection = sqlite3.connect(store.path)
    connection.execute("PRAGMA user_version = 9")
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match="schema version 9"):
        store.get("A" * 22)


def test_a_malformed_row(store: ShareStore) -> None:
    share_id = plant(store, json.dumps({"format_version": 1}).encode())
    with pytest.raises(InputError, match="an invalid share"):
        store.get(share_id)


@pytest.mark.parametrize("version", READERS)
def test_every_released_format_is_readable(store: ShareStore, version: int) -> None:
    assert set(READERS) == set(GOLDEN), "a new format version needs a golden row"
    share = store.get(plant(store, GOLDEN[version].read_bytes(), version))
    assert share is not None
    assert share.format_version == version
    assert share.result.behaviour_request == request(prompt="Today is <b>")
    assert share.result.behaviour.fingerprint == FINGERPRINT
    assert [text.text for text in share.result.texts] == [" Monday.", " Thursday <b>"]
    parts = (share.result.done, share.result.check, share.result.sweep, share.result.phrases)
    assert [part is not None for part in parts] == [version > 1] * 4


def broken_checks() -> list[SharedResult]:
    """Results with checks of another result, or with inconsistent checks."""
    whole = shared(**checks())
    sweep, check = whole.sweep, whole.check
    assert sweep is not None
    assert check is not None
    (arm,) = sweep.arms
    short = arm.model_copy(update={"kl": arm.kl[:1]})
    strange = check.controls.model_copy(update={"baseline": (1.0,)})
    return [
        whole.model_copy(update={"sweep": sweep.model_copy(update={"cluster": 9})}),
        whole.model_copy(update={"sweep": sweep.model_copy(update={"arms": (short,)})}),
        whole.model_copy(update={"check": check.model_copy(update={"controls": strange})}),
    ]


def test_checks_of_another_result_are_refused() -> None:
    SharedResult.model_validate(shared(**checks()).model_dump())
    for broken in broken_checks():
        with pytest.raises(ValidationError):
            SharedResult.model_validate(broken.model_dump())
