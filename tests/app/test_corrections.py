"""Corrections: what they change and why, kept in the vault alone, taken back without a trace."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from app.analysis import analyze_recording
from app.corrections import CorrectionError, Corrections, corrections_of, read_beats
from app.gathered import in_fibrillation
from app.leads import AnalysisError
from app.vault import Vault, VaultDamagedError
from ml.personal import Correction, Ground
from ml.registry import bundle_for
from ml.tasks.beat_features import MeasuredBeats
from signals.ecg.beat import BeatClass
from signals.recording import ArrayRecording, ChannelKind, Patient
from signals.simulate import holter_scenario, simulate_ecg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from app.report import Report

NOON = datetime(2031, 5, 18, 12, tzinfo=UTC)
BUNDLE = bundle_for("beats")
LATER_BUNDLE = dataclasses.replace(BUNDLE, sha256="0" * 64)


class Case(NamedTuple):
    """A vault with recordings, each analysed: two of one patient, one of another."""

    vault: Vault
    recordings: tuple[ArrayRecording, ...]
    reports: tuple[Report, ...]
    ids: tuple[str, ...]


def _recording(seed: int, code: str, from_s: float = 0.0) -> ArrayRecording:
    made = simulate_ecg(holter_scenario(duration=600.0, seed=seed)).recording
    start, stop = round(from_s * made.channels[0].rate), made.channels[0].n_samples
    return ArrayRecording(
        list(made.read_digital(range(len(made.channels)), start, stop)),
        format="test",
        name=f"record-{seed}",
        channels=tuple(dataclasses.replace(c, n_samples=stop - start) for c in made.channels),
        patient=Patient(code=code),
    )


@pytest.fixture(scope="module")
def analysed() -> list[tuple[ArrayRecording, Report]]:
    recordings = [_recording(1, "A1"), _recording(1, "A1", 200.0), _recording(2, "B2")]
    return [(recording, analyze_recording(recording)) for recording in recordings]


@pytest.fixture
def case(
    analysed: list[tuple[ArrayRecording, Report]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Case]:
    monkeypatch.setattr("app.vault._people.stretch", lambda *_: bytes(32))
    vault, _ = Vault.create(tmp_path / "v", "correct horse")
    with vault:
        ids = [vault.commit(vault.intake().store(*one)).id for one in analysed]
        recordings, reports = zip(*analysed, strict=True)
        yield Case(vault, recordings, reports, tuple(ids))


def _marks(corrections: Corrections, given: BeatClass, *numbers: int) -> list[Correction]:
    """Return corrections of single beats, a second apart."""
    beats = corrections.beats
    return [
        Correction(beats.recording, int(beats.samples[n]), given, NOON + timedelta(seconds=int(n)))
        for n in numbers
    ]


def _ventricular_as_early(corrections: Corrections) -> list[Correction]:
    """Return corrections that say S of what is taken for V, but for the first three."""
    found = np.flatnonzero(corrections.answers().classes == BeatClass.V).tolist()
    assert len(found) > 13
    return [
        *_marks(corrections, BeatClass.V, *found[:3]),
        *_marks(corrections, BeatClass.S, *found[3:]),
    ]


def test_the_beats_are_those_of_the_analysis(case: Case) -> None:
    for recording, report in zip(case.recordings, case.reports, strict=True):
        shares: list[float] = []
        beats = read_beats(recording, BUNDLE, progress=shares.append)
        assert shares[-1] == 1.0
        np.testing.assert_array_equal(beats.samples, report.beats.samples)
        np.testing.assert_array_equal(beats.families, report.beats.families)
        assert beats.recording == report.provenance.input_sha256


def test_without_corrections_the_beats_are_as_reported(case: Case) -> None:
    for id_, report in zip(case.ids, case.reports, strict=True):
        corrections = Corrections(case.vault, id_)
        answers = corrections.answers()
        assert answers.logits.tobytes() == corrections.beats.logits.tobytes()
        np.testing.assert_array_equal(answers.classes, report.beats.classes)
        assert not answers.reasons
        assert corrections_of(case.vault, id_) == ()


def test_what_the_analysis_skipped_wrongly_is_as_reported_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_of_them(beats: MeasuredBeats) -> NDArray[np.bool_]:
        return np.ones(len(beats.samples), np.bool_)

    monkeypatch.setattr(MeasuredBeats, "unchanged", all_of_them)
    monkeypatch.setattr("ml.adaptive.PROBATION", 0)
    monkeypatch.setattr("app.vault._people.stretch", lambda *_: bytes(32))
    recording = _recording(1, "A1")
    report = analyze_recording(recording)
    vault, _ = Vault.create(tmp_path / "v", "correct horse")
    with vault:
        corrections = Corrections(vault, vault.commit(vault.intake().store(recording, report)).id)
        np.testing.assert_array_equal(corrections.answers().classes, report.beats.classes)
        assert not corrections.answers().reasons
    monkeypatch.undo()
    assert (analyze_recording(recording).beats.classes != report.beats.classes).any()


def test_a_mark_counts_in_fibrillation_too(case: Case) -> None:
    corrections = Corrections(case.vault, case.ids[0])
    model = BUNDLE.decision.classes(corrections.beats.logits)
    suppressed = np.flatnonzero((model == BeatClass.S) & (corrections.answers().classes == 0))
    assert len(suppressed) > 10
    change = corrections.teach(_marks(corrections, BeatClass.S, suppressed[3]))
    assert [(beat.sample, beat.before, beat.after) for beat in change.beats] == [
        (corrections.beats.samples[suppressed[3]], BeatClass.N, BeatClass.S)
    ]
    assert str(change.beats[0].reason) == "because you marked it S"


def test_what_is_taught_is_told_kept_and_undone(case: Case) -> None:
    corrections = Corrections(case.vault, case.ids[0][:8])
    beats = corrections.beats
    shown = corrections.answers().classes
    (mark,) = _marks(corrections, BeatClass.V, 50)
    family = int(beats.families[50])
    mark = dataclasses.replace(mark, family=family)
    change = corrections.teach([mark])
    of_family = beats.families == family
    assert change.before == {c: int((shown == c).sum()) for c in BeatClass}
    assert change.after[BeatClass.V] >= int(of_family.sum()) > 100
    assert sum(change.after.values()) == len(beats.samples)
    for beat in change.beats:
        assert beat.before != beat.after == BeatClass.V
        assert beat.reason is not None
        assert beat.reason.marked == BeatClass.V
    told = {beat.sample: beat.reason for beat in change.beats}
    assert str(told[mark.sample]) == f"because you marked family {family} V"

    again = Corrections(case.vault, case.ids[0])
    assert corrections_of(case.vault, case.ids[0]) == (mark,)
    answers = again.answers()
    assert {c: int((answers.classes == c).sum()) for c in BeatClass} == change.after

    back = again.undo([mark])
    assert (back.before, back.after) == (change.after, change.before)
    assert [beat.sample for beat in back.beats] == [beat.sample for beat in change.beats]
    assert all(beat.reason is None for beat in back.beats)
    assert case.vault.pattern_of(case.ids[0]) is None
    with pytest.raises(CorrectionError, match="taken back"):
        again.undo([mark])


def test_a_pattern_is_the_patients_and_no_one_elses(case: Case) -> None:
    first = Corrections(case.vault, case.ids[0])
    first.teach(_ventricular_as_early(first))
    same, other = (Corrections(case.vault, id_) for id_ in case.ids[1:])
    assert corrections_of(case.vault, case.ids[1]) == ()
    assert Ground.ALIKE in {reason.ground for reason in same.answers().reasons.values()}
    assert not other.answers().reasons
    assert case.vault.pattern_of(case.ids[2]) is None


def test_the_report_stays_as_it_was_made(case: Case) -> None:
    corrections = Corrections(case.vault, case.ids[0])
    corrections.teach(_marks(corrections, BeatClass.S, 50))
    assert case.vault.report(case.ids[0]) == case.reports[0]
    assert case.vault.check(1.0).damages == ()


def test_a_report_made_anew_without_corrections_is_the_same(case: Case) -> None:
    made = Corrections(case.vault, case.ids[0]).report()
    at = case.reports[0].provenance.analysed_at
    same = dataclasses.replace(made.provenance, analysed_at=at)
    assert dataclasses.replace(made, provenance=same) == case.reports[0]


def test_a_report_made_anew_follows_the_corrections_in_all_it_says(case: Case) -> None:
    corrections = Corrections(case.vault, case.ids[0])
    beats, report = corrections.beats, case.reports[0]
    model = BUNDLE.decision.classes(beats.logits)
    suppressed = np.flatnonzero((model == BeatClass.S) & (report.beats.classes == BeatClass.N))
    in_row = np.arange(50, 54)
    corrections.teach(
        _marks(corrections, BeatClass.V, *in_row) + _marks(corrections, BeatClass.S, suppressed[3])
    )
    shares: list[float] = []
    made = corrections.report(shares.append)
    assert shares[-1] == 1.0
    # corrected beats move the ends of fibrillation, in which no beat comes early
    before, after = (in_fibrillation(made.beats.times, r.findings) for r in (report, made))
    differ = made.beats.classes != corrections.answers().classes
    assert not (differ & (before == after)).any()
    assert set(made.beats.classes[differ].tolist()) <= {BeatClass.N, BeatClass.S}
    marked = [*in_row.tolist(), int(suppressed[3])]
    assert set(made.beats.percent[marked].tolist()) == {100}
    assert not set(made.beats.unsure) & set(marked)
    onset, end = made.beats.times[[50, 53]]
    (run,) = [f for f in made.findings if f.onset <= onset and f.end >= end and f.n_beats == 4]
    assert "idioventricular" in run.kind or "ventricular tachycardia" in run.kind
    assert run not in report.findings
    assert made.summary is not None
    assert report.summary is not None
    assert made.summary.ventricular.beats >= report.summary.ventricular.beats + 4
    assert made.beats.waves == report.beats.waves
    assert case.vault.report(case.ids[0]) == report


def test_another_recordings_corrected_beats_are_refused(case: Case) -> None:
    corrected = Corrections(case.vault, case.ids[0])._corrected()
    with pytest.raises(AnalysisError, match="not those that were corrected"):
        analyze_recording(case.recordings[2], corrected=corrected)


def test_where_there_is_no_beat_nothing_is_kept(case: Case) -> None:
    corrections = Corrections(case.vault, case.ids[0])
    marks = _marks(corrections, BeatClass.S, 50, 51)
    between = (marks[0].sample + marks[1].sample) // 2
    with pytest.raises(CorrectionError, match=r"no beat was found at 0:0\d:\d\d\.\d\d$"):
        corrections.teach([marks[0], dataclasses.replace(marks[1], sample=between)])
    assert case.vault.pattern_of(case.ids[0]) is None


def test_two_that_teach_at_once_lose_nothing(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (Corrections(case.vault, case.ids[0]) for _ in range(2))
    real, in_between = case.vault.replace_pattern, _marks(one, BeatClass.S, 60)

    def replace(*arguments: object) -> bool:
        if in_between:
            other.teach([in_between.pop()])
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(case.vault, "replace_pattern", replace)
    marks = _marks(one, BeatClass.S, 50, 60)
    one.teach(marks[:1])
    assert corrections_of(case.vault, case.ids[0]) == tuple(marks)


def test_another_model_learns_what_was_taught(case: Case) -> None:
    first, second = (Corrections(case.vault, id_) for id_ in case.ids[:2])
    marks = _ventricular_as_early(first)
    first.teach(marks)
    second.teach(_marks(second, BeatClass.N, 70))
    later = Corrections(case.vault, case.ids[1], LATER_BUNDLE)
    assert len(later.answers().reasons) > 10
    assert later.answers().reasons == second.answers().reasons
    assert case.vault.pattern_of(case.ids[0]).model == BUNDLE.sha256
    later.teach(_marks(later, BeatClass.N, 71))
    assert case.vault.pattern_of(case.ids[0]).model == LATER_BUNDLE.sha256
    assert corrections_of(case.vault, case.ids[0]) == tuple(marks)


def test_a_recording_that_cannot_be_read_keeps_its_corrections(case: Case) -> None:
    first, second = (Corrections(case.vault, id_) for id_ in case.ids[:2])
    marks = _marks(first, BeatClass.V, *range(40, 60))
    first.teach(marks)
    for blob in case.vault._index.blobs(case.ids[0]):
        (case.vault.path / "blobs" / blob.id[:2] / f"{blob.id}.c2sp").unlink()
    with pytest.raises(VaultDamagedError):
        Corrections(case.vault, case.ids[0])
    later = Corrections(case.vault, case.ids[1], LATER_BUNDLE)
    assert not later.answers().reasons
    later.teach(_marks(second, BeatClass.V, 70))
    assert corrections_of(case.vault, case.ids[0]) == tuple(marks)


def test_the_first_minutes_can_be_confirmed(case: Case) -> None:
    corrections = Corrections(case.vault, case.ids[0])
    before = corrections.answers().classes
    (mark,) = _marks(corrections, BeatClass.S, 20)
    corrections.teach([mark])
    marks = corrections.confirming(60.0, NOON + timedelta(minutes=10))
    n = int((corrections.beats.samples < 60 * corrections.beats.rate).sum())
    assert len(marks) == n > 40
    corrections.teach(marks)
    after = corrections.answers()
    before[20] = BeatClass.S
    np.testing.assert_array_equal(after.classes[:n], before[:n])


def test_leads_that_a_user_named_are_read_again(case: Case) -> None:
    labels = ["chest", "arm"]
    recording = _recording(3, "C3")
    recording.channels = tuple(
        dataclasses.replace(channel, label=label, kind=ChannelKind.OTHER)
        for channel, label in zip(recording.channels, labels, strict=False)
    )
    report = analyze_recording(recording, leads=labels)
    stored = case.vault.commit(case.vault.intake().store(recording, report))
    beats = Corrections(case.vault, stored.id).beats
    np.testing.assert_array_equal(beats.samples, report.beats.samples)
