"""The log: what is in it, and that no entry goes, comes, moves or changes unnoticed."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.vault import NotAllowedError, Vault, VaultError, _audit, _index, _schema
from app.vault.audit_export import Verification, verify_file
from app.vault.roles import Role, Session
from tests.app.vault.samples import (
    MARKER,
    PASSPHRASE,
    make_pattern,
    make_recording,
    old_vault,
    store,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.app.vault.samples import Filled


def _places(found: Verification) -> set[int | None]:
    return {flaw.seq for flaw in found.flaws}


def test_what_is_done_is_noted(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        before = len(vault.log_entries())
        stored = store(vault, make_recording(9, 100))
        vault.keep_pattern(stored.id, make_pattern(make_recording(9, 100)))
        for _ in range(3):
            vault.report(stored.id)
            vault.waveform(stored.id).close()
            vault.envelope(stored.id)
        entries = vault.log_entries()[before:]
        assert [(entry.action, entry.recording_id) for entry in entries] == [
            ("add", stored.id),
            ("correct", stored.id),
            ("read", stored.id),
        ]
        assert entries[1].detail == {"corrections": 2}
        assert {(entry.user, entry.program) for entry in entries} == {("", "tracekeep")}
        assert [entry.seq for entry in entries] == list(range(before + 1, before + 4))
        assert all(entry.at.endswith("+00:00") for entry in entries)
        assert vault.log_entries(2) == entries[-2:]
    with Vault.open(path, PASSPHRASE, program="kiosk") as vault:
        (unlock,) = vault.log_entries(1)
        assert (unlock.action, unlock.user, unlock.program) == ("unlock", "owner", "kiosk")
        assert unlock.detail == {"by": "passphrase"}
        vault.report(stored.id)  # once a session
        assert vault.log_entries(1)[0].action == "read"
        assert MARKER not in json.dumps([entry.to_dict() for entry in vault.log_entries()])


def test_an_entry_is_there_with_its_change_or_neither_is(filled: Filled, tmp_path: Path) -> None:
    with filled.open(filled.copy(tmp_path)) as vault:
        entries = vault.log_entries()
        with pytest.raises(ValueError, match="the patient that it was learned on"):
            vault.keep_pattern(vault.recordings()[0].id, make_pattern(filled.recordings[0]))
        assert vault.log_entries() == entries


def test_each_session_and_each_hundred_entries_are_signed(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        for n in range(250):
            vault._log.add("x", None, n=n)
    with filled.open(path) as vault:
        log = vault._log.snapshot()
        assert [c.seq for c in log.checkpoints if c.seq % 100 == 0] == [100, 200]
        assert log.checkpoints[-1].seq == len(log.entries) - 1  # all but this session's
        found = vault.verify_log()
        assert (found.flaws, found.signed_up_to) == ((), log.checkpoints[-1].seq)


@contextmanager
def _full_disk() -> Iterator[None]:
    def full(*_: object) -> None:
        raise apsw.FullError("no space")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_schema, "migrate", full)
        yield


def test_what_cannot_be_noted_now_is_noted_later(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with _full_disk():
        vault = filled.open(path)
        vault.report(vault.recordings()[0].id)
        vault.report(vault.recordings()[1].id)
        (warning,) = vault.warnings
        assert "no space" in warning
        assert vault._log.waiting == 4
        assert "4 entries" in warning
        with pytest.raises(VaultError, match="no space"):
            vault.keep_pattern(vault.recordings()[1].id, None)
        assert vault._log.waiting == 4
    with vault:
        vault.keep_pattern(vault.recordings()[1].id, None)
        assert vault.warnings == ()
        assert [entry.action for entry in vault.log_entries(5)] == [
            "first seen", "unlock", "read", "read", "correct",
        ]  # fmt: skip
        assert vault.verify_log().flaws == ()


def test_a_vault_on_a_disk_that_can_only_be_read_is_read(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What SQLite says there is told by hand: a test cannot mount a disk everywhere."""
    path = filled.copy(tmp_path)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    connect, statvfs = _index._connect, os.statvfs

    def cannot_write(*arguments: Any, at_rest: bool = False) -> apsw.Connection:  # noqa: ANN401
        if not at_rest:
            raise apsw.CantOpenError("unable to open database file")
        return connect(*arguments, at_rest=True)

    monkeypatch.setattr(_index, "_connect", cannot_write)
    with pytest.raises(VaultError, match="read-only"):
        filled.open(path)
    monkeypatch.setattr(
        os, "statvfs", lambda place: os.statvfs_result((*statvfs(place)[:8], os.ST_RDONLY, 255))
    )
    with filled.open(path) as vault:
        first = vault.recordings()[0].id
        vault.report(first)
        vault.waveform(first).close()
        assert "read-only" in vault.warnings[0]
        assert "3 entries" in vault.warnings[0]
        assert vault.check(1.0).damages == ()
        with pytest.raises(VaultError, match="read-only"):
            vault.keep_pattern(first, None)
    assert before == {file: file.read_bytes() for file in before}
    (path / "index.db-wal").write_bytes(b"x")  # what is not in the index yet
    with pytest.raises(VaultError, match="read-only"):
        filled.open(path)


def test_reading_does_not_wait_for_a_program_that_keeps_writing(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_index, "_SOON_S", 0.05)
    path = filled.copy(tmp_path)
    with filled.open(path) as vault, filled.open(path) as other:
        with other._index._writing():
            begun = time.monotonic()
            vault.report(vault.recordings()[0].id)
            assert time.monotonic() - begun < 2
            assert "another program is writing" in vault.warnings[0]
        vault._log.add("x")
        assert [entry.action for entry in vault.log_entries(2)] == ["read", "x"]


def test_a_vault_of_version_1_has_a_log_without_signatures(tmp_path: Path) -> None:
    old = old_vault("vault-1", tmp_path)
    with old.open(old.path) as vault:  # the recovery key does not make it one of version 2
        found = vault.verify_log()
        assert found.entries == 2
        assert (found.flaws, found.signed_up_to) == ((), 0)
        with pytest.raises(VaultError, match="passphrase of its owner"):
            vault.export_log()
    with Vault.open(old.path, PASSPHRASE) as vault:
        list(vault.export_log())
    with old.open(old.path) as vault:
        assert vault.verify_log().signed_up_to == 5


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.TECHNICIAN])
def test_who_may_not_read_the_log_does_not(filled: Filled, tmp_path: Path, role: Role) -> None:
    with filled.open(filled.copy(tmp_path)) as vault:
        vault.session = Session("", "x", role, "test", by_recovery_key=False)
        for ask in (vault.log_entries, vault.verify_log, vault.export_log):
            with pytest.raises(NotAllowedError):
                ask()


_TO_6 = (
    "UPDATE entry SET seq = -seq WHERE seq > 5; UPDATE entry SET seq = 1 - seq WHERE seq < 0;"
    "INSERT INTO entry SELECT 6, at, user, program, action, recording_id, detail, hash "
    "FROM entry WHERE seq = 5"
)
_TO_0 = (
    "INSERT INTO entry SELECT 0, at, user, program, action, recording_id, detail, hash "
    "FROM entry WHERE seq = 5"
)
_CLOSE_UP = (
    "DELETE FROM entry WHERE seq = 5;"
    "UPDATE entry SET seq = -seq WHERE seq > 5; UPDATE entry SET seq = -seq - 1 WHERE seq < 0"
)
_SWAP = (
    "UPDATE entry SET seq = -1 WHERE seq = 5; UPDATE entry SET seq = 5 WHERE seq = 6;"
    "UPDATE entry SET seq = 6 WHERE seq = -1"
)


@pytest.mark.parametrize(
    ("attack", "place"),
    [
        ("DELETE FROM entry WHERE seq = 5", 5),
        ("DELETE FROM entry WHERE seq BETWEEN 4 AND 8", 4),
        (_CLOSE_UP, 5),
        ("DELETE FROM entry WHERE seq > 6", 9),
        ("DELETE FROM entry", 9),
        ("UPDATE entry SET user = 'somebody' WHERE seq = 5", 5),
        ("UPDATE entry SET at = '2031-01-01T00:00:00+00:00' WHERE seq = 5", 5),
        ("UPDATE entry SET recording_id = NULL WHERE seq = 5", 5),
        ("UPDATE entry SET detail = '{}' WHERE seq = 5", 5),
        ("UPDATE entry SET detail = '{' WHERE seq = 5", 5),
        ("UPDATE entry SET hash = zeroblob(32) WHERE seq = 5", 5),
        ("UPDATE entry SET hash = x'' WHERE seq = 5", 5),
        (_SWAP, 5),
        (_TO_0, 0),
        (_TO_6, 6),
        ("DELETE FROM checkpoint", None),
        ("UPDATE checkpoint SET signature = zeroblob(64)", 9),
        ("UPDATE checkpoint SET signature = x''", 9),
        ("UPDATE checkpoint SET head = zeroblob(32)", 9),
        ("UPDATE checkpoint SET at = '2031-01-01T00:00:00+00:00'", 9),
    ],
)
def test_each_attack_on_the_table_is_shown_with_its_place(
    tmp_path: Path, filled: Filled, attack: str, place: int | None
) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        with vault._index._writing() as connection:  # begin anew, as one who has the keys could
            connection.execute("DELETE FROM entry; DELETE FROM checkpoint")
        for n in range(9):
            vault._log.add("x", f"{n:032x}", n=n)
    with filled.open(path) as vault:
        assert _places(vault.verify_log()) == set()
        with vault._index._use() as connection:
            connection.execute(attack)
        found = vault.verify_log()
        assert None in _places(found)  # the sum over all rows
        assert place in _places(found)
        assert place == min((seq for seq in _places(found) if seq is not None), default=None)
        vault.log_entries()
        assert vault.recordings()


def test_a_table_that_holds_no_text_is_damage_and_no_trace(filled: Filled, tmp_path: Path) -> None:
    with filled.open(filled.copy(tmp_path)) as vault:
        with vault._index._use() as connection:
            connection.execute("UPDATE entry SET user = CAST(x'ff00' AS TEXT)")
        for ask in (vault.log_entries, vault.verify_log):
            with pytest.raises(VaultError, match="damaged"):
                ask()
        vault.report(vault.recordings()[0].id)


@pytest.fixture(scope="module")
def exported(filled: Filled, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], str]:
    """The lines of an exported log of some 110 entries, and the public key."""
    with filled.open(filled.copy(tmp_path_factory.mktemp("exported"))) as vault:
        for n in range(100):
            vault._log.add("x", f"{n:032x}", n=n)
        lines = list(vault.export_log())
        public = vault._header.audit
    assert public
    return lines, public.public.hex()


def test_an_exported_log_is_verified_without_the_vault(exported: tuple[list[str], str]) -> None:
    lines, key = exported
    found = verify_file(lines, key)
    assert found.flaws == ()
    assert found.checkpoints >= 2
    assert found.signed_up_to == found.entries > 100
    assert MARKER not in "".join(lines)


def test_any_line_taken_out_doubled_or_moved_is_shown(exported: tuple[list[str], str]) -> None:
    lines, key = exported
    entries = [number for number, line in enumerate(lines) if "action" in json.loads(line)]
    for number, line in enumerate(lines[1:], 1):
        without = lines[:number] + lines[number + 1 :]
        is_checkpoint = "checkpoint" in json.loads(line)
        # A signature less says less, and nothing wrong: what is signed is signed at the end.
        assert bool(verify_file(without, key).flaws) is not is_checkpoint
        doubled = [*lines[:number], line, *lines[number:]]
        assert bool(verify_file(doubled, key).flaws) is not is_checkpoint
        if number in entries[:-1] and number + 1 in entries:
            moved = [*lines[:number], lines[number + 1], line, *lines[number + 2 :]]
            found = verify_file(moved, key)
            assert json.loads(line)["seq"] in _places(found)


def test_a_file_cut_anywhere_is_shown(exported: tuple[list[str], str]) -> None:
    lines, key = exported
    for end in range(1, len(lines)):
        found = verify_file(lines[:end], key)
        assert "its end is missing" in found.flaws[-1].problem
        assert f"after entry {found.entries}" in found.flaws[-1].problem


@given(data=st.data())
def test_any_changed_character_is_shown(
    exported: tuple[list[str], str], data: st.DataObject
) -> None:
    lines, key = list(exported[0]), exported[1]
    number = data.draw(st.integers(0, len(lines) - 1))
    line = lines[number]
    place = data.draw(st.integers(0, len(line) - 2))
    letter = data.draw(st.sampled_from('0a1b"{}, xA'))
    lines[number] = line[:place] + letter + line[place + 1 :]
    try:
        same = json.loads(lines[number]) == json.loads(line)
    except ValueError:
        same = False
    try:
        assert bool(verify_file(lines, key).flaws) is not same
    except ValueError as error:
        assert number == 0
        assert "not the exported log" in str(error)  # noqa: PT017


def test_who_has_no_key_of_the_vault_cannot_write_a_log(
    exported: tuple[list[str], str], tmp_path: Path
) -> None:
    """The file holds what chains the entries: it is the signatures that cannot be made."""
    lines, key = exported
    other, _ = Vault.create(tmp_path / "other", PASSPHRASE)
    with other:
        forged = list(other.export_log())
        theirs = other._header.audit
    assert theirs
    assert verify_file(forged, theirs.public.hex()).flaws == ()
    assert "another public key" in verify_file(forged, key).flaws[0].problem
    begun = json.loads(forged[0])
    forged[0] = json.dumps({**begun, "public_key": key})
    found = verify_file(forged, key)
    assert found.signed_up_to == 0
    assert "not signed by the key of this vault" in found.flaws[0].problem

    # The last entries taken out, and the chain made to fit.
    first = json.loads(lines[0])
    kept = [json.loads(line) for line in lines[1:20]]
    end = json.loads(lines[-1])["end"]
    cut = {**end, "seq": kept[-1]["seq"], "head": kept[-1]["hash"]}
    forged = [json.dumps(line) for line in (first, *kept, {"end": cut})]
    assert "not signed" in verify_file(forged, key).flaws[0].problem

    # An entry changed, and all after it chained anew.
    chain, head = bytes.fromhex(first["chain_key"]), ""
    head = _audit.genesis(chain, first["vault_id"])
    forged = [lines[0]]
    for line in lines[1:]:
        values = json.loads(line)
        if "action" in values:
            values["user"] = "somebody" if values["seq"] == 5 else values["user"]
            head = values["hash"] = _audit.Entry(**values).chained(chain, head)
        forged.append(json.dumps(values))
    found = verify_file(forged, key)
    assert found.signed_up_to < 5
    assert "made for another entry" in found.flaws[0].problem


def test_a_file_of_anything_is_no_exported_log(exported: tuple[list[str], str]) -> None:
    lines, key = exported
    for first in ("", "{}", "[]", "x", "[" * 100_000, '{"format": 1}'):
        with pytest.raises(ValueError, match="not the exported log"):
            verify_file([first, *lines[1:]], key)
    for wrong in ("", "xyz", "00" * 31):
        with pytest.raises(ValueError, match="64 hexadecimal digits"):
            verify_file(lines, wrong)
    for line in (
        "",
        "[]",
        "x",
        "[" * 100_000,
        "{}",
        '{"end": 5}',
        '{"checkpoint": {}}',
        "9" * 10**7,
    ):
        assert verify_file([*lines[:3], line, *lines[3:]], key).flaws
    assert "added after the end" in verify_file([*lines, "x"], key).flaws[0].problem


def test_an_entry_costs_less_than_a_millisecond_beside_its_commit(
    filled: Filled, tmp_path: Path
) -> None:
    with filled.open(filled.copy(tmp_path)) as vault:
        times = []
        with vault._index._writing() as connection:
            for n in range(300):
                begun = time.perf_counter()
                vault._index._log.enter(connection, "x", f"{n:032x}", n=n)
                times.append(time.perf_counter() - begun)
    assert sorted(times)[len(times) // 2] < 1e-3
