from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.batch import Outcome, Status, analyze_into
from app.vault import Role, Vault, VaultError
from signals.simulate import EcgScenario, simulate_ecg
from signals.writers.edf import write_edf


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three simulated recordings of 30 seconds."""
    folder = tmp_path_factory.mktemp("recordings")
    paths = [folder / f"{seed}.edf" for seed in range(3)]
    for seed, path in enumerate(paths):
        scenario = EcgScenario(duration=30.0, seed=seed)
        write_edf(path, simulate_ecg(scenario).recording)
    return paths


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    opened, _ = Vault.create(tmp_path / "vault", "correct horse")
    with opened:
        yield opened


def _left_over(vault: Vault) -> list[Path]:
    """Return notes of unfinished work, and the files of no recording."""
    blobs = [path for path in (vault.path / "blobs").rglob("*") if path.is_file()]
    extra = len(blobs) - 3 * len(vault.recordings())
    return [*(vault.path / "pending").iterdir(), *blobs[: max(0, extra)]]


@pytest.mark.parametrize("jobs", [1, 2])
def test_recordings_are_stored_with_their_reports(
    vault: Vault, recordings: list[Path], jobs: int
) -> None:
    told: list[Outcome] = []
    analyze_into(vault, recordings, told.append, jobs=jobs)
    assert {outcome.path for outcome in told} == set(recordings)
    assert {outcome.status for outcome in told} == {Status.STORED}
    for outcome in told:
        assert outcome.stored
        assert outcome.stored.name == outcome.path.stem
        assert len(vault.report(outcome.stored.id).beats) > 20
    assert len(vault.recordings()) == 3
    assert not _left_over(vault)


def test_what_the_vault_has_is_not_analysed_again(
    vault: Vault, recordings: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Outcome] = []
    analyze_into(vault, recordings[:1], told.append)
    monkeypatch.setattr("app.analysis.analyze_recording", None)
    renamed = Path(shutil.copy(recordings[0], tmp_path / "other name.edf"))
    analyze_into(vault, [renamed], told.append)
    assert [outcome.status for outcome in told] == [Status.STORED, Status.KNOWN]
    assert told[0].stored == told[1].stored


def test_the_same_content_twice_in_one_run_is_taken_in_once(
    vault: Vault, recordings: list[Path], tmp_path: Path
) -> None:
    twin = Path(shutil.copy(recordings[0], tmp_path / "twin.edf"))
    told: list[Outcome] = []
    analyze_into(vault, [recordings[0], twin, recordings[1]], told.append, jobs=2)
    by_path = {outcome.path: outcome for outcome in told}
    assert by_path[twin].status is Status.REPEATED
    assert by_path[twin].same_as == recordings[0]
    assert len(vault.recordings()) == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_copy_of_a_failed_file_fails_for_the_same_reason(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    recording = simulate_ecg(EcgScenario(duration=30.0, seed=9)).recording
    recording.channels = tuple(replace(c, label="C3") for c in recording.channels)
    monkeypatch.chdir(tmp_path)
    write_edf(Path("one.edf"), recording)
    shutil.copy("one.edf", "two.edf")
    told: list[Outcome] = []
    analyze_into(vault, [Path("one.edf"), Path("two.edf")], told.append, jobs=jobs, leads=["II"])
    assert [outcome.status for outcome in told] == [Status.FAILED, Status.FAILED]
    assert told[0].problem.startswith("one.edf: no channel is called 'II'")
    same = told[0].problem.removeprefix("one.edf: ")
    assert told[1].problem == f"two.edf: {same} (same content as one.edf)"


def test_files_are_named_as_the_user_named_them(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "alone.hea").write_text("alone 1 250 5000\nno.dat 16 200 16 0 0 0 0 II\n")
    (tmp_path / "bad.edf").write_bytes(b"0" + b" " * 400)
    paths = [Path("bad.edf"), Path("in/alone.hea"), Path("none.edf"), tmp_path / "bad.edf"]
    told: list[Outcome] = []
    analyze_into(vault, paths, told.append)
    for path, outcome in zip(paths, told, strict=True):
        assert outcome.problem.startswith(f"{path}: ")
        assert outcome.problem.count(str(path)) == 1
        assert (str(tmp_path) in outcome.problem) == path.is_absolute()


def test_leads_that_a_known_recording_was_not_read_with_are_told(
    vault: Vault, recordings: list[Path]
) -> None:
    told: list[Outcome] = []
    analyze_into(vault, recordings[:1], told.append)
    read = tuple(lead.label for lead in vault.report(vault.recordings()[0].id).subject.leads)
    for leads in (["V5"], list(read), None):
        analyze_into(vault, recordings[:1], told.append, leads=leads)
    assert [outcome.read_with for outcome in told[1:]] == [read, (), ()]


def test_a_technician_adds_and_is_not_told_what_was_read(
    vault: Vault, recordings: list[Path]
) -> None:
    told: list[Outcome] = []
    vault.people.add("Kim", Role.TECHNICIAN, "a bicycle in the rain")
    vault.session = replace(vault.session, user="Kim", role=Role.TECHNICIAN)
    for _ in range(2):
        analyze_into(vault, recordings[:1], told.append, leads=["V5"])
    assert [outcome.status for outcome in told] == [Status.STORED, Status.KNOWN]
    assert told[1].read_with == ()


def test_another_program_that_was_faster_is_no_failure(
    vault: Vault, recordings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Outcome] = []
    analyze_into(vault, recordings[:1], told.append)
    known = vault.find_input
    answers = iter([None])
    monkeypatch.setattr(vault, "find_input", lambda sha256: next(answers, known(sha256)))
    analyze_into(vault, recordings[:1], told.append)
    assert told[1] == Outcome(recordings[0], Status.KNOWN, told[0].stored)
    assert not _left_over(vault)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bad_file_does_not_stop_the_others(
    vault: Vault, recordings: list[Path], tmp_path: Path, jobs: int
) -> None:
    bad = tmp_path / "bad.edf"
    bad.write_bytes(b"")
    told: list[Outcome] = []
    analyze_into(vault, [bad, *recordings[:2]], told.append, jobs=jobs)
    by_path = {outcome.path: outcome for outcome in told}
    assert by_path[bad].status is Status.FAILED
    assert str(bad) in by_path[bad].problem
    assert len(vault.recordings()) == 2


def test_a_fault_in_the_analysis_does_not_stop_the_others_and_names_no_patient(
    vault: Vault, recordings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from app import analysis

    whole = analysis.analyze_recording
    calls = []

    def faulty(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        if len(calls) == 1:
            raise ZeroDivisionError("Jane Doe")
        return whole(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(analysis, "analyze_recording", faulty)
    told: list[Outcome] = []
    analyze_into(vault, recordings[:2], told.append)
    assert [outcome.status for outcome in told] == [Status.FAILED, Status.STORED]
    assert "fault of ours" in told[0].problem
    assert "Jane" not in told[0].problem
    assert not _left_over(vault)


def test_leads_can_be_named(vault: Vault, recordings: list[Path]) -> None:
    told: list[Outcome] = []
    analyze_into(vault, recordings[:2], told.append, leads=["V5"])
    assert told[0].stored
    assert [lead.label for lead in vault.report(told[0].stored.id).subject.leads] == ["V5"]
    analyze_into(vault, recordings[2:], told.append, leads=["aVR"])
    assert "aVR" in told[2].problem


def test_progress_rises_to_the_end_of_each_recording(vault: Vault, recordings: list[Path]) -> None:
    shares: dict[Path, list[float]] = {path: [] for path in recordings[:2]}
    analyze_into(
        vault,
        recordings[:2],
        lambda _outcome: None,
        progress=lambda path, share: shares[path].append(share),
    )
    for told in shares.values():
        assert told == sorted(told)
        assert told[-1] == pytest.approx(1)
        assert all(0 <= share <= 1 for share in told)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_stop_in_the_middle_keeps_what_was_told_and_nothing_else(
    vault: Vault, recordings: list[Path], jobs: int
) -> None:
    told: list[Outcome] = []

    def stop_after_one(outcome: Outcome) -> None:
        told.append(outcome)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        analyze_into(vault, recordings, stop_after_one, jobs=jobs)
    assert vault.recordings() == [told[0].stored]
    assert not _left_over(vault)


def test_a_full_disk_stops_the_run_and_leaves_nothing_behind(
    vault: Vault, recordings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Outcome] = []
    analyze_into(vault, recordings[:1], told.append)

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("app.vault._intake.write_waveform", full)
    with pytest.raises(VaultError, match="no space"):
        analyze_into(vault, recordings[1:], told.append)
    assert [outcome.status for outcome in told] == [Status.STORED]
    assert len(vault.recordings()) == 1
    assert not _left_over(vault)


def test_a_process_that_is_killed_costs_its_recording_only(
    vault: Vault, recordings: list[Path], tmp_path: Path
) -> None:
    # Unpickling this path in the process that gets it ends that process.
    deadly = _Deadly(shutil.copy(recordings[2], tmp_path / "deadly.edf"))
    told: list[Outcome] = []
    analyze_into(vault, [recordings[0], deadly, recordings[1]], told.append, jobs=2)
    by_path = {outcome.path: outcome for outcome in told}
    assert "killed" in by_path[deadly].problem
    assert len(vault.recordings()) == 2
    assert not _left_over(vault)


class _Deadly(type(Path())):  # type: ignore[misc]
    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (1,)
