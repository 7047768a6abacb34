"""The drop box: who seals cannot open, and what strangers put into the inbox does no harm."""

from __future__ import annotations

import ast
import json
import os
import struct
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given, settings
from hypothesis import strategies as st

from app.vault import NotAllowedError, VaultError, _inbox
from app.vault._keys import Kem
from app.vault._sealed import HEAD, Frame
from app.vault.dropbox import Address, seal
from app.vault.roles import Role, Session
from signals.recording import ArrayRecording, Patient
from tests.app.vault import decoder
from tests.app.vault.decoder import Decoder
from tests.app.vault.faults import NEVER, Fault, install
from tests.app.vault.samples import (
    MARKER,
    Filled,
    assert_whole,
    fill,
    make_recording,
    make_report,
    old_vault,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signals.recording import DigitalArray, Recording

_ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("small") / "small.vault", 500)


@pytest.fixture(scope="module")
def address(small: Filled) -> Address:
    with small.open(small.path) as vault:
        return vault.inbox_address


def _drop(path: Path, address: Address, seed: int = 7, n: int = 2000) -> Path:
    recording = make_recording(seed, n)
    return seal(path / "inbox", address, recording, make_report(recording))


def test_what_is_sealed_is_taken_in_when_the_vault_is_opened(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    path = small.copy(tmp_path)
    files = [_drop(path, address), _drop(path, address, 8)]
    content = b"".join(file.read_bytes() for file in files)
    for secret in (MARKER, "record-7", "MLII", "1950-01-02"):
        assert secret.encode() not in content
    with small.open(path) as vault:
        stored = {one.name: one for one in vault.recordings()}
        for seed in (7, 8):
            assert_whole(vault, stored[f"record-{seed}"], make_recording(seed, 2000))
        assert list((path / "inbox").iterdir()) == []
        assert vault.warnings == ()
        assert vault.check(1.0).damages == ()


def test_the_command_takes_in_what_comes_while_the_vault_is_open(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    path = small.copy(tmp_path)
    with small.open(path) as vault:
        _drop(path, address)
        taken = vault.take_in_inbox()
        assert [one.name for one in taken.recordings] == ["record-7"]
        assert vault.take_in_inbox().recordings == ()


def test_an_address_goes_through_a_file(small: Filled, address: Address, tmp_path: Path) -> None:
    file = tmp_path / "address"
    file.write_text(address.to_text())
    assert Address.read(file) == address
    for text in ("", "{}", "[]", address.to_text().replace(address.vault_id, "00"), "\xff"):
        file.write_text(text)
        with pytest.raises(VaultError, match="not the address"):
            Address.read(file)


@given(data=st.binary(max_size=200))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_an_address_of_anything_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "address"
    file.write_bytes(data)
    with pytest.raises(VaultError, match="not the address"):
        Address.read(file)


def test_a_wide_recording_and_a_name_that_is_no_text(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    """The header promises 12 bits, the samples hold more; the name is bytes of a file system."""
    plain = make_recording(7, 500)
    samples = [np.full(500, 70_000, np.int32), *plain._samples[1:]]
    wide = ArrayRecording(
        samples, format="EDF", name="r\udcff", channels=plain.channels, patient=plain.patient
    )
    path = small.copy(tmp_path)
    seal(path / "inbox", address, wide, make_report(wide))
    with small.open(path) as vault:
        assert vault.warnings == ()
        stored = vault.recordings()[0]
        with vault.waveform(stored.id) as read:
            assert (read.read_digital([0], 0, 500) == 70_000).all()


def test_memory_is_bounded_while_sealing_and_taking_in(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    path = small.copy(tmp_path)
    n = 8_000_000
    channel = make_recording(1).channels[0]

    class Long(ArrayRecording):
        def read_digital(self, channels: Sequence[int], start: int, stop: int) -> DigitalArray:
            return np.zeros((len(channels), stop - start), np.int16)

        def sha256(self) -> str:
            return "ab" * 32

    long = Long(
        [np.zeros(0, np.int16)], format="EDF", name="long",
        channels=(replace(channel, n_samples=n),),
    )  # fmt: skip
    tracemalloc.start()
    file = seal(path / "inbox", address, long, make_report(long))
    sealing = tracemalloc.get_traced_memory()[1]
    assert file.stat().st_size > 2 * n
    tracemalloc.reset_peak()
    with small.open(path) as vault:
        assert vault.recordings()[0].name == "long"
    taking = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert max(sealing, taking) < 60e6


# A writer, and what it can open.

_SEALING = """
import sys
from pathlib import Path
from app.vault import _chunked, dropbox
from app.vault.dropbox import Address, seal
from tests.app.vault.samples import make_recording, make_report
kept = []
if sys.argv[3] == "careless":
    dropbox.wipe = _chunked.wipe = kept.append
recording = make_recording(7, 100_000)
file = seal(Path(sys.argv[1]), Address.read(Path(sys.argv[2])), recording, make_report(recording))
print(file, flush=True)
sys.stdin.readline()
"""


def _memory_of(pid: int) -> bytes:
    parts = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *rest = line.split()
            if not rights.startswith("rw") or rest[-1:] == ["[vvar]"]:
                continue
            start, stop = (int(digits, 16) for digits in span.split("-"))
            try:
                memory.seek(start)
                parts.append(memory.read(stop - start))
            except OSError:
                continue
    return b"".join(parts)


@pytest.mark.parametrize("how", ["careful", "careless"])
def test_the_memory_of_a_writer_holds_no_key_of_what_it_sealed(
    small: Filled, address: Address, tmp_path: Path, how: str
) -> None:
    """And one that does not overwrite its keys is found out: the search sees what is there."""
    path = small.copy(tmp_path)
    (tmp_path / "address").write_text(address.to_text())
    writer = subprocess.Popen(
        [sys.executable, "-c", _SEALING, path / "inbox", tmp_path / "address", how],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT,
    )  # fmt: skip
    assert writer.stdout
    file = Path(writer.stdout.readline().strip())
    memory = _memory_of(writer.pid)
    writer.communicate("\n")
    with small.open(small.path) as vault:
        private = vault._header.inbox_private(vault._vault_key)
    data = file.read_bytes()
    frame = Frame.from_bytes(data)
    assert frame is not None
    assert private is not None
    start = HEAD.size + frame.sealed_key_bytes
    key = frame.kem.unseal(private, frame.info, data[HEAD.size : start])
    assert key is not None
    salt = data[start : start + 24]
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + frame.context
    derived = HKDFExpand(SHA512(), 76, info).derive(key)
    assert frame.item_id.encode() in memory
    assert private[-32:] not in memory
    assert private[:32] not in memory
    for secret in (key, derived[:32]):
        assert (secret in memory) == (how == "careless")
        assert secret.hex().encode() not in memory


def test_a_writer_cannot_open_what_it_sealed(small: Filled, address: Address) -> None:
    """All that it has is the address: not even its own file gives the key again."""
    frame = Frame(address.kem, address.vault_id, "00" * 16)
    sealed = address.kem.seal(address.public, frame.info, b"k" * 32)
    for candidate in (address.public, bytes(address.kem.private_bytes), os.urandom(96)):
        private = candidate[: address.kem.private_bytes].ljust(address.kem.private_bytes, b"\0")
        assert address.kem.unseal(private, frame.info, sealed) is None


def test_the_drop_box_imports_nothing_that_opens_a_vault() -> None:
    """By its own imports and theirs, within the package of the vault."""

    def imported(name: str) -> set[str]:
        tree = ast.parse((_ROOT / "app" / "vault" / f"{name}.py").read_text("utf-8"))
        found = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "app.vault":
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app.vault."):
                found.add(str(node.module).removeprefix("app.vault."))
        return found

    seen: set[str] = set()
    waiting = {"dropbox"}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        waiting |= imported(name) - seen
    assert seen == {
        "dropbox",
        "_sealed",
        "_chunked",
        "_errors",
        "_files",
        "_keys",
        "_waveform",
        "_blobs",
    }


# What came twice.


def test_what_was_taken_in_but_not_deleted_by_a_crash_is_deleted(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    path = small.copy(tmp_path)
    file = _drop(path, address)
    data = file.read_bytes()
    small.open(path).close()
    file.write_bytes(data)
    with small.open(path) as vault:
        assert len(vault.recordings()) == 3
        assert vault.warnings == ()
        assert vault.check(1.0).damages == ()
    assert not file.exists()


def test_two_programs_take_each_recording_in_once(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    path = small.copy(tmp_path)
    with small.open(path) as one, small.open(path) as other:
        for seed in range(10, 20):
            _drop(path, address, seed, 300)
        with ThreadPoolExecutor(2) as pool:
            taken = [pool.submit(vault.take_in_inbox) for vault in (one, other)]
            names = [r.name for t in taken for r in t.result().recordings]
            assert [t.result().left for t in taken] == [(), ()]
        assert sorted(names) == sorted(f"record-{seed}" for seed in range(10, 20))
        assert one.check(1.0).damages == ()
    assert list((path / "inbox").iterdir()) == []


def test_a_technician_takes_in_and_an_auditor_does_not(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    path = small.copy(tmp_path)
    with small.open(path) as vault:
        _drop(path, address)
        vault.session = Session("1", "ann", Role.AUDITOR, "test", by_recovery_key=False)
        with pytest.raises(NotAllowedError):
            vault.take_in_inbox()
        vault.session = Session("1", "ann", Role.TECHNICIAN, "test", by_recovery_key=False)
        taken = vault.take_in_inbox()
        (one,) = taken.recordings
        assert taken.left == ()
        assert MARKER not in repr(one)
        told = (one.name, one.patient, one.headline, vault.inbox.recordings)
        assert told == ("", Patient(), {}, (one,)), "a technician sees an id and no patient"


def test_a_vault_of_version_1_has_no_inbox_yet(tmp_path: Path) -> None:
    old = old_vault("vault-1", tmp_path)
    with old.open(old.path) as vault, pytest.raises(VaultError, match="no inbox yet"):
        _ = vault.inbox_address


def test_sealing_on_a_full_disk_leaves_nothing(
    small: Filled, address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(NEVER):
        fault = Fault(at, kill=False)
        with monkeypatch.context() as patch:
            install(fault, patch)
            try:
                (tmp_path / "inbox").mkdir(exist_ok=True)
                _drop(tmp_path, address, n=500)
            except (VaultError, OSError) as error:
                assert "pace" in str(error)  # noqa: PT017
                names = [p.name for p in (tmp_path / "inbox").glob("*")]
                assert all(name.endswith(".sealed") for name in names)
        if fault.count <= at:
            break
    assert at > 3


@pytest.mark.parametrize("kem", list(Kem))
def test_both_ways_of_sealing(kem: Kem, tmp_path: Path) -> None:
    private = kem.new_private()
    address = Address("ab" * 16, kem, kem.public_of(private))
    recording = make_recording(7, 500)
    file = seal(tmp_path, address, recording, make_report(recording))
    with _inbox._Sealed(file, "ab" * 16, [(kem, private)]) as opened:
        read: Recording = opened.recording
        np.testing.assert_array_equal(
            read.read_digital([0, 1], 0, 500), recording.read_digital([0, 1], 0, 500)
        )
        assert opened.report == make_report(recording)
        assert opened.patient == recording.patient


def test_the_second_reader_opens_what_was_sealed(small: Filled, tmp_path: Path) -> None:
    """By what the document says, and nothing of ours."""
    path = small.copy(tmp_path)
    with small.open(path) as vault:
        file = _drop(path, vault.inbox_address)
        reader = Decoder(path, recovery_key=small.recovery_key)
        private = reader.private("inbox")
    data = file.read_bytes()
    kem, sealed_bytes = {1: ("x25519", 80), 2: ("mlkem768-x25519", 1168)}[data[16]]
    assert json.loads((path / "vault.json").read_text())["inbox"]["suite"] == kem
    assert data[:16] == b"tracekeep-inbox1"
    assert data[17:33].hex() == reader.vault_id
    assert data[33:49].hex() == file.stem
    half = X25519PrivateKey.from_private_bytes(private[-32:])
    if kem == "x25519":
        suite, opener = Suite(KEM.X25519, KDF.HKDF_SHA512, AEAD.AES_256_GCM), half
    else:
        suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA512, AEAD.AES_256_GCM)
        seed = MLKEM768PrivateKey.from_seed_bytes(private[:-32])
        opener = MLKEM768X25519PrivateKey(seed, half)
    info = b"tracekeep-vault/2|inbox-key|" + data[:49]
    key = suite.decrypt(data[49 : 49 + sealed_bytes], opener, info)
    context = f"tracekeep-vault/2|{reader.vault_id}|inbox|{file.stem}".encode()
    content = decoder.decrypt(key, context, data[49 + sealed_bytes :])
    (length,) = struct.unpack("<I", content[-4:])
    facts = json.loads(content[-4 - length : -4])
    assert facts["patient"]["name"] == MARKER
    assert facts["waveform"] + facts["report"] + length + 4 == len(content)
    report = content[facts["waveform"] :][: facts["report"]]
    assert json.loads(report) == json.loads(make_report(make_recording(7, 2000)).to_json())
    header = json.loads(content[4 : 4 + int.from_bytes(content[:4], "little")])
    assert header["name"] == "record-7"
