"""What no recorder should write, through the whole analysis: the report says what it met."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from app.analysis import EcgAnalyzer, EcgModels, analyze_recording
from app.report import UNCLEAR, UNREADABLE, Report
from signals.ecg.episode import RhythmKind
from signals.recording import MILLIVOLT, ArrayRecording, Channel, ChannelKind
from signals.simulate import EcgScenario, simulate_ecg

RATE = 250.0
SECONDS = 60
N = int(RATE * SECONDS)
Samples = NDArray[np.float64]

rng = np.random.default_rng(8)
time = np.arange(N) / RATE
heart = simulate_ecg(EcgScenario(duration=float(SECONDS), rate=RATE, seed=6))
ECG = heart.recording.read([0], 0, N)[0].astype(np.float64)
N_BEATS = len(heart.beats.samples)


def report_of(*leads: Samples, rate: float = RATE) -> Report:
    channels = tuple(
        Channel(
            label=label,
            kind=ChannelKind.ECG,
            rate=rate,
            n_samples=len(lead),
            unit=MILLIVOLT,
            scale=0.005,
            offset=0.0,
            digital_min=-2048,
            digital_max=2047,
        )
        for label, lead in zip(("II", "V5"), leads, strict=False)
    )
    digital = [np.clip(np.rint(lead / 0.005), -2048, 2047).astype(np.int16) for lead in leads]
    made = ArrayRecording(digital, format="test", name="bad", channels=channels)
    report = analyze_recording(made)
    assert Report.from_json(report.to_json()) == report
    return report


def kinds(report: Report) -> set[str]:
    return {finding.kind for finding in report.findings}


def one_beat() -> Samples:
    beat = round(30 * RATE)
    quiet = 0.003 * rng.standard_normal(N)
    quiet[beat - 10 : beat + 10] += np.hanning(20)
    return quiet


WITHOUT_BEATS: dict[str, tuple[Callable[[], Samples], set[str]]] = {
    "constant": (lambda: np.full(N, 0.7), {UNREADABLE}),
    "square wave": (lambda: np.where(time % 1.0 < 0.5, 1.0, -1.0), {UNREADABLE}),
    "rail": (lambda: np.full(N, 10.235), {UNREADABLE}),
    "white noise at full scale": (lambda: 4 * rng.standard_normal(N), {UNREADABLE}),
    "asystole": (lambda: 0.01 * rng.standard_normal(N), {RhythmKind.ASYSTOLE}),
}


@pytest.mark.parametrize("name", WITHOUT_BEATS)
def test_where_there_is_no_beat_none_is_invented(name: str) -> None:
    make, said = WITHOUT_BEATS[name]
    report = report_of(make())
    assert len(report.beats) == 0
    assert kinds(report) == said
    assert report.measurement("heart_rate_mean").value is None
    assert report.measurement("qt").value is None


def test_one_beat_is_one_beat_in_a_silence() -> None:
    report = report_of(one_beat())
    assert len(report.beats) == 1
    assert kinds(report) == {RhythmKind.ASYSTOLE}


def test_half_a_minute_of_asystole_is_said() -> None:
    ecg = ECG.copy()
    ecg[round(15 * RATE) : round(45 * RATE)] = 0.01 * rng.standard_normal(round(30 * RATE))
    report = report_of(ecg)
    (silence,) = (f for f in report.findings if f.kind == RhythmKind.ASYSTOLE)
    assert silence.end - silence.onset == pytest.approx(30.0, abs=2.0)
    inside = (report.beats.times > 16) & (report.beats.times < 44)
    assert not inside.any()


def test_a_drifting_baseline_hides_no_beat_and_makes_none() -> None:
    drift = 4.0 * np.sin(2 * np.pi * time / 12.0)
    report = report_of(ECG + drift)
    assert len(report.beats) == pytest.approx(N_BEATS, abs=2)
    assert UNCLEAR not in kinds(report)


def test_swapped_and_inverted_leads_have_the_same_beats() -> None:
    other = heart.recording.read([1], 0, N)[0].astype(np.float64)
    one, swapped = report_of(ECG, other), report_of(-other, -ECG)
    assert len(one.beats) == pytest.approx(len(swapped.beats), abs=1)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_wrong_sampling_rate_invents_nothing(factor: float) -> None:
    report = report_of(ECG, rate=RATE * factor)
    assert len(report.beats) == pytest.approx(N_BEATS, abs=2)
    assert not kinds(report) & {
        UNREADABLE,
        UNCLEAR,
        RhythmKind.ASYSTOLE,
        RhythmKind.VENTRICULAR_FIBRILLATION,
        RhythmKind.ATRIAL_FIBRILLATION,
        RhythmKind.DISSOCIATION,
    }


def test_gaps_of_any_length_break_the_rhythm_and_nothing_else() -> None:
    samples = ECG.astype(np.float32)[np.newaxis].copy()
    for start, length in ((5.0, 0.02), (12.0, 0.6), (20.0, 3.0), (35.0, 12.0)):
        samples[:, round(start * RATE) : round((start + length) * RATE)] = np.nan
    analyzer = EcgAnalyzer(RATE, [(-10.24, 10.235)], EcgModels.shipped())
    events = [analyzer.push(samples), analyzer.finish()]
    beats = np.concatenate([e.beats.samples for e in events]) / RATE
    assert not ((beats > 20.2) & (beats < 22.8)).any()
    assert not ((beats > 35.2) & (beats < 46.8)).any()
    found = {episode.kind for e in events for episode in e.episodes}
    assert not found & {RhythmKind.PAUSE, RhythmKind.ASYSTOLE}
    assert len(beats) > 0.6 * N_BEATS
