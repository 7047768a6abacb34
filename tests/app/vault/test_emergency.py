"""Breaking the glass: one patient, four hours, noted and reviewed; and nothing beyond."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.vault import (
    NotAllowedError,
    TooManyGuessesError,
    UnknownRecordingError,
    Vault,
    VaultError,
    VaultLockedError,
    _emergency,
)
from app.vault._people import People
from app.vault._throttle import FREE
from app.vault.roles import Role, Session
from tests.app.vault.samples import MARKER, PASSPHRASE, make_recording, store

if TYPE_CHECKING:
    from tests.app.vault.samples import Filled

_START = datetime(2031, 5, 17, 8, 30, tzinfo=UTC)
_WORDS = "the passphrase of Tom"


class _Clock:
    def __init__(self) -> None:
        self.now = _START

    def __call__(self) -> datetime:
        return self.now


def _session(user: str, role: Role, *, must_change: bool = False) -> Session:
    return Session(user, user, role, "test", by_recovery_key=False, must_change=must_change)


def _authenticate(people: People, passphrase: str) -> None:
    vault = people._vault
    if passphrase != f"the passphrase of {vault.session.user}":
        raise VaultLockedError(vault.path, "the passphrase is wrong")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(_emergency, "_now", clock)
    monkeypatch.setattr(People, "authenticate", _authenticate)
    return clock


def _technician(filled: Filled, tmp_path: Path) -> tuple[Vault, list[str]]:
    """Return a vault that a technician has open, and its recordings, one each of two patients."""
    vault = filled.open(filled.copy(tmp_path))
    ids = [one.id for one in reversed(vault.recordings())]
    vault.session = _session("Tom", Role.TECHNICIAN)
    return vault, ids


def test_one_patient_can_be_read_for_four_hours_and_no_other(
    filled: Filled, tmp_path: Path, clock: _Clock
) -> None:
    vault, (first, second) = _technician(filled, tmp_path)
    with vault:
        for ask in (vault.recordings, lambda: vault.report(first), lambda: vault.recording(first)):
            with pytest.raises(NotAllowedError):
                ask()
        opened = vault.emergencies.open(first[:8], "asystole on the monitor", _WORDS)
        assert opened.until == (_START + timedelta(hours=4)).isoformat()
        assert vault.emergencies.current() == (opened,)
        assert [one.id for one in vault.recordings()] == [first]
        assert vault.report(first).subject.name == "record-1"
        vault.waveform(first).close()
        vault.envelope(first)
        vault.pattern_of(first)
        for read in (vault.report, vault.waveform, vault.envelope, vault.pattern_of):
            with pytest.raises(NotAllowedError, match="another patient"):
                read(second)
        for forbidden in (
            lambda: vault.erase(first, whole_patient=True),
            lambda: vault.keep_pattern(first, None),
            lambda: vault.check(),
            vault.log_entries,
            vault.emergencies.all,
        ):
            with pytest.raises(NotAllowedError):
                forbidden()
        clock.now += timedelta(hours=4, seconds=-1)
        vault.report(first)
        clock.now += timedelta(seconds=1)
        with pytest.raises(NotAllowedError):
            vault.report(first)
        assert vault.emergencies.current() == ()
        clock.now = _START - timedelta(seconds=1)  # a clock put back does not make it longer
        with pytest.raises(NotAllowedError):
            vault.report(first)


def test_it_is_flagged_in_the_log_without_saying_who_the_patient_is(
    filled: Filled, tmp_path: Path, clock: _Clock
) -> None:
    vault, (first, _) = _technician(filled, tmp_path)
    with vault:
        opened = vault.emergencies.open(first, f"{MARKER} has fainted", _WORDS)
        vault.report(first)
        vault.report(first)
        vault.session = _session("Ada", Role.ADMINISTRATOR)
        vault.emergencies.review(opened.id[:6], "right so")
        made, read, reviewed = vault.log_entries(3)
    assert (made.action, made.detail["emergency"]) == ("emergency", opened.id)
    assert made.detail["until"] == opened.until
    assert (read.action, read.recording_id) == ("read", first)
    assert read.detail == {"emergency": opened.id}
    assert (reviewed.action, reviewed.detail) == ("emergency reviewed", {"emergency": opened.id})
    assert MARKER not in json.dumps([made.to_dict(), read.to_dict(), reviewed.to_dict()])
    assert clock.now == _START


def test_it_outlives_the_session_and_is_the_users_own(
    filled: Filled, tmp_path: Path, clock: _Clock
) -> None:
    vault, (first, _) = _technician(filled, tmp_path)
    with vault:
        vault.emergencies.open(first, "why", _WORDS)
    with filled.open(vault.path) as vault:
        vault.session = _session("Tom", Role.TECHNICIAN)
        vault.report(first)
        for other in (
            _session("Tim", Role.TECHNICIAN),
            _session("Tom", Role.TECHNICIAN, must_change=True),
        ):
            vault.session = other
            with pytest.raises(NotAllowedError):
                vault.report(first)
    assert clock.now == _START


@pytest.mark.parametrize("said", ["code-1", " code-1 "])
def test_the_patient_can_be_named_by_code(
    filled: Filled, tmp_path: Path, clock: _Clock, said: str
) -> None:
    vault, (first, _) = _technician(filled, tmp_path)
    with vault:
        vault.emergencies.open(said, "why", _WORDS)
        assert [one.id for one in vault.recordings()] == [first]
    assert clock.now == _START


@pytest.mark.parametrize("said", ["", "code", "code-3", MARKER, "%", "zz", "0" * 32])
def test_who_is_meant_must_be_plain(
    filled: Filled, tmp_path: Path, clock: _Clock, said: str
) -> None:
    vault, _ = _technician(filled, tmp_path)
    with vault:
        with pytest.raises(UnknownRecordingError) as caught:
            vault.emergencies.open(said, "why", _WORDS)
        assert MARKER not in str(caught.value)
        assert vault.emergencies.current() == ()
    assert clock.now == _START


def test_without_reason_passphrase_role_or_need_nothing_opens(
    filled: Filled, tmp_path: Path, clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, (first, _) = _technician(filled, tmp_path)
    with vault:
        for reason in ("", "  ", "x" * 1001):
            with pytest.raises(VaultError, match="needs a reason"):
                vault.emergencies.open(first, reason, _WORDS)
        with pytest.raises(VaultLockedError):
            vault.emergencies.open(first, "why", "the passphrase of Tim")
        vault.session = _session("Aud", Role.AUDITOR)
        with pytest.raises(NotAllowedError):
            vault.emergencies.open(first, "why", "the passphrase of Aud")
        for role in (Role.CLINICIAN, Role.ADMINISTRATOR):
            vault.session = _session("Cla", role)
            with pytest.raises(VaultError, match="may read it all anyway"):
                vault.emergencies.open(first, "why", "the passphrase of Cla")
        vault.session = _session("Tom", Role.TECHNICIAN)
        # It is noted before anything can be read, or not at all.
        monkeypatch.setattr(vault._index._log, "enter", _fails)
        with pytest.raises(VaultError, match="no space"):
            vault.emergencies.open(first, "why", _WORDS)
        with pytest.raises(NotAllowedError):
            vault.report(first)
    assert clock.now == _START


def _fails(*_: object, **__: object) -> None:
    raise VaultError("x", "no space")


def test_the_real_passphrase_is_asked_for(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with Vault.open(path, PASSPHRASE) as vault:
        vault.session = replace(vault.session, role=Role.TECHNICIAN)
        first = vault._index.recordings()[0].id
        with pytest.raises(VaultLockedError):
            vault.emergencies.open(first, "why", "not the passphrase")
        vault.emergencies.open(first, "why", PASSPHRASE)
        vault.report(first)


def test_an_erased_patient_is_in_no_reason(filled: Filled, tmp_path: Path, clock: _Clock) -> None:
    vault, (first, _) = _technician(filled, tmp_path)
    with vault:
        vault.emergencies.open(first, f"{MARKER} has fainted", _WORDS)
        vault.session = _session("Ada", Role.ADMINISTRATOR)
        vault.erase(first, whole_patient=True)
        (one,) = vault.emergencies.all()
        assert (one.reason, one.user, one.remark) == ("", "Tom", None)
        vault.emergencies.review(one.id, "")
        assert vault.check().warnings == ()
    assert clock.now == _START


def test_a_search_finds_the_patients_recordings_whatever_others_have(
    filled: Filled, tmp_path: Path, clock: _Clock
) -> None:
    vault, (first, second) = _technician(filled, tmp_path)
    with vault:
        vault.emergencies.open(first, "why", _WORDS)
        for most in (1, 50):  # the other's is newer, and has the word as well
            assert [one.id for one in vault.search("record", most)] == [first]
        assert vault.search("record", 0) == []
        vault.emergencies.open(second, "why", _WORDS)
        assert [one.id for one in vault.search("record", 1)] == [second]
        assert len(vault.search("record", 2)) == 2
        clock.now += timedelta(hours=5)
        with pytest.raises(NotAllowedError):
            vault.search("record")


def test_to_try_names_is_slowed_and_in_the_log_without_them(
    filled: Filled, tmp_path: Path, clock: _Clock
) -> None:
    vault, (first, _) = _technician(filled, tmp_path)
    with vault:
        for n in range(FREE):
            with pytest.raises(UnknownRecordingError):
                vault.emergencies.open(f"Nobody {n}", "why", _WORDS)
        with pytest.raises(TooManyGuessesError):
            vault.emergencies.open(first, "why", _WORDS)  # the right one tells nothing either
        vault.session = _session("Ada", Role.ADMINISTRATOR)
        told = vault.log_entries(FREE)
        assert [one.action for one in told] == ["emergency refused"] * FREE
        assert "Nobody" not in json.dumps([one.to_dict() for one in told])
        vault.session = _session("Tim", Role.TECHNICIAN)  # another is not slowed
        with pytest.raises(UnknownRecordingError):
            vault.emergencies.open("Nobody", "why", "the passphrase of Tim")
        for _ in range(2 * FREE):  # to name one who is there makes up for it
            vault.emergencies.open(first, "why", "the passphrase of Tim")
    assert clock.now == _START


class _Machine(RuleBasedStateMachine):
    """Users, emergencies and the clock, against a plain model."""

    filled: Filled

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.vault = self.filled.open(self.filled.copy(Path(self.folder.name)))
        stored = {one.name: one.id for one in self.vault.recordings()}
        third = make_recording(3, 100)
        third.patient = self.filled.recordings[0].patient  # the same one as of the first
        self.patients = {
            stored["record-1"]: 1,
            stored["record-2"]: 2,
            store(self.vault, third).id: 1,
        }
        self.clock = _Clock()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(_emergency, "_now", self.clock)
        self.patch.setattr(People, "authenticate", _authenticate)
        self.opened: dict[str, tuple[str, int, datetime]] = {}
        self.reviewed: set[str] = set()
        self.entries = len(self.vault.log_entries())

    def teardown(self) -> None:
        if hasattr(self, "vault"):
            self.patch.undo()
            self.vault.close()
            self.folder.cleanup()

    def _is(self, user: str, role: Role) -> None:
        self.vault.session = _session(user, role)

    @rule(user=st.sampled_from(["Tom", "Tim"]), which=st.integers(0, 2), right=st.booleans())
    def open(self, user: str, which: int, *, right: bool) -> None:
        self._is(user, Role.TECHNICIAN)
        recording = sorted(self.patients)[which]
        words = f"the passphrase of {user}" if right else "wrong"
        try:
            opened = self.vault.emergencies.open(recording, "why", words)
        except VaultLockedError:
            assert not right
        else:
            assert right
            until = self.clock.now + timedelta(hours=4)
            self.opened[opened.id] = (user, self.patients[recording], until)

    @rule(minutes=st.integers(1, 300))
    def wait(self, minutes: int) -> None:
        self.clock.now += timedelta(minutes=minutes)

    @rule(reviewer=st.sampled_from(["Ada", "Tom"]), which=st.integers(0, 9))
    @precondition(lambda self: self.opened)
    def review(self, reviewer: str, which: int) -> None:
        self._is(reviewer, Role.ADMINISTRATOR)  # Tom was made one meanwhile
        id_ = list(self.opened)[which % len(self.opened)]
        may = id_ not in self.reviewed and self.opened[id_][0] != reviewer
        try:
            done = self.vault.emergencies.review(id_, "seen")
        except VaultError:
            assert not may
        else:
            assert may
            assert (done.reviewed_by, done.remark) == (reviewer, "seen")
            self.reviewed.add(id_)

    @invariant()
    def each_reads_what_is_open_and_no_more(self) -> None:
        if not hasattr(self, "vault"):
            return
        for user in ("Tom", "Tim"):
            self._is(user, Role.TECHNICIAN)
            readable = {
                patient
                for id_, (by, patient, until) in self.opened.items()
                if by == user and id_ not in self.reviewed and self.clock.now < until
            }
            for recording, patient in self.patients.items():
                try:
                    self.vault.recording(recording)
                except NotAllowedError:
                    assert patient not in readable
                else:
                    assert patient in readable

    @invariant()
    def the_queue_holds_what_nobody_reviewed(self) -> None:
        if not hasattr(self, "vault"):
            return
        self._is("Ada", Role.ADMINISTRATOR)
        every = self.vault.emergencies.all()
        assert {one.id for one in every if one.reviewed_at is None} == (
            set(self.opened) - self.reviewed
        )
        done = [one.reviewed_at is not None for one in every]
        assert done == sorted(done)
        told = len(self.opened) + len(self.reviewed)
        assert len(self.vault.log_entries()) == self.entries + told


def test_any_course_of_events_lets_nobody_read_more(filled: Filled) -> None:
    machine = type("Machine", (_Machine,), {"filled": filled})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=15, stateful_step_count=15, deadline=None)
    )
