"""Bytes flipped, files cut, swapped and moved: refused and named, or harmless; never read wrong."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.vault import (
    Vault,
    VaultDamagedError,
    VaultError,
    VaultLockedError,
    VaultTooNewError,
    _schema,
)
from tests.app.vault.samples import PASSPHRASE, assert_whole, store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.vault.samples import Filled

_quick = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file() and p.stat().st_size)


def _read_all(filled: Filled, path: Path) -> int:
    """Read everything; return how many recordings were whole. Anything wrong is an assertion."""
    originals = {recording.name: recording for recording in filled.recordings}
    whole = 0
    with filled.open(path) as vault:
        stored = vault.recordings()
        assert {one.name for one in stored} == set(originals)
        for one in stored:
            try:
                assert_whole(vault, one, originals[one.name])
                whole += 1
            except VaultDamagedError as error:
                result = vault.check(1.0)
                named = {damage.what.rsplit("/")[-1] for damage in result.damages}
                assert error.path.name in named  # noqa: PT017
                hit = {damage.recording_id for damage in result.damages}
                # A page of the index concerns no one recording.
                assert one.id in hit or error.path.name == "index.db"  # noqa: PT017
    return whole


def _mistreated(filled: Filled, path: Path) -> bool:
    """Return whether the damage was found; assert that nothing was read wrong."""
    try:
        if _read_all(filled, path) < len(filled.recordings):
            return True
        with filled.open(path) as vault:
            return bool(vault.check(1.0).damages)
    except (VaultDamagedError, VaultLockedError, VaultTooNewError):
        return True


@_quick
@given(which=st.integers(0, 8), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(
    filled: Filled, tmp_path: Path, which: int, place: float, bit: int
) -> None:
    path = filled.copy(tmp_path)
    file = _files(path)[which]
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    file.write_bytes(data)
    assert _mistreated(filled, path)


@_quick
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_header_is_found_with_the_passphrase(
    filled: Filled, tmp_path: Path, place: float, bit: int
) -> None:
    path = filled.copy(tmp_path) / "vault.json"
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises((VaultDamagedError, VaultLockedError, VaultTooNewError)):
        Vault.open(path.parent, PASSPHRASE)


@_quick
@given(which=st.integers(0, 8), keep=st.floats(0, 1, exclude_max=True))
def test_any_cut_file_is_found(filled: Filled, tmp_path: Path, which: int, keep: float) -> None:
    path = filled.copy(tmp_path)
    file = _files(path)[which]
    data = file.read_bytes()
    file.write_bytes(data[: int(keep * len(data))])
    assert _mistreated(filled, path)


@pytest.mark.parametrize("which", range(9))
def test_any_missing_file_is_named(filled: Filled, tmp_path: Path, which: int) -> None:
    path = filled.copy(tmp_path)
    file = _files(path)[which]
    file.unlink()
    if file.suffix == ".c2sp":
        with filled.open(path) as vault:
            (damage,) = vault.check().damages
            assert damage.what.endswith(file.name)
            assert damage.recording_name in {"record-1", "record-2"}
            assert "missing" in damage.problem
    else:
        with pytest.raises(VaultDamagedError, match="missing") as caught:
            filled.open(path)
        assert caught.value.path == file


@pytest.mark.parametrize("which", range(9))
def test_any_longer_file_is_found_or_harmless(filled: Filled, tmp_path: Path, which: int) -> None:
    path = filled.copy(tmp_path)
    file = _files(path)[which]
    file.write_bytes(file.read_bytes() + b"\0")
    assert _mistreated(filled, path) or file.name == "index.db"


def test_swapped_blobs_are_refused(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    blobs = [file for file in _files(path) if file.suffix == ".c2sp"]
    for first in range(len(blobs)):
        for second in range(first):
            one, two = blobs[first].read_bytes(), blobs[second].read_bytes()
            blobs[first].write_bytes(two)
            blobs[second].write_bytes(one)
            with filled.open(path) as vault:
                assert len(vault.check().damages) == 2
            blobs[first].write_bytes(one)
            blobs[second].write_bytes(two)


def test_files_of_another_vault_are_refused(filled: Filled, tmp_path: Path) -> None:
    """The other one has the same recordings, and even the same names of blobs."""
    other, _ = Vault.create(tmp_path / "other", PASSPHRASE)
    with other:
        for recording in filled.recordings:
            store(other, recording)
    theirs = [file for file in _files(tmp_path / "other") if file.suffix == ".c2sp"]
    for name in ("vault.json", "keyring.bin", "index.db"):
        path = filled.copy(tmp_path)
        shutil.copy(tmp_path / "other" / name, path / name)
        with pytest.raises((VaultDamagedError, VaultLockedError)) as caught:
            filled.open(path)
        assert caught.value.path in {path, path / name}
    path = filled.copy(tmp_path)
    for ours, their in zip(_files(path)[:6], theirs, strict=True):
        shutil.copy(their, ours)
    with filled.open(path) as vault:
        assert len(vault.check().damages) == 6


def test_a_whole_vault_copied_over_keeps_only_its_own_key(filled: Filled, tmp_path: Path) -> None:
    """A stanza that opens another vault, put into this one's header, opens nothing."""
    other, key = Vault.create(tmp_path / "other", PASSPHRASE)
    other.close()
    path = filled.copy(tmp_path)
    ours = json.loads((path / "vault.json").read_text())
    theirs = json.loads((tmp_path / "other" / "vault.json").read_text())
    ours["stanzas"] += theirs["stanzas"]
    (path / "vault.json").write_text(json.dumps(ours, indent=2) + "\n")
    with pytest.raises(VaultLockedError):
        Vault.open_with_recovery_key(path, key)
    with pytest.raises(VaultDamagedError, match="header of the vault was changed"):
        filled.open(path)


def _edit(path: Path, **changes: object) -> None:
    values = json.loads((path / "vault.json").read_text())
    stanza = values["stanzas"][0]
    for name, value in changes.items():
        holder = next((part for part in (stanza["kdf"], stanza) if name in part), values)
        holder[name] = value
    (path / "vault.json").write_text(json.dumps(values, indent=2) + "\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"memory_kib": 8},
        {"memory_kib": 64 * 1024 - 1},
        {"memory_kib": 1 << 40},
        {"passes": 1},
        {"passes": 1000},
        {"lanes": 1},
        {"lanes": True},
        {"epoch": 0},
        {"vault_id": "00"},
        {"stanzas": []},
        {"stanzas": 5},
        {"mac": "xyz"},
        {"format": "other"},
        {"more": 1},
    ],
)
def test_a_header_that_no_vault_writes_is_refused(
    filled: Filled, tmp_path: Path, changes: dict[str, object]
) -> None:
    path = filled.copy(tmp_path)
    _edit(path, **changes)
    with pytest.raises((VaultDamagedError, VaultLockedError)):
        Vault.open(path, PASSPHRASE)
    with pytest.raises((VaultDamagedError, VaultLockedError)):
        filled.open(path)


@pytest.mark.parametrize(
    "changes",
    [{"salt": ""}, {"salt": "00"}, {"salt": "00" * 32}, {"mac": ""}, {"wrapped": ""}],
)
def test_a_header_with_a_wrong_length_is_damaged(
    filled: Filled, tmp_path: Path, changes: dict[str, str]
) -> None:
    path = filled.copy(tmp_path)
    _edit(path, **changes)
    with pytest.raises(VaultDamagedError, match="header of the vault is damaged"):
        Vault.open(path, PASSPHRASE)


@pytest.mark.parametrize("kind", ["waveform-1", "envelope-1", "report-1"])
@pytest.mark.parametrize("with_file", [True, False])
def test_a_part_that_the_index_lost_is_reported(
    filled: Filled, tmp_path: Path, kind: str, *, with_file: bool
) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        one = vault.recordings()[0]
        (blob,) = (b for b in vault._index.blobs(one.id) if b.kind == kind)
        with vault._index._use() as connection:
            connection.execute("DELETE FROM blob WHERE id = ?", (blob.id,))
        if with_file:
            (path / "blobs" / blob.id[:2] / f"{blob.id}.c2sp").unlink()
        problems = [d.problem for d in vault.check().damages if d.recording_id == one.id]
    assert problems == [f"the index names no {kind} for this recording"]


def test_a_file_of_another_size_than_the_index_tells_is_reported(
    filled: Filled, tmp_path: Path
) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        one = vault.recordings()[0]
        with vault._index._use() as connection:
            connection.execute(
                "UPDATE blob SET size = size + 1 WHERE recording_id = ? AND kind = 'report-1'",
                (one.id,),
            )
        (damage,) = vault.check().damages
    assert damage.recording_id == one.id
    assert "by the index" in damage.problem


def test_cheaper_stretching_that_is_allowed_is_still_refused(
    filled: Filled, tmp_path: Path
) -> None:
    path = filled.copy(tmp_path)
    _edit(path, passes=4)
    with pytest.raises(VaultLockedError):
        Vault.open(path, PASSPHRASE)
    with pytest.raises(VaultDamagedError, match="was changed"):
        filled.open(path)


@given(data=st.binary(max_size=200) | st.text().map(lambda text: text.encode()))
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_header_of_anything_is_refused(tmp_path: Path, data: bytes) -> None:
    for header in (data, b"[" * 100_000, b'{"format": "tracekeep-vault", "version": 1' + data):
        (tmp_path / "vault.json").write_bytes(header)
        with pytest.raises(VaultDamagedError):
            Vault.open(tmp_path, PASSPHRASE)


def test_a_newer_vault_is_left_alone(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    _edit(path, version=3, surprise="new")
    with pytest.raises(VaultTooNewError, match="update the program"):
        Vault.open(path, PASSPHRASE)
    path = filled.copy(tmp_path)
    with filled.open(path) as vault, vault._index._use() as connection:
        connection.pragma("user_version", _schema.VERSION + 1)
    with pytest.raises(VaultTooNewError, match="update the program"):
        filled.open(path)


def test_a_plain_index_is_refused(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path) / "index.db"
    path.write_bytes(b"SQLite format 3\0" + path.read_bytes()[16:])
    with pytest.raises(VaultDamagedError, match="not encrypted"):
        filled.open(path.parent)


def test_lost_rows_lost_keys_and_strange_files_are_reported(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        first, second = vault.recordings()
        vault._keyring.remove(first.id)
        with vault._index._use() as connection:
            connection.execute("DELETE FROM blob WHERE recording_id = ?", (second.id,))
            connection.execute("DELETE FROM recording WHERE id = ?", (second.id,))
        damages = vault.check(1.0).damages
        assert [d.problem for d in damages if d.recording_id == first.id] == [
            "the key of this recording is missing"
        ]
        assert [d.problem for d in damages if d.recording_id == second.id] == [
            "a recording that the keyring knows is not in the index"
        ]
        assert len([d for d in damages if "no recording knows" in d.problem]) == 3
        with pytest.raises(VaultDamagedError, match="key of recording"):
            vault.report(first.id)
    assert len(list(path.rglob("*.c2sp"))) == 6  # nothing is deleted for being unknown


def test_a_note_of_anything_does_no_harm(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        one = vault.recordings()[0]
    every_blob = "\n".join(file.stem for file in path.rglob("*.c2sp"))
    outside = tmp_path / "outside.c2sp"
    outside.touch()
    (path / "pending" / one.id).write_text(every_blob)
    (path / "pending" / ("0" * 32)).write_text(every_blob)
    (path / "pending" / ("1" * 32)).write_bytes(b"../../../outside \xff\n/etc/passwd\0")
    (path / "pending" / "strange").touch()
    assert _read_all(filled, path) == 2
    assert [note.name for note in (path / "pending").iterdir()] == ["strange"]
    assert outside.exists()


def test_check_notices_a_header_changed_since_it_was_opened(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        _edit(path, epoch=2)
        (path / "keyring.bin").write_bytes(b"x")
        result = vault.check()
    assert [d.what for d in result.damages] == ["vault.json", "keyring.bin"]
    with pytest.raises(VaultError):
        filled.open(path)
