"""A new vault key: killed or out of room at any step, the old opens all of it, or the new does."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from app.vault import (
    NotAllowedError,
    Role,
    Vault,
    VaultDamagedError,
    VaultError,
    VaultLockedError,
    _files,
    new_recovery_key,
)
from app.vault._inbox import _Sealed
from app.vault.dropbox import seal
from tests.app.vault.decoder import Decoder
from tests.app.vault.faults import NEVER, Fault, install
from tests.app.vault.samples import (
    PASSPHRASE,
    assert_whole,
    fill,
    make_recording,
    make_report,
    old_vault,
    store,
)
from tests.app.vault.test_crash import _run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.vault._keys import Kem
    from tests.app.vault.samples import Filled


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("small") / "small.vault", 500)


def _rotate(path: Path, keys: str, told: Callable[[str], None]) -> None:
    old, new, os.environ["XDG_STATE_HOME"] = keys.split(" ", 2)
    with Vault.open_with_recovery_key(path, old) as vault:
        vault.rotate(new)
        told("rotated")
        store(vault, make_recording(7, 500))


def _epoch(filled: Filled, path: Path, new_key: str) -> int:
    """Return the epoch; assert that exactly one of the keys opens all of the vault."""
    epochs = []
    for epoch, key in enumerate((filled.recovery_key, new_key), 1):
        try:
            vault = Vault.open_with_recovery_key(path, key)
        except VaultLockedError:
            continue
        with vault:
            epochs.append(epoch)
            assert vault._header.epoch == epoch
            stored = {one.name: one for one in vault.recordings()}
            for original in filled.recordings:
                assert_whole(vault, stored[original.name], original)
            result = vault.check(1.0)
            assert (result.damages, result.warnings) == ((), ())
    assert len(epochs) == 1
    assert not list(path.glob("next-*"))
    assert not (path / "vault.json.tmp").exists()
    with Vault.open(path, PASSPHRASE) as vault:  # which is the same before and after
        assert len(vault.recordings()) >= len(filled.recordings)
    return epochs[0]


def test_a_new_key_opens_everything_and_the_old_nothing(filled: Filled, tmp_path: Path) -> None:
    path, new_key = filled.copy(tmp_path), new_recovery_key()
    before = {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}
    with Vault.open(path, PASSPHRASE) as vault:
        vault.people.add("Zoë", Role.CLINICIAN, "nine fleas on a dog")
        old_key = vault._vault_key
        entries = len(vault.log_entries())
        vault.rotate(new_key)
        assert vault._vault_key != old_key
        assert vault.log_entries()[-1].action == "rotate"
        assert len(vault.log_entries()) == entries + 1
        store(vault, make_recording(7, 500))  # the vault stays in use
    assert _epoch(filled, path, new_key) == 2
    with Vault.open(path, "nine fleas on a dog", user="Zoë") as vault:
        assert vault.session.role is Role.CLINICIAN
    for name in ("index.db", "keyring.bin"):
        copy = shutil.copytree(path, tmp_path / name)
        (copy / name).write_bytes(before[name])  # under the old key
        with pytest.raises(VaultDamagedError):
            Vault.open(copy, PASSPHRASE)
    reader = Decoder(path, passphrase=PASSPHRASE)
    assert reader.epoch == 2
    assert Decoder(path, recovery_key=new_key).vault_key == reader.vault_key != old_key
    assert len(reader.rows("SELECT id FROM recording")) == 3
    assert old_key not in b"".join(file.read_bytes() for file in path.iterdir() if file.is_file())


def test_rotated_again_and_again(small: Filled, tmp_path: Path) -> None:
    path = small.copy(tmp_path)
    keys = [small.recovery_key]
    for _ in range(3):
        keys.append(new_recovery_key())
        with Vault.open_with_recovery_key(path, keys[-2]) as vault:
            vault.rotate(keys[-1])
    for key in keys[:-1]:
        with pytest.raises(VaultLockedError, match="no longer"):
            Vault.open_with_recovery_key(path, key)
    with Vault.open_with_recovery_key(path, keys[-1]) as vault:
        assert vault._header.epoch == 4
        assert vault.check(1.0).damages == ()


def test_killed_at_any_step(small: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_key = new_recovery_key()
    keys = f"{small.recovery_key} {new_key} {tmp_path}"
    code, told = _run(_rotate, small.copy(tmp_path), f"{keys}/whole", NEVER)
    assert code == 0
    steps = told[-1]
    assert isinstance(steps, int)
    old = new = half = 0
    for at in range(steps - 1):
        path = small.copy(tmp_path)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"state-{at}"))
        code, told = _run(_rotate, path, f"{keys}/state-{at}", at)
        assert code == -signal.SIGKILL
        half += bool(list(path.glob("next-*")))
        epoch = _epoch(small, path, new_key)
        assert epoch == 2 or not told
        old += epoch == 1
        new += epoch == 2
    assert min(old, new, half) > 10


def test_disk_full_from_any_step_on(
    small: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_key = new_recovery_key()
    failed = 0
    for at in range(NEVER):
        path = small.copy(tmp_path)
        told: list[str] = []
        fault = Fault(at, kill=False)
        keys = f"{small.recovery_key} {new_key} {tmp_path}/state-{at}"
        monkeypatch.setenv("XDG_STATE_HOME", keys.split(" ", 2)[2])
        with monkeypatch.context() as patch:
            install(fault, patch)
            try:
                _rotate(path, keys, told.append)
            except VaultError as error:
                assert "no space is left" in error.problem  # noqa: PT017
                failed += 1
        epoch = _epoch(small, path, new_key)
        assert epoch == 2 or not told
        if fault.count <= at:
            break
    assert failed > 20


def test_what_was_half_done_is_read_by_the_second_reader(small: Filled, tmp_path: Path) -> None:
    """Between the switch and the move, the files of the new key lie in `next-2`."""
    path, new_key = small.copy(tmp_path), new_recovery_key()
    with pytest.MonkeyPatch.context() as patch, small.open(path) as vault:
        patch.setattr("app.vault._rotation._move", _fail)
        with pytest.raises(KeyboardInterrupt):
            vault.rotate(new_key)
    assert (path / "next-2" / "index.db").exists()
    reader = Decoder(path, recovery_key=new_key)
    assert len(reader.rows("SELECT id FROM recording")) == 2
    assert _epoch(small, path, new_key) == 2


def _fail(*_: object) -> None:
    raise KeyboardInterrupt


def test_nobody_else_has_it_open_meanwhile(
    small: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small.copy(tmp_path)
    monkeypatch.setattr(_files, "PATIENCE_S", 0.1)
    with small.open(path) as vault:
        with small.open(path), pytest.raises(VaultError, match="another program has the vault"):
            vault.rotate(new_recovery_key())
        with (
            vault._use.alone(),
            pytest.raises(VaultError, match="changing the keys of the vault; try again"),
        ):
            small.open(path)
        assert vault._header.epoch == 1
        vault.rotate(new_recovery_key())


def test_a_mistyped_recovery_key_changes_nothing(small: Filled, tmp_path: Path) -> None:
    path = small.copy(tmp_path)
    with small.open(path) as vault, pytest.raises(VaultError, match="group 8"):
        vault.rotate(new_recovery_key()[:-1] + "U")
    with small.open(path) as vault:
        assert vault._header.epoch == 1


def test_a_new_key_closes_the_inbox_to_who_kept_the_old_one(small: Filled, tmp_path: Path) -> None:
    path = small.copy(tmp_path)
    kept: list[tuple[Kem, bytes]] = []  # by somebody who had the vault open with another program
    addresses = []
    with small.open(path) as vault:
        for _ in range(3):
            kept.extend(vault._header.inbox_keys(vault._vault_key))
            addresses.append(vault.inbox_address)
            vault.rotate(new_recovery_key())
        vault_id, new = vault.vault_id, vault.inbox_address
        files = [
            seal(
                path / "inbox",
                address,
                (recording := make_recording(n, 500)),
                make_report(recording),
            )
            for n, address in enumerate((*addresses, new), 20)
        ]
        for file in files[:3]:  # an old address is what it was: the documents say so
            with _Sealed(file, vault_id, kept) as sealed:
                assert sealed.patient.code
        with pytest.raises(VaultDamagedError, match="no longer used"):
            _Sealed(files[3], vault_id, kept)
        taken = vault.take_in_inbox()  # nothing is lost of what recorders seal that know no better
        assert {one.name for one in taken.recordings} == {f"record-{n}" for n in range(20, 24)}
        assert set(taken.former) == {file.name for file in files[:3]}
        (warning,) = taken.warnings
        assert "vault inbox --address" in warning
        assert files[3].name not in warning


def test_only_so_many_keys_of_the_inbox_are_kept(
    small: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.vault._rotation.MOST_FORMER", 1)
    with small.open(small.copy(tmp_path)) as vault:
        first = vault._header.inbox_keys(vault._vault_key)
        vault.rotate(new_recovery_key())
        second = vault._header.inbox_keys(vault._vault_key)
        vault.rotate(new_recovery_key())
        third = vault._header.inbox_keys(vault._vault_key)
    assert second[1:] == first
    assert third[1:] == second[:1]
    assert len({*first, *second, *third}) == 3


def test_a_strange_folder_is_left_alone(small: Filled, tmp_path: Path) -> None:
    path = small.copy(tmp_path)
    for name in ("next-7", "next-x", "next-01"):
        (path / name).mkdir()
        (path / name / "photo").touch()
    (path / "next-3").symlink_to(tmp_path, target_is_directory=True)
    (path / "next-9").mkdir()
    (path / "next-9" / "index.db").touch()
    small.open(path).close()
    left = {file.name for file in path.glob("next-*")}
    assert left == {"next-7", "next-x", "next-01", "next-3"}
    assert (path / "next-7" / "photo").exists()


def test_a_vault_of_version_1_is_migrated_first(tmp_path: Path) -> None:
    old = old_vault("vault-1", tmp_path)
    with old.open(old.path) as vault, pytest.raises(VaultError, match="open it once"):
        vault.rotate(new_recovery_key())


def test_a_damaged_index_is_not_copied(small: Filled, tmp_path: Path) -> None:
    path = small.copy(tmp_path)
    with small.open(path) as vault:
        data = bytearray((path / "index.db").read_bytes())
        data[-100] ^= 1
        (path / "index.db").write_bytes(data)
        with pytest.raises((VaultDamagedError, VaultError)):
            vault.rotate(new_recovery_key())
        assert vault._current_header().epoch == 1
    assert not list(path.glob("next-*"))


def test_only_an_administrator_rotates(small: Filled, tmp_path: Path) -> None:
    path = small.copy(tmp_path)
    with small.open(path) as vault:
        vault.people.add("Zoë", Role.CLINICIAN, "nine fleas on a dog")
    with (
        Vault.open(path, "nine fleas on a dog") as vault,
        pytest.raises(NotAllowedError),
    ):
        vault.rotate(new_recovery_key())
