"""The log: who did what, when, with which recording; each entry vouches for all before it.

An entry is written in the transaction of the change that it tells of, so that neither is there
without the other. Every so often, and when a session ends, a checkpoint signs what there is, so
that a log which was handed out can be verified without the vault (:mod:`app.vault.audit_export`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.vault._digest import index_key
from app.vault._errors import VaultError
from app.vault._keys import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    import apsw

EVERY = 100  # entries between two checkpoints
FORMAT = "tracekeep-log/1"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done.

    Parameters
    ----------
    seq : int
        Its number, from 1 on, without gaps.
    at : str
        ISO 8601, UTC, by the clock of the computer.
    user : str
        Whose passphrase opened the vault; empty for the recovery key.
    program : str
        Which program it was.
    action : str
        In a word or two: ``unlock``, ``read``, ``add``.
    recording_id : str or None
        Which recording it is about, where it is about one.
    detail : mapping
        What else is to be known; never who a patient is.
    hash : str
        64 hexadecimal digits: of this entry and, through the one before, of all before it.
    """

    seq: int
    at: str
    user: str
    program: str
    action: str
    recording_id: str | None
    detail: Mapping[str, str | int]
    hash: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as `audit show --json` and an exported log write it."""
        names = ("seq", "at", "user", "program", "action", "recording_id")
        values = {name: getattr(self, name) for name in names}
        return {**values, "detail": dict(self.detail), "hash": self.hash}

    def chained(self, key: bytes, before: str) -> str:
        """Return what :attr:`hash` must be, after an entry whose hash is `before`."""
        values = self.to_dict()
        del values["hash"]
        return _mac(key, bytes.fromhex(before) + canonical(values))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signature on the log up to one entry.

    Parameters
    ----------
    seq : int
        Of the last entry that it covers.
    at : str
        ISO 8601, UTC.
    head : str
        The hash of that entry.
    signature : str
        Ed25519 (RFC 8032), 128 hexadecimal digits, of :func:`signed`.
    """

    seq: int
    at: str
    head: str
    signature: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of a log at one moment.

    Parameters
    ----------
    vault_id : str
        Of the vault.
    chain_key : bytes
        What the hashes are made with; it opens nothing.
    public_key : bytes or None
        Of the checkpoints; None for a vault of format version 1.
    entries, checkpoints : tuple
        By their number.
    """

    vault_id: str
    chain_key: bytes
    public_key: bytes | None
    entries: tuple[Entry, ...]
    checkpoints: tuple[Checkpoint, ...]


@dataclass(frozen=True, slots=True)
class _Note:
    at: str
    action: str
    recording_id: str | None
    detail: Mapping[str, str | int] = field(default_factory=dict)


def canonical(values: Mapping[str, Any]) -> bytes:
    """Return the one spelling of a JSON object that hashes are made of."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def genesis(key: bytes, vault_id: str) -> str:
    """Return what stands in place of the hash of the entry before the first."""
    return _mac(key, f"{FORMAT}|{vault_id}".encode("ascii"))


def signed(what: str, vault_id: str, seq: int, at: str, head: str) -> bytes:
    """Return the bytes that are signed; `what` is ``checkpoint``, or ``end`` of an export."""
    return f"{FORMAT}|{what}|{vault_id}|{seq}|{at}|{head}".encode()


def _mac(key: bytes, data: bytes) -> str:
    return hmac.digest(key, data, hashlib.sha256).hex()


class Ledger:
    """Writes entries, as one user of one program.

    Parameters
    ----------
    vault_id : str
        Of the vault.
    user, program : str
        As of :class:`Entry`.
    seed : bytes or None
        Of the Ed25519 key that signs checkpoints; a vault of format version 1 has none.
    """

    def __init__(
        self,
        vault_id: str,
        user: str,
        program: str,
        seed: bytes | None = None,
    ) -> None:
        self.vault_id = vault_id
        self.signing_key = Ed25519PrivateKey.from_private_bytes(seed) if seed else None
        self._user, self._program = user, program
        self._waiting: list[_Note] = []
        self._written = 0  # of those waiting, in the transaction under way

    @property
    def waiting(self) -> int:
        """How many entries could not be written yet."""
        return len(self._waiting)

    def enter(
        self,
        connection: apsw.Connection,
        action: str,
        recording_id: str | None = None,
        **detail: str | int,
    ) -> None:
        """Write an entry as part of the transaction under way, which is one of the index's own."""
        self._write(connection, _Note(_now(), action, recording_id, detail))

    def wait(self, action: str, recording_id: str | None, detail: Mapping[str, str | int]) -> None:
        """Keep an entry that cannot be written now, to write it with the next transaction."""
        self._waiting.append(_Note(_now(), action, recording_id, detail))

    def begin(self, connection: apsw.Connection) -> None:
        """Write what waits, at the beginning of a transaction."""
        self._written = len(self._waiting)
        for note in self._waiting[: self._written]:  # another thread may add to them
            self._write(connection, note)

    def committed(self) -> None:
        """Forget what waited: the transaction that wrote it is there for good."""
        del self._waiting[: self._written]

    def sign(self, connection: apsw.Connection) -> None:
        """Write a checkpoint if there are entries that none covers, and a key to sign with."""
        last = connection.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").get
        covered = connection.execute("SELECT max(seq) FROM checkpoint").get
        if self.signing_key is None or last is None or covered == last[0]:
            return
        made = self.signature("checkpoint", last[0], last[1].hex())
        connection.execute(
            "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?)",
            (made.seq, made.at, bytes.fromhex(made.head), bytes.fromhex(made.signature)),
        )

    def signature(self, what: str, seq: int, head: str) -> Checkpoint:
        """Sign the log up to an entry; see :func:`signed`. There must be a key to sign with."""
        assert self.signing_key is not None
        at = _now()
        signature = self.signing_key.sign(signed(what, self.vault_id, seq, at, head))
        return Checkpoint(seq, at, head, signature.hex())

    @property
    def public_key(self) -> bytes | None:
        """What checkpoints are verified with, 32 bytes."""
        return self.signing_key.public_key().public_bytes_raw() if self.signing_key else None

    def _write(self, connection: apsw.Connection, note: _Note) -> None:
        key = index_key(connection, Purpose.AUDIT_CHAIN)
        last = connection.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").get
        seq, before = (last[0], last[1].hex()) if last else (0, genesis(key, self.vault_id))
        entry = Entry(
            seq + 1,
            note.at,
            _plain(self._user),
            _plain(self._program),
            note.action,
            note.recording_id,
            {name: _plain(v) if isinstance(v, str) else v for name, v in note.detail.items()},
        )
        connection.execute(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.seq,
                entry.at,
                entry.user,
                entry.program,
                entry.action,
                entry.recording_id,
                canonical(entry.detail).decode("ascii"),
                bytes.fromhex(entry.chained(key, before)),
            ),
        )
        if entry.seq % EVERY == 0:
            self.sign(connection)


class AuditLog:
    """The log of an open vault.

    Parameters
    ----------
    ledger : Ledger
        Who writes.
    using, writing : callable
        Give the index's connection: to read, and in a transaction of its own.
    """

    def __init__(
        self,
        ledger: Ledger,
        using: Callable[[], AbstractContextManager[apsw.Connection]],
        writing: Callable[..., AbstractContextManager[apsw.Connection]],
    ) -> None:
        self._ledger = ledger
        self._using, self._writing = using, writing
        self._read: set[tuple[str, ...]] = set()
        self._trouble = ""  # why the last entry could not be written, in plain words

    @property
    def waiting(self) -> int:
        """How many entries could not be written yet; they are with the next change."""
        return self._ledger.waiting

    @property
    def warnings(self) -> tuple[str, ...]:
        """That entries wait, and why, in plain words."""
        if not self.waiting:
            return ()
        told = "1 entry" if self.waiting == 1 else f"{self.waiting} entries"
        warning = (
            f"The log of the vault cannot be written: {self._trouble}. {told} will be written with "
            "the next change, if there is one before the vault is closed."
        )
        return (warning,)

    def add(self, action: str, recording_id: str | None = None, **detail: str | int) -> None:
        """Note something that changed nothing in the index.

        Where nothing can be written (a full disk, or one that can only be read, or another
        program that keeps writing) the entry waits: a clinician must get at the record.
        """
        try:
            with self._writing(patient=False) as connection:
                self._ledger.enter(connection, action, recording_id, **detail)
        except VaultError as error:
            self._ledger.wait(action, recording_id, detail)
            self._trouble = error.problem

    def note_reading(self, recording_id: str, **detail: str) -> None:
        """Note that a recording is read, once a session for each reason to."""
        reading = (recording_id, *detail.values())
        if reading not in self._read:
            self.add("read", recording_id, **detail)
            self._read.add(reading)

    @property
    def public_key(self) -> str:
        """What its signatures are verified with, 64 hexadecimal digits; empty without any."""
        return (self._ledger.public_key or b"").hex()

    def entries(self, *, newest: int | None = None) -> list[Entry]:
        """Return the entries by their number, all of them or the newest so many.

        Raises
        ------
        VaultDamagedError
            If the log cannot be read.
        """
        with self._using() as connection:
            found = list(_entries(connection, newest))
        return found[::-1]

    def snapshot(self) -> Snapshot:
        """Return all of the log; errors as for :meth:`entries`."""
        with self._using() as connection, connection:  # of one moment
            key = index_key(connection, Purpose.AUDIT_CHAIN)
            entries = tuple(_entries(connection, None))[::-1]
            rows: list[tuple[Any, ...]] = connection.execute(
                "SELECT seq, at, head, signature FROM checkpoint ORDER BY seq"
            ).fetchall()
        signed_at = tuple(Checkpoint(seq, at, h.hex(), s.hex()) for seq, at, h, s in rows)
        return Snapshot(self._ledger.vault_id, key, self._ledger.public_key, entries, signed_at)

    def end_of(self, log: Snapshot) -> Checkpoint:
        """Sign all of a log that has entries, as the end of an export."""
        last = log.entries[-1]
        return self._ledger.signature("end", last.seq, last.hash)

    def close(self) -> None:
        """Write what waits and sign what there is, if that can be done."""
        try:
            with self._writing(patient=False) as connection:
                self._ledger.sign(connection)
        except VaultError as error:
            self._trouble = error.problem


def _entries(connection: apsw.Connection, newest: int | None) -> Iterator[Entry]:
    """Yield the entries, the last first."""
    rows: Iterable[tuple[Any, ...]] = connection.execute(
        "SELECT seq, at, user, program, action, recording_id, detail, hash FROM entry "
        "ORDER BY seq DESC LIMIT ?",
        (-1 if newest is None else newest,),
    )
    for seq, at, user, program, action, recording_id, detail, digest in rows:
        yield Entry(seq, at, user, program, action, recording_id, _parsed(detail), digest.hex())


def _parsed(detail: str) -> dict[str, str | int]:
    try:
        values = json.loads(detail)
    except ValueError:
        values = None
    # What no vault wrote is shown as it is; the hash tells that it was changed.
    return values if isinstance(values, dict) else {"damaged": detail}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
