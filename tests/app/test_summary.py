from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.analysis import analyze_recording
from app.report import NO_POINT, UNCLEAR, Beats, Finding, Report, Windows
from app.summary import (
    Intervals,
    ReadableTime,
    RhythmSpans,
    findings_of,
    hours_of,
    strips_of,
    windows_of,
)
from signals.ecg.beat import BeatClass
from signals.ecg.ectopy import find_ectopy
from signals.ecg.episode import Episode, RhythmKind
from signals.ecg.intervals import IntervalMeter
from signals.ecg.waves import PWave, Wave
from signals.quality import Quality
from signals.simulate import EcgScenario, holter_scenario, simulate_ecg

RATE = 250.0


@pytest.fixture(scope="module")
def report() -> Report:
    return analyze_recording(simulate_ecg(holter_scenario(duration=1800.0, seed=3)).recording)


def beats_at(times: np.ndarray, classes: str | None = None) -> Beats:
    letters = classes or "N" * len(times)
    return Beats(
        RATE,
        np.rint(times * RATE).astype(np.int64),
        np.array([BeatClass[letter] for letter in letters], np.int8),
        np.full(len(times), 90, np.uint8),
    )


def test_hours_add_up_to_the_whole() -> None:
    times = np.arange(0.5, 3 * 3600 - 900, 0.75)
    letters = np.where(np.arange(len(times)) % 7 == 3, "V", "N")
    beats = beats_at(times, "".join(letters))
    intervals = Intervals(np.diff(times, prepend=np.nan), times)
    duration = 3 * 3600.0 - 900
    quality = np.zeros((2, int(duration)), np.uint8)
    quality[:, 3000:3100] = Quality.MISSING
    windows = Windows(10, (80.0,) * 990, (0,) * 990, ("g" * 990,) * 2)
    pause = Finding(RhythmKind.PAUSE, 3600.0, 3603.0, 2, 20.0)
    af = Finding(RhythmKind.ATRIAL_FIBRILLATION, 3000.0, 4000.0, 900, 90.0)
    ectopy = [
        find_ectopy(times, intervals.rr, beats.classes, kind) for kind in (BeatClass.V, BeatClass.S)
    ]
    by_hour = IntervalMeter(("I", "V1")).finish(duration)
    hours = hours_of(beats, intervals, windows, quality, (af, pause), *ectopy, by_hour)
    assert [(hour.start_s, hour.end_s) for hour in hours] == [(0, 3600), (3600, 7200), (7200, 9900)]
    assert np.sum([hour.beats for hour in hours], axis=0).tolist() == list(beats.counts().values())
    assert [hour.pauses for hour in hours] == [0, 1, 0]
    assert [hour.af_s for hour in hours] == [500.0, 400.0, 0.0]
    singles = sum(hour.ventricular.singles for hour in hours)
    assert singles == ectopy[0].counts().singles
    assert all(hour.heart_rate_mean == pytest.approx(80.0) for hour in hours)


def test_heart_rate_leaves_gaps_out() -> None:
    times = np.array([0.0, 1.0, 2.0, 60.0, 61.0])
    rr = np.array([np.nan, 1.0, 1.0, np.nan, 1.0])
    intervals = Intervals(rr, times)
    assert intervals.mean_rate == 60.0
    assert intervals.longest == (1.0, 0.0)
    nothing = Intervals(rr[:1], times[:1])
    assert nothing.mean_rate is None
    assert nothing.longest is None


def test_only_intervals_between_normal_beats_outside_fibrillation_vary() -> None:
    times = np.arange(8.0)
    classes = beats_at(times, "NNVNNNNN").classes
    rr = np.diff(times, prepend=np.nan)
    af = Finding(RhythmKind.ATRIAL_FIBRILLATION, 4.5, 5.5, 2, 60.0)
    normal = Intervals(rr, times).normal(classes, [af])
    assert normal.normal.tolist() == [True, False, False, True, False, False, True]


def test_fibrillation_stands_for_the_unclear_activity_in_it() -> None:
    found = findings_of(RATE, (), [(250, 2500)], [(500, 2750), (5000, 6000)], np.zeros(60, bool))
    assert [(finding.kind, finding.onset) for finding in found] == [
        (RhythmKind.VENTRICULAR_FIBRILLATION, 1.0),
        (UNCLEAR, 20.0),
    ]


def test_what_fibrillation_leaves_of_unclear_activity_is_kept() -> None:
    found = findings_of(RATE, (), [(500, 750)], [(0, 2500)], np.zeros(60, bool))
    assert [(finding.kind, finding.onset, finding.end) for finding in found] == [
        (UNCLEAR, 0.0, 2.0),
        (RhythmKind.VENTRICULAR_FIBRILLATION, 2.0, 3.0),
        (UNCLEAR, 3.0, 10.0),
    ]


_spans = st.lists(
    st.tuples(st.floats(0, 60), st.floats(0, 60)).map(lambda pair: (min(pair), max(pair))),
    max_size=6,
)


@given(
    told=st.dictionaries(
        st.sampled_from(
            [
                RhythmKind.VENTRICULAR_FIBRILLATION,
                RhythmKind.ATRIAL_FIBRILLATION,
                RhythmKind.VENTRICULAR_TACHYCARDIA,
                RhythmKind.BRADYCARDIA,
                UNCLEAR,
            ]
        ),
        _spans,
    ),
    sinus=_spans,
    unreadable=st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_every_readable_second_has_one_rhythm_at_most(
    told: dict[str, list[tuple[float, float]]],
    sinus: list[tuple[float, float]],
    unreadable: list[bool],
) -> None:
    findings = [Finding(kind, a, b, 9, 60.0) for kind, spans in told.items() for a, b in spans]
    basic = [Finding(RhythmKind.SINUS_RHYTHM, a, b, 9, 60.0) for a, b in sinus]
    readable = ReadableTime(np.array(unreadable))
    seconds = RhythmSpans(*map(readable.of, RhythmSpans.of(findings, basic)))
    assert all(0 <= held <= readable.total + 1e-6 for held in seconds)
    assert sum(seconds) <= readable.total + 1e-6
    # a kind has what it claims, less what those before it claim
    at = np.arange(0, 60, 0.01) + 0.005
    usable = ~np.repeat(unreadable, 100)

    def claimed(spans: list[tuple[float, float]]) -> np.ndarray:
        return np.any([(a <= at) & (at < b) for a, b in spans], axis=0) & usable

    taken = np.zeros(len(at), bool)
    for name, kind in (
        ("ventricular_fibrillation", RhythmKind.VENTRICULAR_FIBRILLATION),
        ("unclear", UNCLEAR),
        ("atrial_fibrillation", RhythmKind.ATRIAL_FIBRILLATION),
    ):
        own = claimed(told.get(kind, []))
        expected = np.count_nonzero(own & ~taken) / 100
        assert math.isclose(getattr(seconds, name), expected, abs_tol=0.5)
        taken |= own
    expected = np.count_nonzero(claimed(sinus) & ~taken) / 100
    assert math.isclose(seconds.sinus, expected, abs_tol=0.5)


@pytest.mark.parametrize(
    ("times", "rates"),
    [
        (np.arange(0.5, 30, 1.0), [60.0, 60.0, 60.0]),
        (np.arange(0.0, 30, 2.5), [24.0, 24.0, 24.0]),  # slow, but a rhythm
        (np.array([1.0, 2.0, 3.0, 25.0, 26.0, 27.0]), [60.0, None, 60.0]),
        (np.array([1.0, 2.0, 9.0, 12.0]), [None, None, None]),
    ],
)
def test_asystole_has_no_rate(times: np.ndarray, rates: list[float | None]) -> None:
    intervals = Intervals(np.diff(times, prepend=np.nan), times)
    assert list(windows_of(intervals, np.zeros((1, 30), np.uint8)).heart_rate) == rates


def test_the_basic_rhythm_is_no_finding() -> None:
    sinus = Episode(RhythmKind.SINUS_RHYTHM, 0.0, 60.0, 60, 60.0, 70.0, "P waves")
    assert findings_of(RATE, [sinus], (), (), np.zeros(60, bool)) == ()


@pytest.mark.parametrize(
    ("onset", "end", "strip"),
    [(100.0, 102.0, (96.0, 106.0)), (100.0, 200.0, (99.0, 109.0)), (0.5, 1.0, (0.0, 10.0))],
)
def test_a_strip_shows_what_it_is_for(onset: float, end: float, strip: tuple[float, float]) -> None:
    beats = beats_at(np.array([1.0]))
    none = find_ectopy(np.zeros(0), np.zeros(0), np.zeros(0, np.int8), BeatClass.V).counts()
    couplet = Finding(RhythmKind.VENTRICULAR_COUPLET, onset, end, 2, 120.0)
    found, *others = strips_of(300.0, beats, Windows(10, (), (), ()), [couplet], none, none)
    assert (found.onset, found.end) == strip
    assert not others


def test_of_couplets_the_fastest_is_shown_and_of_runs_the_one_with_most_beats() -> None:
    findings = [
        Finding(RhythmKind.VENTRICULAR_COUPLET, 20.0, 20.6, 2, 100.0),
        Finding(RhythmKind.VENTRICULAR_COUPLET, 40.0, 40.3, 2, 200.0),
        Finding(RhythmKind.VENTRICULAR_TACHYCARDIA, 60.0, 63.0, 6, 105.0),
        Finding(RhythmKind.VENTRICULAR_TACHYCARDIA, 80.0, 82.0, 9, 240.0),
    ]
    none = find_ectopy(np.zeros(0), np.zeros(0), np.zeros(0, np.int8), BeatClass.V).counts()
    beats = beats_at(np.array([1.0]))
    strips = strips_of(300.0, beats, Windows(10, (), (), ()), findings, none, none)
    assert [(strip.criterion, strip.onset) for strip in strips] == [
        ("longest ventricular tachycardia", 76.0),
        ("fastest ventricular couplet", 35.15),
    ]


def test_a_holter_has_its_summary(report: Report) -> None:
    summary = report.summary
    assert summary is not None
    assert len(summary.hours) == 1
    assert sum(summary.hours[0].beats) == len(report.beats)
    assert summary.ventricular.beats == report.beats.counts()[BeatClass.V]
    assert {finding.kind for finding in summary.basic_rhythm} == {RhythmKind.SINUS_RHYTHM}
    assert all(finding.rule for finding in report.findings)
    assert sum(family.n_beats for family in summary.families) <= len(report.beats)
    assert all(0 <= strip.onset < strip.end <= 1800 for strip in summary.strips)


def test_the_waves_of_a_holter_lie_about_their_beats(report: Report) -> None:
    waves = report.beats.waves
    assert waves is not None
    points = waves.points_ms
    assert points.shape == (8, len(report.beats))
    qrs = points[Wave.QRS_OFFSET] - points[Wave.QRS_ONSET]
    known = (points[Wave.QRS_ONSET] != NO_POINT) & (points[Wave.QRS_OFFSET] != NO_POINT)
    assert known.mean() > 0.95
    normal = known & (report.beats.classes == BeatClass.N)
    assert 60 < np.median(qrs[normal]) < 120
    has_p = np.isin(waves.p_waves, (PWave.CONDUCTED, PWave.UNRELATED))
    np.testing.assert_array_equal(has_p, points[Wave.P_ONSET] != NO_POINT)


def test_ten_seconds_are_measured_on_their_median_beat() -> None:
    made = simulate_ecg(
        EcgScenario(duration=10.0, rate=500.0, leads=("I", "II", "aVF"), heart_rate=70, seed=4)
    )
    report = analyze_recording(made.recording)
    assert report.summary is not None
    found = report.summary.intervals
    assert found.qt is not None
    assert found.qt.spread is None
    assert found.qt.n_beats >= 8
    assert 0.3 < found.qt.value < 0.45
    assert found.axis is not None
    assert report.measurement("qt").value == round(1000 * found.qt.value)
