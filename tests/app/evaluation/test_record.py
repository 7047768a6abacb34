"""One record, from its files to its figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.analysis import analyze_recording
from app.evaluation import EvaluationError, RecordResult, Task, evaluate_record
from signals.ecg.waves import Wave
from signals.readers import open_recording
from signals.simulate import EcgScenario
from signals.writers.wfdb_annotations import write_annotations
from tests.app.wfdb_records import write_record

SCENARIO = EcgScenario(
    duration=60, ventricular_runs=((20.0, 2), (30.0, 4)), af_episodes=((40.0, 55.0),), seed=3
)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_record(tmp_path_factory.mktemp("db"), "one", SCENARIO)


def evaluate(record: Path, annotator: str = "atr", **which: list[int] | list[str]) -> RecordResult:
    return evaluate_record(Task(record, record.stem), annotator=annotator, **which)


def annotate(
    record: Path, annotator: str, samples: list[int], symbols: list[str], notes: list[str]
) -> None:
    write_annotations(record.parent, record.stem, annotator, 250, samples, symbols, notes)


def test_a_clean_record_is_read_rightly(record: Path) -> None:
    result = evaluate(record)
    values = result.score.values()
    assert values["150ms.qrs_se"] == values["150ms.qrs_pp"] == 100
    assert values["50ms.qrs_f1"] == 100
    assert values["ventricular.couplet_se"] == values["ventricular.short_se"] == 100
    assert abs(values["150ms.all.median_ms"]) < 10
    assert values["heart_rate.rms_bpm"] < 2
    assert {"af.episode_se", "vf.episode_se"} <= values.keys()
    assert result.scored_from_s == 0  # shorter than ten minutes
    assert result.leads == ("MLII", "V5")
    with open_recording(record) as recording:
        assert result.provenance.input_sha256 == recording.sha256()


def test_every_disagreement_is_told_with_its_time(record: Path) -> None:
    result = evaluate(record)
    beats = result.score.matrices["150ms"]
    n_wrong = int(beats.sum() - beats.diagonal().sum())
    assert (
        sum(failure.kind in {"missed", "extra", "class"} for failure in result.failures) == n_wrong
    )
    assert sorted(result.failures) == list(result.failures)


def test_a_reference_with_other_beats_disagrees(record: Path) -> None:
    annotate(record, "few", [250, 2500], ["N", "V"], ["", ""])
    result = evaluate(record, "few")
    assert result.score.values()["150ms.qrs_pp"] < 10
    assert {failure.kind for failure in result.failures} >= {"extra"}
    assert "af.episode_se" not in result.score.values()  # it names no rhythm


def test_a_reference_of_rhythms_alone_scores_no_beat(record: Path) -> None:
    annotate(record, "rhy", [0, 10_000, 12_000], ["+", "+", "+"], ["(N", "(VFL", "(N"])
    result = evaluate(record, "rhy")
    assert all(name.startswith(("af.", "vf.", "unreadable")) for name in result.score.values())
    assert result.score.values()["vf.duration_se"] == 0
    lost = [f for f in result.failures if f.kind == "episode" and f.ours == "none"]
    assert [(f.time_s, f.reference) for f in lost] == [
        (40.0, "ventricular flutter or fibrillation for 8.0 s")
    ]


def test_bounds_of_waves_are_scored_in_place_of_beats(record: Path) -> None:
    annotate(record, "pqt", [400, 410, 420], ["(", "N", ")"], ["", "", ""])
    values = evaluate(record, "pqt").score.values()
    assert "r.se" in values
    assert "150ms.qrs_se" not in values


def test_an_annotator_called_like_a_lead_means_that_lead_of_a_long_record(tmp_path: Path) -> None:
    header = write_record(tmp_path, "long", EcgScenario(duration=70, seed=1))
    annotate(header, "v5", [400], ["N"], [""])
    assert evaluate(header, "v5").leads == ("V5",)
    assert evaluate(header, "v5", leads=["MLII"]).leads == ("MLII",)


def test_in_a_short_record_that_lead_is_read_among_the_others(record: Path) -> None:
    with open_recording(record) as recording:
        beats = analyze_recording(recording).beats
    waves = beats.waves
    assert waves is not None
    assert waves.lead_points_ms is not None
    onset = waves.lead_points_ms[1, Wave.QRS_ONSET, 5] / 1000
    peak = int(beats.samples[5])
    annotate(record, "v5", [peak, peak + 1, peak + 20], ["(", "N", ")"], ["", "", ""])
    result = evaluate(record, "v5")
    assert result.leads == ("MLII", "V5")
    assert result.score.offsets["qrs_on"].tolist() == pytest.approx([onset], abs=1e-3)


def test_channels_are_counted_from_0(record: Path) -> None:
    assert evaluate(record, channels=[0]).leads == ("MLII",)
    assert evaluate(record, channels=[1]).leads == ("V5",)
    with pytest.raises(EvaluationError, match="no channel 2: its channels are 0 to 1"):
        evaluate(record, channels=[2])


def test_annotations_in_ticks_of_their_own_are_brought_to_the_signals_rate(record: Path) -> None:
    with open_recording(record) as recording:
        onsets = [note.onset for note in recording.annotations if note.text == "N"]
    samples = [round(onset * 1000) for onset in onsets]
    write_annotations(record.parent, record.stem, "ms", 1000, samples, ["N"] * len(samples))
    assert evaluate(record, "ms").score.values()["50ms.qrs_se"] == 100


def test_what_cannot_be_scored_says_why(record: Path) -> None:
    with pytest.raises(EvaluationError, match=r"there is no one\.qrs"):
        evaluate(record, "qrs")
    (record.parent / "one.cut").write_bytes(record.with_suffix(".atr").read_bytes()[:-7])
    with pytest.raises(EvaluationError, match="cut off"):
        evaluate(record, "cut")


def test_ten_minutes_have_a_learning_period(tmp_path: Path) -> None:
    long = write_record(tmp_path, "long", EcgScenario(duration=600, leads=("MLII",), seed=1))
    result = evaluate(long)
    assert result.scored_from_s == 300
    n_beats = result.score.matrices["150ms"][:5].sum()
    assert 300 < n_beats < 400  # of some 700
    assert all(failure.time_s >= 300 for failure in result.failures)
