"""``index.db``: what recordings there are, in a SQLCipher-4 database (SQLite3 Multiple Ciphers).

:func:`open_index` is the only place that opens a database. Never put a VFS above the cipher's
(its journals would be plain), never set ``mmap_size``, never read the file by other means while
it is open: closing a second descriptor drops SQLite's locks on it.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import apsw

from app.vault import _patterns, _schema, _search
from app.vault._audit import AuditLog
from app.vault._blobs import BlobFile
from app.vault._digest import RowSum, fact, read_state
from app.vault._errors import (
    AlreadyStoredError,
    UnknownRecordingError,
    VaultDamagedError,
    VaultError,
    VaultTooNewError,
    plain_errors,
)
from app.vault._files import PATIENCE_S, create
from app.vault._salt import salt_in_log
from signals.recording import Patient

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from app.vault._anchor import Watch
    from app.vault._audit import Ledger
    from app.vault._digest import State
    from ml.personal import PersonalPattern

FILE = "index.db"
_IMMUTABLE = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
_SOON_S = 1.0  # how long reading waits for a writer, to note in the log what is read
_CACHE_KIB = 16 * 1024  # decrypted pages; with 2 MiB a search of 100,000 takes twice as long
_SHARED_MEMORY = 32 * 1024  # bytes that SQLite makes beside a write-ahead log that it shares
_COLUMNS = """
SELECT r.id, r.name, r.format, r.input_sha256, r.added_at, r.start, r.duration_s, r.n_channels,
       r.headline, p.name, p.code, p.sex, p.birth_date, p.remarks
FROM recording AS r JOIN patient AS p ON p.id = r.patient_id
"""


@dataclass(frozen=True, slots=True)
class StoredRecording:
    """A recording as the vault lists it.

    Parameters
    ----------
    id : str
        32 hexadecimal digits; says nothing about the patient.
    name, format : str
        As of :class:`signals.recording.Recording`.
    input_sha256 : str
        Of the file or files that it came from.
    added_at : str
        ISO 8601, UTC.
    start : datetime.datetime or None
        By the recorder's clock.
    duration_s : float
        Length.
    n_channels : int
        How many there are.
    patient : signals.recording.Patient
        Who it is from.
    headline : dict
        What :meth:`app.report.Report.headline` gave.
    """

    id: str
    name: str
    format: str
    input_sha256: str
    added_at: str
    start: datetime | None
    duration_s: float
    n_channels: int
    patient: Patient
    headline: dict[str, Any]


def open_index(
    path: Path, key: bytes, vault_id: str, *, create_new: bool = False
) -> apsw.Connection:
    """Open the encrypted database, and make sure that it is encrypted. The only door to it.

    Parameters
    ----------
    path : pathlib.Path
        Of ``index.db``.
    key : bytes
        32 bytes; the raw SQLCipher key.
    vault_id : str
        What the canary row must say.
    create_new : bool, default False
        Make the tables in a new file.

    Raises
    ------
    VaultDamagedError
        If the file is missing, is plain, was changed, or belongs to another vault.
    VaultError
        If it cannot be opened for another reason.
    """
    with plain_errors(path), index_errors(path):
        if create_new:
            os.close(create(path))
        elif not path.exists():
            raise VaultDamagedError(path, "the index of the vault is missing")
        _refuse_plain(path)
        try:
            connection = _connect(path, key)
        except (apsw.IOError, apsw.FullError):
            if not _is_full(path):
                raise
            connection = _connect(path, key, alone=True)
        except apsw.CantOpenError:
            if not _is_at_rest(path):
                raise
            connection = _connect(path, key, at_rest=True)
        try:
            if create_new:
                _schema.make_tables(connection, vault_id)
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                _refuse_plain(path)
            _assert_encrypted(connection, path, vault_id)
        except BaseException:
            connection.close()
            raise
    return connection


def open_unverified(path: Path, key: bytes) -> apsw.Connection:
    """Open an index that is damaged, to get out of it what can be read. It may not be ours."""
    with plain_errors(path), index_errors(path):
        _refuse_plain(path)
        return _connect(path, key)


def open_copy(path: Path, key: bytes) -> apsw.Connection:
    """Open a new, empty database, for the pages of an index to be copied into it."""
    with plain_errors(path), index_errors(path):
        os.close(create(path))
        return _connect(path, key, alone=True)


def _connect(
    path: Path, key: bytes, *, alone: bool = False, at_rest: bool = False
) -> apsw.Connection:
    """Open the database with its key.

    The 32 KiB of ``-shm``, by which programs that share a write-ahead log agree, are the one
    thing on the disk that reading needs. With `alone` they are in memory, so that a vault can be
    read on a full disk, by one program at a time. One that is `at_rest` needs no such agreement:
    nobody can write to it.
    """
    name, flags = str(path), apsw.SQLITE_OPEN_READWRITE
    if at_rest:
        name, flags = f"file:{quote(name)}?immutable=1", _IMMUTABLE
    raw_key = key.hex()
    while True:
        connection = apsw.Connection(name, flags=flags)
        try:
            if alone:
                connection.pragma("locking_mode", "exclusive")
            _set_up(connection, raw_key)
            if not at_rest:
                connection.pragma("journal_mode", "wal")
        except apsw.NotADBError:
            connection.close()
            salt = salt_in_log(path)
            if salt is None or len(raw_key) > 2 * len(key):
                raise
            raw_key += salt.hex()
            continue
        except BaseException:
            connection.close()
            raise
        return connection


def _set_up(connection: apsw.Connection, raw_key: str) -> None:
    connection.set_busy_timeout(round(PATIENCE_S * 1000))
    connection.pragma("cipher", "sqlcipher")
    connection.pragma("legacy", 4)
    connection.execute(f"PRAGMA key = \"x'{raw_key}'\"")
    connection.pragma("temp_store", "memory")
    connection.pragma("mmap_size", 0)
    connection.pragma("cache_size", -_CACHE_KIB)
    connection.pragma("secure_delete", True)  # noqa: FBT003 (the pragma's own value)
    connection.pragma("foreign_keys", True)  # noqa: FBT003
    connection.pragma("synchronous", "full")


def _refuse_plain(path: Path) -> None:
    # Through SQLite's own VFS: a descriptor of our own would, when closed, drop the locks that
    # another connection of this process holds on the file.
    file = apsw.VFSFile(
        "unix", str(path), [apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_MAIN_DB, 0]
    )
    try:
        if file.xRead(16, 0).startswith(b"SQLite format 3"):
            raise VaultDamagedError(path, "the index is not encrypted; do not use this vault")
    finally:
        file.xClose()


def _assert_encrypted(connection: apsw.Connection, path: Path, vault_id: str) -> None:
    cipher = connection.execute("SELECT sqlite3mc_config('cipher')").get
    salt = connection.execute("SELECT sqlite3mc_codec_data('cipher_salt')").get
    if cipher != "sqlcipher" or not salt:
        raise VaultDamagedError(path, "the index is not encrypted; do not use this vault")
    if _schema.version(connection) > _schema.VERSION:
        raise VaultTooNewError(
            path, "the index was made by a newer version of the program: update the program"
        )
    if fact(connection, "vault_id") != vault_id:  # the canary
        raise VaultDamagedError(path, "the index belongs to another vault")


def _is_at_rest(path: Path) -> bool:
    """Return whether the disk can only be read, and holds all that was written, in the index."""
    log = path.with_name(path.name + "-wal")
    whole = not (log.exists() and log.stat().st_size)
    return whole and bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)


def _is_full(path: Path) -> bool:
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _SHARED_MEMORY


@contextmanager
def index_errors(path: Path) -> Iterator[None]:
    """Turn an error of the database into a :class:`VaultError` about `path`."""
    try:
        yield
    except apsw.ConnectionClosedError as error:
        raise VaultError(path.parent, "the vault is closed") from error
    except apsw.BusyError as error:
        raise VaultError(path, "another program is writing to it; try again later") from error
    except apsw.FullError as error:
        raise VaultError(path, "no space is left on the disk") from error
    except (apsw.CantOpenError, apsw.PermissionsError, apsw.ReadOnlyError) as error:
        raise VaultError(
            path, "there is no permission to use it, or the disk is read-only"
        ) from error
    except apsw.IOError as error:
        words = "no space is left on the disk" if _is_full(path) else "the disk reports an error"
        raise VaultError(path, words) from error
    except (apsw.Error, UnicodeDecodeError) as error:
        raise VaultDamagedError(path, "the index of the vault is damaged") from error


class Index:
    """The questions that are asked of the database, one thread at a time.

    Parameters
    ----------
    path : pathlib.Path
        Of ``index.db``.
    connection : apsw.Connection
        From :func:`open_index`.
    ledger : Ledger
        Writes into the log what is done.
    marks : callable, optional
        As of :class:`app.vault._digest.RowSum`.
    """

    def __init__(
        self,
        path: Path,
        connection: apsw.Connection,
        ledger: Ledger,
        marks: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._path = path
        self._connection = connection
        self._log = ledger
        self.rows = RowSum(connection, marks)
        self.watch: Watch | None = None  # told of each transaction
        self._mutex = threading.RLock()
        self._closed = False
        self.log = AuditLog(ledger, self._use, self._writing)

    @contextmanager
    def _use(self) -> Iterator[apsw.Connection]:
        with self._mutex, index_errors(self._path):
            yield self._connection

    @contextmanager
    def _writing(self, *, patient: bool = True) -> Iterator[apsw.Connection]:
        """Be in a transaction, in which an index of an older version becomes one of this.

        One that is not `patient` fails soon if another program writes.
        """
        with self._use() as connection:
            connection.set_busy_timeout(round((PATIENCE_S if patient else _SOON_S) * 1000))
            try:
                # One that begins by reading fails if a log is emptied before it writes.
                connection.execute("BEGIN IMMEDIATE")
                _schema.migrate(connection)
                self.rows.begin(connection)
                self._log.begin(connection)
                yield connection
                if self.watch:
                    self.watch.before_commit(connection)
                self.rows.finish(connection)
                state = read_state(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                self.rows.end()
                connection.set_busy_timeout(round(PATIENCE_S * 1000))
            self._log.committed()
            if self.watch and state:
                self.watch.committed(state)

    def state(self) -> State | None:
        """Return where the index stands; None if it is of a version that did not count."""
        with self._use() as connection:
            return read_state(connection)

    @property
    def is_alone(self) -> bool:
        """Whether nobody else can open the index: the disk has no room for what is shared."""
        with self._use() as connection:
            return bool(connection.pragma("locking_mode") == "exclusive")

    def recordings(self, most: int = -1) -> list[StoredRecording]:
        """Return what is stored, newest first; all of it where `most` is negative."""
        with self._use() as connection:
            rows = connection.execute(
                _COLUMNS + "ORDER BY r.added_at DESC, r.id LIMIT ?", (most,)
            ).fetchall()
        return [_stored(row) for row in rows]

    def search(
        self, text: str, most: int, patients: Collection[str] | None = None
    ) -> list[StoredRecording]:
        """Return the recordings that have all words of a text, newest first.

        With the ids of `patients`, theirs only: others must not take up the room of `most`.
        An index of an older version, which can only be read, has no words.
        """
        with self._use() as connection:
            if _schema.version(connection) < _schema.WITH_LOG:
                raise VaultError(
                    self._path.parent,
                    "a vault of an older format that cannot be written cannot be searched",
                )
            words = _search.condition(text)
            if words is None:
                return []
            theirs = (
                "AND recording_id IN (SELECT id FROM recording "
                "WHERE patient_id IN (SELECT value FROM json_each(?))) "
            )
            rows = connection.execute(
                f"WITH found AS (SELECT recording_id, rowid AS place FROM {_search.PREFIX} "
                f"WHERE {_search.PREFIX} MATCH ? {'' if patients is None else theirs}"
                "ORDER BY rowid DESC LIMIT ?) "
                f"{_COLUMNS} JOIN found ON found.recording_id = r.id ORDER BY found.place DESC",
                (words, *([] if patients is None else [json.dumps(list(patients))]), most),
            ).fetchall()
        return [_stored(row) for row in rows]

    def recordings_of_patient(self, recording_id: str) -> list[StoredRecording]:
        """Return all recordings of the patient whom one is of, newest first."""
        with self._use() as connection:
            rows = connection.execute(
                _COLUMNS + "WHERE r.patient_id IN (SELECT patient_id FROM recording WHERE id = ?) "
                "ORDER BY r.added_at DESC, r.id",
                (recording_id,),
            ).fetchall()
        return [_stored(row) for row in rows]

    def recording_ids(self) -> set[str]:
        """Return the ids of all recordings."""
        with self._use() as connection:
            return {row[0] for row in connection.execute("SELECT id FROM recording")}

    def blob_ids(self) -> set[str]:
        """Return the ids of all encrypted files."""
        with self._use() as connection:
            return {row[0] for row in connection.execute("SELECT id FROM blob")}

    def recording(self, prefix: str) -> StoredRecording:
        """Return the one recording whose id begins with `prefix`.

        Raises
        ------
        UnknownRecordingError
            If there is none, or more than one.
        """
        vault = self._path.parent
        wanted = prefix.strip().lower()
        if not wanted or not set(wanted) <= set("0123456789abcdef"):
            raise UnknownRecordingError(vault, f"“{prefix}” is not the id of a recording")
        with self._use() as connection:
            rows = connection.execute(
                _COLUMNS + "WHERE r.id >= ? AND r.id < ? LIMIT 2", (wanted, wanted + "g")
            ).fetchall()
        if not rows:
            raise UnknownRecordingError(vault, f"no recording has an id that begins with {wanted}")
        if len(rows) > 1:
            raise UnknownRecordingError(
                vault,
                f"more than one recording has an id that begins with {wanted}; type more of it",
            )
        return _stored(rows[0])

    def find_input(self, sha256: str) -> StoredRecording | None:
        """Return the recording that came from this content, if it is stored."""
        with self._use() as connection:
            row = connection.execute(_COLUMNS + "WHERE r.input_sha256 = ?", (sha256,)).get
        return _stored(row) if row else None

    def blobs(self, recording_id: str) -> list[BlobFile]:
        """Return the encrypted files of one recording."""
        with self._use() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(
                "SELECT id, recording_id, kind, size FROM blob WHERE recording_id = ?",
                (recording_id,),
            ).fetchall()
        return [BlobFile(*row) for row in rows]

    def refuse_known(self, sha256: str) -> None:
        """Raise :class:`AlreadyStoredError` if a recording came from this content."""
        known = self.find_input(sha256)
        if known is not None:
            raise AlreadyStoredError(
                self._path.parent, f"this recording is stored already, as {known.id[:8]}"
            )

    def add(self, recording: StoredRecording, blobs: tuple[BlobFile, ...]) -> None:
        """Add a recording in one transaction. The caller holds the writer lock."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO recording VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    recording.id,
                    _schema.patient_id(connection, recording.patient),
                    _schema.storable(recording.name),
                    recording.format,
                    recording.input_sha256,
                    recording.added_at,
                    recording.start.isoformat() if recording.start else None,
                    recording.duration_s,
                    recording.n_channels,
                    json.dumps(recording.headline),
                ),
            )
            connection.executemany(
                "INSERT INTO blob VALUES (?, ?, ?, ?)",
                [(blob.id, blob.recording_id, blob.kind, blob.size) for blob in blobs],
            )
            self._log.enter(connection, "add", recording.id)

    def pattern(self, recording_id: str) -> PersonalPattern | None:
        """Return what was learned about the patient of a recording; see `_patterns.read`."""
        with self._use() as connection:
            return _patterns.read(self._path, connection, recording_id)

    def keep_pattern(self, recording_id: str, pattern: PersonalPattern | None) -> None:
        """Replace what was learned about a patient, or delete it; see `_patterns.keep`.

        The caller holds the writer lock.
        """
        with self._writing() as connection:
            n_corrections = len(pattern.lessons) if pattern else 0
            self._log.enter(connection, "correct", recording_id, corrections=n_corrections)
            _patterns.keep(connection, recording_id, pattern)

    def problems(self) -> list[str]:
        """Return what SQLite's own checks find wrong; every page is read and authenticated."""
        try:
            with self._use() as connection, connection:  # of one moment
                if _schema.version(connection) >= _schema.WITH_LOG:
                    # The check compares what the full-text table remembers, which is of before
                    # another program wrote, unless it is asked for something first.
                    connection.execute(f"SELECT rowid FROM {_search.PREFIX} LIMIT 1").fetchall()
                found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
                broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        except VaultDamagedError as error:
            return [error.problem]
        problems = [] if found == ["ok"] else found
        return problems + [f"a row of “{row[0]}” points to nothing" for row in broken]

    def forget_pages(self, patience_s: float) -> None:
        """Leave nothing of a deleted row in the database or its log; the caller holds the lock.

        Raises
        ------
        VaultError
            If another program reads for longer than `patience_s` seconds.
        """
        with self._use() as connection:
            connection.set_busy_timeout(round(patience_s * 1000))
            try:
                connection.execute("VACUUM")
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            finally:
                connection.set_busy_timeout(round(PATIENCE_S * 1000))

    def close(self) -> None:
        """Empty the write-ahead log into the database and close it."""
        with self._mutex, index_errors(self._path):
            if self._closed:
                return
            self._closed = True
            try:
                self._connection.set_busy_timeout(0)
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except (apsw.BusyError, apsw.FullError, apsw.ReadOnlyError):
                pass  # the log is as safe as the database, and is emptied another time
            finally:
                with suppress(apsw.FullError):  # it tries once more to empty the log
                    self._connection.close()


def _stored(row: tuple[Any, ...]) -> StoredRecording:
    return StoredRecording(
        id=row[0],
        name=row[1],
        format=row[2],
        input_sha256=row[3],
        added_at=row[4],
        start=datetime.fromisoformat(row[5]) if row[5] else None,
        duration_s=row[6],
        n_channels=row[7],
        headline=json.loads(row[8]),
        patient=Patient(*row[9:]),
    )
