"""Backups: made while others write, killed, changed by strangers; what is restored is whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.vault import (
    NotAllowedError,
    Vault,
    VaultDamagedError,
    VaultError,
    VaultLockedError,
    VaultTooNewError,
    _backup,
    _restore,
    drill,
    new_recovery_key,
    restore,
)
from app.vault._blobs import blob_path
from app.vault.roles import Role, Session
from tests.app.vault.faults import NEVER, Fault, install
from tests.app.vault.samples import (
    MARKER,
    PASSPHRASE,
    Filled,
    assert_whole,
    fill,
    make_recording,
    old_vault,
    store,
)
from tests.app.vault.test_crash import _run

if TYPE_CHECKING:
    from collections.abc import Callable


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file() and p.stat().st_size)


def _assert_restores(filled: Filled, backup: Path, to: Path, *more: int) -> None:
    """Assert that a backup gives a vault with all recordings of `filled`, and of some seeds."""
    restored = restore(backup, to, filled.open)
    originals = {o.name: o for o in [*filled.recordings, *(make_recording(n, 500) for n in more)]}
    assert restored.recordings == len(originals)
    with filled.open(to) as vault:
        assert {one.name for one in vault.recordings()} == set(originals)
        for one in vault.recordings():
            assert_whole(vault, one, originals[one.name])
        assert vault.check(1.0).damages == ()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("small") / "small.vault", 500)


@pytest.fixture(scope="module")
def backed_up(small: Filled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backup") / "backup"
    with small.open(small.path) as vault:
        vault.back_up(path)
    return path


def test_what_is_restored_is_what_was_backed_up(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        made = vault.back_up(tmp_path / "backup")
        assert (made.recordings, made.files, made.copied, made.missing) == (2, 9, 9, ())
        store(vault, make_recording(7, 500))
    _assert_restores(filled, tmp_path / "backup", tmp_path / "new" / "restored")
    with Vault.open(tmp_path / "new" / "restored", PASSPHRASE) as vault:
        assert len(vault.recordings()) == 2


def test_only_what_is_new_is_copied(small: Filled, tmp_path: Path) -> None:
    path = small.copy(tmp_path)
    with small.open(path) as vault:
        vault.back_up(tmp_path / "backup")
        times = {p: p.stat().st_mtime_ns for p in (tmp_path / "backup").rglob("*.c2sp")}
        store(vault, make_recording(7, 500))
        again = vault.back_up(tmp_path / "backup")
    assert (again.files, again.copied) == (12, 6)  # three blobs, header, keyring, index
    assert all(p.stat().st_mtime_ns == at for p, at in times.items())
    _assert_restores(small, tmp_path / "backup", tmp_path / "restored", 7)
    assert len(list((tmp_path / "backup").glob("*state-*"))) == 1


def test_nobody_else_reads_a_backup_and_nothing_in_it_is_plain(backed_up: Path) -> None:
    for path in backed_up.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    content = b"".join(path.read_bytes() for path in _files(backed_up))
    for secret in (MARKER, "code-1", "record-1", "MLII", "SQLite format 3"):
        assert secret.encode() not in content


def test_a_plain_copy_of_a_closed_vault_is_a_backup(filled: Filled, tmp_path: Path) -> None:
    """By a program that knows nothing of vaults, and leaves empty folders and files out."""
    for source in _files(filled.path):
        place = tmp_path / "copy" / source.relative_to(filled.path)
        place.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", source, place], check=True)
    with Vault.open(tmp_path / "copy", PASSPHRASE) as vault:
        assert vault.check(1.0).damages == ()
        for one, original in zip(vault.recordings()[::-1], filled.recordings, strict=True):
            assert_whole(vault, one, original)
    with pytest.raises(VaultError, match="open it as it is"):
        restore(tmp_path / "copy", tmp_path / "restored", filled.open)


def _back_up(path: Path, recovery_key: str, told: Callable[[str], None]) -> None:
    with Vault.open_with_recovery_key(path, recovery_key) as vault:
        vault.back_up(path.parent / "backup")
        told("made")


def _with_an_older_backup(small: Filled, to: Path) -> tuple[Path, Callable[[], None]]:
    """Return a vault that has changed since its backup, and what puts both back to that."""
    path = small.copy(to)
    with small.open(path) as vault:
        vault.back_up(to / "backup")
        store(vault, make_recording(7, 500))
        erased = next(one.id for one in vault.recordings() if one.name == "record-2")
        vault.erase(erased, whole_patient=True)
    for name in ("backup", path.name):
        shutil.copytree(to / name, to / f"older {name}")

    def back_in_time() -> None:
        for name in ("backup", path.name):
            shutil.rmtree(to / name)
            shutil.copytree(to / f"older {name}", to / name)

    return path, back_in_time


def _names(small: Filled, to: Path) -> set[str]:
    shutil.rmtree(to / "restored", ignore_errors=True)
    restore(to / "backup", to / "restored", small.open)
    with small.open(to / "restored") as vault:
        assert vault.check(1.0).damages == ()
        return {one.name for one in vault.recordings()}


def test_a_backup_killed_at_any_step_leaves_the_older_one_good(
    small: Filled, tmp_path: Path
) -> None:
    path, back_in_time = _with_an_older_backup(small, tmp_path)
    code, told = _run(_back_up, path, small.recovery_key, NEVER)
    assert code == 0
    steps = told[-1]
    assert isinstance(steps, int)
    old, new = {"record-1", "record-2"}, {"record-1", "record-7"}
    seen = set()
    for at in [*range(0, steps - 30, 4), *range(steps - 30, steps)]:
        back_in_time()
        code, told = _run(_back_up, path, small.recovery_key, at)
        assert code == -signal.SIGKILL
        names = _names(small, tmp_path)
        assert names in (old, new)
        assert names == new or not told
        seen.add(frozenset(names))
        if at % 7 == 0 or at > steps - 15:  # and the next one goes through
            with small.open(path) as vault:
                vault.back_up(tmp_path / "backup")
            assert _names(small, tmp_path) == new
            assert len(list((tmp_path / "backup").glob("blobs/*/*"))) == 6
            assert len(list((tmp_path / "backup").iterdir())) == 3
    assert seen == {frozenset(old), frozenset(new)}


def test_a_full_disk_at_any_step_leaves_the_older_one_good(
    small: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, back_in_time = _with_an_older_backup(small, tmp_path)
    failed = 0
    for at in range(0, NEVER, 2):
        back_in_time()
        fault = Fault(at, kill=False)
        told: list[str] = []
        with monkeypatch.context() as patch:
            install(fault, patch)
            try:
                _back_up(path, small.recovery_key, told.append)
            except VaultError as error:
                assert "no space is left" in error.problem  # noqa: PT017
                failed += 1
        assert _names(small, tmp_path) in (
            {"record-1", "record-7"},
            set() if told else {"record-1", "record-2"},
        )
        if fault.count <= at:
            break
    assert failed > 15


def test_an_erased_patient_is_in_no_later_state_of_the_backup(
    small: Filled, tmp_path: Path
) -> None:
    path, _ = _with_an_older_backup(small, tmp_path)
    with small.open(path) as vault:
        gone = set(restored_keys(small, tmp_path)) - set(vault._keyring.load().values())
        made = vault.back_up(tmp_path / "backup")
        assert made.recordings == 2
        assert len(gone) == 1
        assert not gone & set(restored_keys(small, tmp_path))
    assert len(list((tmp_path / "backup").glob("blobs/*/*"))) == 6


def restored_keys(small: Filled, to: Path) -> list[bytes]:
    shutil.rmtree(to / "restored", ignore_errors=True)
    restore(to / "backup", to / "restored", small.open)
    with small.open(to / "restored") as vault:
        return list(vault._keyring.load().values())


def test_an_erasure_under_way_makes_the_backup_begin_again(
    small: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small.copy(tmp_path)
    real = _backup._Work._copy_blob
    with small.open(path) as vault, small.open(path) as other:
        erase = [one.id for one in vault.recordings() if one.name == "record-2"]

        def copy_blob(self: _backup._Work, blob_id: str, recording_id: str) -> None:
            if erase:
                other.erase(erase.pop(), whole_patient=True)
            real(self, blob_id, recording_id)

        monkeypatch.setattr(_backup._Work, "_copy_blob", copy_blob)
        made = vault.back_up(tmp_path / "backup")
    assert (made.recordings, made.files, made.missing) == (1, 6, ())
    assert _names(small, tmp_path) == {"record-1"}


def test_a_damaged_vault_is_backed_up_and_said_to_be(small: Filled, tmp_path: Path) -> None:
    path = small.copy(tmp_path)
    with small.open(path) as vault:
        one = vault.recordings()[0]
        blob_path(path, vault._index.blobs(one.id)[0].id).unlink()
        assert vault.back_up(tmp_path / "backup").missing == (one.id,)
    restore(tmp_path / "backup", tmp_path / "restored", small.open)
    with pytest.raises(VaultDamagedError, match="was damaged when it was backed up"):
        drill(tmp_path / "backup", small.open)


def _store_until(path: Path, recovery_key: str, seed: int, seconds: float) -> int:
    until = time.monotonic() + seconds
    with Vault.open_with_recovery_key(path, recovery_key) as vault:
        while time.monotonic() < until:
            store(vault, make_recording(seed, 300))
            seed += 1
    return seed


def test_backups_made_while_others_write_are_whole(small: Filled, tmp_path: Path) -> None:
    path = small.copy(tmp_path)
    with (
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
        small.open(path) as vault,
    ):
        writers = [
            pool.submit(_store_until, path, small.recovery_key, seed, 6.0) for seed in (1000, 2000)
        ]
        n = 0
        while not all(writer.done() for writer in writers):
            acknowledged = {one.name for one in vault.recordings()}
            vault.back_up(tmp_path / "backup")
            assert _names(small, tmp_path) >= acknowledged
            n += 1
        stored = sum(writer.result() % 1000 for writer in writers)
        assert n >= 3
        assert stored >= 20
        vault.back_up(tmp_path / "backup")
    assert len(_names(small, tmp_path)) == stored + 2


_quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@_quick
@given(which=st.integers(0, 9), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_of_a_backup_is_found(
    small: Filled, backed_up: Path, tmp_path: Path, which: int, place: float, bit: int
) -> None:
    shutil.rmtree(tmp_path / "b", ignore_errors=True)
    backup = Path(shutil.copytree(backed_up, tmp_path / "b"))
    file = _files(backup)[which]
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    file.write_bytes(data)
    with pytest.raises((VaultDamagedError, VaultTooNewError)):
        restore(backup, tmp_path / "new", small.open)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b"]


@pytest.mark.parametrize("which", range(10))
def test_any_missing_file_of_a_backup_is_named(
    small: Filled, backed_up: Path, tmp_path: Path, which: int
) -> None:
    backup = Path(shutil.copytree(backed_up, tmp_path / "b"))
    file = _files(backup)[which]
    file.unlink()
    with pytest.raises(VaultDamagedError, match="missing") as caught:
        restore(backup, tmp_path / "new", small.open)
    assert caught.value.path == file


def test_a_manifest_that_fits_changed_files_but_is_not_signed_is_refused(
    small: Filled, backed_up: Path, tmp_path: Path
) -> None:
    """A stranger drops a recording's files, and tells the manifest so."""
    backup = Path(shutil.copytree(backed_up, tmp_path / "b"))
    (path,) = backup.glob("state-*/manifest.json")
    values = json.loads(path.read_text())
    values["files"] = values["files"][3:]
    path.write_text(json.dumps(values, separators=(",", ":")) + "\n")
    with pytest.raises(VaultDamagedError, match="changed"):
        restore(backup, tmp_path / "new", small.open)


def test_a_manifest_cannot_lead_out_of_the_backup(
    small: Filled, backed_up: Path, tmp_path: Path
) -> None:
    backup = Path(shutil.copytree(backed_up, tmp_path / "b"))
    (path,) = backup.glob("state-*/manifest.json")
    values = json.loads(path.read_text())
    values["files"][0][0] = "../../outside"
    path.write_text(json.dumps(values, separators=(",", ":")) + "\n")
    with pytest.raises(VaultDamagedError, match="list of the backup's files is damaged"):
        restore(backup, tmp_path / "new", small.open)


@_quick
@given(data=st.binary(max_size=100) | st.text().map(lambda text: text.encode()))
def test_a_manifest_of_anything_is_refused(small: Filled, tmp_path: Path, data: bytes) -> None:
    state = tmp_path / "b" / "state-000001"
    state.mkdir(parents=True, exist_ok=True)
    for text in (data, b"[" * 10_000, b'{"format":"tracekeep-backup","version":1' + data):
        (state / "manifest.json").write_bytes(text)
        with pytest.raises(VaultDamagedError):
            restore(tmp_path / "b", tmp_path / "new", small.open)


def test_a_newer_backup_is_left_alone(small: Filled, backed_up: Path, tmp_path: Path) -> None:
    backup = Path(shutil.copytree(backed_up, tmp_path / "b"))
    (path,) = backup.glob("state-*/manifest.json")
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    with pytest.raises(VaultTooNewError, match="update the program"):
        restore(backup, tmp_path / "new", small.open)


def test_a_backup_goes_nowhere_else(small: Filled, backed_up: Path, tmp_path: Path) -> None:
    path = small.copy(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").touch()
    (tmp_path / "file").touch()
    other, _ = Vault.create(tmp_path / "other", PASSPHRASE)
    with small.open(path) as vault, other:
        for place, words in [
            (path, "cannot lie in the vault"),
            (path / "blobs" / "deeper", "cannot lie in the vault"),
            (tmp_path / "photos", "holds other things"),
            (tmp_path / "file", "a file of this name"),
        ]:
            with pytest.raises(VaultError, match=words):
                vault.back_up(place)
        backup = Path(shutil.copytree(backed_up, tmp_path / "b"))
        with pytest.raises(VaultError, match="of another vault"):
            other.back_up(backup)
    for place in (path, tmp_path / "file"):
        with pytest.raises(VaultError, match="something of this name"):
            restore(backup, place, small.open)
    for place in (tmp_path / "nothing", tmp_path / "photos"):
        with pytest.raises(VaultError, match=r"no backup here|no complete backup"):
            restore(place, tmp_path / "new", small.open)


def test_the_auditor_makes_no_backup(small: Filled, tmp_path: Path) -> None:
    with small.open(small.path) as vault:
        vault.session = Session("1", "ann", Role.AUDITOR, "test", by_recovery_key=False)
        with pytest.raises(NotAllowedError, match="back the vault up"):
            vault.back_up(tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_drill_says_that_the_backup_works_and_leaves_nothing(
    small: Filled, backed_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = drill(backed_up, small.open)
    assert (seen.recordings, seen.files) == (2, 9)
    assert 0 <= seen.age_days < 0.1
    made = datetime.fromisoformat(seen.made_at)
    assert datetime.now(UTC) - made < timedelta(hours=1)
    assert list(tmp_path.iterdir()) == []


def test_a_drill_of_a_backup_that_does_not_work_says_so(
    small: Filled, backed_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    with pytest.raises(VaultLockedError) as caught:
        drill(backed_up, lambda path: Vault.open_with_recovery_key(path, "0" * 64))
    assert caught.value.path == backed_up
    backup = Path(shutil.copytree(backed_up, tmp_path / "b"))
    blob = next(backup.glob("blobs/*/*"))
    blob.write_bytes(blob.read_bytes()[:-1])
    with pytest.raises(VaultDamagedError, match="damaged or was changed") as caught_:
        drill(backup, small.open)
    assert caught_.value.path == blob
    assert list((tmp_path / "temp").iterdir()) == []


def test_a_backup_that_has_no_room_is_not_begun(
    small: Filled, backed_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil._ntuple_diskusage(10**9, 10**9, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    with pytest.raises(VaultError, match="no room for the backup"):
        restore(backed_up, tmp_path / "new", small.open)


def test_the_manifest_is_signed_as_the_document_says(small: Filled, backed_up: Path) -> None:
    (state,) = backed_up.glob("state-*")
    text = (state / "manifest.json").read_bytes()
    manifest = json.loads(text)
    public = json.loads((state / "vault.json").read_text())["audit"]["public"]
    unsigned = text.replace(manifest["signature"].encode(), b"")
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(
        bytes.fromhex(manifest["signature"]), b"tracekeep-backup/1|" + unsigned
    )
    for path, size, sha256 in manifest["files"]:
        folder = backed_up if path.startswith("blobs/") else state
        data = (folder / path).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (size, sha256)


def test_a_vault_of_version_1_is_backed_up_and_restored(tmp_path: Path) -> None:
    old = old_vault("vault-1", tmp_path / "old")
    with old.open(old.path) as vault:
        vault.back_up(tmp_path / "backup")
    assert restore(tmp_path / "backup", tmp_path / "new", old.open).recordings == 5
    (path,) = (tmp_path / "backup").glob("state-*/manifest.json")
    data = bytearray(path.read_bytes())
    data[-4] ^= 1  # a digit of the HMAC
    path.write_bytes(data)
    with pytest.raises(VaultDamagedError, match="list of the backup's files"):
        restore(tmp_path / "backup", tmp_path / "other", old.open)


def test_a_backup_outlives_a_change_of_the_vault_key(small: Filled, tmp_path: Path) -> None:
    path = small.copy(tmp_path)
    key = new_recovery_key()
    with small.open(path) as vault:
        vault.back_up(tmp_path / "backup")
        vault.rotate(key)
        assert vault.back_up(tmp_path / "backup").copied == 3  # and no blob again
    seen = drill(tmp_path / "backup", lambda path: Vault.open_with_recovery_key(path, key))
    assert seen.recordings == 2
    with pytest.raises(VaultLockedError):
        drill(tmp_path / "backup", small.open)


@pytest.mark.parametrize("name", ["vault.json", "index.db", "manifest.json"])
@pytest.mark.parametrize("kind", ["endless", "link", "pipe"])
def test_what_is_no_file_of_a_backup_is_refused(
    small: Filled, backed_up: Path, tmp_path: Path, name: str, kind: str
) -> None:
    """A stranger's backup fills no disk, waits for nobody, and shows no file of the machine."""
    backup = Path(shutil.copytree(backed_up, tmp_path / "b"))
    (file,) = backup.glob(f"state-*/{name}")
    if kind == "pipe":
        file.unlink()
        os.mkfifo(file)
    else:
        true = file.rename(tmp_path / name)
        file.symlink_to(true if kind == "link" else "/dev/zero")
    with pytest.raises(VaultError, match="this is no file"):
        restore(backup, tmp_path / "new", small.open)
    assert not (tmp_path / "new").exists()


def test_no_more_of_a_file_is_written_than_the_manifest_says(
    small: Filled, backed_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = Path(shutil.copytree(backed_up, tmp_path / "b"))
    (file,) = backup.glob("state-*/vault.json")
    size = file.stat().st_size
    with file.open("ab") as longer:
        longer.truncate(1 << 30)
    written = 0

    def count(copy: int, data: bytes) -> None:
        nonlocal written
        written += os.write(copy, data) if os.fstat(copy).st_size <= size else 1 << 30

    monkeypatch.setattr(_restore, "write_all", count)
    with pytest.raises(VaultDamagedError, match="damaged or was changed"):
        restore(backup, tmp_path / "new", small.open)
    assert size < written < 1 << 20
