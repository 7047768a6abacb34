"""Links in place of what a vault writes: nothing outside of it is written, ever."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from app.vault import VaultError, _files, restore
from app.vault._lost import Lost
from tests.app.vault.samples import make_recording, store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.vault.samples import Filled

_OTHERS = b"what somebody else keeps here"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    victim = tmp_path / "victim.txt"
    victim.write_bytes(_OTHERS)
    return victim


@pytest.fixture
def trap(victim: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Plant a link at each name at which a file is made, just before it is made."""
    names: list[str] = []

    def create(path: Path) -> int:
        if not path.is_symlink() and not path.exists():
            names.append(path.name)
            path.symlink_to(victim)
        return real_create(path)

    real_create = _files.create
    for module in ("_files", "_anchor", "_backup", "_blobs", "_index", "_intake", "_lost"):
        monkeypatch.setattr(f"app.vault.{module}.create", create)
    for module in ("_restore", "dropbox"):
        monkeypatch.setattr(f"app.vault.{module}.create", create)
    return names


def test_a_link_at_any_name_that_is_written_is_replaced(
    filled: Filled, tmp_path: Path, victim: Path, trap: list[str]
) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        store(vault, make_recording(3, 100))
        vault.people.reset_passphrase("owner", "nine fleas on a dog")
        vault.back_up(tmp_path / "backup")
        Lost(path).copy(path / "vault.json")
        vault.erase(vault.recordings()[0].id, whole_patient=False)
    restore(tmp_path / "backup", tmp_path / "again", filled.open)
    with filled.open(tmp_path / "again") as vault:
        assert len(vault.recordings()) == 3
    with filled.open(path) as vault:
        assert len(vault.recordings()) == 2
        assert vault.check(1.0).damages == ()
    assert victim.read_bytes() == _OTHERS
    planted = {name.rpartition(".")[2] for name in trap}
    assert {"tmp", "db", "json", "c2sp"} <= planted
    assert {"keyring.bin.tmp", "vault.json.tmp", "manifest.json.tmp"} <= set(trap)


def test_a_link_in_place_of_the_lock_is_refused_in_words(
    filled: Filled, tmp_path: Path, victim: Path
) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        for target in (victim, tmp_path / "not there"):
            (path / "LOCK").unlink()
            (path / "LOCK").symlink_to(target)
            with pytest.raises(VaultError, match="LOCK: this is a link, which is not followed"):
                vault.intake()
        (path / "LOCK").unlink()
    assert victim.read_bytes() == _OTHERS
    assert not (tmp_path / "not there").exists()


def test_a_file_that_is_made_is_new_and_the_owners(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "hard").hardlink_to(victim)
    (tmp_path / "soft").symlink_to(victim)
    for name in ("hard", "soft", "none"):
        file = _files.create(tmp_path / name)
        os.write(file, b"new")
        assert os.fstat(file).st_mode & 0o777 == 0o600
        os.close(file)
        assert (tmp_path / name).read_bytes() == b"new"
    assert victim.read_bytes() == _OTHERS
