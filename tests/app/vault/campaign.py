"""What a day with a vault does, what must be there after each step, and the count of attacks."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.vault import Role, Vault, VaultLockedError, _people, restore
from app.vault.dropbox import seal
from tests.app.vault.samples import assert_whole, make_pattern, make_recording, make_report, store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from app.vault._keys import Stretching
    from tests.app.vault.samples import Filled

N = 500  # samples of a recording: the attacks are on the vault, not on its size
_NEW_KEY = "12YV2JZE-7QMM12MZ-NHN6ESXP-WNXNPC0J-BWB4AZVW-2KY2ZDCF-RCC3MX1B-0FJG5T10"


@dataclass
class Tally:
    """How an attack went, told at the end in one line of a table.

    Parameters
    ----------
    name : str
        Of the attack.
    injected : int
        How often it struck.
    noticed : int
        How often a user was told something.
    failures : list of str
        What was lost, or not noticed.
    """

    name: str
    injected: int = 0
    noticed: int = 0
    failures: list[str] = field(default_factory=list)

    def judge(self, what: str, check: Callable[[], object]) -> None:
        """Count an attack, and what it broke."""
        self.injected += 1
        try:
            check()
        except Exception as error:  # noqa: BLE001 (whatever it is, it is counted and told)
            words = str(error).strip().splitlines() or [""]
            self.failures.append(f"{what}: {type(error).__name__}: {words[0]}")


@dataclass(frozen=True)
class Wanted:
    """What a vault must hold: recordings by name, whose pattern there is, who may open it."""

    recordings: Mapping[str, int]
    patterns: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset({"owner"})
    entries: tuple[str, ...] = ()
    backed_up: frozenset[str] = frozenset()
    inbox: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Moment:
    """What has been acknowledged, and what may come of the step that is under way."""

    before: Wanted
    after: Wanted
    step: str


@pytest.fixture
def cheap_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have passphrases cost nothing: each that is set has a salt of its own."""
    monkeypatch.setattr(_people, "stretch", no_stretch)


def no_stretch(passphrase: str, salt: bytes, _cost: Stretching) -> bytes:
    return hashlib.sha256(salt + passphrase.encode()).digest()


@pytest.fixture
def quick_place(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory, where there is one: an attack waits for no disk."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tracekeep-") as place:
        yield Path(place)


class Day:
    """A day with a vault: every kind of change, each acknowledged when it returns.

    Parameters
    ----------
    filled : Filled
        Where the copy that is worked with comes from.
    path, backup : pathlib.Path
        The copy, and where its backup goes.
    told : callable
        Told of each :class:`Moment` when it begins, and at the end.
    checkpoint_pages : int
        When SQLite empties its log; so early that it happens in the middle of the day.
    """

    def __init__(
        self,
        filled: Filled,
        path: Path,
        backup: Path,
        told: Callable[[Moment], None],
        checkpoint_pages: int = 1000,
    ) -> None:
        self._filled, self._path, self._backup = filled, path, backup
        self._told = told
        self._pages = checkpoint_pages
        self._key = filled.recovery_key
        self._wanted = Wanted({r.name: n for n, r in enumerate(filled.recordings, 1)})
        self._vault: Vault | None = None

    @property
    def wanted(self) -> Wanted:
        return self._wanted

    def _step(self, name: str, work: Callable[[Vault], object], after: Wanted) -> None:
        self._told(Moment(self._wanted, after, name))
        assert self._vault
        work(self._vault)
        entries = tuple(entry.hash for entry in self._vault._log.entries())
        self._wanted = replace(after, entries=entries)
        self._told(Moment(self._wanted, self._wanted, ""))

    def _with(self, name: str, seed: int) -> Wanted:
        return replace(self._wanted, recordings={**self._wanted.recordings, name: seed})

    def _without(self, name: str) -> Wanted:
        rest = {n: seed for n, seed in self._wanted.recordings.items() if n != name}
        return replace(self._wanted, recordings=rest, patterns=self._wanted.patterns - {name})

    def _add(self, seed: int) -> None:
        recording = make_recording(seed, N)
        self._step(
            f"add {seed}", lambda vault: store(vault, recording), self._with(recording.name, seed)
        )

    def _learn(self, name: str, seed: int) -> None:
        pattern = make_pattern(make_recording(seed, N))
        after = replace(self._wanted, patterns=self._wanted.patterns | {name})
        self._step(
            f"learn {name}", lambda vault: vault.keep_pattern(id_of(vault, name), pattern), after
        )

    def _erase(self, name: str) -> None:
        after = self._without(name)
        self._step(
            f"erase {name}",
            lambda vault: vault.erase(id_of(vault, name), whole_patient=True),
            after,
        )

    def _user(self, name: str, *, there: bool) -> None:
        users = self._wanted.users | {name} if there else self._wanted.users - {name}

        def change(vault: Vault) -> None:
            if there:
                vault.people.add(name, Role.CLINICIAN, "nine fleas on a dog")
            else:
                vault.people.remove(name)

        self._step(f"user {name}", change, replace(self._wanted, users=users))

    def _back_up(self) -> None:
        after = replace(self._wanted, backed_up=frozenset(self._wanted.recordings))
        self._step("backup", lambda vault: vault.back_up(self._backup), after)

    def _seal(self, seed: int) -> None:
        recording = make_recording(seed, N)
        after = replace(self._wanted, inbox=self._wanted.inbox | {seed})
        self._step(
            "seal",
            lambda vault: seal(
                vault.path / "inbox", vault.inbox_address, recording, make_report(recording)
            ),
            after,
        )

    def _take_in(self) -> None:
        (seed,) = self._wanted.inbox
        after = replace(self._with(f"record-{seed}", seed), inbox=frozenset())
        self._step("take in", lambda vault: vault.take_in_inbox(), after)

    def _open(self) -> None:
        self._vault = Vault.open_with_recovery_key(self._path, self._key)
        self._vault._index._connection.wal_autocheckpoint(self._pages)

    def close(self) -> None:
        """Close the vault, whatever is broken."""
        if self._vault:
            self._vault.close()
            self._vault = None

    def live(self, *, rotate: bool = True) -> None:
        """Do all of it."""
        self._open()
        self._add(7)
        self._learn("record-1", 1)
        self._user("Zoë", there=True)
        self._back_up()
        self._add(8)
        self.close()
        self._open()
        self._seal(9)
        self._erase("record-7")
        self._take_in()
        self._user("Zoë", there=False)
        self._back_up()
        if rotate:
            self._step("rotate", lambda vault: vault.rotate(_NEW_KEY), self._wanted)
            self._key = _NEW_KEY
            self._add(10)
        self._erase("record-1")
        self.close()


def id_of(vault: Vault, name: str) -> str:
    return next(one.id for one in vault.recordings() if one.name == name)


def opened(filled: Filled, path: Path) -> Vault:
    """Open what an attack left, by the old recovery key or the new one."""
    try:
        return filled.open(path)
    except VaultLockedError:
        return Vault.open_with_recovery_key(path, _NEW_KEY)


def assert_day_survived(filled: Filled, path: Path, backup: Path, moment: Moment) -> None:
    """Assert that what was acknowledged is there and whole, and nothing is half there."""
    before, after = moment.before, moment.after
    with opened(filled, path) as vault:
        assert vault._watch.warnings == (), "a false alarm"
        # A file that was not sealed to its end is told.
        left = [one for one in vault.warnings if "an address of it that was replaced" not in one]
        assert left == [] or moment.step == "seal", left
        stored = {one.name: one for one in vault.recordings()}
        surely = set(before.recordings) & set(after.recordings)
        perhaps = set(before.recordings) | set(after.recordings)
        # What lies in the inbox is taken in by opening.
        perhaps |= {f"record-{seed}" for seed in before.inbox | after.inbox}
        surely |= {f"record-{seed}" for seed in before.inbox}
        assert surely <= set(stored), f"lost: {surely - set(stored)}"
        assert set(stored) <= perhaps, f"back again: {set(stored) - perhaps}"
        for name, one in stored.items():
            assert_whole(vault, one, make_recording(int(name.removeprefix("record-")), N))
            kept = vault.pattern_of(one.id)
            wanted = {name in before.patterns, name in after.patterns}
            assert (kept is not None) in wanted, f"pattern of {name}"
        users = {user.user for user in vault.people.users()}
        assert users in ({*before.users}, {*after.users}), f"users {users}"
        result = vault.check(1.0)
        assert (result.damages, result.warnings) == ((), ())
        hashes = [entry.hash for entry in vault.log_entries()]
        assert tuple(hashes[: len(before.entries)]) == before.entries, "the log lost entries"
        assert vault.verify_log().flaws == ()
        assert len(list(path.glob("blobs/*/*"))) == 3 * len(stored), "files of nobody"
        assert list(path.glob("pending/*")) == []
        assert set(vault._keyring.load()) == {one.id for one in stored.values()}
    _assert_backed_up(filled, backup, moment)
    if backup.exists():
        with opened(filled, path) as vault:  # and the next backup goes through
            vault.back_up(backup)
            assert vault.check(1.0).damages == ()


def _assert_backed_up(filled: Filled, backup: Path, moment: Moment) -> None:
    held = [wanted.backed_up for wanted in (moment.before, moment.after)]
    if not held[0]:
        return
    to = backup.with_name("restored.vault")
    restored = restore(
        backup, to, lambda path: Vault.open_with_recovery_key(path, filled.recovery_key)
    )
    with filled.open(to) as vault:
        assert {frozenset(one.name for one in vault.recordings())} <= set(held)
        assert vault.check(1.0).damages == ()
    assert restored
