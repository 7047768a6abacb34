"""signals.ecg.intervals: medians of steady beats, hour by hour, and "not measurable"."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from signals.ecg.beat import BeatClass
from signals.ecg.intervals import (
    FEWEST_BEATS,
    IntervalMeter,
    IntervalSummary,
    Measured,
    measure_median_beat,
)
from signals.ecg.qtc import QtFormula
from signals.ecg.waves import BeatWaves, PWave, Wave

LABELS = ("I", "aVF", "V5")
POINTS = {
    Wave.P_ONSET: -0.200,
    Wave.P_PEAK: -0.150,
    Wave.P_OFFSET: -0.100,
    Wave.QRS_ONSET: -0.040,
    Wave.QRS_OFFSET: 0.050,
    Wave.T_ONSET: 0.160,
    Wave.T_PEAK: 0.250,
    Wave.T_OFFSET: 0.320,
}
ST_MV = np.array([[0.00, 0.03, 0.04], [-0.20, -0.14, -0.12], [0.1, 0.1, 0.1]], np.float32)
AREA = np.array([0.02, 0.02, 0.05], np.float32)


def make_waves(n: int) -> BeatWaves:
    points = np.tile(np.array([POINTS[wave] for wave in Wave], np.float32), (n, 1))
    return BeatWaves(
        samples=np.arange(n, dtype=np.int64) * 200,
        points=points,
        lead_points=np.repeat(points[:, None], len(LABELS), axis=1),
        p_waves=np.full(n, PWave.CONDUCTED, np.int8),
        st=np.tile(ST_MV, (n, 1, 1)),
        qrs_area=np.tile(AREA, (n, 1)),
        lone_p=np.zeros(0, np.int64),
    )


@dataclass
class Beats:
    times: NDArray[np.float64]
    classes: NDArray[np.int8]
    families: NDArray[np.int16]
    waves: BeatWaves
    rr: NDArray[np.float64]

    def __getitem__(self, part: slice) -> Beats:
        waves = BeatWaves(
            *(
                getattr(self.waves, f.name)[part if f.name != "lone_p" else slice(0)]
                for f in fields(BeatWaves)
            )
        )
        return Beats(
            self.times[part], self.classes[part], self.families[part], waves, self.rr[part]
        )

    def push(self, meter: IntervalMeter) -> None:
        meter.push(self.times, self.classes, self.families, self.waves, self.rr)


END = 7100.0


def make_beats(n: int, rr: float = 0.8) -> Beats:
    return Beats(
        times=rr * np.arange(1, n + 1),
        classes=np.full(n, BeatClass.N, np.int8),
        families=np.ones(n, np.int16),
        waves=make_waves(n),
        rr=np.full(n, rr),
    )


def noisy_beats(n: int, seed: int = 0, rr: float = 0.8) -> Beats:
    """Return beats that scatter, with ectopic ones, other families, gaps and missing points."""
    rng = np.random.default_rng(seed)
    beats = make_beats(n, rr)
    intervals = rr + 0.03 * rng.standard_normal(n)
    beats.times = np.cumsum(intervals)
    beats.rr = np.where(rng.random(n) < 0.03, np.nan, intervals)
    beats.classes[rng.random(n) < 0.1] = BeatClass.V
    beats.families[rng.random(n) < 0.2] = 2
    waves = beats.waves
    waves.points[:] += 0.005 * rng.standard_normal(waves.points.shape).astype(np.float32)
    waves.st[:] += 0.01 * rng.standard_normal(waves.st.shape).astype(np.float32)
    waves.points[rng.random(waves.points.shape) < 0.05] = np.nan
    waves.p_waves[rng.random(n) < 0.1] = PWave.NONE
    return beats


def measured(beats: Beats) -> tuple[IntervalSummary, ...]:
    meter = IntervalMeter(LABELS)
    beats.push(meter)
    return meter.finish(float(beats.times[-1]))


def only(beats: Beats) -> IntervalSummary:
    (summary,) = measured(beats)
    return summary


def value(one: Measured | None) -> float:
    assert one is not None
    return one.value


def test_known_waves_are_measured() -> None:
    summary = only(make_beats(100))
    assert value(summary.rr) == pytest.approx(0.8)
    assert value(summary.pr) == pytest.approx(0.160, abs=1e-6)
    assert value(summary.qrs) == pytest.approx(0.090, abs=1e-6)
    assert value(summary.qt) == pytest.approx(0.360, abs=1e-6)
    assert value(summary.qtc[QtFormula.BAZETT]) == pytest.approx(0.360 / 0.8**0.5, abs=1e-6)
    assert value(summary.qtc[QtFormula.FRAMINGHAM]) == pytest.approx(0.3908, abs=1e-6)
    assert value(summary.axis) == pytest.approx(np.degrees(np.arctan2(2, 3**0.5)), abs=1e-3)
    one, two, _ = summary.st
    assert (one.lead, two.lead) == ("I", "aVF")
    assert value(one.j60) == pytest.approx(0.03, abs=1e-6)
    assert value(two.j80) == pytest.approx(-0.12, abs=1e-6)
    assert value(two.slope) == pytest.approx(1.0, abs=1e-5)
    assert summary.qt is not None
    assert summary.qt.spread == pytest.approx(0, abs=1e-6)
    # the first four beats have too few RR intervals before them to say what is usual
    assert summary.qt.n_beats == 96


def test_the_spread_is_the_interquartile_range() -> None:
    beats = make_beats(1005)
    rng = np.random.default_rng(0)
    late = rng.permutation(np.linspace(-0.04, 0.04, 1001)).astype(np.float32)
    beats.waves.points[4:, Wave.T_OFFSET] += late
    qt = only(beats).qt
    assert qt is not None
    assert qt.spread == pytest.approx(0.04, abs=1e-4)


@pytest.mark.parametrize("odd", [BeatClass.S, BeatClass.V, BeatClass.F, BeatClass.Q])
def test_ectopic_beats_and_those_after_them_take_no_part(odd: BeatClass) -> None:
    beats = make_beats(100)
    beats.classes[10::10] = odd
    beats.waves.points[10::10, Wave.T_OFFSET] = 0.5
    beats.waves.points[11::10, Wave.T_OFFSET] = 0.6
    qt = only(beats).qt
    assert qt is not None
    assert qt.n_beats == 96 - 9 * 2
    assert qt.spread == pytest.approx(0, abs=1e-6)


def test_beats_out_of_step_take_no_part() -> None:
    beats = make_beats(100)
    beats.rr[20:62:3] = 1.2
    qt = only(beats).qt
    assert qt is not None
    assert qt.n_beats == 96 - 14


def test_only_the_most_frequent_family_is_measured() -> None:
    beats = make_beats(100)
    beats.families[:40] = 2
    beats.families[40:44] = 0
    beats.waves.points[:44, Wave.QRS_OFFSET] = 0.1
    qrs = only(beats).qrs
    assert qrs is not None
    assert (qrs.n_beats, qrs.spread) == (56, pytest.approx(0, abs=1e-6))
    assert qrs.value == pytest.approx(0.09, abs=1e-6)


def test_beats_of_no_family_are_measured_where_there_are_no_others() -> None:
    beats = make_beats(50)
    beats.families[:] = 0
    assert only(beats).qt is not None


@pytest.mark.parametrize("p_wave", [PWave.NONE, PWave.UNRELATED, PWave.UNREADABLE])
def test_without_conducted_p_waves_there_is_no_pr(p_wave: PWave) -> None:
    beats = make_beats(200)
    beats.waves.p_waves[:] = p_wave
    beats.waves.p_waves[50:65] = PWave.CONDUCTED  # a few false ones, less than a tenth
    summary = only(beats)
    assert summary.pr is None
    assert summary.qt is not None


@pytest.mark.parametrize("n", range(12))
def test_few_beats_are_not_measurable(n: int) -> None:
    meter = IntervalMeter(LABELS)
    make_beats(n).push(meter)
    whole = meter.whole(END)
    assert (whole.qt is not None) == (n - 4 >= FEWEST_BEATS)
    assert (whole.axis is not None) == (n - 4 >= FEWEST_BEATS)


def test_an_axis_at_the_seam_is_no_axis_in_between() -> None:
    beats = make_beats(104)
    at = np.radians(np.where(np.arange(104) % 2, 175.0, -175.0))
    beats.waves.qrs_area[:, 0] = np.cos(at)
    beats.waves.qrs_area[:, 1] = np.sin(at) * 3**0.5 / 2
    axis = only(beats).axis
    assert axis is not None
    assert abs(axis.value) > 179.9
    assert axis.spread == pytest.approx(10, abs=0.1)


def test_other_leads_have_no_axis() -> None:
    meter = IntervalMeter(("MLII", "V1", "V5"))
    make_beats(50).push(meter)
    assert meter.whole(END).axis is None
    assert meter.whole(END).qt is not None


def test_hours_are_summarised_apart_and_empty_ones_say_so() -> None:
    first, third = make_beats(100), make_beats(100)
    third.times += 2 * 3600
    third.waves.points[:, Wave.T_OFFSET] = 0.4
    meter = IntervalMeter(LABELS)
    first.push(meter)
    third.push(meter)
    hours = meter.finish(7280.0)
    assert [(hour.start_s, hour.end_s) for hour in hours] == [
        (0, 3600), (3600, 7200), (7200, 7280)
    ]  # fmt: skip
    assert value(hours[0].qt) == pytest.approx(0.36, abs=1e-6)
    assert hours[1].qt is None
    assert all(segment.j60 is None for segment in hours[1].st)
    assert value(hours[2].qt) == pytest.approx(0.44, abs=1e-6)
    whole = meter.whole(END).qt
    assert whole is not None
    assert whole.n_beats == 196


def test_no_beat() -> None:
    meter = IntervalMeter(LABELS)
    make_beats(0).push(meter)
    assert meter.finish(0.0) == ()
    assert meter.whole(END).qt is None


def test_nothing_but_nan() -> None:
    beats = make_beats(50)
    for name in ("points", "st", "qrs_area"):
        getattr(beats.waves, name)[:] = np.nan
    summary = only(beats)
    assert summary.rr is not None
    assert summary.pr is summary.qrs is summary.qt is summary.axis is None
    assert not any(summary.qtc.values())


BEATS = noisy_beats(700, rr=10.0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=20).map(sorted))
def test_the_blocks_do_not_matter(cuts: list[int]) -> None:
    meter = IntervalMeter(LABELS)
    for start, stop in zip([0, *cuts], [*cuts, 700], strict=True):
        BEATS[start:stop].push(meter)
    whole = IntervalMeter(LABELS)
    BEATS.push(whole)
    assert meter.finish(END) == whole.finish(END)
    assert meter.whole(END) == whole.whole(END)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(60)))
def test_the_order_of_the_beats_does_not_matter(order: list[int]) -> None:
    beats = noisy_beats(64)
    beats.classes[:] = BeatClass.N
    beats.rr[:] = 0.8
    shuffled = np.concatenate((np.arange(4), 4 + np.array(order)))
    other = replace(
        beats,
        families=beats.families[shuffled],
        waves=BeatWaves(
            *(
                column if len(column) == 0 else column[shuffled]
                for column in (getattr(beats.waves, f.name) for f in fields(BeatWaves))
            )
        ),
    )
    assert only(beats) == only(other)


def test_a_long_recording_is_thinned_evenly_and_needs_no_more_memory() -> None:
    meter = IntervalMeter(LABELS)
    beats = noisy_beats(4000)
    tracemalloc.start()
    held = []
    for lap in range(20):
        late = replace(beats, times=beats.times + lap * 3200)
        if lap % 2:
            late.waves.points[:, Wave.T_OFFSET] = 0.32
        late.push(meter)
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[-1] < held[2] + 200_000
    qt = meter.whole(END).qt
    assert qt is not None
    assert 4_000 < qt.n_beats < 16_384
    assert qt.value == pytest.approx(0.36, abs=0.002)


def test_a_median_beat_is_measured_without_spread() -> None:
    summary = measure_median_beat(make_waves(1), 0.8, 9, LABELS, 10.0)
    assert summary.pr == Measured(pytest.approx(0.160, abs=1e-6), None, 9)
    assert value(summary.qtc[QtFormula.BAZETT]) == pytest.approx(0.360 / 0.8**0.5, abs=1e-6)
    assert value(summary.axis) == pytest.approx(np.degrees(np.arctan2(2, 3**0.5)), abs=1e-3)
    assert summary.end_s == 10


def test_a_median_beat_without_p_wave_has_no_pr() -> None:
    waves = make_waves(1)
    waves.p_waves[:] = PWave.NONE
    waves.st[0, 1] = np.nan
    summary = measure_median_beat(waves, 0.8, 9, LABELS, 10.0)
    assert summary.pr is None
    assert summary.st[1].j60 is None
    assert summary.st[0].j60 is not None
