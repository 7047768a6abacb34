"""What was learned about a patient: kept for that patient alone, lost or misread by no accident."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest

from app.vault import Vault, VaultDamagedError, VaultTooNewError, _schema
from ml.personal import PersonalPattern
from signals.recording import Patient
from tests.app.vault.samples import (
    MARKER,
    PASSPHRASE,
    assert_whole,
    make_pattern,
    make_recording,
    old_vault,
    store,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.vault.samples import Filled


def _version(vault: Vault) -> int:
    with vault._index._use() as connection:
        return _schema.version(connection)


def _count(vault: Vault, table: str) -> int:
    with vault._index._use() as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").get)


def test_a_pattern_is_read_back_until_it_is_deleted(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        second, first = vault.recordings()
        assert vault.pattern_of(first.id) is None
        vault.keep_pattern(first.id[:6], make_pattern(filled.recordings[0]))
    with filled.open(path) as vault:
        assert vault.pattern_of(first.id[:6]) == make_pattern(filled.recordings[0])
        assert vault.pattern_of(second.id) is None
        assert vault.check(1.0).damages == ()
        for nothing in (None, PersonalPattern("ab" * 32), None):
            vault.keep_pattern(first.id, nothing)
            assert vault.pattern_of(first.id) is None
            assert _count(vault, "pattern") == 0
            vault.keep_pattern(first.id, make_pattern(filled.recordings[0]))


def test_a_pattern_is_replaced_only_where_it_is_the_one_expected(
    filled: Filled, tmp_path: Path
) -> None:
    path = filled.copy(tmp_path)
    whole = make_pattern(filled.recordings[0])
    part = whole.without([whole.corrections[0]])
    with filled.open(path) as one, filled.open(path) as other:
        first = one.recordings()[1].id
        assert one.replace_pattern(first, None, part)
        assert not other.replace_pattern(first, None, whole)
        assert other.pattern_of(first) == part
        assert other.replace_pattern(first, part, whole)
        assert not one.replace_pattern(first, part, None)
        assert one.pattern_of(first) == whole


def _stored_of(vault: Vault, *patients: Patient) -> list[tuple[str, PersonalPattern]]:
    """Store a recording of each; return its id and a pattern that was learned on it."""
    stored = []
    for seed, patient in enumerate(patients):
        recording = make_recording(seed, 100)
        recording.patient = patient
        stored.append((store(vault, recording).id, make_pattern(recording)))
    return stored


@pytest.mark.parametrize(
    "patient",
    [
        Patient(),
        Patient(name="Ann Lee"),
        Patient(birth_date="1950-01-02", sex="F"),
        Patient(name="Anonymous", code="anonymous"),
        Patient(code="0000"),
        Patient(code="-", remarks="Holter"),
    ],
)
def test_patients_who_may_be_two_share_nothing(tmp_path: Path, patient: Patient) -> None:
    vault, _ = Vault.create(tmp_path / "v", PASSPHRASE)
    with vault:
        (one, of_one), (other, of_other) = _stored_of(vault, patient, patient)
        vault.keep_pattern(one, of_one)
        assert vault.pattern_of(other) is None
        with pytest.raises(ValueError, match="the patient that it was learned on"):
            vault.keep_pattern(other, of_one)
        assert vault.pattern_of(other) is None
        vault.keep_pattern(other, of_other)
        vault.keep_pattern(one, None)
        assert vault.pattern_of(other) == of_other


@pytest.mark.parametrize(
    "patient",
    [Patient(code="MCH-0234567"), Patient(name="Ann Lee", birth_date="1950-01-02")],
)
def test_a_known_patient_has_one_pattern(tmp_path: Path, patient: Patient) -> None:
    vault, _ = Vault.create(tmp_path / "v", PASSPHRASE)
    with vault:
        (one, of_one), (other, _) = _stored_of(vault, patient, patient)
        vault.keep_pattern(one, of_one)
        assert vault.pattern_of(other) == of_one
        vault.keep_pattern(other, None)
        assert vault.pattern_of(one) is None


@pytest.mark.parametrize("text", ["''", "'{}'", "CAST(x'ff00' AS TEXT)", "substr(text, 1, 900)"])
def test_a_damaged_pattern_costs_nothing_else(filled: Filled, tmp_path: Path, text: str) -> None:
    pattern = make_pattern(filled.recordings[0])
    with filled.open(filled.copy(tmp_path)) as vault:
        second, first = vault.recordings()
        vault.keep_pattern(first.id, pattern)
        vault.keep_pattern(second.id, make_pattern(filled.recordings[1]))
        with vault._index._use() as connection:
            connection.execute(
                f"UPDATE pattern SET text = {text} WHERE patient_id = "
                "(SELECT patient_id FROM recording WHERE id = ?)",
                (first.id,),
            )
        with pytest.raises(VaultDamagedError, match="learned about the patient is") as caught:
            vault.pattern_of(first.id)
        assert MARKER not in str(caught.value)
        (damage,) = vault.check(1.0).damages
        assert (damage.what, damage.recording_id) == ("index.db", first.id)
        assert_whole(vault, first, filled.recordings[0])
        assert vault.pattern_of(second.id) == make_pattern(filled.recordings[1])
        vault.keep_pattern(first.id, pattern)
        assert vault.pattern_of(first.id) == pattern
        assert vault.check(1.0).damages == ()


def test_a_pattern_in_the_wrong_place_is_refused(filled: Filled, tmp_path: Path) -> None:
    with filled.open(filled.copy(tmp_path)) as vault:
        second, first = vault.recordings()
        vault.keep_pattern(first.id, make_pattern(filled.recordings[0]))
        with vault._index._use() as connection:
            connection.execute(
                "UPDATE pattern SET patient_id = (SELECT patient_id FROM recording WHERE id = ?)",
                (second.id,),
            )
        with pytest.raises(VaultDamagedError, match="of somebody else"):
            vault.pattern_of(second.id)
        (damage,) = vault.check().damages
        assert damage.recording_id == second.id


def test_a_lost_table_costs_nothing_else(filled: Filled, tmp_path: Path) -> None:
    with filled.open(filled.copy(tmp_path)) as vault:
        with vault._index._use() as connection:
            connection.execute("DROP TABLE pattern")
        for one, original in zip(reversed(vault.recordings()), filled.recordings, strict=True):
            assert_whole(vault, one, original)
            with pytest.raises(VaultDamagedError):
                vault.pattern_of(one.id)
        assert {damage.what for damage in vault.check(1.0).damages} == {"index.db"}


def test_a_vault_of_version_1_is_read_and_left_as_it_is_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = old_vault("vault-1", tmp_path)
    index = (old.path / "index.db").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(_schema, "migrate", _full)
        with old.open(old.path) as vault:
            for one, original in zip(reversed(vault.recordings()), old.recordings, strict=True):
                original.patient = one.patient
                assert_whole(vault, one, original)
                assert vault.pattern_of(one.id) is None
            assert vault.check(1.0).damages == ()
    assert (old.path / "index.db").read_bytes() == index
    with Vault.open(old.path, PASSPHRASE) as vault:
        assert len(vault.recordings()) == 5


def _full(_connection: object) -> None:
    raise apsw.FullError("no space")


@pytest.mark.parametrize("change", ["a recording", "a pattern", "no pattern"])
def test_a_vault_of_version_1_is_migrated(tmp_path: Path, change: str) -> None:
    """By the note in the log that it was opened, at the latest."""
    old = old_vault("vault-1", tmp_path)
    with old.open(old.path) as vault, old.open(old.path) as other:
        before = vault.recordings()
        assert _version(vault) == _version(other) == _schema.VERSION
        assert _count(vault, "patient") == 5
        fifth, fourth, _, _, first = before
        if change == "a recording":
            store(vault, make_recording(6, 100))
        else:
            vault.keep_pattern(
                first.id, make_pattern(old.recordings[0]) if change == "a pattern" else None
            )
        assert vault.recordings()[-5:] == before
        assert _count(vault, "patient") == (6 if change == "a recording" else 5)
        vault.keep_pattern(fourth.id, make_pattern(old.recordings[3]))
        assert other.pattern_of(fourth.id) == make_pattern(old.recordings[3])
        assert other.pattern_of(fifth.id) is None
        assert other.check(1.0).damages == ()


def test_a_program_of_version_1_says_that_it_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = old_vault("vault-1", tmp_path)
    with old.open(old.path) as vault:
        vault.keep_pattern(vault.recordings()[0].id, None)
    monkeypatch.setattr(_schema, "VERSION", 1)
    with pytest.raises(VaultTooNewError, match="newer version of the program: update"):
        old.open(old.path)
