from __future__ import annotations

import time
from dataclasses import fields
from math import isfinite

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from signals.ecg.hrv import HrvSummary, RrIntervals, heart_rate_variability

INDICES = [field.name for field in fields(HrvSummary)][5:]
ALL_OF_NN = {"mean_nn_ms", "sdnn_ms", "triangular_index", "tinn_ms"}
DIFFERENCES = {"rmssd_ms", "sdsd_ms", "pnn50_percent", "pnn20_percent"}
POINCARE = {"sd1_ms", "sd2_ms", "sd1_sd2"}
SPECTRUM = {"vlf_ms2", "lf_ms2", "hf_ms2", "total_power_ms2", "lf_nu", "hf_nu", "lf_hf"}
DAY = {"sdann_ms", "sdnn_index_ms", "ulf_ms2"}


def heart(seconds: float, seed: int = 0) -> NDArray[np.float64]:
    """Return RR intervals at rest in steps of 1/1024 s: two swings, noise and a slow drift."""
    rng = np.random.default_rng(seed)
    at = 0.8 * np.arange(round(seconds / 0.8))
    rr = 0.8 + 0.03 * np.sin(2 * np.pi * 0.1 * at) + 0.02 * np.sin(2 * np.pi * 0.25 * at)
    rr += 0.05 * np.sin(2 * np.pi * at / 7200) + rng.uniform(-0.02, 0.02, len(at))
    return np.asarray(np.round(rr * 1024) / 1024)


def normal(rr: NDArray[np.float64], start: float = 0.0) -> RrIntervals:
    return RrIntervals(start + np.cumsum(rr), rr, np.ones(len(rr), bool))


def measured(summary: HrvSummary) -> set[str]:
    return {name for name in INDICES if getattr(summary, name) is not None}


def assert_plausible(summary: HrvSummary) -> None:
    for name in INDICES:
        value = getattr(summary, name)
        assert value is None or (isinstance(value, float) and isfinite(value)), name
    assert summary.nn_share is None or 0 <= summary.nn_share <= 1


def test_a_day_has_every_index() -> None:
    summary = heart_rate_variability(normal(heart(86_400)))
    assert measured(summary) == set(INDICES)
    assert_plausible(summary)
    assert summary.nn_share == pytest.approx(1, abs=0.01)
    assert summary.n_windows == 288
    assert summary.mean_nn_ms == pytest.approx(800, abs=1)
    assert summary.sdann_ms == pytest.approx(50 / 2**0.5, rel=0.02)
    assert summary.lf_ms2 == pytest.approx(450, rel=0.1)
    assert summary.hf_ms2 == pytest.approx(200 + 133 * 0.4, rel=0.1)
    assert summary.lf_nu is not None
    assert summary.hf_nu == pytest.approx(100 - summary.lf_nu)
    assert summary.ulf_ms2 == pytest.approx(1250, rel=0.05)
    assert "Lomb-Scargle" in summary.method
    assert "Lipponen" in summary.method


@pytest.mark.parametrize(
    ("seconds", "indices"),
    [
        (50, {"mean_nn_ms"}),
        (100, {"mean_nn_ms"} | DIFFERENCES | POINCARE),
        (
            305,
            {"mean_nn_ms", "sdnn_ms", "dfa_alpha1", "sample_entropy"}
            | (DIFFERENCES | POINCARE | SPECTRUM),
        ),
        (1300, set(INDICES) - DAY),
        (17.5 * 3600, set(INDICES) - DAY),
        (18.5 * 3600, set(INDICES)),
    ],
)
def test_an_index_needs_its_time(seconds: float, indices: set[str]) -> None:
    assert measured(heart_rate_variability(normal(heart(seconds)))) == indices


def test_the_share_is_of_time_and_rules() -> None:
    rr = heart(3000)
    ends = np.cumsum(rr)
    for until, enough in ((1450.0, True), (1700.0, False)):
        lost = (ends > 900) & (ends < until)
        gap = RrIntervals(ends, rr, ~lost)
        kept = RrIntervals(ends[~lost], rr[~lost], np.ones(len(rr) - np.count_nonzero(lost), bool))
        summary = heart_rate_variability(gap)
        assert heart_rate_variability(kept) == summary
        assert summary.nn_share == pytest.approx(rr[~lost].sum() / rr.sum(), abs=0.005)
        assert summary.n_windows in (7, 8)
        assert bool(measured(summary)) is enough


def test_ectopic_beats_are_left_out_and_never_bridged() -> None:
    rng = np.random.default_rng(3)
    rr = heart(1800)
    clean = heart_rate_variability(normal(rr))
    early = rng.choice(np.arange(5, len(rr) - 5), 60, replace=False)
    beats = np.concatenate([[0.0], np.cumsum(rr)])
    beats[early] -= 0.3
    is_normal = np.ones(len(beats), bool)
    is_normal[early] = False
    readable = np.ones(len(rr), bool)
    summary = heart_rate_variability(RrIntervals.between(beats, is_normal, readable))
    assert summary.nn_share == pytest.approx(1 - 120 / len(rr), abs=0.01)
    for name in ("sdnn_ms", "rmssd_ms", "sd1_ms", "lf_ms2", "hf_ms2", "dfa_alpha1"):
        assert getattr(summary, name) == pytest.approx(getattr(clean, name), rel=0.06), name
    all_normal = np.ones(len(beats), bool)
    unlabelled = heart_rate_variability(RrIntervals.between(beats, all_normal, readable))
    assert unlabelled.n_corrected >= 100
    assert unlabelled.rmssd_ms == pytest.approx(clean.rmssd_ms, rel=0.1)


def test_between_takes_both_beats_and_what_lies_between() -> None:
    found = RrIntervals.between(
        np.array([1.0, 2.0, 2.5, 4.0, 5.0]),
        np.array([True, True, False, True, True]),
        np.array([True, True, True, False]),
    )
    np.testing.assert_array_equal(found.ends, [2.0, 2.5, 4.0, 5.0])
    np.testing.assert_array_equal(found.rr, [1.0, 0.5, 1.5, 1.0])
    np.testing.assert_array_equal(found.normal, [True, False, False, False])
    nothing = np.zeros(0, bool)
    assert len(RrIntervals.between(np.zeros(1), np.ones(1, bool), nothing).rr) == 0
    assert len(RrIntervals.between(np.zeros(0), nothing, nothing).rr) == 0


@pytest.mark.parametrize("n", [0, 1, 2, 3, 100, 2000])
@pytest.mark.parametrize("value", [0.8, 0.7123, 1.25, 0.2, 3.0, 0.0, -1.0, 5.0, np.nan, np.inf])
@pytest.mark.parametrize("usable", [1, 0])
def test_equal_intervals(n: int, value: float, usable: int) -> None:
    rr = np.full(n, value)
    ends = np.arange(1, n + 1) * value
    summary = heart_rate_variability(RrIntervals(ends, rr, np.full(n, usable, bool)))
    assert_plausible(summary)
    assert not measured(summary) & {"lf_hf", "lf_nu", "hf_nu", "sd1_sd2", "sample_entropy"}
    assert not measured(summary) & {"dfa_alpha1", "dfa_alpha2"}
    if n == 2000 and usable and value in (0.8, 0.7123, 1.25):
        assert summary.sdnn_ms == pytest.approx(0, abs=1e-9)
        assert summary.rmssd_ms == pytest.approx(0, abs=1e-9)
        assert summary.triangular_index == 1.0
    elif not usable or n == 0 or not 0.2 <= value <= 3.0:
        assert measured(summary) == set()


def test_fibrillation_is_no_error() -> None:
    rng = np.random.default_rng(4)
    summary = heart_rate_variability(normal(rng.gamma(12, 0.05, 3000)))
    assert_plausible(summary)
    assert summary.n_nn > 0


@given(
    arrays(np.float64, st.integers(0, 60), elements=st.floats(width=64)),
    arrays(np.float64, st.integers(0, 60), elements=st.floats(width=64)),
)
@settings(max_examples=60, deadline=None)
def test_any_numbers(a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    n = min(len(a), len(b))
    with np.errstate(all="ignore"):
        assert_plausible(heart_rate_variability(RrIntervals(a[:n], b[:n], np.ones(n, bool))))


lengths = arrays(
    np.float64, st.integers(0, 700), elements=st.integers(100, 3200).map(lambda n: n / 1024)
)


@given(lengths, st.data())
@settings(max_examples=60, deadline=None)
def test_wild_intervals_give_numbers_or_nothing(
    rr: NDArray[np.float64], data: st.DataObject
) -> None:
    usable = data.draw(arrays(np.bool_, len(rr), elements=st.sampled_from([True] * 9 + [False])))
    assert_plausible(heart_rate_variability(RrIntervals(np.cumsum(rr), rr, usable)))


@given(st.integers(0, 2**30), st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_the_clock_does_not_matter(shift: int, seed: int) -> None:
    rr = heart(1300, seed)
    here = heart_rate_variability(normal(rr))
    there = heart_rate_variability(normal(rr, start=shift / 1024))
    for name in INDICES:
        value = getattr(here, name)
        expected = None if value is None else pytest.approx(value, rel=1e-6)
        assert getattr(there, name) == expected, name


@given(st.floats(0.6, 1.4), st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_scaling(factor: float, seed: int) -> None:
    # Near the mean, so that no threshold of the artifact correction is at its floor.
    rr = heart(1300, seed)
    one, other = (heart_rate_variability(normal(rr * k)) for k in (1.0, factor))
    assert one.n_corrected == other.n_corrected
    for name in ("mean_nn_ms", "sdnn_ms", "rmssd_ms", "sdsd_ms", "sd1_ms", "sd2_ms"):
        assert getattr(other, name) == pytest.approx(factor * getattr(one, name)), name
    for name in ("sd1_sd2", "dfa_alpha1", "dfa_alpha2"):
        assert getattr(other, name) == pytest.approx(getattr(one, name)), name


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_order_does_not_matter_to_what_is_of_all_intervals(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # So near each other that in no order there is an artifact to correct.
    rr = rng.integers(800, 816, 1600) / 1024
    mixed = rng.permutation(rr)
    one, other = heart_rate_variability(normal(rr)), heart_rate_variability(normal(mixed))
    assert one.n_corrected == other.n_corrected == 0
    for name in ALL_OF_NN:
        assert getattr(other, name) == pytest.approx(getattr(one, name)), name


def test_time_grows_with_the_recording() -> None:
    def cpu_s(days: float) -> float:
        intervals = normal(heart(days * 86_400))
        taken = []
        for _ in range(3):
            before = time.process_time()
            heart_rate_variability(intervals)
            taken.append(time.process_time() - before)
        return min(taken)

    # Five times as long; a square law would take 25 times as long.
    assert cpu_s(1.25) < 12 * cpu_s(0.25)
