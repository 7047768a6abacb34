"""Every byte of the small files of a vault flipped, drawn bytes of the large ones; files cut,
swapped, doubled and put back: found out, or of no effect, and never a wrong reading or a trace.
"""

from __future__ import annotations

import json
import shutil
from random import Random
from typing import TYPE_CHECKING

import pytest

from app.vault import Vault, VaultError, restore
from app.vault._anchor import Anchor
from app.vault._header import read_header, verify_header
from app.vault._keyring import Keyring
from app.vault.dropbox import seal
from tests.app.vault.campaign import N, Tally, quick_place
from tests.app.vault.samples import assert_whole, fill, make_recording, make_report, store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.app.vault.samples import Filled

__all__ = ["quick_place"]
_SMALL = 4096  # bytes: of a smaller file each one is flipped


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("small") / "small.vault", N)


def _is_harmless(filled: Filled, path: Path) -> bool:
    """Return whether all is well; assert that it is, or that somebody is told."""
    originals = {recording.name: recording for recording in filled.recordings}
    try:
        with filled.open(path) as vault:
            result = vault.check(1.0)
            if result.damages or result.warnings or vault.warnings or vault.verify_log().flaws:
                return False
            stored = vault.recordings()
            assert {one.name for one in stored} == set(originals), "read wrong"
            for one in stored:
                assert_whole(vault, one, originals[one.name])
    except VaultError:
        return False
    return True


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file() and p.stat().st_size)


def flip(filled: Filled, place: Path, drawn: int, seed: int = 0) -> Tally:
    """Flip a bit in drawn bytes of each file; what passes must be read right."""
    random = Random(seed)
    tally = Tally("bits flipped in any file")
    for number in range(len(_files(filled.path))):
        for _ in range(drawn):
            path = filled.copy(place)
            file = _files(path)[number]
            data = bytearray(file.read_bytes())
            at, bit = random.randrange(len(data)), random.randrange(8)
            data[at] ^= 1 << bit
            file.write_bytes(data)

            def attack(path: Path = path, file: Path = file) -> None:
                harmless = _is_harmless(filled, path)
                tally.noticed += not harmless
                assert not harmless or file.name == "index.db", "not noticed"

            tally.judge(f"bit {bit} of byte {at} of {file.name}", attack)
    return tally


def test_a_flipped_bit_of_any_file_is_noticed(small: Filled, quick_place: Path) -> None:
    tally = flip(small, quick_place, 12)
    assert tally.failures == []
    assert tally.noticed > 0.95 * tally.injected


def test_each_byte_of_the_header_is_vouched_for(small: Filled, quick_place: Path) -> None:
    path = small.copy(quick_place)
    with small.open(path) as vault:
        key = vault._vault_key
    file = path / "vault.json"
    data = file.read_bytes()
    for at in range(len(data)):
        file.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        with pytest.raises(VaultError):
            verify_header(path, read_header(path), key)
    for at in range(0, len(data), 7):
        file.write_bytes(data[:at])
        with pytest.raises(VaultError):
            read_header(path)


def test_each_byte_of_the_keyring_and_each_length_is_vouched_for(
    small: Filled, quick_place: Path
) -> None:
    path = small.copy(quick_place)
    with small.open(path) as vault:
        keyring = Keyring(path, vault.vault_id, 1, vault._vault_key)
    file = path / "keyring.bin"
    data = file.read_bytes()
    assert len(keyring.load()) == 2
    for at in range(len(data)):
        for changed in (data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :], data[:at]):
            file.write_bytes(changed)
            with pytest.raises(VaultError, match="keyring is damaged"):
                keyring.load()


def test_each_byte_of_a_recordings_small_files_is_vouched_for(
    small: Filled, quick_place: Path
) -> None:
    path = small.copy(quick_place)
    with small.open(path) as vault:
        (one,) = (one for one in vault.recordings() if one.name == "record-1")
        looks: dict[str, Callable[[], object]] = {
            "report-1": lambda: vault.report(one.id),
            "envelope-1": lambda: vault.envelope(one.id),
        }
        for blob in vault._index.blobs(one.id):
            if blob.kind not in looks:
                continue
            file = path / "blobs" / blob.id[:2] / f"{blob.id}.c2sp"
            data = file.read_bytes()
            assert len(data) < _SMALL
            for at in range(len(data)):
                for changed in (
                    data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :],
                    data[:at],
                    data + data[:at] if at else data + b"\0",
                ):
                    file.write_bytes(changed)
                    with pytest.raises(VaultError):
                        looks[blob.kind]()
            file.write_bytes(data)
            looks[blob.kind]()


def _mixtures(old: Path, new: Path) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Yield what can be done to the files of a vault without its key, beside flipping."""
    names = [file.relative_to(new) for file in _files(new)]
    for name in names:
        if (old / name).exists() and (old / name).read_bytes() != (new / name).read_bytes():
            yield f"{name} put back", lambda path, name=name: _copy(old / name, path / name)
        for other in names:
            if name < other:
                yield (
                    f"{name} and {other} swapped",
                    (lambda path, name=name, other=other: _swap(path / name, path / other)),
                )
                yield (
                    f"{name} in place of {other}",
                    (lambda path, name=name, other=other: _copy(path / name, path / other)),
                )
        yield f"{name} doubled", lambda path, name=name: _double(path / name)
        yield f"{name} emptied", lambda path, name=name: (path / name).write_bytes(b"")


def _copy(source: Path, to: Path) -> None:
    to.write_bytes(source.read_bytes())


def _swap(one: Path, two: Path) -> None:
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def _double(file: Path) -> None:
    file.write_bytes(file.read_bytes() * 2)


def mix(small: Filled, place: Path, share: float, state: Path, seed: int = 0) -> Tally:
    """Swap, double, empty and put back the files of a vault that this computer knows."""
    random = Random(seed)
    tally = Tally("files swapped, doubled, emptied, put back")
    old = shutil.copytree(small.path, place / "old.vault")
    new = shutil.copytree(small.path, place / "new.vault")
    with small.open(new) as vault:
        store(vault, make_recording(3, N))
    larger = type(small)(new, small.recovery_key, (*small.recordings, make_recording(3, N)))
    known = shutil.copytree(state, place / "known")
    for what, change in _mixtures(old, new):
        if random.random() > share and "put back" not in what:
            continue
        shutil.rmtree(state)
        shutil.copytree(known, state)
        path = larger.copy(place)
        change(path)

        def attack(path: Path = path, what: str = what) -> None:
            harmless = _is_harmless(larger, path)
            tally.noticed += not harmless
            # More pages behind the last are not the index's.
            assert not harmless or what == "index.db doubled", "not noticed"

        tally.judge(what, attack)
    return tally


def test_files_swapped_doubled_emptied_and_put_back_are_noticed(
    small: Filled, quick_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = quick_place / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    tally = mix(small, quick_place, 0.25, state)
    assert tally.failures == []


def test_each_byte_of_the_anchor_is_of_no_harm(
    small: Filled, quick_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is trusted, for whoever can change it can delete it: but nothing stumbles over it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(quick_place / "state"))
    path = small.copy(quick_place)
    with small.open(path) as vault:
        anchor = Anchor(path, vault.vault_id)
    (file,) = (quick_place / "state" / "tracekeep" / "anchors").glob("*.json")
    data = file.read_bytes()
    for at in range(len(data)):
        for changed in (data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :], data[:at]):
            file.write_bytes(changed)
            anchor.read()
    file.write_bytes(json.dumps({"places": [1]}).encode())
    small.open(path).close()


def test_drawn_bytes_of_a_sealed_recording_and_of_a_backup(
    small: Filled, quick_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(0)
    path = small.copy(quick_place)
    recording = make_recording(9, N)
    with small.open(path) as vault:
        file = seal(path / "inbox", vault.inbox_address, recording, make_report(recording))
        data = file.read_bytes()
        for _ in range(60):
            at = random.randrange(len(data))
            file.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
            taken = vault.take_in_inbox()
            assert (taken.recordings, len(taken.left)) == ((), 1)
        file.unlink()
        vault.back_up(quick_place / "backup")
    for part in _files(quick_place / "backup"):
        data = part.read_bytes()
        for _ in range(4):
            at = random.randrange(len(data))
            part.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
            with pytest.raises(VaultError):
                restore(quick_place / "backup", quick_place / "restored", _opener(small))
            assert not (quick_place / "restored").exists()
        part.write_bytes(data)
    restore(quick_place / "backup", quick_place / "restored", _opener(small))


def _opener(filled: Filled) -> Callable[[Path], Vault]:
    return lambda path: Vault.open_with_recovery_key(path, filled.recovery_key)
