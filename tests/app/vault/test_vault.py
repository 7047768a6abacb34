from __future__ import annotations

import errno
import json
import os
import pickle
import resource
import stat
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np
import pytest

from app.vault import (
    AlreadyStoredError,
    Intake,
    Receipt,
    UnknownRecordingError,
    Vault,
    VaultDamagedError,
    VaultError,
    VaultLockedError,
)
from signals.readers import open_recording
from signals.recording import ArrayRecording, DigitalArray, Patient, Recording, RecordingError
from tests.app.vault.samples import PASSPHRASE, assert_whole, make_recording, make_report, store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.app.vault.samples import Filled


def test_what_is_stored_is_read_back_whole(filled: Filled) -> None:
    with filled.open(filled.path) as vault:
        stored = vault.recordings()
        assert [s.name for s in stored] == ["record-2", "record-1"]
        for one, original in zip(reversed(stored), filled.recordings, strict=True):
            assert_whole(vault, one, original)
            assert one.patient == original.patient
            assert one.start == original.start
            assert one.headline == make_report(original).headline()
            assert (one.format, one.n_channels, one.duration_s) == ("EDF+", 3, 80.0)
            assert vault.find_input(original.sha256()) == one
        assert vault.find_input("0" * 64) is None


def test_any_window_equals_the_original(filled: Filled) -> None:
    original = filled.recordings[0]
    random = np.random.default_rng(0)
    with filled.open(filled.path) as vault, vault.waveform(vault.recordings()[1].id) as read:
        for channels in ([0, 1], [1, 0], [1], [2]):
            n = original.channels[channels[0]].n_samples
            edges = [0, 1, 8191, 8192, 8193, n - 1, n]
            for start, stop in np.sort(
                random.choice([*edges, *range(n)], (40, 2)), axis=1
            ).tolist():
                stop = min(stop, n)
                start = min(start, stop)
                np.testing.assert_array_equal(
                    read.read_digital(channels, start, stop),
                    original.read_digital(channels, start, stop),
                )
        assert np.isnan(read.read([0], 100, 300)).all()


def test_passphrase_and_recovery_key_open(filled: Filled) -> None:
    with Vault.open(filled.path, PASSPHRASE) as vault:
        assert len(vault.recordings()) == 2
    decomposed = "correct horse Zoe\N{COMBINING DIAERESIS}"
    Vault.open(filled.path, decomposed).close()
    typed = filled.recovery_key.lower().replace("-", "  ").replace("0", "o").replace("1", "l")
    Vault.open_with_recovery_key(filled.path, typed).close()


def test_wrong_secrets_are_refused(filled: Filled, tmp_path: Path) -> None:
    with pytest.raises(VaultLockedError, match="the passphrase is wrong"):
        Vault.open(filled.path, "correct horse")
    with pytest.raises(VaultLockedError, match="64 letters"):
        Vault.open_with_recovery_key(filled.path, "ABC")
    other, key = Vault.create(tmp_path / "other", PASSPHRASE)
    other.close()
    with pytest.raises(VaultLockedError, match="not, or no longer, that of this vault"):
        Vault.open_with_recovery_key(filled.path, key)


def test_info_and_check(filled: Filled) -> None:
    seen = []
    with filled.open(filled.path) as vault:
        info = vault.info()
        result = vault.check(1.0, lambda done, total: seen.append((done, total)))
    assert info.vault_id == vault.vault_id
    assert (info.format_version, info.users, info.recordings) == (2, ("owner",), 2)
    assert info.kdf == "Argon2id, 64 MiB, 3 passes, 4 lanes"
    assert info.size_bytes > 150_000
    assert result.damages == ()
    assert result.checked["recordings"] == 2
    assert result.checked["files_read"] == result.checked["files"] == 6
    assert result.checked["bytes_read"] > 150_000
    assert seen == [(n, 6) for n in range(1, 7)]


def test_ids_and_their_prefixes(filled: Filled) -> None:
    with filled.open(filled.path) as vault:
        newest = vault.recordings()[0]
        assert vault.recording(newest.id) == vault.recording(newest.id[:8].upper()) == newest
        for unknown in ("", "zz", "%", "0" * 32):
            with pytest.raises(UnknownRecordingError):
                vault.recording(unknown)
        with pytest.raises(UnknownRecordingError):
            vault.report("0" * 32)


def test_an_ambiguous_prefix_is_refused(tmp_path: Path) -> None:
    vault, _ = Vault.create(tmp_path / "v", PASSPHRASE)
    with vault:
        firsts = [store(vault, make_recording(seed, 100)).id[0] for seed in range(17)]
        twice = next(first for first in firsts if firsts.count(first) > 1)
        with pytest.raises(UnknownRecordingError, match="more than one"):
            vault.recording(twice)


def test_the_same_content_is_refused_and_leaves_nothing(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        before = sorted(file for file in path.rglob("*.c2sp"))
        with pytest.raises(AlreadyStoredError, match="stored already"):
            store(vault, filled.recordings[0])
        assert sorted(file for file in path.rglob("*.c2sp")) == before
        assert list((path / "pending").iterdir()) == []
        assert vault.check(1.0).damages == ()


def _work(intake: Intake, seed: int) -> Receipt:
    recording = make_recording(seed)
    return intake.store(recording, make_report(recording))


def test_worker_processes_store_and_the_vault_commits(filled: Filled, tmp_path: Path) -> None:
    with (
        filled.open(filled.copy(tmp_path)) as vault,
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
    ):
        results = [pool.submit(_work, vault.intake(), seed) for seed in (11, 12, 13)]
        for result, seed in zip(results, (11, 12, 13), strict=True):
            assert_whole(vault, vault.commit(result.result()), make_recording(seed))
        assert vault.check(1.0).damages == ()
        assert len(vault.recordings()) == 5


def test_an_intake_carries_one_key_and_shows_none(filled: Filled, tmp_path: Path) -> None:
    with filled.open(filled.copy(tmp_path)) as vault:
        intake = vault.intake()
        other = vault.intake()
        sent = pickle.dumps(intake)
        assert intake.key in sent
        assert other.key not in sent
        assert vault._vault_key not in sent
        assert intake.key.hex() not in repr(intake)
        assert repr(intake.key) not in repr(intake)


def test_a_discarded_intake_leaves_nothing(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        intake = vault.intake()
        recording = make_recording(9)
        receipt = intake.store(recording, make_report(recording))
        vault.discard(intake)
        vault.discard(intake)
        assert len(list(path.rglob("*.c2sp"))) == 6
        with pytest.raises(VaultError, match="discarded"):
            vault.commit(receipt)
        with pytest.raises(VaultError, match="discarded"):
            intake.store(recording, make_report(recording))


def test_closing_deletes_what_was_not_committed(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    recording = make_recording(9)
    with filled.open(path) as vault:
        vault.intake().store(recording, make_report(recording))
        assert len(list(path.rglob("*.c2sp"))) == 9
    assert len(list(path.rglob("*.c2sp"))) == 6


def test_a_recording_that_cannot_be_read_to_its_end_leaves_nothing(
    filled: Filled, tmp_path: Path
) -> None:
    class Ending(ArrayRecording):
        def read_digital(self, channels: Sequence[int], start: int, stop: int) -> DigitalArray:
            if channels[0] == 2:
                raise RecordingError("some.edf", "the file ends early")
            return super().read_digital(channels, start, stop)

    whole = make_recording(9)
    ending = Ending(whole._samples, format="EDF+", name="x", channels=whole.channels)
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        with pytest.raises(RecordingError, match="ends early"):
            vault.intake().store(ending, make_report(whole))
        assert len(list(path.rglob("*.c2sp"))) == 6
        assert list(path.rglob("*.tmp")) == []


def test_a_report_that_cannot_be_written_takes_the_samples_with_it(
    filled: Filled, tmp_path: Path
) -> None:
    path = filled.copy(tmp_path)
    recording = make_recording(9)
    report = make_report(recording)
    broken = replace(report, windows=replace(report.windows, seconds=float("nan")))
    with filled.open(path) as vault:
        with pytest.raises(ValueError, match="JSON"):
            vault.intake().store(recording, broken)
        assert len(list(path.rglob("*.c2sp"))) == 6


def test_samples_beyond_what_the_header_promises_are_kept(filled: Filled, tmp_path: Path) -> None:
    whole = make_recording(9)
    samples = [array.astype(np.int32) for array in whole._samples]
    samples[1][7] = 40_000
    recording = ArrayRecording(samples, format="EDF+", name="x", channels=whole.channels)
    with filled.open(filled.copy(tmp_path)) as vault:
        assert_whole(vault, store(vault, recording), recording)


def test_recordings_without_channels_samples_or_text(filled: Filled, tmp_path: Path) -> None:
    channel = replace(make_recording().channels[0], n_samples=0)
    empty = ArrayRecording([], format="EDF", name="file\udcff", channels=())
    silent = ArrayRecording([np.empty(0, np.int16)], format="EDF+", name="s", channels=(channel,))
    with filled.open(filled.copy(tmp_path)) as vault:
        stored = store(vault, empty)
        assert stored.name == "file?"  # a byte of a file name that is no text
        assert vault.recording(stored.id) == stored
        with vault.waveform(stored.id) as read:
            assert (read.name, read.channels, read.duration) == ("file\udcff", (), 0.0)
        assert vault.envelope(stored.id) == ()
        report = make_report(silent)
        report = replace(report, provenance=replace(report.provenance, input_sha256="1" * 64))
        again = vault.commit(vault.intake().store(silent, report))
        with vault.waveform(again.id) as read:
            assert read.read_digital([0], 0, 0).shape == (1, 0)


class _Endless(Recording):
    """A recording that is never in memory as a whole: 80 MB of samples."""

    def __init__(self) -> None:
        channel = replace(make_recording().channels[0], n_samples=20_000_000)
        super().__init__(
            format="EDF", name="long", channels=(channel, replace(channel, label="V1"))
        )

    def read_digital(self, channels: Sequence[int], start: int, stop: int) -> DigitalArray:
        return np.broadcast_to(np.arange(start, stop) % 1000, (len(channels), stop - start))

    def sha256(self) -> str:
        return "5" * 64


def test_memory_does_not_grow_with_the_recording(filled: Filled, tmp_path: Path) -> None:
    recording = _Endless()
    with filled.open(filled.copy(tmp_path)) as vault:
        tracemalloc.start()
        try:
            stored = vault.commit(vault.intake().store(recording, make_report(recording)))
            with vault.waveform(stored.id) as read:
                assert read.read_digital([1], 19_999_990, 20_000_000)[0].tolist() == [
                    *range(990, 1000)
                ]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 40e6


def test_progress_reaches_the_end(filled: Filled, tmp_path: Path) -> None:
    shares: list[float] = []
    recording = make_recording(9)
    with filled.open(filled.copy(tmp_path)) as vault:
        vault.intake().store(recording, make_report(recording), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_one_patient_has_one_pseudonym_and_doubt_keeps_two_apart(tmp_path: Path) -> None:
    vault, _ = Vault.create(tmp_path / "v", PASSPHRASE)
    patients = [
        Patient("A", "1"), Patient("A", "1"), Patient("B", "1"),
        Patient("C"), Patient("C"), Patient(), Patient(),
    ]  # fmt: skip
    with vault:
        for seed, patient in enumerate(patients):
            recording = make_recording(seed, 100)
            recording.patient = patient
            store(vault, recording)
        with vault._index._use() as connection:
            assert connection.execute("SELECT count(*) FROM patient").get == 6


def test_folders_and_files_are_the_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        vault, _ = Vault.create(tmp_path / "v", PASSPHRASE)
        with vault:
            store(vault, make_recording(1, 100))
            for path in [tmp_path / "v", *(tmp_path / "v").rglob("*")]:
                wanted = 0o700 if path.is_dir() else 0o600
                assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    finally:
        os.umask(old)


def test_create_refuses_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(VaultError, match="not empty"):
        Vault.create(tmp_path / "full", PASSPHRASE)
    with pytest.raises(VaultError, match="a file of this name"):
        Vault.create(tmp_path / "full" / "x", PASSPHRASE)
    with pytest.raises(VaultError, match="too short"):
        Vault.create(tmp_path / "new", "")
    with pytest.raises(VaultError, match="in the way"):
        Vault.create(tmp_path / "full" / "x" / "y", PASSPHRASE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
    (tmp_path / "empty").mkdir()
    vault, _ = Vault.create(tmp_path / "empty", PASSPHRASE)
    vault.close()
    vault, _ = Vault.create(tmp_path / "deep" / "er" / "v", PASSPHRASE)
    vault.close()


def test_create_deletes_what_a_killed_creation_left_and_nothing_else(tmp_path: Path) -> None:
    half_built = tmp_path / ".v*.new-0123abcd"
    (half_built / "blobs").mkdir(parents=True)
    (half_built / "keyring.bin.tmp").touch()
    theirs = [
        tmp_path / ".v*.new-ideas" / "keyring.bin",
        tmp_path / ".v*.new-0123abce" / "diary",
        tmp_path / ".v*.new-0123abcf" / "blobs" / "photo",
        tmp_path / ".v2.new-0123abcd" / "keyring.bin",
    ]
    for file in theirs:
        file.parent.mkdir(parents=True)
        file.touch()
    (tmp_path / ".v*.new-01234567").touch()
    (tmp_path / ".v*.new-01234568").symlink_to(theirs[3].parent)
    before = set(tmp_path.rglob("*")) - {half_built, *half_built.iterdir()}
    vault, _ = Vault.create(tmp_path / "v*", PASSPHRASE)
    vault.close()
    left = {path for path in tmp_path.rglob("*") if tmp_path / "v*" not in (path, *path.parents)}
    assert left == before


def test_what_is_no_vault_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for name, problem in {
        "none": "there is no vault here",
        "file": "this is a file",
        "folder": "not a vault",
    }.items():
        with pytest.raises(VaultError, match=problem) as caught:
            Vault.open(tmp_path / name, PASSPHRASE)
        assert caught.value.path == tmp_path / name
        assert not isinstance(caught.value, VaultDamagedError)
    (tmp_path / "folder" / "index.db").touch()
    with pytest.raises(VaultDamagedError, match=r"vault\.json.*missing"):
        Vault.open(tmp_path / "folder", PASSPHRASE)


def test_a_folder_without_permission(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    path.chmod(0)
    was = os.geteuid()
    try:
        if was == 0:
            os.seteuid(65534)  # nothing is forbidden to root
        with pytest.raises(VaultError, match="no permission"):
            filled.open(path)
        with pytest.raises(VaultError, match="no permission"):
            Vault.create(path / "new", PASSPHRASE)
    finally:
        os.seteuid(was)
        path.chmod(0o700)


def test_a_place_that_cannot_be_written_is_named_as_the_user_named_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, _data: bytes) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("app.vault._header.write_atomically", refuse)
    with pytest.raises(VaultError, match=f"^{tmp_path}/new: there is no permission"):
        Vault.create(tmp_path / "new", PASSPHRASE)
    assert list(tmp_path.iterdir()) == []


def test_a_vault_on_a_full_disk_can_be_read(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled.copy(tmp_path)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most))  # no room for SQLite's shared memory
    try:
        with pytest.raises(VaultError, match="the disk reports an error"):
            filled.open(path)
        monkeypatch.setattr("app.vault._index._is_full", lambda _path: True)
        with filled.open(path) as vault:
            for one, original in zip(reversed(vault.recordings()), filled.recordings, strict=True):
                assert_whole(vault, one, original)
            recording = make_recording(5)
            with pytest.raises(VaultError):
                store(vault, recording)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    with filled.open(path) as vault:
        assert vault.check(1.0).damages == ()
        assert_whole(vault, store(vault, recording), recording)


def test_a_closed_vault_says_so(filled: Filled) -> None:
    vault = filled.open(filled.path)
    vault.close()
    vault.close()
    with pytest.raises(VaultError, match="the vault is closed"):
        vault.recordings()


def test_errors_survive_the_way_between_processes() -> None:
    for kind in (VaultError, VaultDamagedError, AlreadyStoredError):
        error = pickle.loads(pickle.dumps(kind("/a/b", "it is broken")))
        assert type(error) is kind
        assert str(error) == "/a/b: it is broken"
        assert (str(error.path), error.problem) == ("/a/b", "it is broken")


def test_the_log_is_emptied_at_close(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        store(vault, make_recording(9))
        assert (path / "index.db-wal").stat().st_size > 0
    assert not (path / "index.db-wal").exists()
    with filled.open(path) as idle:
        with filled.open(path) as vault:
            store(vault, make_recording(10))
        assert (path / "index.db-wal").stat().st_size == 0
        assert len(idle.recordings()) == 4


def test_a_copy_without_its_empty_folders_is_whole(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    (path / "pending").rmdir()
    (path / "inbox").rmdir()
    (path / "LOCK").unlink()
    with filled.open(path) as vault:
        assert vault.check(1.0).damages == ()
        store(vault, make_recording(9))


def test_headline_is_json(filled: Filled) -> None:
    with filled.open(filled.path) as vault:
        json.dumps(vault.recordings()[0].headline)


@pytest.mark.realdata
def test_real_recordings_are_read_back_whole(
    recordings: Path, filled: Filled, tmp_path: Path
) -> None:
    paths = [
        recordings / "mitdb" / "101.hea",
        *sorted((recordings / "samples" / "eegmmidb").rglob("*.edf"))[:1],
        *sorted((recordings / "samples").rglob("*.bdf"))[:1],
    ]
    assert len(paths) == 3
    with filled.open(filled.copy(tmp_path)) as vault:
        for path in paths:
            with open_recording(path) as original:
                assert_whole(vault, store(vault, original), original)
