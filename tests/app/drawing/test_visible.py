from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.drawing.visible import LeadSource
from signals.envelope import EnvelopeBuilder
from signals.recording import (
    ARBITRARY,
    MICROVOLT,
    MILLIVOLT,
    ArrayRecording,
    Channel,
    ChannelKind,
    Unit,
)

RATE, SECONDS = 250.0, 400


def recording(unit: Unit = MILLIVOLT, scale: float = 0.01) -> ArrayRecording:
    n = int(RATE * SECONDS)
    samples = (100 * np.sin(np.arange(n) / 40)).astype(np.int16)
    samples[n // 2] = 3000  # a spike one sample wide
    samples[1000:1100] = -32768
    channel = Channel("II", ChannelKind.ECG, RATE, n, unit, scale, 0.0, -4000, 4000, missing=-32768)
    return ArrayRecording([samples], format="test", name="test", channels=(channel,))


def source(of: ArrayRecording) -> LeadSource:
    builder = EnvelopeBuilder(missing=-32768)
    builder.push(of.read_digital([0], 0, of.channels[0].n_samples)[0])
    return LeadSource(of, [builder.finish()], [0])


def test_from_near_every_sample_is_there() -> None:
    with recording() as of:
        (view,) = source(of).views(10.0, 20.0, 1000)
        inside = (view.curve.times >= 10) & (view.curve.times < 20)
        assert np.array_equal(view.curve.values[inside], of.read([0], 2500, 5000)[0])


@given(st.floats(0.0, SECONDS - 1.0), st.floats(1.0, SECONDS), st.integers(50, 2000))
def test_a_spike_one_sample_wide_is_seen_from_any_distance(
    start: float, length: float, columns: int
) -> None:
    with recording() as of:
        end = min(start + length, SECONDS)
        (view,) = source(of).views(start, end, columns)
        margin = 2 * (end - start) / columns + 0.6
        if start + margin < SECONDS / 2 < end - margin:
            assert np.nanmax(view.curve.values) == pytest.approx(30.0, rel=1e-5)


@given(st.floats(0.0, 300.0), st.sampled_from([5.0, 12.0, 15.0]))
def test_scrolling_does_not_change_what_is_drawn_of_a_moment(start: float, length: float) -> None:
    with recording() as of:
        leads = source(of)
        one, other = (
            leads.views(at, at + length, 300)[0].curve for at in (start, start + length / 3)
        )
        first, last = start + length / 3 + 1, start + length - 1
        seen = [
            curve.values[(curve.times > first) & (curve.times < last)] for curve in (one, other)
        ]
        assert len(seen[0]) > 100
        assert np.array_equal(*seen, equal_nan=True)


def test_missing_samples_break_the_line_from_near_and_far() -> None:
    with recording() as of:
        leads = source(of)
        near = leads.views(3.0, 6.0, 800)[0].curve
        assert np.isnan(near.values[(near.times > 4.01) & (near.times < 4.39)]).all()
        assert np.isfinite(leads.views(0.0, 400.0, 100)[0].curve.values).all()


def test_beyond_the_ends_there_is_nothing() -> None:
    with recording() as of:
        (view,) = source(of).views(500.0, 510.0, 100)
        assert not len(view.curve.values)
        (view,) = source(of).views(-1000.0, 2000.0, 100)
        there = np.isfinite(view.curve.values)
        assert there.any()
        assert not there.all()


def test_microvolts_are_drawn_as_millivolts() -> None:
    with recording(MICROVOLT, scale=10.0) as of:
        (view,) = source(of).views(10.0, 12.0, 400)
        assert view.full_scale is None
        assert np.nanmax(view.curve.values) == pytest.approx(1.0, rel=0.02)


def test_a_unit_that_is_no_voltage_is_named_and_fitted() -> None:
    with recording(ARBITRARY) as of:
        (view,) = source(of).views(10.0, 12.0, 400)
        assert view.unit == "arbitrary units"
        assert view.full_scale == pytest.approx(40.0, rel=0.02)
