"""The tables of ``index.db`` and their versions, and who counts as one patient in them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from app.vault import _search
from app.vault._digest import WITH_SUM, full_digest, set_fact
from app.vault._keys import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from signals.recording import Patient

VERSION = 3
WITH_PATTERNS = 2  # from which version on there is that table
WITH_LOG = WITH_SUM  # from which on there are the log, and emergencies
_PATTERN = """
CREATE TABLE pattern (
    patient_id TEXT PRIMARY KEY REFERENCES patient (id),
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
_LOG = """
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    user TEXT NOT NULL,
    program TEXT NOT NULL,
    action TEXT NOT NULL,
    recording_id TEXT,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE TABLE checkpoint (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    head BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;
CREATE TABLE emergency (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    until TEXT NOT NULL,
    reviewed_at TEXT,
    reviewed_by TEXT,
    remark TEXT
) STRICT, WITHOUT ROWID;
"""
_TABLES = f"""
CREATE TABLE fact (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE patient (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    code TEXT NOT NULL,
    sex TEXT NOT NULL,
    birth_date TEXT NOT NULL,
    remarks TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX patient_by_code ON patient (code, name);
CREATE TABLE recording (
    id TEXT PRIMARY KEY,
    patient_id TEXT NOT NULL REFERENCES patient (id),
    name TEXT NOT NULL,
    format TEXT NOT NULL,
    input_sha256 TEXT NOT NULL UNIQUE,
    added_at TEXT NOT NULL,
    start TEXT,
    duration_s REAL NOT NULL,
    n_channels INTEGER NOT NULL,
    headline TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX recording_by_time ON recording (added_at);
CREATE INDEX recording_by_patient ON recording (patient_id);
CREATE TABLE blob (
    id TEXT PRIMARY KEY,
    recording_id TEXT NOT NULL REFERENCES recording (id),
    kind TEXT NOT NULL,
    size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_by_recording ON blob (recording_id);
{_PATTERN}{_LOG}{_search.TABLES}"""


def make_tables(connection: apsw.Connection, vault_id: str) -> None:
    """Make the tables of a new index, in one transaction."""
    with connection:
        connection.execute(_TABLES)
        connection.execute("INSERT INTO fact VALUES ('vault_id', ?)", (vault_id,))
        _begin_to_count(connection)
        connection.pragma("user_version", VERSION)


def version(connection: apsw.Connection) -> int:
    """Return which version of the tables an index has."""
    return int(connection.pragma("user_version"))


def migrate(connection: apsw.Connection) -> None:
    """Make an older index one of this version, as part of the transaction that is under way."""
    if version(connection) >= VERSION:
        return
    if version(connection) < WITH_PATTERNS:
        connection.execute(_PATTERN)
        part_the_doubtful(connection)
    connection.execute(_LOG)
    connection.execute(_search.TABLES)
    connection.execute(_search.FILL)
    _begin_to_count(connection)
    connection.pragma("user_version", VERSION)


def patient_id(connection: apsw.Connection, patient: Patient) -> str:
    """Return the pseudonym of a patient, the known one if who it is leaves no doubt."""
    facts = tuple(
        storable(text)
        for text in (patient.name, patient.code, patient.sex, patient.birth_date, patient.remarks)
    )
    if is_known(*facts):
        known = connection.execute(
            "SELECT id FROM patient WHERE (name, code, sex, birth_date, remarks) = (?, ?, ?, ?, ?)",
            facts,
        ).get
        if known:
            return str(known)
    return _new_patient(connection, facts)


def storable(text: str) -> str:
    """Return `text` without what UTF-8 cannot say: bytes of a file name that are no text."""
    return text.encode("utf-8", "replace").decode("utf-8")


def part_the_doubtful(connection: apsw.Connection) -> None:
    """Give every recording but one of a patient of whom nothing is known a row of its own."""
    # Version 1 took any code for a patient's, "anonymous" and "0000" too. Nothing hung on that
    # before there were patterns.
    doubtful = connection.execute(
        "SELECT r.id, p.name, p.code, p.sex, p.birth_date, p.remarks "
        "FROM recording AS r JOIN patient AS p ON p.id = r.patient_id "
        "WHERE r.id > (SELECT min(id) FROM recording WHERE patient_id = p.id)"
    ).fetchall()
    for row in doubtful:
        recording_id, *facts = map(str, row)
        if not is_known(*facts):
            connection.execute(
                "UPDATE recording SET patient_id = ? WHERE id = ?",
                (_new_patient(connection, facts), recording_id),
            )


def _begin_to_count(connection: apsw.Connection) -> None:
    """Sum up the rows that are there, and draw the secret that the sum and the log hang on."""
    set_fact(connection, "secret", secrets.token_bytes(KEY_BYTES))
    set_fact(connection, "generation", 1)
    set_fact(connection, "digest", full_digest(connection))


def is_known(name: str, code: str, sex: str, birth_date: str, remarks: str) -> bool:
    """Return whether two recordings of whom the same is told are of one patient.

    What stands in for a code where there is none ("anonymous", "0000", "-") has no digit but 0.
    """
    del sex, remarks  # they tell nobody apart
    return not set(code).isdisjoint("123456789") or bool(name and birth_date)


def _new_patient(connection: apsw.Connection, facts: Sequence[str]) -> str:
    new = secrets.token_hex(16)
    connection.execute("INSERT INTO patient VALUES (?, ?, ?, ?, ?, ?)", (new, *facts))
    return new
