"""signals.ecg.qtc: four formulas that agree at 60 beats per minute."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.ecg.qtc import QtFormula, qtc


def _one(formula: QtFormula, qt: float, rr: float) -> float:
    return float(qtc(formula, np.array([qt]), np.array([rr]))[0])


@pytest.mark.parametrize("formula", QtFormula)
@given(qt=st.floats(0.2, 0.7))
def test_at_60_a_minute_qt_is_what_it_is(formula: QtFormula, qt: float) -> None:
    assert _one(formula, qt, 1.0) == pytest.approx(qt, rel=1e-12)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (QtFormula.BAZETT, 0.360 / 0.8),
        (QtFormula.FRIDERICIA, 0.360 / 0.64 ** (1 / 3)),
        (QtFormula.FRAMINGHAM, 0.360 + 0.154 * 0.36),
        (QtFormula.HODGES, 0.360 + 0.00175 * 33.75),
    ],
)
def test_by_hand_at_rr_640_ms(formula: QtFormula, expected: float) -> None:
    assert _one(formula, 0.360, 0.64) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("formula", QtFormula)
@given(rr=st.floats(0.3, 2.0))
def test_fast_hearts_are_corrected_upwards(formula: QtFormula, rr: float) -> None:
    assert (_one(formula, 0.4, rr) - 0.4) * (1 - rr) >= 0


@pytest.mark.parametrize("formula", QtFormula)
@pytest.mark.parametrize("rr", [0.0, -1.0, 0.29, 2.01, np.nan, np.inf])
def test_outside_the_limits_there_is_no_qtc(formula: QtFormula, rr: float) -> None:
    assert np.isnan(_one(formula, 0.4, rr))
    assert np.isnan(_one(formula, np.nan, 1.0))
