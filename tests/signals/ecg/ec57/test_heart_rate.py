"""Heart rate, on hand-made cases from the definition of ``mxm``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.ecg.ec57.heart_rate import RateErrors, compare_heart_rates, windowed_heart_rate
from signals.ecg.ec57.reading import reading_of

RATE = 100.0


def test_the_rate_is_that_of_the_intervals_that_end_in_the_window() -> None:
    beats = [0, 100, 200, 300, 1050, 1100, 1150]
    reading = reading_of([(beat, "N", "") for beat in beats], RATE, 2000)
    rates = windowed_heart_rate(reading, 10.0, 2)
    assert rates.tolist() == pytest.approx([60, 60 * 3 / 8.5])


def test_one_interval_is_no_heart_rate() -> None:
    reading = reading_of([(0, "N", ""), (100, "N", "")], RATE, 1000)
    assert np.isnan(windowed_heart_rate(reading, 10.0, 1)).all()
    assert np.isnan(windowed_heart_rate(reading_of([], RATE, 1000), 10.0, 1)).all()


def test_no_interval_is_taken_over_fibrillation_or_a_stretch_given_up() -> None:
    beats = [(i * 100, "N", "") for i in (0, 1, 2, 6, 7, 8)]
    fibrillating = reading_of([*beats, (250, "[", ""), (550, "]", "")], RATE, 1000)
    assert windowed_heart_rate(fibrillating, 10.0, 1).tolist() == [60]
    lost = reading_of(beats, RATE, 1000, [(300, 500)])
    assert windowed_heart_rate(lost, 10.0, 1).tolist() == [60]


def test_errors_are_root_mean_square_and_a_share_of_the_references_mean() -> None:
    errors = compare_heart_rates(
        np.array([60.0, 80.0, 100.0, np.nan, 70.0]), np.array([63.0, 76.0, np.nan, 50.0, 70.0])
    )
    assert (errors.measured, errors.unmeasured) == (3, 1)
    assert errors.rms_bpm == pytest.approx((25 / 3) ** 0.5)
    assert errors.rms_percent == pytest.approx(100 * (25 / 3) ** 0.5 / 70)


def test_without_a_measurement_there_is_no_error() -> None:
    assert np.isnan(RateErrors().rms_bpm)
    assert np.isnan(RateErrors().rms_percent)


rates = st.lists(st.tuples(st.floats(30, 200), st.floats(30, 200)), min_size=1, max_size=20)


@given(rates, rates)
def test_records_add_up(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> None:
    one, other, both = (compare_heart_rates(*np.array(pairs).T) for pairs in (a, b, a + b))
    assert (one + other).rms_bpm == pytest.approx(both.rms_bpm)
    assert (one + other).rms_percent == pytest.approx(both.rms_percent)


@given(rates)
def test_perfect_agreement_has_no_error(pairs: list[tuple[float, float]]) -> None:
    truth = np.array(pairs)[:, 0]
    assert compare_heart_rates(truth, truth).rms_bpm == 0
