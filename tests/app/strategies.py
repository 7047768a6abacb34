"""Hypothesis strategies for the values of :mod:`app.report`."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from app.report import (
    NO_POINT,
    Beats,
    Family,
    Finding,
    Hour,
    Lead,
    Measurement,
    ModelUsed,
    Provenance,
    Report,
    Strip,
    StripRhythm,
    Subject,
    Summary,
    Waves,
    Windows,
)
from ml.adaptive import Work
from signals.ecg.beat import BeatClass
from signals.ecg.ectopy import EctopyCounts, ExtremeRun
from signals.ecg.hrv import HrvSummary
from signals.ecg.intervals import IntervalSummary, Measured, StSegment
from signals.ecg.qtc import QtFormula
from signals.ecg.waves import PWave

_text = st.text(st.characters(codec="utf-8"), max_size=12)
_number = st.floats(-1e6, 1e6)
_maybe = st.none() | _number


def _tuples(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(values, max_size=3).map(tuple)


_points = st.lists(st.just(NO_POINT) | st.integers(-500, 900), min_size=8, max_size=8)
_count = st.integers(0, 10**6)
_by_class = st.tuples(*[_count] * len(BeatClass))
_measured = st.none() | st.builds(Measured, _number, _maybe, _count)
_runs = st.none() | st.builds(ExtremeRun, _number, _number, _count, _number)
_ectopy = st.builds(
    EctopyCounts, _count, _count, _count, _count, _count, _count, _runs, _runs, _count, _count,
    _count,
)  # fmt: skip
_intervals = st.builds(
    IntervalSummary,
    _number,
    _number,
    _measured,
    _measured,
    _measured,
    _measured,
    st.fixed_dictionaries(dict.fromkeys(QtFormula, _measured)),
    _measured,
    _tuples(st.builds(StSegment, _text, _measured, _measured, _measured)),
)


@st.composite
def beats(draw: st.DrawFn) -> Beats:
    n = draw(st.integers(0, 5))
    column = {"min_size": n, "max_size": n}
    return Beats(
        draw(st.floats(100, 2000)),
        np.array(sorted(draw(st.lists(st.integers(0, 2**40), **column))), np.int64),
        np.array(draw(st.lists(st.sampled_from(BeatClass), **column)), np.int8),
        np.array(draw(st.lists(st.integers(0, 100), **column)), np.uint8),
        np.array(draw(st.lists(st.integers(0, 30), **column)), np.int16),
        Waves(
            np.array(draw(st.lists(st.sampled_from(PWave), **column)), np.int8),
            np.array(draw(st.lists(_points, **column)), np.int16).reshape(n, 8).T,
            draw(_tuples(_number)),
            draw(st.none() | st.just(np.full((2, 8, n), NO_POINT, np.int16))),
        ),
        np.flatnonzero(draw(st.lists(st.booleans(), **column))),
    )


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    n = draw(st.integers(0, 3))
    size = {"min_size": n, "max_size": n}
    return Windows(
        seconds=10,
        heart_rate=tuple(draw(st.lists(_maybe, **size))),
        unreadable_s=tuple(draw(st.lists(st.integers(0, 10), **size))),
        quality=draw(_tuples(st.text("gnmfsox", **size))),
    )


subjects = st.builds(
    Subject,
    name=_text,
    format=_text,
    duration_s=_number,
    start=st.none() | st.datetimes(),
    leads=_tuples(st.builds(Lead, _text, _number)),
    repairs=_tuples(_text),
)

_findings = _tuples(st.builds(Finding, _text, _number, _number, st.integers(0), _maybe, _text))
_summaries = st.builds(
    Summary,
    basic_rhythm=_findings,
    intervals=_intervals,
    ventricular=_ectopy,
    supraventricular=_ectopy,
    variability=st.builds(
        HrvSummary, _maybe, _count, _count, _count, _text, mean_nn_ms=_maybe, sdnn_ms=_maybe
    ),
    hours=_tuples(
        st.builds(
            Hour, _number, _number, _by_class, _maybe, _maybe, _maybe, _maybe, _count,
            _ectopy, _ectopy, _number, _count, _tuples(_count), _intervals,
        )
    ),
    strips=_tuples(st.builds(Strip, _text, _number, _number)),
    families=_tuples(
        st.builds(
            Family,
            _count,
            _count,
            st.lists(st.integers(-9999, 9999), min_size=4, max_size=4).map(
                lambda row: np.array(row, np.int16).reshape(2, 2)
            ),
        )
    ),
    rhythm=st.none() | st.builds(
        StripRhythm, st.dictionaries(_text, st.integers(0, 100), min_size=1), st.booleans()
    ),
)  # fmt: skip

reports = st.builds(
    Report,
    subject=subjects,
    provenance=st.builds(
        Provenance,
        _text,
        _text,
        _text,
        _tuples(st.builds(ModelUsed, _text, _text)),
        _text,
        st.integers(0, 9),
        st.none() | st.builds(Work, *(st.integers(0, 2**40),) * 3),
    ),
    beats=beats(),
    windows=windows(),
    findings=_findings,
    measurements=_tuples(st.builds(Measurement, _text, _maybe, _text, _maybe)),
    summary=st.none() | _summaries,
)
