"""A disk of 20 MB filled to the brim: it is told, nothing is lost, and reading goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from app.vault import Vault, VaultError, restore
from tests.app.vault.campaign import id_of
from tests.app.vault.samples import (
    PASSPHRASE,
    assert_whole,
    fill,
    make_pattern,
    make_recording,
    store,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_N = 100_000  # samples: half a megabyte a recording


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=20m", "tracekeep-test", str(place)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can make a small disk")
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fill_up(place: Path, leave: int = 0) -> Path:
    """Leave not one byte, or so many; return the file that takes the rest."""
    ballast = place / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 16, 4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    if leave:
        os.truncate(ballast, ballast.stat().st_size - leave)
    return ballast


def _fill_with_recordings(path: Path, recovery_key: str) -> list[int]:
    """Store until it fails; return what was acknowledged."""
    stored: list[int] = []
    with Vault.open_with_recovery_key(path, recovery_key) as vault:
        for seed in range(100, 200):
            try:
                store(vault, make_recording(seed, _N))
            except VaultError as error:
                assert "no space is left" in error.problem  # noqa: PT017
                return stored
            stored.append(seed)
    raise AssertionError("the disk was never full")


def test_a_disk_filled_to_the_brim(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(small_disk / "state"))
    filled = fill(small_disk / "v", 2000)
    (small_disk / "reserve").write_bytes(bytes(2 << 20))
    stored = _fill_with_recordings(filled.path, filled.recovery_key)
    assert len(stored) > 10
    ballast = _fill_up(small_disk)
    assert shutil.disk_usage(small_disk).free == 0
    wanted = {recording.name for recording in filled.recordings} | {
        f"record-{seed}" for seed in stored
    }
    for attempt in range(2):  # and again: the first has left nothing behind that hinders
        with Vault.open(filled.path, PASSPHRASE) as vault:
            assert {one.name for one in vault.recordings()} == wanted
            for original in (filled.recordings[0], make_recording(stored[-1], _N)):
                assert_whole(vault, vault.recording(id_of(vault, original.name)), original)
            assert vault.check(0.2).damages == ()
            assert any("log of the vault cannot be written" in w for w in vault.warnings)
            assert any("no space is left" in warning for warning in vault.warnings)
            one = id_of(vault, "record-1")
            with pytest.raises(VaultError, match="no space is left"):
                store(vault, make_recording(300, _N))
            with pytest.raises(VaultError, match="no space is left"):
                vault.keep_pattern(one, make_pattern(make_recording(1, 2000)))
            with pytest.raises(VaultError, match="no space is left"):
                vault.erase(one, whole_patient=True)
            assert {one.name for one in vault.recordings()} == wanted
            # What helps: a backup on another disk.
            assert vault.back_up(tmp_path / "backup").recordings == len(wanted)
            restore(tmp_path / "backup", tmp_path / f"restored-{attempt}", filled.open)
    ballast.unlink()
    (small_disk / "reserve").unlink()
    with filled.open(filled.path) as vault:
        assert {one.name for one in vault.recordings()} == wanted
        assert vault.check(1.0).damages == ()
        assert vault.verify_log().flaws == ()
        assert len(list(filled.path.glob("blobs/*/*"))) == 3 * len(wanted)
        vault.erase(id_of(vault, f"record-{stored[0]}"), whole_patient=True)
        store(vault, make_recording(400, 2000))  # there is room again


@pytest.mark.parametrize("leave", [4096, 3 * 4096, 10 * 4096, 30 * 4096, 100 * 4096])
def test_a_disk_with_a_few_pages_left(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, leave: int
) -> None:
    """Where some of the steps of a change find room, and a later one does not."""
    monkeypatch.setenv("XDG_STATE_HOME", str(small_disk / "state"))
    filled = fill(small_disk / "v", 500)
    ballast = _fill_up(small_disk, leave)
    acknowledged = []
    with filled.open(filled.path) as vault:
        for seed in range(10, 40):
            try:
                store(vault, make_recording(seed, 500))
            except VaultError as error:
                assert "no space is left" in error.problem  # noqa: PT017
            else:
                acknowledged.append(f"record-{seed}")
    ballast.unlink()
    with filled.open(filled.path) as vault:
        names = {one.name for one in vault.recordings()}
        assert names == {"record-1", "record-2", *acknowledged}
        assert vault.check(1.0).damages == ()
        assert vault.warnings == ()
