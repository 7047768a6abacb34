"""Being put back in time: what is compared at opening, and what the vault itself cannot know.

Whoever puts the whole folder back puts back all that it says of itself. So this computer keeps a
note outside of it, the anchor: where the vault stood when it was last used here. Parts that were
put back alone show by the numbers that the index holds; `docs/vault-format.md`, "Rollback".
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from app.settings import state_folder
from app.vault._chunked import write_all
from app.vault._digest import State, fact, full_digest, read_state, set_fact
from app.vault._errors import VaultError
from app.vault._files import create, sync_folder
from app.vault._header import read_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import apsw

    from app.vault._audit import Ledger
    from app.vault._index import Index
    from app.vault._keyring import Keyring

_PLACES = 16  # copies of one vault that are remembered, the one used last at the end
_DIGESTS = frozenset({"digest", "head"})
_DIGEST = re.compile("[0-9a-f]{64}")
_COUNTED = range(1 << 63)  # what the index can count up to
_ALARM = "alarm"  # fact: what was noticed and not accepted yet
_PARTS = {
    "older index.db": "the list of recordings (index.db) was put back to an older state",
    "other index.db": "the list of recordings (index.db) is not the one that this computer left",
    "older keyring.bin": "the keys of the recordings (keyring.bin) were put back to an older state",
    "older vault.json": "users and passphrases (vault.json) were put back to an older state",
    "rows": "rows of the list of recordings (index.db) are of another time than the rest",
}
_ADVICE = (
    "What was added, corrected, erased or noted since may be missing or be back. If somebody "
    "restored a backup or copied the vault back, it is accepted with: tracekeep vault "
    "accept. If nobody did, keep a copy of the vault as it is, compare it with a backup, and ask "
    "who had access."
)

_UNSURE = (
    ". Somebody who was removed may be back: only the recovery key accepts this, and until then "
    "nobody manages users, changes the keys or erases"
)


class Anchor:
    """The note about one vault that this computer keeps outside of it.

    Parameters
    ----------
    vault : pathlib.Path
        The folder.
    vault_id : str
        Of the vault.
    """

    def __init__(self, vault: Path, vault_id: str) -> None:
        self._folder = state_folder() / "anchors"
        self._path = self._folder / f"{vault_id}.json"
        self._place = str(vault.absolute().resolve())

    def read(self) -> State | None:
        """Return where the vault stood, here or at the furthest of its copies; None if unknown.

        A note that is damaged is none: whoever can damage it can delete it.
        """
        places = self._places()
        if self._place in places:
            return places[self._place]
        return max(places.values(), key=lambda state: state.generation, default=None)

    def follow(self, state: State, *, back: bool = False, durable: bool = False) -> None:
        """Note where the vault stands now, unless more is noted; `back` notes less as well.

        Raises
        ------
        OSError
            If that cannot be written.
        """
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
        with self._locked():
            places = self._places()
            known = places.pop(self._place, None)
            if known and known.generation > state.generation and not back:
                state = known
            places[self._place] = state
            newest = list(places.items())[-_PLACES:]
            values = {
                "format": "tracekeep-anchor",
                "version": 1,
                "places": [{"place": place, **asdict(state)} for place, state in newest],
            }
            self._write((json.dumps(values, indent=2) + "\n").encode("ascii"), durable=durable)

    def _write(self, data: bytes, *, durable: bool) -> None:
        # Durable at the end of a session only: an anchor that lags, or that a loss of power
        # empties, raises no false alarm.
        temporary = self._path.with_name(self._path.name + ".tmp")
        file = create(temporary)
        try:
            write_all(file, data)
            if durable:
                os.fsync(file)
        finally:
            os.close(file)
        temporary.replace(self._path)
        if durable:
            sync_folder(self._folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(folder, fcntl.LOCK_UN)
        finally:
            os.close(folder)

    def _places(self) -> dict[str, State]:
        try:
            values = json.loads(self._path.read_bytes())
            return {str(known.pop("place")): _state(known) for known in values["places"]}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}


def _state(values: dict[str, Any]) -> State:
    state = State(**values)
    for name, value in values.items():
        if name in _DIGESTS:
            # The log of an index may have no entry yet, and so no head.
            if not _DIGEST.fullmatch(value) and (value or name != "head"):
                raise ValueError(name)
        elif type(value) is not int or value not in _COUNTED:
            raise ValueError(name)
    return state


class Watch:
    """Notices that a vault, or a part of it, was put back, until that is accepted.

    Parameters
    ----------
    vault : pathlib.Path
        The folder.
    vault_id : str
        Of the vault.
    index : Index
        Open.
    keyring : Keyring
        Of the vault.
    ledger : Ledger
        Where it is noted.
    """

    def __init__(
        self, vault: Path, vault_id: str, index: Index, keyring: Keyring, ledger: Ledger
    ) -> None:
        self._vault = vault
        self._index, self._keyring, self._ledger = index, keyring, ledger
        self._anchor = Anchor(vault, vault_id)
        self._noticed: tuple[str, ...] = ()
        self._last: State | None = None
        self._trouble = ""

    @property
    def put_back(self) -> tuple[str, ...]:
        """What was noticed, in plain words with what to do; empty where all is well."""
        return _told(self._noticed)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was noticed, and that nothing could be noted on this computer."""
        return (*self.put_back, *((self._trouble,) if self._trouble else ()))

    @property
    def older_header(self) -> bool:
        """Whether users and passphrases are older than they were."""
        return "older vault.json" in self._noticed

    def look(self) -> None:
        """Compare, before the vault writes anything; what is noticed goes into the index."""
        # In this order: another program may be writing, and it writes the anchor last, the index
        # before that, and first the keyring and the header.
        seen = self._anchor.read()
        with self._index._use() as connection:
            now = read_state(connection)
            alarm = str(fact(connection, _ALARM) or "")
            noticed = _index_parts(connection, seen, now)
        self._keyring.load()
        known = [state for state in (seen, now) if state]
        if any(self._keyring.generation < state.keyring_generation for state in known):
            noticed.append("older keyring.bin")
        if any(header_revision(self._vault) < state.header_revision for state in known):
            noticed.append("older vault.json")
        before = [part for part in alarm.split(", ") if part in _PARTS]
        if "older index.db" in before:  # which new work may have made another one by now
            noticed = [part for part in noticed if part != "other index.db"]
        self._noticed = tuple(part for part in _PARTS if part in {*before, *noticed})
        if seen is None:
            self._ledger.wait("first seen", None, {"computer": platform.node()})
        if set(self._noticed) > set(before):
            self._ledger.wait("put back", None, {"what": ", ".join(self._noticed)})

    def before_commit(self, connection: apsw.Connection) -> None:
        """Keep in the index what was noticed: what is put back may be overtaken by new work."""
        if self._noticed and fact(connection, _ALARM) != ", ".join(self._noticed):
            set_fact(connection, _ALARM, ", ".join(self._noticed))

    def committed(self, state: State) -> None:
        """Let the anchor follow, unless something waits to be accepted."""
        self._last = state
        self._follow()

    def close(self) -> None:
        """Make the anchor last."""
        self._follow(durable=True)

    def rows_warning(self) -> tuple[str, ...]:
        """Read all rows, and return a warning if they are not all of the time of the last change.

        Raises
        ------
        VaultDamagedError
            If the index cannot be read to its end.
        """
        with self._index._use() as connection, connection:  # of one moment
            now = read_state(connection)
            if now is None or full_digest(connection) == now.digest:
                return ()
        return _told(("rows",))

    def accept(self) -> tuple[str, ...]:
        """Take the vault as it is; return what was accepted.

        Raises
        ------
        VaultError
            If the vault, or the anchor, cannot be written.
        """
        rows = ("rows",) if self.rows_warning() else ()
        accepted = (*self._noticed, *rows)
        noticed, self._noticed = self._noticed, ()
        try:
            with self._index._writing() as connection:
                self._ledger.enter(connection, "accept", what=", ".join(accepted))
                set_fact(connection, _ALARM, None)
                set_fact(connection, "keyring_generation", self._keyring.generation)
                set_fact(connection, "header_revision", header_revision(self._vault))
                self._index.rows.sum_anew()
        except BaseException:
            self._noticed = noticed
            raise
        state = self._index.state()
        assert state is not None
        try:
            self._anchor.follow(state, back=True, durable=True)
        except OSError as error:
            raise VaultError(
                self._vault, f"it is accepted, but this computer cannot note it: {error.strerror}"
            ) from error
        return accepted

    def _follow(self, *, durable: bool = False) -> None:
        if self._noticed or self._last is None:
            return
        try:
            self._anchor.follow(self._last, durable=durable)
            self._trouble = ""
        except OSError as error:
            self._trouble = (
                "This computer cannot note where the vault stands, and would not notice if it were "
                f"put back to an older state: {state_folder()}: {error.strerror}"
            )


def header_revision(vault: Path) -> int:
    """Return how often the header was rewritten."""
    return read_header(vault).revision


def _index_parts(connection: apsw.Connection, seen: State | None, now: State | None) -> list[str]:
    if seen is None:
        return []
    if now is None or now.generation < seen.generation:
        return ["older index.db"]
    if now.generation == seen.generation:
        same = (now.digest, now.seq, now.head) == (seen.digest, seen.seq, seen.head)
        return [] if same else ["other index.db"]
    head = connection.execute("SELECT hash FROM entry WHERE seq = ?", (seen.seq,)).get
    # A longer history that does not hold what was there is another one.
    return [] if not seen.head or head == bytes.fromhex(seen.head) else ["other index.db"]


def _told(parts: tuple[str, ...]) -> tuple[str, ...]:
    if not parts:
        return ()
    if {"older index.db", "older keyring.bin", "older vault.json"} <= set(parts):
        said = "the whole vault was put back to an older state"
    else:
        said = ", and ".join(_PARTS[part] for part in parts)
    if "older vault.json" in parts:
        said += _UNSURE
    return (f"{said[0].upper()}{said[1:]}. {_ADVICE}",)
