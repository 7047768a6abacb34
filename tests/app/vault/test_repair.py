"""Damaged vaults are named in words, made to work again, and nothing of them is deleted."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.vault import VaultDamagedError, VaultError
from app.vault._lost import Lost
from app.vault._rescue import Rescue
from tests.app.vault.damages import LIBRARY, blob_of, flip
from tests.app.vault.faults import NEVER, Fault, install
from tests.app.vault.samples import (
    MARKER,
    Filled,
    assert_whole,
    fill,
    make_recording,
    make_report,
    store,
)

if TYPE_CHECKING:
    from app.vault._check import Damage
    from app.vault._rescue import Repaired


def _look(filled: Filled, path: Path) -> tuple[Damage, ...]:
    with Rescue.open_with_recovery_key(path, filled.recovery_key) as rescue:
        return rescue.look()


def _repair(filled: Filled, path: Path) -> Repaired:
    with Rescue.open_with_recovery_key(path, filled.recovery_key) as rescue:
        return rescue.repair()


def _contents(path: Path) -> set[str]:
    """Return the digests of all files of recordings, of the keyring, and of anything strange."""
    return {
        hashlib.sha256(file.read_bytes()).hexdigest()
        for file in path.rglob("*")
        if file.is_file() and file.name not in {"LOCK", "vault.json", "README.txt"}
        and not file.name.startswith("index")
    }  # fmt: skip


@pytest.fixture(scope="module")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("medium") / "medium.vault", 30_000)


def test_a_sound_vault_is_found_sound_and_not_touched(medium: Filled, tmp_path: Path) -> None:
    path = medium.copy(tmp_path)
    assert _look(medium, path) == ()
    assert not (path / "lost").exists()


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_of_damaged_vaults(medium: Filled, tmp_path: Path, name: str) -> None:
    case = LIBRARY[name]
    path = medium.copy(tmp_path)
    case.damage(medium, path)
    before = _contents(path)
    found = _look(medium, path)
    assert any(case.found in damage.problem for damage in found), [d.problem for d in found]
    for damage in found:
        if damage.recording_name:
            assert damage.patient == MARKER
    done = _repair(medium, path)
    assert any(case.mended in one.outcome for one in done.mended), [m.outcome for m in done.mended]
    assert before <= _contents(path)  # nothing is deleted
    originals = {recording.name: recording for recording in medium.recordings}
    with medium.open(path) as vault:
        listed = {one.name: one for one in vault.recordings()}
        for whole in case.whole:
            if case.patients:
                assert_whole(vault, listed[whole], originals[whole])
            else:
                assert vault.report(listed[whole].id) == make_report(originals[whole])
                with vault.waveform(listed[whole].id) as read:
                    np.testing.assert_array_equal(
                        read.read_digital([0, 1], 0, 30_000),
                        originals[whole].read_digital([0, 1], 0, 30_000),
                    )
        left = {damage.recording_name for damage in vault.check(1.0).damages}
        assert left == set(case.part)
        found = sorted(one.name for one in vault.search("record"))
        assert found == sorted(listed)  # each once, in the full-text table too
        store(vault, make_recording(9, 300))  # and it goes on
    if not case.part:
        assert _look(medium, path) == ()


def test_what_can_be_read_of_a_tracing_is_read_right(medium: Filled, tmp_path: Path) -> None:
    path = medium.copy(tmp_path)
    flip(blob_of(medium, path, "waveform-1"), 56 + 3 * 16_400 + 5)
    (done,) = _repair(medium, path).mended
    assert (done.recording_name, done.patient) == ("record-1", MARKER)
    original = medium.recordings[0]
    with medium.open(path) as vault:
        (one,) = (one for one in vault.recordings() if one.name == "record-1")
        assert vault.report(one.id) == make_report(original)
        lost = 0
        with vault.waveform(one.id) as read:
            assert "could not be read when the vault was repaired" in read.repairs[-1]
            for index, channel in enumerate(original.channels):
                new = read.read_digital([index], 0, channel.n_samples)
                old = original.read_digital([index], 0, channel.n_samples)
                same = new == old
                assert (new[~same] == read.channels[index].missing).all()
                lost += int((~same).sum())
        assert 4096 <= lost <= 8192 + 2 * 256
        envelope = vault.envelope(one.id)[0]
        there = original.read_digital([0], 0, 30_000)[0]
        assert envelope.maxima.max() <= there.max()


def test_a_page_of_the_index_costs_what_lies_on_it(tmp_path: Path) -> None:
    filled = fill(tmp_path / "many", 300)
    with filled.open(filled.path) as vault, vault._index._writing() as connection:
        for n in range(600):
            patient, id_ = (hashlib.sha256(b"%d%d" % (k, n)).hexdigest()[:32] for k in (1, 2))
            facts = (patient, f"name {n}", f"code-{n}", "", "", "")
            connection.execute("INSERT INTO patient VALUES (?, ?, ?, ?, ?, ?)", facts)
            row = (id_, patient, f"r{n}", "EDF", f"{n:064}", f"{n:09}", None, 1.0, 1, "{}")
            connection.execute("INSERT INTO recording VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    size = (filled.path / "index.db").stat().st_size
    shutil.copytree(filled.path, tmp_path / "whole")
    kept = []
    for page in range(1, size // 4096, 5):
        shutil.rmtree(filled.path)
        shutil.copytree(tmp_path / "whole", filled.path)
        flip(filled.path / "index.db", page * 4096 + 77)
        index_rows = _saved_rows(Filled(tmp_path / "whole", filled.recovery_key, ()), filled.path)
        kept.append(index_rows)
    assert np.mean([n >= 602 - 30 for n in kept]) > 0.9, kept
    assert np.median(kept) >= 602 - 30


def _saved_rows(whole: Filled, path: Path) -> int:
    """Rebuild the index alone; return how many recordings it has then."""
    with Rescue.open_with_recovery_key(path, whole.recovery_key) as rescue:
        rescue._mend_index(Lost(path))
        index = rescue._index()
        try:
            assert index.problems() == []
            return len(index.recordings())
        finally:
            index.close()


def test_a_keyring_of_several_chunks_loses_those_that_are_damaged(
    medium: Filled, tmp_path: Path
) -> None:
    path = medium.copy(tmp_path)
    with medium.open(path) as vault:
        ours = vault._keyring.load()
        more = {
            hashlib.sha256(b"%d" % n).hexdigest()[:32]: bytes([n % 256]) * 32 for n in range(1000)
        }
        vault._keyring._save(ours | more)
        flip(path / "keyring.bin", 20 + 56 + 16_400 + 7)
        saved = vault._keyring.salvage()
    assert 600 < len(saved) < 700
    assert saved.items() <= (ours | more).items()


def test_a_repair_leaves_a_note_without_names(medium: Filled, tmp_path: Path) -> None:
    path = medium.copy(tmp_path)
    blob_of(medium, path, "report-1").unlink()
    (path / "blobs" / "strange").write_bytes(b"")
    done = _repair(medium, path)
    text = (done.lost / "README.txt").read_text()
    assert "the report is lost" in text
    assert "blobs/strange: no recording knows this file" in text
    for secret in (MARKER, "record-1", "code-1"):
        assert secret not in text
    content = b"".join(f.read_bytes() for f in path.rglob("*") if f.is_file())
    assert MARKER.encode() not in content


def test_erasing_reaches_what_a_repair_moved_away(medium: Filled, tmp_path: Path) -> None:
    path = medium.copy(tmp_path)
    flip(blob_of(medium, path, "waveform-1"), 56 + 16_400 + 5)
    _repair(medium, path)
    kept = [file.name for file in (path / "lost").rglob("*") if file.is_file()]
    assert len(kept) == 5  # index, keyring, note, damaged tracing, its overview
    with medium.open(path) as vault:
        (id_,) = (one.id for one in vault.recordings() if one.name == "record-1")
        vault.erase(id_, whole_patient=True)
    kept = [file.name for file in (path / "lost").rglob("*") if file.is_file()]
    assert kept == ["README.txt"]


def test_a_repair_on_a_full_disk_can_be_done_again(
    medium: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 0
    for at in range(0, NEVER, 3):
        path = medium.copy(tmp_path)
        flip(path / "index.db", 5 * 4096 + 9)
        flip(min(path.glob("blobs/*/*.c2sp")), -3)
        fault = Fault(at, kill=False)
        with monkeypatch.context() as patch:
            install(fault, patch)
            try:
                _repair(medium, path)
            except VaultError as error:
                assert "no space is left" in error.problem  # noqa: PT017
                failed += 1
        _repair(medium, path)
        with medium.open(path) as vault:
            assert {one.name for one in vault.recordings()} == {"record-1", "record-2"}
            assert all(one.patient.name == MARKER for one in vault.recordings())
            assert {damage.problem for damage in vault.check(1.0).damages} <= {
                "the index names no report-1 for this recording"
            }
        if fault.count <= at:
            break
    assert failed > 10


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(which=st.integers(0, 7), place=st.floats(0, 1, exclude_max=True), cut=st.booleans())
def test_any_damage_but_the_headers_is_repaired(
    medium: Filled, tmp_path: Path, *, which: int, place: float, cut: bool
) -> None:
    path = medium.copy(tmp_path)
    file = sorted(p for p in path.rglob("*") if p.stat().st_size and p.is_file())[which]
    assert file.name != "vault.json"
    data = bytearray(file.read_bytes())
    at = int(place * len(data))
    if cut:
        del data[at:]
    else:
        data[at] ^= 4
    file.write_bytes(data)
    if _look(medium, path):
        _repair(medium, path)
    originals = {recording.name: recording for recording in medium.recordings}
    with medium.open(path) as vault:
        for one in vault.recordings():
            try:
                with vault.waveform(one.id) as read:
                    new = read.read_digital([0], 0, 30_000)
            except VaultDamagedError:
                continue
            old = originals[one.name].read_digital([0], 0, 30_000)
            assert (new[new != old] == -32768).all()
