"""Hypothesis strategies for the values of :mod:`app.report`."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from app.report import Beats, Finding, Lead, Measurement, Provenance, Report, Subject, Windows
from signals.ecg.beat import BeatClass

_text = st.text(st.characters(codec="utf-8"), max_size=12)
_number = st.floats(-1e6, 1e6)
_maybe = st.none() | _number


def _tuples(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(values, max_size=3).map(tuple)


@st.composite
def beats(draw: st.DrawFn) -> Beats:
    n = draw(st.integers(0, 5))
    column = {"min_size": n, "max_size": n}
    return Beats(
        draw(st.floats(100, 2000)),
        np.array(sorted(draw(st.lists(st.integers(0, 2**40), **column))), np.int64),
        np.array(draw(st.lists(st.sampled_from(BeatClass), **column)), np.int8),
        np.array(draw(st.lists(st.integers(0, 100), **column)), np.uint8),
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

reports = st.builds(
    Report,
    subject=subjects,
    provenance=st.builds(Provenance, _text, _text, _text, _text, _text, _text),
    beats=beats(),
    windows=st.builds(
        Windows,
        seconds=st.just(10),
        heart_rate=_tuples(_maybe),
        unreadable_s=_tuples(st.integers(0, 10)),
        quality=_tuples(st.text("gnmfsox", max_size=3)),
    ),
    findings=_tuples(st.builds(Finding, _text, _number, _number, st.integers(0), _maybe)),
    measurements=_tuples(st.builds(Measurement, _text, _maybe, _text, _maybe)),
)
