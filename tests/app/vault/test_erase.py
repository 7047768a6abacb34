"""Erasing a patient, attacked: with all keys of the vault, and copies of its files from before."""

from __future__ import annotations

import hashlib
import hmac
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from app.vault import NotAllowedError, UnknownRecordingError, Vault, VaultDamagedError, VaultError
from app.vault._blobs import blob_path, open_blob
from app.vault._keys import Purpose, derive
from app.vault.dropbox import seal
from app.vault.roles import Role, Session
from signals.recording import Patient
from tests.app.vault.faults import NEVER, Fault, install
from tests.app.vault.samples import (
    MARKER,
    assert_whole,
    fill,
    make_pattern,
    make_recording,
    make_report,
    store,
)
from tests.app.vault.test_crash import _run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from signals.recording import ArrayRecording
    from tests.app.vault.samples import Filled


def decrypted_pages(path: Path, vault: Vault) -> bytes:
    """Return every byte of the index's pages, those of its log and free ones too, decrypted.

    Page by page, as SQLCipher 4 defines them, without a database in between that would show only
    what it takes for alive.
    """
    key = derive(vault._vault_key, Purpose.INDEX, vault.vault_id)
    data = (path / "index.db").read_bytes()
    salt = data[:16]
    mac_key = hashlib.pbkdf2_hmac("sha512", key, bytes(b ^ 0x3A for b in salt), 2, 32)

    def decrypted(page: bytes, number: int) -> bytes:
        start = 16 if number == 1 else 0
        iv, mac = page[4016:4032], page[4032:]
        said = hmac.digest(mac_key, page[start:4032] + number.to_bytes(4, "little"), "sha512")
        assert said == mac, f"page {number} is not what SQLCipher 4 writes"
        cipher = Cipher(algorithms.AES256(key), modes.CBC(iv)).decryptor()
        return cipher.update(page[start:4016]) + cipher.finalize()

    pages = [
        decrypted(data[at : at + 4096], at // 4096 + 1)
        for at in range(0, len(data), 4096)
        if any(data[at : at + 4096])
    ]
    log = path / "index.db-wal"
    frames = log.read_bytes() if log.exists() else b""
    for at in range(32, len(frames), 24 + 4096):
        number = int.from_bytes(frames[at : at + 4], "big")
        pages.append(decrypted(frames[at + 24 : at + 24 + 4096], number))
    return b"".join(pages)


def _secrets(recording) -> list[bytes]:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return [recording.patient.code.encode(), recording.name.encode(), recording.sha256().encode()]


@pytest.fixture
def known(tmp_path: Path) -> Filled:
    """Two recordings of one patient (code-1), and two of two others, one with the same name."""
    filled = fill(tmp_path / "v", 2000)
    with filled.open(filled.path) as vault:
        again = make_recording(8, 2000)
        again.patient = make_recording(1).patient
        store(vault, again)
        store(vault, make_recording(9, 2000))
    return filled


def _id(vault: Vault, name: str) -> str:
    return next(one.id for one in vault.recordings() if one.name == name)


def test_the_attack_sees_what_is_there(known: Filled) -> None:
    """The pages are really decrypted: of what is not erased, every secret is found."""
    with known.open(known.path) as vault:
        with vault._index._use() as connection:
            connection.execute("UPDATE fact SET value = value")  # something in the log
        pages = decrypted_pages(known.path, vault)
        for secret in [*_secrets(known.recordings[0]), MARKER.encode()]:
            assert secret in pages


def test_nothing_of_an_erased_patient_is_left(known: Filled, tmp_path: Path) -> None:
    with known.open(known.path) as vault:
        id_ = _id(vault, "record-1")
        vault.keep_pattern(id_, make_pattern(known.recordings[0]))
        old_keys = vault._keyring.load()
        old_blobs = {one.id: vault._index.blobs(one.id) for one in vault.recordings()}
        erased = vault.erase(id_, whole_patient=True)
        assert len(erased.recordings) == 2
        assert erased.files == 6
        assert erased.remains == ""
        assert {one.name for one in vault.recordings()} == {"record-2", "record-9"}
        pages = decrypted_pages(known.path, vault)  # while it is open, with its log
        for gone in (*_secrets(known.recordings[0]), b"record-8", b"tracekeep-personal"):
            assert gone not in pages
        assert b"code-2" in pages
        keys = vault._keyring.load()
        body = (known.path / "keyring.bin").read_bytes()
        assert len(body) == 20 + 56 + 12 + 2 * 48 + 16
        for old in erased.recordings:
            assert old not in keys
            assert old_keys[old] not in keys.values()
            assert all(not blob_path(known.path, blob.id).exists() for blob in old_blobs[old])
            with pytest.raises(UnknownRecordingError):
                vault.report(old)
        assert vault.check(1.0).damages == ()
        assert_whole(vault, vault.recording(_id(vault, "record-2")), known.recordings[1])
    with known.open(known.path) as vault:
        pages = decrypted_pages(known.path, vault)
        assert not [gone for gone in _secrets(known.recordings[0]) if gone in pages]


_WORDS = (b"xaverquint", b"ypsilanti", b"fjordblick", b"4711qxwvz")


def _pieces(path: Path, vault: Vault) -> set[bytes]:
    """Return which words of a patient are in the index: the end of one is enough, in any case.

    The full-text table keeps words in lower case, without what they have in common with the word
    before.
    """
    pages = decrypted_pages(path, vault).lower()
    return {word for word in _WORDS if word[4:] in pages}


def test_no_word_of_an_erased_patient_is_left_in_the_full_text_table(known: Filled) -> None:
    with known.open(known.path) as vault:
        for seed in range(30, 60):  # so that the table has more than one level
            store(vault, make_recording(seed, 300))
        someone = make_recording(20, 300)
        someone.patient = Patient("Xaverquint Ypsilanti-Fjordblick", "4711qxwvz")
        stored = store(vault, someone)
        for seed in range(60, 90):
            store(vault, make_recording(seed, 300))
        assert _pieces(known.path, vault) == set(_WORDS)
        assert [one.id for one in vault.search("ypsil")] == [stored.id]
        vault.erase(stored.id, whole_patient=True)
        assert _pieces(known.path, vault) == set()
        assert vault.search("ypsil") == []
        assert vault.check(1.0).damages == ()


def test_a_file_copied_before_opens_with_no_key_of_the_vault(known: Filled, tmp_path: Path) -> None:
    with known.open(known.path) as vault:
        id_ = _id(vault, "record-1")
        blobs = vault._index.blobs(id_)
        copies = [(blob, blob_path(known.path, blob.id).read_bytes()) for blob in blobs]
        vault.erase(id_, whole_patient=True)
        keys = [vault._vault_key, *vault._keyring.load().values()]
        keys += [derive(vault._vault_key, purpose, vault.vault_id) for purpose in Purpose]
        for blob, data in copies:
            blob_path(known.path, blob.id).parent.mkdir(exist_ok=True)
            blob_path(known.path, blob.id).write_bytes(data)
            for key in keys:
                with pytest.raises(VaultDamagedError):
                    open_blob(known.path, vault.vault_id, key, blob)
        problems = {damage.problem for damage in vault.check(1.0).damages}
        assert problems == {"no recording knows this file"}


def test_one_recording_leaves_the_patients_others_and_what_they_taught(known: Filled) -> None:
    again = make_recording(8, 2000)
    with known.open(known.path) as vault:
        id_ = _id(vault, "record-1")
        both = make_pattern(known.recordings[0], again)
        vault.keep_pattern(id_, both)
        assert len(vault.erase(id_, whole_patient=False).recordings) == 1
        kept = _id(vault, "record-8")
        pattern = vault.pattern_of(kept)
        assert pattern is not None
        assert {c.recording for c in pattern.corrections} == {again.sha256()}
        pages = decrypted_pages(known.path, vault)
        assert known.recordings[0].sha256().encode() not in pages
        assert b"code-1" in pages
        assert vault.check(1.0).damages == ()


def test_a_damaged_pattern_does_not_outlive_an_erasure(known: Filled) -> None:
    with known.open(known.path) as vault:
        id_ = _id(vault, "record-1")
        vault.keep_pattern(id_, make_pattern(known.recordings[0]))
        with vault._index._use() as connection:
            connection.execute("UPDATE pattern SET text = 'Grmpf' || text")
        vault.erase(id_, whole_patient=False)
        assert b"Grmpf" not in decrypted_pages(known.path, vault)


def test_nobody_but_an_administrator_erases(known: Filled) -> None:
    with known.open(known.path) as vault:
        id_ = _id(vault, "record-1")
        for role in set(Role) - {Role.ADMINISTRATOR}:
            vault.session = Session("1", "ann", role, "test", by_recovery_key=False)
            with pytest.raises(NotAllowedError, match="erase a patient"):
                vault.erase(id_, whole_patient=True)
    with known.open(known.path) as vault:
        assert len(vault.recordings()) == 4


def test_a_program_that_reads_delays_the_end_and_the_next_opening_brings_it(
    known: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.vault._erase.PATIENCE_S", 0.05)
    with (
        known.open(known.path) as vault,
        known.open(known.path) as reader,
        reader._index._use() as connection,
    ):
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM recording").fetchall()
        erased = vault.erase(_id(vault, "record-1"), whole_patient=True)
        assert "another program" in erased.remains
        assert "next opened" in erased.remains
        assert len(vault.recordings()) == 2
        connection.execute("ROLLBACK")
    with known.open(known.path) as vault:
        assert b"code-1" not in decrypted_pages(known.path, vault)
        assert _notes(vault) == 0
        assert vault.check(1.0).damages == ()


def _notes(vault: Vault) -> int:
    with vault._index._use() as connection:
        found = connection.execute("SELECT count(*) FROM fact WHERE name LIKE 'erasing:%'").get
    return int(found)


def _erase(path: Path, recovery_key: str, told: Callable[[str], None]) -> None:
    with Vault.open_with_recovery_key(path, recovery_key) as vault:
        id_ = _id(vault, "record-1")
        vault.erase(id_, whole_patient=True)
        told(id_)


def _assert_old_or_new(small: Filled, path: Path, *, acknowledged: bool) -> bool:
    """Assert that a patient is whole, or erased without a trace; return whether erased."""
    first, second = small.recordings
    with small.open(path) as vault:
        stored = {one.name: one for one in vault.recordings()}
        assert_whole(vault, stored["record-2"], second)
        assert vault.check(1.0).damages == ()
        assert _notes(vault) == 0
        if "record-1" in stored:
            assert_whole(vault, stored["record-1"], first)
            assert not acknowledged
            return False
        pages = decrypted_pages(path, vault)
        assert not [secret for secret in _secrets(first) if secret in pages]
        assert len(vault._keyring.load()) == 1
        assert len(list(path.glob("blobs/*/*"))) == 3
    return True


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("small") / "small.vault", 500)


def test_killed_at_any_step_of_an_erasure(small: Filled, tmp_path: Path) -> None:
    code, told = _run(_erase, small.copy(tmp_path), small.recovery_key, NEVER)
    assert code == 0
    steps = told[-1]
    assert isinstance(steps, int)
    erased = 0
    for at in range(steps):
        path = small.copy(tmp_path)
        code, told = _run(_erase, path, small.recovery_key, at)
        assert code == -signal.SIGKILL
        erased += _assert_old_or_new(small, path, acknowledged=bool(told))
    assert 10 < erased < steps - 3


def test_disk_full_from_any_step_of_an_erasure_on(
    small: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 0
    for at in range(NEVER):
        path = small.copy(tmp_path)
        told: list[str] = []
        fault = Fault(at, kill=False)
        with monkeypatch.context() as patch:
            install(fault, patch)
            try:
                _erase(path, small.recovery_key, told.append)
            except VaultError as error:
                assert "no space is left" in error.problem  # noqa: PT017
                failed += 1
        if fault.count <= at:
            break
        _assert_old_or_new(small, path, acknowledged=bool(told))
    assert failed > 2


def _sealed(vault: Vault, recording: ArrayRecording) -> Path:
    return seal(vault.path / "inbox", vault.inbox_address, recording, make_report(recording))


def test_what_the_inbox_holds_of_an_erased_patient_does_not_come_back(known: Filled) -> None:
    with known.open(known.path) as vault:
        again = make_recording(1, 2000)  # the same input, said to be of somebody else
        again.patient = Patient("Other Name", "code-77", "F", "1950-01-02")
        remarked = make_recording(21, 2000)
        remarked.patient = replace(make_recording(1).patient, remarks="remark, corrected")
        other = make_recording(22, 2000)
        other.patient = replace(make_recording(1).patient, code="code-22")
        files = [_sealed(vault, one) for one in (again, remarked, other)]
        erased = vault.erase(_id(vault, "record-1"), whole_patient=True)
        assert erased.remains == ""
        assert [file.exists() for file in files] == [False, False, True]
    with known.open(known.path) as vault:
        assert {r.name for r in vault.recordings()} == {"record-2", "record-9", "record-22"}


def test_of_one_recording_only_its_input_goes_from_the_inbox(known: Filled) -> None:
    with known.open(known.path) as vault:
        remarked = make_recording(21, 2000)
        remarked.patient = make_recording(1).patient
        files = [_sealed(vault, make_recording(1, 2000)), _sealed(vault, remarked)]
        assert vault.erase(_id(vault, "record-1"), whole_patient=False).remains == ""
        assert [file.exists() for file in files] == [False, True]


def test_what_of_the_inbox_cannot_be_looked_into_is_named(known: Filled) -> None:
    with known.open(known.path) as vault:
        damaged = _sealed(vault, make_recording(1, 2000))
        damaged.write_bytes(damaged.read_bytes()[:-1])
        erased = vault.erase(_id(vault, "record-1"), whole_patient=True)
        assert damaged.name in erased.remains
        assert len(erased.recordings) == 2
        (entry, *_) = [e for e in vault.log_entries() if e.action == "erase"]
        assert "inbox_unread" in str(entry)


def test_a_patient_of_whom_nothing_is_known_is_nobody_elses(known: Filled) -> None:
    """Two recordings of "anonymous" may be of two people: one is not deleted for the other."""
    with known.open(known.path) as vault:
        nobody, another = make_recording(23, 2000), make_recording(24, 2000)
        nobody.patient = another.patient = Patient("", "anonymous", "", "")
        stored = store(vault, nobody)
        file = _sealed(vault, another)
        assert vault.erase(stored.id, whole_patient=True).remains == ""
        assert file.exists()


def test_the_index_of_a_killed_repair_does_not_outlive_an_erasure(known: Filled) -> None:
    left = [known.path / name for name in ("index.new", "index.new-wal")]

    def leave() -> None:
        for file in left:
            file.write_bytes((known.path / "index.db").read_bytes())

    leave()
    with known.open(known.path) as vault:
        assert not any(file.exists() for file in left)
        leave()
        assert {damage.what for damage in vault.check(1.0).damages} == {f.name for f in left}
        assert vault.erase(_id(vault, "record-1"), whole_patient=True).remains == ""
        assert not any(file.exists() for file in left)
        assert vault.check(1.0).damages == ()
