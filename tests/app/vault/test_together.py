"""Several programs, and several threads, with one vault."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np
import pytest

from app.vault import Intake, Receipt, Vault, VaultError, _creation, _files
from tests.app.vault.samples import assert_whole, make_recording, make_report, store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.vault.samples import Filled


def _store_some(path: Path, recovery_key: str, seeds: list[int]) -> int:
    with Vault.open_with_recovery_key(path, recovery_key) as vault:
        for seed in seeds:
            store(vault, make_recording(seed, 300))
        return len(vault.recordings())


def test_programs_that_write_at_once_lose_nothing(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    shares = [list(range(start, 130, 3)) for start in (100, 101, 102)]
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        counts = [pool.submit(_store_some, path, filled.recovery_key, share) for share in shares]
        assert max(count.result() for count in counts) == 32
    with filled.open(path) as vault:
        assert {one.name for one in vault.recordings()} >= {f"record-{n}" for n in range(100, 130)}
        result = vault.check(1.0)
        assert (result.damages, result.warnings, vault.warnings) == ((), (), ())
        assert vault.verify_log().flaws == ()
        added = [entry for entry in vault.log_entries() if entry.action == "add"]
        assert len(added) == 32
    assert list((path / "pending").iterdir()) == []


def test_what_another_program_stores_is_seen_at_once(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as reader, filled.open(path) as writer:
        recording = make_recording(9)
        stored = store(writer, recording)
        assert_whole(reader, reader.recording(stored.id), recording)


def test_opening_leaves_alone_what_another_program_takes_in(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    recording = make_recording(9)
    with filled.open(path) as vault:
        receipt = vault.intake().store(recording, make_report(recording))
        with filled.open(path) as other:
            assert len(other.recordings()) == 2
            assert other.check(1.0).damages == ()
        assert_whole(vault, vault.commit(receipt), recording)


def _store_when_orphaned(intake: Intake, seed: int) -> Receipt:
    recording = make_recording(seed, 300)
    return intake.store(recording, make_report(recording))


def test_a_worker_that_still_writes_is_left_alone(filled: Filled, tmp_path: Path) -> None:
    """Its program gave up; what it writes goes with the first opening after its end."""
    path = filled.copy(tmp_path)
    vault = filled.open(path)
    intake = vault.intake()
    note = path / "pending" / intake.recording_id
    worker = os.open(note, os.O_RDONLY)  # what a worker holds while it stores
    fcntl.flock(worker, fcntl.LOCK_SH)
    _store_when_orphaned(intake, 9)
    vault.discard(intake)
    vault.close()
    filled.open(path).close()
    assert len(list(path.rglob("*.c2sp"))) == 9
    os.close(worker)
    filled.open(path).close()
    assert len(list(path.rglob("*.c2sp"))) == 6
    assert not note.exists()


def test_threads_share_a_vault_and_a_recording(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    original = filled.recordings[1]
    with (
        filled.open(path) as vault,
        vault.waveform(vault.recordings()[0].id) as read,
        ThreadPoolExecutor(4) as pool,
    ):

        def look(seed: int) -> None:
            start, stop = np.sort(np.random.default_rng(seed).integers(0, 20_000, 2)).tolist()
            np.testing.assert_array_equal(
                read.read_digital([0, 1], start, stop), original.read_digital([0, 1], start, stop)
            )
            assert len(vault.recordings()) >= 2

        def add(seed: int) -> None:
            store(vault, make_recording(seed, 300))

        looks = [pool.submit(look, seed) for seed in range(60)]
        adds = [pool.submit(add, seed) for seed in range(200, 212)]
        for done in looks + adds:
            done.result()
        assert len(vault.recordings()) == 14
        assert vault.check(1.0).damages == ()


def test_a_writer_that_does_not_let_go_is_reported(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled.copy(tmp_path)
    monkeypatch.setattr(_files, "PATIENCE_S", 0.1)
    with (
        filled.open(path) as vault,
        _files.writer_lock(path),
        pytest.raises(VaultError, match="another program is writing"),
    ):
        vault.intake()


def test_creation_that_was_killed_is_cleared_by_the_next(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, sys; from app.vault import Vault, _creation\n"
        "_creation.write_header = lambda *_: os.kill(os.getpid(), 9)\n"
        "Vault.create(pathlib.Path(sys.argv[1]), 'correct horse')"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path / "v"], check=False)
    assert killed.returncode == -9
    assert not (tmp_path / "v").exists()
    (left,) = tmp_path.iterdir()
    live = tmp_path / ".v.new-live"
    live.mkdir()
    lock = os.open(live, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    _creation.remove_unfinished(tmp_path / "v")
    assert not left.exists()
    assert live.exists()
    os.close(lock)
