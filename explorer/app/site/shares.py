"""Stored steering results: what a share link replays, word for word, with the host off.

A share is one immutable row of an SQLite file: JSON of a format version, with its SHA-256. Its id is 128 random bits,
so a link cannot be guessed. Everything is validated when it is written and again when it is read.
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
"""Raised when a stored share changes its meaning; ``READERS`` keeps the older ones."""
SCHEMA_VERSION = 1
"""``user_version`` of the SQLite file."""
WAL_TRIES = 20
"""How often a new file's journal is switched while other writers do the same."""
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
    """What a page sends to be kept: one steering result and the view it was seen in."""

    view: str = Field(max_length=8_000)
    """The view as the query of a link, see ``explorer.app.view.state``."""
    label: str = Field(max_length=400)
    """The cluster's label at that time."""
    behaviour_request: BehaviourRequest
    """What was asked: prompt, path, strength, seed, subject's fingerprint."""
    behaviour: BehaviourReply
    """What the host answered."""
    steer_request: SteerRequest | None = None
    """What text was asked for; None where none was generated."""
    start: StartEvent | None = None
    """How the generation began."""
    texts: tuple[RowDoneEvent, ...] = Field(default=(), max_length=16)
    """The generated columns."""
    done: DoneEvent | None = None
    """How the generation ended, with its texts as the unsteered model reads them; from version 2 on, here and below."""
    check: CheckReply | None = None
    """Its controls, where they were asked for."""
    sweep: SweepReply | None = None
    """Its dose sweep, likewise."""
    phrases: PhrasesReply | None = None
    """The phrases that were watched, likewise."""

    @model_validator(mode="after")
    def _belongs_together(self) -> "SharedResult":
        asked, controls = self.behaviour_request, self.check.controls if self.check else None
        replies = [reply for reply in (self.behaviour, controls) if reply is not None]
        for got in (*replies, self.sweep, self.phrases):
            if got and (asked.run, asked.cluster, asked.fingerprint) != (got.run, got.cluster, got.fingerprint):
                raise ValueError("request and reply name different runs, clusters or subjects")
        for reply in replies:
            _check_reply(reply)
        if self.sweep:
            _check_sweep(self.sweep)
        if self.texts:
            self._check_texts()
        return self

    def _check_texts(self) -> None:
        asked, start = self.steer_request, self.start
        if asked is None or start is None:
            raise ValueError("texts need the request and the start event that they came from")
        if {asked.fingerprint, start.fingerprint} != {self.behaviour.fingerprint} or asked.run != self.behaviour.run:
            raise ValueError("texts and behaviour name different subjects or runs")
        rows = [text.row for text in self.texts]
        if len(set(rows)) != len(rows) or not set(rows) <= set(start.rows):
            raise ValueError("texts hold a column twice, or one that was not asked for")
        if any(text.row != "baseline" and text.hook_fired == 0 for text in self.texts):
            raise ValueError("a steered column's hook never fired: its text is not steered")


def _check_reply(reply: BehaviourReply) -> None:
    for arm in reply.arms:
        _check_lengths(arm, len(reply.values) + 1)
    if len(reply.baseline) != len(reply.values) + 1 or len(reply.value_coordinate) != len(reply.values):
        raise ValueError("the reply's values and probabilities differ in length")
    rows = reply.meter.off_manifold if reply.meter else ()
    if reply.meter and (len(rows), set(map(len, rows))) != (len(reply.meter.positions), {len(reply.meter.strengths)}):
        raise ValueError("the meter is no positions by strengths")


def _check_sweep(sweep: SweepReply) -> None:
    shape = (len(sweep.strengths), {len(sweep.positions)})
    for arm in sweep.arms:
        for grid in (arm.p_target, arm.off_manifold, arm.kl, arm.top):
            if (len(grid), set(map(len, grid))) != shape:
                raise ValueError(f"arm {arm.arm}: its grid is no strengths by positions")


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
        raise ValueError(f"arm {arm.arm}: its waypoints or classes differ in length")


class Share(Wire):
    """One stored result."""

    format_version: Literal[1, 2] = FORMAT_VERSION
    """Of this record."""
    app_version: Annotated[str, Field(max_length=100)]
    """Version of the app that stored it."""
    created: Annotated[str, Field(max_length=40)]
    """When, ISO 8601 in UTC."""
    result: SharedResult
    """The result."""


Reader = Callable[[bytes], Share]
READERS: Mapping[int, Reader] = dict.fromkeys((1, 2), Share.model_validate_json)
"""How a row of each format version is read."""


@dataclass(frozen=True)
class ShareLimits:
    """How much is kept."""

    max_bytes: int = 4_000_000
    """Longest share, in bytes of JSON."""
    max_shares: int = 10_000
    """Most shares."""
    max_total_bytes: int = 1_000_000_000
    """Most bytes of all of them."""
    busy_seconds: float = 5.0
    """How long to wait for another process that writes."""


class ShareStore:
    """The shares of one SQLite file; each call opens its own connection, so threads need no care.

    Args:
        path: the file; made at the first write, readable by its owner alone.
        app_version: written into each share.
        read_only: refuse to store.
        limits: how much is kept.
        only_of: run whose shares are given; None gives those of every run.
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
        """Store a result for good; gives its id, 22 url-safe characters.

        Raises:
            RequestError: the store is read-only or full, the share too large, or its view unreadable.
            InputError: the file cannot be written or is damaged.
        """
        if self.read_only:
            raise RequestError("share", "a read-only server", "a server that was started without --read-only")
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
        """Read a share; None where there is none of that id, or of that run.

        Raises:
            RequestError: a newer version of the app made it.
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
                "shared link", f"format version {version}", f"{known}: a newer app made it, update yours"
            )
        if hashlib.sha256(payload).hexdigest() != sha256:
            raise InputError(self.path, "a share whose bytes have changed", "the bytes that were stored")
        try:
            return reader(payload)
        except ValidationError as error:
            reason = str(error.errors()[0]["msg"])
            raise InputError(self.path, f"a share that breaks its format ({reason})", "what was stored") from error

    def _check_room(self, connection: sqlite3.Connection, size: int) -> None:
        count, total = connection.execute("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM share").fetchone()
        if count >= self.limits.max_shares:
            raise RequestError("shares", f"{count} stored", f"fewer than {self.limits.max_shares}: no room for more")
        if total + size > self.limits.max_total_bytes:
            wanted = f"at most {self.limits.max_total_bytes} in all: no room for more"
            raise RequestError("shares", f"{total + size} bytes", wanted)

    @contextmanager
    def _connection(self, write: bool) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._open(write)) as connection:
                yield connection
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            wanted = "a database of shares that can be read" + (" and written" if write else "")
            raise InputError(self.path, f"{error}", wanted) from error

    def _open(self, write: bool) -> sqlite3.Connection:
        if write:
            # Made by hand so that only its owner reads it; SQLite gives its journal the same mode.
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
            raise InputError(self.path, f"schema version {version}", f"{SCHEMA_VERSION}: a newer app made it")
        if write:
            self._use_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")
            if version < SCHEMA_VERSION:
                connection.executescript(_SCHEMA)

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Switch the file's journal once; SQLite does not wait by itself while another connection switches it."""
        for last in (*[False] * (WAL_TRIES - 1), True):
            try:
                if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if last:
                    raise
                connection.executescript("BEGIN IMMEDIATE; COMMIT;")
