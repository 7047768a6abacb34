"""Figures that add up over records."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from app.evaluation.score import Score, averages
from signals.ecg.ec57.heart_rate import RateErrors
from signals.ecg.ec57.share import Share


def _score(part: int, whole: int, offsets: list[float], **rest: float) -> Score:
    return Score(
        {"150ms.qrs_se": Share(part, whole)},
        {"150ms.all": np.array(offsets)},
        {"150ms": np.full((7, 7), whole)},
        **rest,
    )


def test_gross_is_the_sum_of_records_and_average_their_mean() -> None:
    small, large = _score(1, 2, [0.010], unreadable_s=3), _score(98, 98, [0.001] * 9)
    gross = sum([small, large], Score())
    assert gross.values()["150ms.qrs_se"] == 99
    assert gross.values()["150ms.all.mean_ms"] == pytest.approx(1.9)
    assert gross.values()["150ms.all.median_ms"] == pytest.approx(1)
    assert gross.matrices["150ms"][0, 0] == 100
    assert gross.unreadable_s == 3
    assert averages([small, large])["150ms.qrs_se"] == 75
    assert averages([small, large])["150ms.all.mean_ms"] == pytest.approx(5.5)


def test_a_record_that_is_not_scored_by_a_figure_does_not_count_in_it() -> None:
    rhythm_only = Score({"af.episode_se": Share(1, 4)})
    both = [_score(1, 2, []), rhythm_only]
    gross = sum(both, Score())
    assert gross.values()["150ms.qrs_se"] == 50
    assert gross.values()["af.episode_se"] == 25
    assert gross.heart_rate is None
    assert "heart_rate.rms_bpm" not in gross.values()
    assert averages(both)["150ms.qrs_se"] == 50


def test_heart_rates_add_up_where_there_are_any() -> None:
    one = Score(heart_rate=RateErrors(1, 0, 4.0, 50.0))
    gross = one + Score() + Score(heart_rate=RateErrors(1, 2, 0.0, 50.0))
    assert gross.values()["heart_rate.rms_bpm"] == pytest.approx(2**0.5)
    assert gross.values()["heart_rate.unmeasured"] == 2


def test_what_is_not_defined_is_no_number() -> None:
    values = _score(0, 0, []).values()
    assert isnan(values["150ms.qrs_se"])
    assert isnan(values["150ms.all.median_ms"])
    assert isnan(_score(1, 1, [0.001]).values()["150ms.all.sd_ms"])
