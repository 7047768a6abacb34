"""A process killed, or a disk full, between any two steps: nothing is lost or half stored."""

from __future__ import annotations

import hashlib
import shutil
import signal
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from app.vault import Vault, VaultDamagedError, VaultError, _people, _schema
from tests.app.vault.faults import NEVER, Fault, install
from tests.app.vault.samples import (
    PASSPHRASE,
    assert_whole,
    fill,
    make_pattern,
    make_recording,
    make_report,
    old_vault,
    store,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

    from app.vault._keys import Stretching
    from tests.app.vault.samples import Filled

    _Work = Callable[[Path, str, Callable[[str], None]], None]

_NEW = 7


def _add(path: Path, recovery_key: str, told: Callable[[str], None]) -> None:
    recording = make_recording(_NEW, 500)
    with Vault.open_with_recovery_key(path, recovery_key) as vault:
        receipt = vault.intake().store(recording, make_report(recording))
        told(vault.commit(receipt).id)


def _learn(path: Path, recovery_key: str, told: Callable[[str], None]) -> None:
    with Vault.open_with_recovery_key(path, recovery_key) as vault:
        stored = vault.recordings()[-1]
        vault.keep_pattern(stored.id, make_pattern(make_recording(1, 100)))
        told(stored.id)


def _child(work: _Work, path: Path, recovery_key: str, at: int, pipe: Connection) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # On a computer that has not seen the vault, each time: that takes some steps.
        patch.setenv("XDG_STATE_HOME", f"{path}.state-{at}")
        fault = Fault(at, kill=True)
        install(fault, patch)
        work(path, recovery_key, pipe.send)
        pipe.send(fault.count)


def _run(work: _Work, path: Path, recovery_key: str, at: int) -> tuple[int | None, list[str | int]]:
    """Do some work in a process that dies at a step; return its exit code and what it told."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.app.vault.test_crash"])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(work, path, recovery_key, at, theirs))
    process.start()
    theirs.close()
    told = []
    try:
        while True:
            told.append(ours.recv())
    except EOFError:
        pass
    process.join()
    code = process.exitcode
    process.close()
    ours.close()
    return code, told


def _assert_sound(filled: Filled, path: Path, *, acknowledged: bool) -> None:
    with filled.open(path) as vault:
        stored = {s.name: s for s in vault.recordings()}
        for original in filled.recordings:
            assert_whole(vault, stored.pop(original.name), original)
        if acknowledged:
            assert list(stored) == [f"record-{_NEW}"]
        for new in stored.values():
            assert_whole(vault, new, make_recording(_NEW, 500))
        result = vault.check(1.0)
        assert result.damages == ()
        assert len(list(path.glob("blobs/*/*"))) == 3 * len(vault.recordings())
        assert list(path.glob("pending/*")) == []
        if not stored:
            store(vault, make_recording(_NEW, 500))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("small") / "small.vault", 500)


def test_killed_at_any_step(small: Filled, tmp_path: Path) -> None:
    code, told = _run(_add, small.copy(tmp_path), small.recovery_key, NEVER)
    assert code == 0
    steps = told[-1]
    assert isinstance(steps, int)
    assert steps > 40
    absent = acknowledged = 0
    for at in range(steps):
        path = small.copy(tmp_path)
        code, told = _run(_add, path, small.recovery_key, at)
        assert code == -signal.SIGKILL
        _assert_sound(small, path, acknowledged=bool(told))
        acknowledged += bool(told)
        absent += not told
    assert acknowledged > 0
    assert absent > 30


def test_disk_full_from_any_step_on(
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
                _add(path, small.recovery_key, told.append)
            except VaultError as error:
                assert "no space is left" in error.problem  # noqa: PT017
                assert error.path in {path, path / "keyring.bin", path / "index.db"}  # noqa: PT017
                failed += 1
        if fault.count <= at:
            break  # it went through without a fault
        _assert_sound(small, path, acknowledged=bool(told))
    assert failed > 20


def _assert_learned_or_not(old: Filled, *, acknowledged: bool) -> bool:
    """Assert that a vault of version 1 holds the pattern or none, and lost nothing else."""
    with old.open(old.path) as vault:
        assert len(vault.recordings()) == len(old.recordings)
        assert vault.check(1.0).damages == ()
        stored = vault.recordings()[-1]
        kept = vault.pattern_of(stored.id)
        with vault._index._use() as connection:
            version, patients = (
                connection.pragma("user_version"),  # opening it migrated it, at the latest
                connection.execute("SELECT count(*) FROM patient").get,
            )
    pattern = make_pattern(old.recordings[0])
    assert (version, patients) == (_schema.VERSION, 5)
    assert kept in (pattern, None)
    assert kept == pattern or not acknowledged
    return kept == pattern


def test_killed_at_any_step_of_a_migration(tmp_path: Path) -> None:
    old = old_vault("vault-1", tmp_path / "whole")
    code, told = _run(_learn, old.path, old.recovery_key, NEVER)
    assert code == 0
    steps = told[-1]
    assert isinstance(steps, int)
    learned = 0
    for at in range(steps):
        old = old_vault("vault-1", tmp_path / str(at))
        code, told = _run(_learn, old.path, old.recovery_key, at)
        assert code == -signal.SIGKILL
        learned += _assert_learned_or_not(old, acknowledged=bool(told))
    assert 5 < learned < steps - 5


def test_disk_full_from_any_step_of_a_migration_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 0
    for at in range(NEVER):
        old = old_vault("vault-1", tmp_path / str(at))
        told: list[str] = []
        fault = Fault(at, kill=False)
        with monkeypatch.context() as patch:
            install(fault, patch)
            try:
                _learn(old.path, old.recovery_key, told.append)
            except VaultError as error:
                assert "no space is left" in error.problem  # noqa: PT017
                failed += 1
        if fault.count <= at:
            break
        _assert_learned_or_not(old, acknowledged=bool(told))
    assert failed > 5


@pytest.mark.parametrize("first", [bytes(512), b"x" * 512])
def test_a_first_sector_spoiled_while_the_log_is_emptied_is_mended(
    small: Filled, tmp_path: Path, first: bytes
) -> None:
    """SQLite has the page in its log; the cipher has its salt nowhere but in that sector."""
    path = small.copy(tmp_path)
    with small.open(path) as vault:
        with vault._index._use() as connection:
            connection.pragma("application_id", 1)  # writes the first page
        store(vault, make_recording(_NEW, 500))
        copy = shutil.copytree(path, tmp_path / "spoiled")
    (copy / "index.db-shm").unlink()
    data = (copy / "index.db").read_bytes()
    (copy / "index.db").write_bytes(first + data[512:])
    for _ in range(2):  # the first opening puts it right
        _assert_sound(small, copy, acknowledged=True)
    (copy / "index.db").write_bytes(first + (copy / "index.db").read_bytes()[512:])
    with pytest.raises(VaultDamagedError):  # without a log, it is damage
        small.open(copy)


def test_creation_on_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Argon2id would be most of the test: each vault that is made has a salt of its own.
    monkeypatch.setattr(_people, "stretch", _no_stretch)
    for at in range(NEVER):
        place = tmp_path / "place"
        place.mkdir()
        fault = Fault(at, kill=False)
        with monkeypatch.context() as patch:
            install(fault, patch)
            try:
                vault, _ = Vault.create(place / "new.vault", PASSPHRASE)
            except VaultError as error:
                assert "no space is left" in error.problem  # noqa: PT017
                assert list(place.iterdir()) == []
            else:
                vault.close()
                with Vault.open(place / "new.vault", PASSPHRASE) as vault:
                    assert vault.check(1.0).damages == ()
        shutil.rmtree(place)
        if fault.count <= at:
            break
    assert at > 10


def _no_stretch(passphrase: str, salt: bytes, _cost: Stretching) -> bytes:
    return hashlib.sha256(salt + passphrase.encode()).digest()
