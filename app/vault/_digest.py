"""What vouches for all rows of the index together: a sum that a row put back would change.

The database's cipher authenticates each page but not their being of one time: an old page of the
same file passes its checks. Every writing transaction therefore adds to a sum over all rows, and
one to a generation, both in the table ``fact``; `docs/vault-format.md`, "Rollback".
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.vault import _search
from app.vault._keys import KEY_BYTES, Purpose, derive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import apsw

WITH_SUM = 3  # from which version of the index on there is a sum
_MODULUS = 1 << 256
_ITSELF = ("fact", "digest")  # the one row that the sum leaves out


@dataclass(frozen=True, slots=True)
class State:
    """Where an index stands.

    Parameters
    ----------
    generation : int
        How many transactions have written to it.
    digest : str
        The sum over its rows, 64 hexadecimal digits.
    seq : int
        Number of the last entry of the log.
    head : str
        The hash of that entry, 64 hexadecimal digits; empty without entries.
    keyring_generation, header_revision : int
        The greatest that were seen when something was written.
    """

    generation: int
    digest: str
    seq: int
    head: str
    keyring_generation: int
    header_revision: int


def fact(connection: apsw.Connection, name: str) -> Any:  # noqa: ANN401 (number, text or bytes)
    """Return a fact about the index, None if it does not hold it."""
    return connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).get


def set_fact(connection: apsw.Connection, name: str, value: int | str | bytes | None) -> None:
    """Replace a fact, or delete it where `value` is None."""
    if value is None:
        connection.execute("DELETE FROM fact WHERE name = ?", (name,))
    else:
        connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))


def index_key(connection: apsw.Connection, purpose: Purpose) -> bytes:
    """Return a key that hangs on the secret of the index, which goes with its rows.

    So that a new vault key, which is a new file for the index, leaves the log and the sum valid.
    A secret that was deleted is replaced by zeros: nothing fits then, and the vault still opens.
    """
    secret, vault_id = fact(connection, "secret"), fact(connection, "vault_id")
    return derive(secret if isinstance(secret, bytes) else bytes(KEY_BYTES), purpose, str(vault_id))


def read_state(connection: apsw.Connection) -> State | None:
    """Return where the index stands; None if it is of a version that did not count."""
    if int(connection.pragma("user_version")) < WITH_SUM:
        return None
    rows: list[tuple[Any, ...]] = connection.execute("SELECT name, value FROM fact").fetchall()
    facts = dict(rows)
    last: Any = connection.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").get
    seq, head = last or (0, b"")
    return State(
        generation=_number(facts.get("generation")),
        digest=str(facts.get("digest", "")),
        seq=int(seq),
        head=bytes(head).hex(),
        keyring_generation=_number(facts.get("keyring_generation")),
        header_revision=_number(facts.get("header_revision")),
    )


def full_digest(connection: apsw.Connection) -> str | None:
    """Return the sum over all rows, read anew; None if a row holds text that is none."""
    _write_words(connection)
    key = index_key(connection, Purpose.DIGEST)
    total = 0
    tables = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        f" AND name <> '{_search.PREFIX}'"  # which is but a view of its own tables
    ).fetchall()
    try:
        for table in (str(name) for (name,) in tables):
            # The rows themselves: an index of the table holds copies.
            for row in connection.execute(f'SELECT * FROM "{table}" NOT INDEXED'):
                total += _term(key, table, row)
    except UnicodeDecodeError:
        return None
    return _text(total)


class RowSum:
    """Keeps generation and digest of one connection up to date.

    A statement that fails must end its transaction: what it had changed until then is counted.

    Parameters
    ----------
    connection : apsw.Connection
        From :func:`app.vault._index.open_index`.
    marks : callable
        Gives the numbers, by the name of their fact, that are kept beside: none becomes less.
    """

    def __init__(self, connection: apsw.Connection, marks: Callable[[], Mapping[str, int]]) -> None:
        self._marks = marks
        self._change = 0
        self._anew = False
        self._key: bytes | None = None  # None outside the vault's own transactions
        connection.preupdate_hook(self._note)

    def begin(self, connection: apsw.Connection) -> None:
        """Begin to follow the transaction under way, in an index of this version."""
        self._change = 0
        self._anew = False
        self._key = index_key(connection, Purpose.DIGEST)

    def sum_anew(self) -> None:
        """Take all rows as they are when the transaction under way ends."""
        self._anew = True

    def finish(self, connection: apsw.Connection) -> None:
        """Write what the transaction made of the facts, as its last act."""
        _write_words(connection)
        state = read_state(connection)
        assert state is not None
        set_fact(connection, "generation", state.generation + 1)
        for name, number in self._marks().items():
            if number > getattr(state, name):
                set_fact(connection, name, number)
        if self._anew:
            digest = full_digest(connection)
        else:
            digest = _text(_parsed(state.digest) + self._change)
        set_fact(connection, "digest", digest)

    def end(self) -> None:
        """Follow no more: the transaction is over, one way or the other."""
        self._key = None

    def _note(self, update: apsw.PreUpdate) -> None:
        if self._key is None:
            return
        try:
            if update.old is not None:
                self._change -= _term(self._key, update.table_name, update.old)
            if update.new is not None:
                self._change += _term(self._key, update.table_name, update.new)
        except UnicodeDecodeError:
            pass  # no text that a vault wrote; the sum is wrong as it was before, and stays so


def _write_words(connection: apsw.Connection) -> None:
    """Have the full-text table write what it keeps back for the end of a transaction."""
    connection.execute("SAVEPOINT words; RELEASE words")


def _term(key: bytes, table: str, row: Sequence[Any]) -> int:
    if (table, row[0]) == _ITSELF:
        return 0
    said = [table.encode("ascii"), b"\0"]
    for value in row:
        if value is None:
            said.append(b"n")
            continue
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # SQLite stores 80.0 as 80, and does not always tell which it was
        if isinstance(value, bytes):
            kind, data = b"b", value
        elif isinstance(value, str):
            kind, data = b"t", value.encode("utf-8")
        else:
            kind, data = b"#", repr(value).encode("ascii")
        said += (kind, len(data).to_bytes(4, "big"), data)
    return int.from_bytes(hmac.digest(key, b"".join(said), hashlib.sha256), "big")


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _parsed(digest: str) -> int:
    try:
        return int(digest, 16)
    except ValueError:  # one that no vault wrote: no sum is right then, until it is accepted
        return 0


def _text(total: int) -> str:
    return f"{total % _MODULUS:064x}"
