"""What a report in JSON must be, where the types of :mod:`app.report` cannot say it."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from signals.ecg.beat import BeatClass
from signals.ecg.qtc import QtFormula
from signals.ecg.waves import PWave, Wave

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from app.report import Beats, Report, Summary, Windows


def plain(value: object) -> object:
    """Return an array as lists; TypeError for anything else."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"a report holds no {type(value).__name__}")


def column_of(kind: Any, value: object) -> NDArray[Any]:  # noqa: ANN401 (msgspec's own form)
    """Return a column as an array of the type that `kind`, ``NDArray[...]``, names.

    Raises
    ------
    ValueError
        If it holds other values than whole numbers in the range of that type.
    """
    _shape, dtype = get_args(kind)
    wanted = get_args(dtype)[0]
    column, limits = np.asarray(value), np.iinfo(wanted)
    if column.size and (
        column.dtype.kind not in "iu" or column.min() < limits.min or column.max() > limits.max
    ):
        raise ValueError(f"a column holds other values than whole numbers ({limits.dtype})")
    return column.astype(wanted)


def finite(text: str) -> float:
    """Return a number of JSON; ValueError for NaN, infinity and what is too large."""
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text} is no number")
    return value


def faults(report: Report, letters: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with a report.

    Parameters
    ----------
    report : Report
        Of the right types.
    letters : collection of str
        Those that a quality is written in.
    """
    work = report.provenance.work
    if work is not None and min(work.skipped, work.quick, work.full) < 0:
        yield "beats were read less than not at all"
    yield from _beats(report.beats)
    yield from _windows(report.windows, letters)
    if report.summary is not None:
        yield from _summary(report.summary)


def _beats(beats: Beats) -> Iterator[str]:
    n, waves = beats.samples.size, beats.waves
    columns: list[NDArray[Any]] = [beats.samples, beats.classes, beats.percent]
    points: list[NDArray[Any]] = []
    if beats.families is not None:
        columns.append(beats.families)
    if waves is not None:
        columns.append(waves.p_waves)
        points.append(waves.points_ms)
        if waves.lead_points_ms is not None:
            points += list(waves.lead_points_ms)
        if not np.isin(waves.p_waves, list(PWave)).all():
            yield "a P wave is none that is known"
    if any(c.shape != (n,) for c in columns) or any(p.shape != (len(Wave), n) for p in points):
        yield "the columns of beats differ in length"
    elif n and (beats.samples[0] < 0 or np.any(beats.samples[1:] < beats.samples[:-1])):
        yield "the beats are not in order of time"
    unsure = np.zeros(0, np.int64) if beats.unsure is None else beats.unsure
    if unsure.ndim != 1 or np.any(unsure < 0) or np.any(unsure >= n) or np.any(np.diff(unsure) < 1):
        yield "the beats that the model is not sure of are none of them, or out of order"
    if beats.rate <= 0 or np.any(beats.percent > 100):
        yield "beats have no sampling rate, or are more than certain"


def _windows(windows: Windows, letters: Collection[str]) -> Iterator[str]:
    columns = (windows.heart_rate, windows.unreadable_s, *windows.quality)
    if windows.seconds <= 0 or len(set(map(len, columns))) > 1:
        yield "the windows differ in number, or have no length"
    if not set("".join(windows.quality)) <= set(letters):
        yield "a quality is none that is known"


def _summary(summary: Summary) -> Iterator[str]:
    if any(len(hour.beats) != len(BeatClass) for hour in summary.hours):
        yield "the beats of an hour are not those of every class"
    measured = (summary.intervals, *(hour.intervals for hour in summary.hours))
    if any(len(intervals.qtc) != len(QtFormula) for intervals in measured):
        yield "a formula of QTc is missing"
    if summary.rhythm is not None and (
        not summary.rhythm.percent
        or not all(0 <= p <= 100 for p in summary.rhythm.percent.values())
    ):
        yield "the rhythm has no probability, or is more than certain"
    if any(family.template_uv.ndim != 2 for family in summary.families):
        yield "a template has not one row a lead"
