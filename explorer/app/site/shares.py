"""Stored steering results, which a share link replays without a host.

A share is one immutable row of an SQLite file: versioned JSON with its SHA-256. Its id is 128 random bits, so links
cannot be guessed. Results are validated when they are written and again when they are read.
"""

import hashlib
import os
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from explorer.app.view.state import decode
from explorer.errors import InputError, RequestError
from explorer.steering.protocol.behaviour import ArmBehaviour, BehaviourReply, BehaviourRequest
from explorer.steering.protocol.checks import CheckReply, PhrasesReply, SweepReply
from explorer.steering.protocol.steer import DoneEvent, RowDoneEvent, StartEvent, SteerRequest
from explorer.steering.protocol.wire import Wire

FORMAT_VERSION: Literal[2] = 2
"""Incremented when a stored share changes its meaning; ``READERS`` reads the older ones."""
SCHEMA_VERSION = 1
"""``user_version`` of the SQLite file."""
WAL_ATTEMPTS = 20
"""Attempts to switch a new file to WAL while other writers do the same."""
_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS share (
  id TEXT PRIMARY KEY, format_version INTEGER NOT NULL, created TEXT NOT NULL,
  sha256 TEXT NOT NULL, size INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS share_size ON share (size);
CREATE TRIGGER IF NOT EXISTS share_is_immutable BEFORE UPDATE ON share
  BEGIN SELECT RAISE(ABORT, 'a share is never changed'); END;
PRAGMA user_version = {SCHEMA_VERSION};
"""


class SharedResult(Wire):
    """A steering result and the view that showed it, as the page sends them."""

    view: str = Field(max_length=8_000)
    """Query of a link, see ``explorer.app.view.state``."""
    label: str = Field(max_length=400)
    """Label of the cluster when the result was stored."""
    behaviour_request: BehaviourRequest
    behaviour: BehaviourReply
    steer_request: SteerRequest | None = None
    """None if no text was generated."""
    start: StartEvent | None = None
    texts: tuple[RowDoneEvent, ...] = Field(default=(), max_length=16)
    """Generated columns."""
    done: DoneEvent | None = None
    """From format version 2 on, as are the fields below."""
    check: CheckReply | None = None
    sweep: SweepReply | None = None
    phrases: PhrasesReply | None = None

    @model_validator(mode="after")
    def _belongs_together(self) -> "SharedResult":
        request, controls = self.behaviour_request, self.check.controls if self.check else None
        replies = [reply for reply in (self.behaviour, controls) if reply is not None]
        subject = (request.run, request.cluster, request.fingerprint)
        for part in (*replies, self.sweep, self.phrases):
            if part and subject != (part.run, part.cluster, part.fingerprint):
                raise ValueError("request and reply name different runs, clusters or subjects")
        for reply in replies:
            _check_reply(reply)
        if self.sweep:
            _check_sweep(self.sweep)
        if self.texts:
            self._check_texts()
        return self

    def _check_texts(self) -> None:
        request, start = self.steer_request, self.start
        if request is None or start is None:
            raise ValueError("texts need their request and start event")
        behaviour = self.behaviour
        if {request.fingerprint, start.fingerprint} != {behaviour.fingerprint} or request.run != behaviour.run:
            raise ValueError("texts and behaviour name different subjects or runs")
        rows = [text.row for text in self.texts]
        if len(set(rows)) != len(rows) or not set(rows) <= set(start.rows):
            raise ValueError("texts repeat a column, or hold one that was not requested")
        if any(text.row != "baseline" and text.hook_fired == 0 for text in self.texts):
            raise ValueError("a steered column's hook never fired: its text is not steered")


def _check_reply(reply: BehaviourReply) -> None:
    for arm in reply.arms:
        _check_lengths(arm, len(reply.values) + 1)
    if len(reply.baseline) != len(reply.values) + 1 or len(reply.value_coordinate) != len(reply.values):
        raise ValueError("the reply's values and probabilities differ in length")
    rows = reply.meter.off_manifold if reply.meter else ()
    if reply.meter and (len(rows), set(map(len, rows))) != (len(reply.meter.positions), {len(reply.meter.strengths)}):
        raise ValueError("the meter's grid is not positions by strengths")


def _check_sweep(sweep: SweepReply) -> None:
    shape = (len(sweep.strengths), {len(sweep.positions)})
    for arm in sweep.arms:
        for grid in (arm.p_target, arm.off_manifold, arm.kl, arm.top):
            if (len(grid), set(map(len, grid))) != shape:
                raise ValueError(f"arm {arm.arm}: the grid is not strengths by positions")


def _check_lengths(arm: ArmBehaviour, classes: int) -> None:
    n = len(arm.probabilities)
    lengths = {
        len(arm.top),
        len(arm.off_manifold),
        len(arm.kl),
        n,
        *(len(part) for part in (arm.coordinate, arm.state_coordinate, arm.answer_coordinate) if part is not None),
    }
    if lengths != {n} or any(len(row) != classes for row in arm.probabilities):
        raise ValueError(f"arm {arm.arm}: waypoints or classes differ in length")


class Share(Wire):
    """A stored result."""

    format_version: Literal[1, 2] = FORMAT_VERSION
    app_version: Annotated[str, Field(max_length=100)]
    created: Annotated[str, Field(max_length=40)]
    """ISO 8601 in UTC."""
    result: SharedResult


Reader = Callable[[bytes], Share]
READERS: Mapping[int, Reader] = dict.fromkeys((1, 2), Share.model_validate_json)
"""Parser of each format version."""


@dataclass(frozen=True)
class ShareLimits:
    """Bounds of a store."""

    max_bytes: int = 4_000_000
    """Of one share's JSON."""
    max_shares: int = 10_000
    max_total_bytes: int = 1_000_000_000
    busy_seconds: float = 5.0
    """Time to wait for another writer."""


class ShareStore:
    """The shares of one SQLite file. Thread-safe: each call opens its own connection.

    Args:
        path: the file; created at the first write, readable by its owner only.
        app_version: stored with each share.
        read_only: refuse to store.
        limits: bounds of the store.
        only_of: id of the only run whose shares may be read; None allows every run.
    """

    def __init__(
        self,
        path: Path,
        app_version: str,
        read_only: bool = False,
        limits: ShareLimits | None = None,
        only_of: str | None = None,
    ) -> None:
        self.path = path
        self.app_version = app_version
        self.read_only = read_only
        self.limits = limits or ShareLimits()
        self.only_of = only_of

    def put(self, result: SharedResult) -> str:
        """Store a result; returns its id of 22 URL-safe characters.

        Raises:
            RequestError: the store is read-only or full, the share too large, or its view invalid.
            InputError: the file cannot be written or is damaged.
        """
        if self.read_only:
            raise RequestError("share", "a read-only server", "a server started without --read-only")
        decode(result.view)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        payload = Share(app_version=self.app_version, created=created, result=result).model_dump_json().encode()
        if len(payload) > self.limits.max_bytes:
            raise RequestError("share", f"{len(payload)} bytes", f"at most {self.limits.max_bytes}")
        share_id = secrets.token_urlsafe(16)
        row = (share_id, FORMAT_VERSION, created, hashlib.sha256(payload).hexdigest(), len(payload), payload)
        with self._connection(write=True) as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._check_room(connection, len(payload))
            connection.execute("INSERT INTO share VALUES (?, ?, ?, ?, ?, ?)", row)
            connection.execute("COMMIT")
        return share_id

    def get(self, share_id: str) -> Share | None:
        """Read a share; None if no share has that id, or it is of another run than ``only_of``.

        Raises:
            RequestError: a newer version of the app wrote it.
            InputError: the file or the row is damaged.
        """
        if not _ID.fullmatch(share_id) or not self.path.exists():
            return None
        with self._connection(write=False) as connection:
            query = "SELECT format_version, sha256, payload FROM share WHERE id = ? AND size <= ?"
            row = connection.execute(query, (share_id, self.limits.max_bytes)).fetchone()
        share = None if row is None else self._read(*row)
        other = share is not None and self.only_of not in (None, share.result.behaviour.run)
        return None if other else share

    def _read(self, version: int, sha256: str, payload: bytes) -> Share:
        reader = READERS.get(version)
        if reader is None:
            known = ", ".join(map(str, READERS))
            raise RequestError(
                "shared link",
                f"format version {version}",
                f"{known}: a newer version of the app wrote it, update yours",
            )
        if hashlib.sha256(payload).hexdigest() != sha256:
            raise InputError(self.path, "a share with another SHA-256", "the bytes that were stored")
        try:
            return reader(payload)
        except ValidationError as error:
            reason = str(error.errors()[0]["msg"])
            raise InputError(self.path, f"an invalid share ({reason})", "a share of its format version") from error

    def _check_room(self, connection: sqlite3.Connection, size: int) -> None:
        count, total = connection.execute("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM share").fetchone()
        if count >= self.limits.max_shares:
            raise RequestError("shares", f"{count} stored", f"fewer than {self.limits.max_shares}: the store is full")
        if total + size > self.limits.max_total_bytes:
            wanted = f"at most {self.limits.max_total_bytes} in all: the store is full"
            raise RequestError("shares", f"{total + size} bytes", wanted)

    @contextmanager
    def _connection(self, write: bool) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._open(write)) as connection:
                yield connection
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            wanted = "a readable" + (" and writable" if write else "") + " database of shares"
            raise InputError(self.path, f"{error}", wanted) from error

    def _open(self, write: bool) -> sqlite3.Connection:
        if write:
            # Created here so that only its owner can read it; SQLite gives the journal the same mode.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        uri = f"{self.path.absolute().as_uri()}?mode={'rw' if write else 'ro'}"
        connection = sqlite3.connect(uri, uri=True, timeout=self.limits.busy_seconds, isolation_level=None)
        try:
            self._prepare(connection, write)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection, write: bool) -> None:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise InputError(
                self.path, f"schema version {version}", f"{SCHEMA_VERSION}: a newer version of the app wrote it"
            )
        if write:
            self._use_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")
            if version < SCHEMA_VERSION:
                connection.executescript(_SCHEMA)

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Switch the journal to WAL; SQLite's busy timeout does not cover another connection that switches it too."""
        for last in (*[False] * (WAL_ATTEMPTS - 1), True):
            try:
                if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if last:
                    raise
                connection.executescript("BEGIN IMMEDIATE; COMMIT;")
