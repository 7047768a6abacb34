"""PR, QRS, QT, QTc, frontal axis and ST: what the waves of many beats say together.

A measurement rests on *steady* beats: of class N, after a beat of class N, and no more than a fifth
early or late against the usual RR interval. So no ectopic beat, none after one, and none after a
pause takes part. Of these it takes the beats of the most frequent family, so that shapes are not
mixed. Its value is their median, its spread their interquartile range. Where fewer than
:data:`FEWEST_BEATS` or than a tenth of them show what is measured, it is not measurable: a few
P waves seen in atrial fibrillation make no PR interval.

The RR interval that QT is corrected by is the median of the last ten before the beat. QT follows
the rate within a minute or so and not from beat to beat, so the last interval alone would add its
own scatter; ten intervals are about the length of the standard recording, whose mean rate the
limits of QTc were made with; and the median leaves out an ectopic beat and its pause.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from signals.ecg._medians import known_median
from signals.ecg.axis import FrontalPlane, angles, wrapped
from signals.ecg.beat import BeatClass
from signals.ecg.families import OTHER
from signals.ecg.qtc import QtFormula, qtc
from signals.ecg.waves import BeatWaves, PWave, Wave

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FEWEST_BEATS = 5
"""Beats below which nothing is measured."""
SPAN_S = 3600.0

_FEWEST_SHARE = 0.1
_RR_AVERAGED = 10
_FEWEST_RR = 5
_STEADY = 0.2
_J_TO_J80_S = 0.08
_MOST_ROWS = 16_384
_INTERVALS = (
    (Wave.P_ONSET, Wave.QRS_ONSET),
    (Wave.QRS_ONSET, Wave.QRS_OFFSET),
    (Wave.QRS_ONSET, Wave.T_OFFSET),
)
# what is kept of a beat: family, RR, the intervals, QTc, the frontal vector, then ST lead by lead
_FAMILY, _RR, _PR, _QRS, _QT = range(5)
_QTC = slice(5, 5 + len(QtFormula))
_VECTOR = slice(_QTC.stop, _QTC.stop + 2)
_ST = _VECTOR.stop

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement.

    Parameters
    ----------
    value : float
        The median of the beats, or what the median beat shows.
    spread : float or None
        The interquartile range of the beats; None of a single median beat.
    n_beats : int
        Beats that it rests on.
    """

    value: float
    spread: float | None
    n_beats: int


@dataclass(frozen=True, slots=True)
class StSegment:
    """The ST segment of a lead, against the level before the QRS; None where not measurable.

    Parameters
    ----------
    lead : str
        Its label.
    j60, j80 : Measured or None
        Level 60 and 80 ms after the J point, mV.
    slope : Measured or None
        From the J point to 80 ms after it, mV/s.
    """

    lead: str
    j60: Measured | None
    j80: Measured | None
    slope: Measured | None


@dataclass(frozen=True, slots=True)
class IntervalSummary:
    """The measurements of a stretch of a recording; None where not measurable.

    Parameters
    ----------
    start_s, end_s : float
        The stretch, seconds from the start of the recording.
    rr, pr, qrs, qt : Measured or None
        Seconds.
    qtc : dict of QtFormula to Measured or None
        Seconds.
    axis : Measured or None
        Frontal QRS axis, degrees above -180 up to 180: the direction of the median vector, and the
        interquartile range of the beats' directions from there. See
        :class:`signals.ecg.axis.FrontalPlane`.
    st : tuple of StSegment
        One a lead.
    """

    start_s: float
    end_s: float
    rr: Measured | None
    pr: Measured | None
    qrs: Measured | None
    qt: Measured | None
    qtc: dict[QtFormula, Measured | None]
    axis: Measured | None
    st: tuple[StSegment, ...]


class IntervalMeter:
    """Measures hour by hour as beats come, and the whole recording.

    Memory does not grow with the recording but for the summaries: of a stretch with more than
    16,384 steady beats every second one is kept, then every fourth, and so on, so the whole of a
    day rests on some ten thousand beats spread over it evenly.

    Parameters
    ----------
    lead_labels : sequence of str
        The leads of the waves that will be pushed.
    """

    def __init__(self, lead_labels: Sequence[str]) -> None:
        self._labels = tuple(lead_labels)
        self._plane = FrontalPlane.of(lead_labels)
        width = _ST + 3 * len(self._labels)
        self._hour = _Rows(width)
        self._whole = _Rows(width)
        self._hours: list[IntervalSummary] = []
        self._past_rr = np.full(_RR_AVERAGED - 1, np.nan)
        self._past_class = int(BeatClass.Q)

    def push(
        self,
        times: NDArray[np.float64],
        classes: NDArray[np.int8],
        families: NDArray[np.int16],
        waves: BeatWaves,
        rr: NDArray[np.float64],
    ) -> None:
        """Take the next beats, in order of time.

        Parameters
        ----------
        times : numpy.ndarray, shape (n,)
            R peaks, seconds from the start of the recording.
        classes : numpy.ndarray, shape (n,)
            Values of :class:`signals.ecg.beat.BeatClass`.
        families : numpy.ndarray, shape (n,)
            Of alike beats; see :mod:`signals.ecg.families`.
        waves : BeatWaves
            Of the same beats.
        rr : numpy.ndarray, shape (n,)
            The RR interval before each, s; NaN where there is none or it cannot be read.
        """
        if not len(times):
            return
        usual = self._usual_rr(rr)
        before = np.concatenate(([self._past_class], classes[:-1]))
        self._past_class = int(classes[-1])
        steady = (classes == BeatClass.N) & (before == BeatClass.N)
        steady &= np.abs(rr - usual) <= _STEADY * usual  # false where either is NaN
        rows = _rows_of(families, waves, rr, usual, self._plane)[steady]
        hours = (times[steady] // SPAN_S).astype(np.int64)
        while len(rows):
            self._close_hours(int(hours[0]))
            n = int(np.searchsorted(hours, hours[0], side="right"))
            self._hour.add(rows[:n])
            self._whole.add(rows[:n])
            rows, hours = rows[n:], hours[n:]

    def finish(self, end_s: float) -> tuple[IntervalSummary, ...]:
        """Return the measurements hour by hour, the last hour up to the end of the recording."""
        self._close_hours(int(end_s // SPAN_S))
        start = len(self._hours) * SPAN_S
        if end_s > start:
            self._hours.append(self._summary(self._hour, start, end_s))
        return tuple(self._hours)

    def whole(self, end_s: float) -> IntervalSummary:
        """Return the measurements of all beats of a recording of that length."""
        return self._summary(self._whole, 0.0, end_s)

    def _close_hours(self, hour: int) -> None:
        """Summarise the hours before `hour`."""
        while len(self._hours) < hour:
            start = len(self._hours) * SPAN_S
            self._hours.append(self._summary(self._hour, start, start + SPAN_S))
            self._hour.clear()

    def _usual_rr(self, rr: Floats) -> Floats:
        """Return the median of the last intervals up to each, NaN where too few are known."""
        run = np.concatenate((self._past_rr, rr))
        self._past_rr = run[1 - _RR_AVERAGED :]
        latest = sliding_window_view(run, _RR_AVERAGED)
        enough = _RR_AVERAGED - np.isnan(latest).sum(axis=1) >= _FEWEST_RR
        return np.where(enough, known_median(latest, axis=1), np.nan)

    def _summary(self, rows: _Rows, start: float, end: float) -> IntervalSummary:
        return _summary(rows.of_one_family(), _of_many, self._labels, start, end)


def measure_median_beat(
    waves: BeatWaves, rr_s: float, n_beats: int, lead_labels: Sequence[str], duration_s: float
) -> IntervalSummary:
    """Return the measurements of a short recording from its median beat.

    See :mod:`signals.ecg.median_beat` for how to have it. What the delineation could tell is
    measured; there is no spread.

    Parameters
    ----------
    waves : BeatWaves
        Of the median beat: one beat.
    rr_s : float
        The usual RR interval of the recording, s.
    n_beats : int
        Beats that the median beat was made of.
    lead_labels : sequence of str
        The leads of the waves.
    duration_s : float
        Length of the recording, s.
    """

    def of_one(values: Floats) -> Measured | None:
        return Measured(float(values[0]), None, n_beats) if np.isfinite(values[0]) else None

    rr = np.array([rr_s])
    rows = _rows_of(np.zeros(1, np.int16), waves, rr, rr, FrontalPlane.of(lead_labels))
    return _summary(rows, of_one, tuple(lead_labels), 0.0, duration_s)


class _Rows:
    """What is kept of a stretch: every beat, or evenly thinned when there are too many."""

    def __init__(self, width: int) -> None:
        self._kept = np.empty((_MOST_ROWS, width), np.float32)
        self.clear()

    def clear(self) -> None:
        self._n = 0
        self._seen = 0
        self._every = 1

    def add(self, rows: NDArray[np.float32]) -> None:
        new = rows[-self._seen % self._every :: self._every]
        self._seen += len(rows)
        while len(new):
            n = min(len(new), _MOST_ROWS - self._n)
            self._kept[self._n : self._n + n] = new[:n]
            self._n += n
            new = new[n:]
            if self._n == _MOST_ROWS:
                self._n //= 2
                self._kept[: self._n] = self._kept[::2].copy()
                self._every *= 2
                new = new[::2]

    def of_one_family(self) -> NDArray[np.float32]:
        """Return the rows of the most frequent family, of several the one with the least id."""
        kept = self._kept[: self._n]
        ids = kept[:, _FAMILY].astype(np.int64)
        counts = np.bincount(ids, minlength=OTHER + 1)
        if counts[OTHER] < len(ids):
            counts[OTHER] = 0
        rows: NDArray[np.float32] = kept[ids == counts.argmax()]
        return rows


def _rows_of(
    families: NDArray[np.int16],
    waves: BeatWaves,
    rr: Floats,
    usual_rr: Floats,
    plane: FrontalPlane | None,
) -> NDArray[np.float32]:
    """Return what is kept of beats, shape (n, columns), NaN where it cannot be told."""
    n, n_leads = waves.qrs_area.shape
    rows = np.full((n, _ST + 3 * n_leads), np.nan, np.float32)
    rows[:, _FAMILY] = families
    rows[:, _RR] = rr
    for column, (first, last) in enumerate(_INTERVALS, start=_PR):
        interval = waves.interval(first, last)
        rows[:, column] = np.where(interval > 0, interval, np.nan)
    rows[waves.p_waves != PWave.CONDUCTED, _PR] = np.nan
    qt = rows[:, _QT].astype(np.float64)
    rows[:, _QTC] = np.stack([qtc(formula, qt, usual_rr) for formula in QtFormula], axis=1)
    if plane is not None:
        rows[:, _VECTOR] = plane.vectors(waves.qrs_area)
    j, j60, j80 = np.moveaxis(waves.st, 2, 0)
    rows[:, _ST:] = np.concatenate((j60, j80, (j80 - j) / _J_TO_J80_S), axis=1)
    return rows


def _of_many(values: Floats) -> Measured | None:
    there = values[np.isfinite(values)]
    if len(there) < max(FEWEST_BEATS, _FEWEST_SHARE * len(values)):
        return None
    low, middle, high = np.percentile(there, (25, 50, 75)).tolist()
    return Measured(middle, high - low, len(there))


def _summary(
    rows: NDArray[np.float32],
    measure: Callable[[Floats], Measured | None],
    labels: tuple[str, ...],
    start: float,
    end: float,
) -> IntervalSummary:
    values = rows.astype(np.float64)
    columns = [measure(column) for column in values.T]
    st = columns[_ST:]
    n = len(labels)
    return IntervalSummary(
        start_s=start,
        end_s=end,
        rr=columns[_RR],
        pr=columns[_PR],
        qrs=columns[_QRS],
        qt=columns[_QT],
        qtc=dict(zip(QtFormula, columns[_QTC], strict=True)),
        axis=_axis(values[:, _VECTOR], measure),
        st=tuple(
            StSegment(label, st[i], st[n + i], st[2 * n + i]) for i, label in enumerate(labels)
        ),
    )


def _axis(vectors: Floats, measure: Callable[[Floats], Measured | None]) -> Measured | None:
    there = vectors[np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)]
    if not len(there):
        return None
    axis = angles(np.median(there, axis=0))
    away = np.full(len(vectors), np.nan)
    away[: len(there)] = wrapped(angles(there) - axis)
    measured = measure(away)
    return measured and Measured(float(axis), measured.spread, measured.n_beats)
