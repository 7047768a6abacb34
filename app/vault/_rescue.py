"""The repair of a vault from outside: index and keyring first, without which it does not open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import apsw

from app.vault import _new_index, _rotation, _schema, _search, _selftest
from app.vault._audit import Ledger
from app.vault._check import Damage, check
from app.vault._creation import make_folders
from app.vault._digest import full_digest, read_state, set_fact
from app.vault._errors import NotAllowedError, VaultDamagedError, plain_errors
from app.vault._files import sync_folder, writer_lock
from app.vault._header import verify_header
from app.vault._index import FILE as INDEX_FILE
from app.vault._index import Index, index_errors, open_index, open_unverified
from app.vault._keyring import FILE as KEYRING_FILE
from app.vault._keyring import Keyring
from app.vault._keys import Purpose, derive
from app.vault._lost import Lost
from app.vault._memory import forbid_dumps
from app.vault._people import unlock, unlock_with_recovery_key
from app.vault._repair import UNKNOWN, Mended, Repair
from app.vault._salvage import salvaged_rows, tables_of
from app.vault._use import Use
from app.vault.roles import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.vault._header import Header
    from app.vault.roles import Session

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did.

    Parameters
    ----------
    mended : tuple of Mended
        Everything that was changed, and everything that is lost.
    lost : pathlib.Path
        The folder with what was moved away, with a note.
    """

    mended: tuple[Mended, ...]
    lost: Path


class Rescue:
    """A vault to be repaired, of which the header can be opened.

    Use it as a context manager, or close it. Its constructor is for :meth:`open`.
    """

    def __init__(
        self, path: Path, header: Header, vault_key: bytes, session: Session, use: Use
    ) -> None:
        verify_header(path, header, vault_key)
        refusal = session.refusal(Action.REPAIR)
        if refusal:
            raise NotAllowedError(path, refusal)
        self._vault = path
        self._header = header
        self._vault_key = vault_key
        seed = header.audit_seed(vault_key)
        self._ledger = Ledger(header.vault_id, session.user, session.program, seed)
        self._use = use
        self._path = path / INDEX_FILE
        self._index_key = derive(vault_key, Purpose.INDEX, header.vault_id)

    @classmethod
    def open(
        cls, path: Path, passphrase: str, *, user: str | None = None, program: str = "tracekeep"
    ) -> Self:
        """Unlock a vault that may not open; parameters and errors as of :meth:`Vault.open`.

        Raises
        ------
        NotAllowedError
            If the user may not repair.
        """
        return cls._opened(path, lambda path: unlock(path, passphrase, user, program))

    @classmethod
    def open_with_recovery_key(
        cls, path: Path, recovery_key: str, *, program: str = "tracekeep"
    ) -> Self:
        """Unlock a vault with its recovery key; errors as for :meth:`open`."""
        return cls._opened(path, lambda path: unlock_with_recovery_key(path, recovery_key, program))

    @classmethod
    def _opened(cls, path: Path, unlocked: Callable[[Path], tuple[Header, bytes, Session]]) -> Self:
        forbid_dumps()
        path = Path(path)
        _rotation.settle(path)
        _selftest.run(path)
        use = Use(path)
        try:
            return cls(path, *unlocked(path), use)
        except BaseException:
            use.close()
            raise

    def close(self) -> None:
        """Let others open the vault again. Twice does nothing."""
        self._use.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def look(self, progress: Progress | None = None) -> tuple[Damage, ...]:
        """Return all that is damaged, everything read to its end. Nothing is changed.

        Raises
        ------
        VaultTooNewError
            If a newer version made the index.
        """
        make_folders(self._vault)
        keyring = self._keyring()
        damages = []
        try:
            keyring.load()
        except VaultDamagedError as error:
            damages.append(Damage(KEYRING_FILE, None, "", error.problem))
        try:
            index = self._index()
        except VaultDamagedError as error:
            return (*damages, Damage(INDEX_FILE, None, "", error.problem))
        try:
            if not damages:
                found = check(
                    self._vault, self._header, self._vault_key, index, keyring, 1.0, _told(progress)
                )
                return found.damages
            words = "the key of this recording is lost"
            damages += [Damage.of(one, KEYRING_FILE, words) for one in index.recordings()]
        except VaultDamagedError as error:
            damages.append(Damage(INDEX_FILE, None, "", error.problem))
        finally:
            index.close()
        return tuple(damages)

    def repair(self, progress: Progress | None = None) -> Repaired:
        """Make the vault work again; see :mod:`app.vault._repair`.

        Raises
        ------
        VaultError
            If another program has the vault open, it cannot be written, or a newer version made
            it; it can be tried again.
        """
        with self._use.alone(), plain_errors(self._vault), writer_lock(self._vault):
            make_folders(self._vault)
            lost = Lost(self._vault)
            for name in (
                KEYRING_FILE,
                INDEX_FILE,
                *(INDEX_FILE + side for side in _new_index.SIDES),
            ):
                lost.copy(self._vault / name)
            mended = self._mend_index(lost)
            index = self._index()
            try:
                mended += self._mend_keyring(lost, index)
                keyring = self._keyring()
                work = Repair(
                    self._vault, self._header.vault_id, index, keyring, lost, _told(progress)
                )
                work.run()
                mended += work.mended
                with index._writing() as connection:
                    self._ledger.enter(connection, "repair", changes=len(mended))
            finally:
                index.close()
        return Repaired(tuple(mended), lost.folder)

    def _keyring(self) -> Keyring:
        header = self._header
        return Keyring(self._vault, header.vault_id, header.epoch, self._vault_key)

    def _index(self) -> Index:
        connection = open_index(self._path, self._index_key, self._header.vault_id)
        return Index(self._path, connection, self._ledger)

    def _mend_keyring(self, lost: Lost, index: Index) -> list[Mended]:
        keyring = self._keyring()
        try:
            keyring.load()
        except VaultDamagedError as error:
            saved, state = keyring.salvage(), index.state()
            keyring.make(saved, state.keyring_generation if state else 0)
            outcome = (
                f"{error.problem}; keys that could be saved: {len(saved)}. Recordings without "
                "their key cannot be read by anybody; a backup has the keys"
            )
            lost.tell(f"{KEYRING_FILE}: {outcome}")
            return [Mended(KEYRING_FILE, None, "", "", outcome)]
        return []

    def _mend_index(self, lost: Lost) -> list[Mended]:
        try:
            index = self._index()
        except VaultDamagedError as error:
            problem = error.problem
        else:
            problems = index.problems()
            index.close()
            if not problems:
                return []
            problem = "the index of the vault is damaged"
        new = self._vault / _new_index.FILE
        _new_index.remove(self._vault)
        fresh = open_index(new, self._index_key, self._header.vault_id, create_new=True)
        with index_errors(new):
            try:
                saved = self._copy_rows(fresh)
                fresh.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            finally:
                fresh.close()
        for side in _new_index.SIDES:
            self._path.with_name(INDEX_FILE + side).unlink(missing_ok=True)  # lost/ has a copy
        new.replace(self._path)
        sync_folder(self._vault)
        outcome = f"{problem}; {saved} recording{'' if saved == 1 else 's'} could be read from it"
        if not saved:
            outcome += ". Whose recordings they are is told by a backup only"
        lost.tell(f"{INDEX_FILE}: {outcome}")
        return [Mended(INDEX_FILE, None, "", "", outcome)]

    def _copy_rows(self, fresh: apsw.Connection) -> int:
        """Copy what can be read of the old index into a new one; return how many recordings."""
        if not self._path.exists():
            return 0
        try:
            damaged = open_unverified(self._path, self._index_key)
        except VaultDamagedError:
            return 0
        try:
            fresh.pragma("foreign_keys", False)  # noqa: FBT003 (the pragma's own value)
            with fresh:
                for table in tables_of(damaged):
                    _copy_table(damaged, fresh, table)
                _make_consistent(fresh)
                if _schema.version(damaged) < _schema.WITH_PATTERNS:
                    _schema.part_the_doubtful(fresh)
                fresh.execute(f"DELETE FROM {_search.PREFIX}")  # made anew, of what is there now
                fresh.execute(_search.FILL)
                state = read_state(fresh)
                assert state is not None
                set_fact(fresh, "generation", state.generation + 1)
                set_fact(fresh, "digest", full_digest(fresh))
            return int(str(fresh.execute("SELECT count(*) FROM recording").get))
        finally:
            damaged.close()


def _copy_table(damaged: apsw.Connection, fresh: apsw.Connection, table: str) -> None:
    for row in salvaged_rows(damaged, table):
        if row[0] != "vault_id":  # which is there, and what it must be
            marks = ", ".join("?" * len(row))
            instead = "REPLACE" if table == "fact" else "IGNORE"
            fresh.execute(f"INSERT OR {instead} INTO {table} VALUES ({marks})", row)


def _make_consistent(connection: apsw.Connection) -> None:
    """Have every row point to one that is there."""
    connection.execute(
        "INSERT INTO patient SELECT DISTINCT patient_id, '', '', '', '', ? FROM recording "
        "WHERE patient_id NOT IN (SELECT id FROM patient)",
        (UNKNOWN.remarks,),
    )
    connection.execute("DELETE FROM blob WHERE recording_id NOT IN (SELECT id FROM recording)")
    connection.execute("DELETE FROM pattern WHERE patient_id NOT IN (SELECT id FROM patient)")


def _told(progress: Progress | None) -> Progress:
    return progress or (lambda _done, _total: None)
