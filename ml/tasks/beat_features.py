"""From samples and R peaks to what the beat network sees, block by block.

The same code makes the training set, the evaluation and the product's input. It looks at a beat in
three ways: its shape around the R peak, its likeness to the beat that dominates this patient's
recording, and its place in the row of RR intervals. Every value lies in -1..1 by construction, so
that the int8 input needs no statistics of the training set.

A beat is handed out when :data:`LOOK_AHEAD_BEATS` later ones have come. The first
:data:`WARM_UP_BEATS` beats are read once in advance, so that the first beat of a recording already
has something to be compared with.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ml.tasks.beat_arithmetic import (
    TINY,
    correlation,
    mean_where,
    median,
    rms,
    slope_spread,
    soft,
    units,
)
from ml.tasks.beat_rhythm import RHYTHM, BeatRhythm
from ml.tasks.beat_windows import GRID_POINTS, R_INDEX, BeatWindows, Floats, Windows
from signals.ecg.families import Families, FamilyTable, Kinship

if TYPE_CHECKING:
    from collections.abc import Sequence

_Places = NDArray[np.intp]

LEADS = 2
LOOK_AHEAD_BEATS = 1
PAST_BEATS = 32
WARM_UP_BEATS = 16

_TYPICAL_RR_S = 0.8
_FEWEST_TO_COMPARE = 5
_FLAT_MV = 0.02
_ON_TIME = (-0.12, 0.4)
_OFF_TIME = 0.25
_USUAL_WIDTH_S = 0.03
_QRS = slice(R_INDEX - 14, R_INDEX + 21)
_P = slice(R_INDEX - 42, R_INDEX - 11)
_T = slice(R_INDEX + 18, GRID_POINTS)
_QRS_VECTOR = LEADS * (_QRS.stop - _QRS.start)
_P_VECTOR = LEADS * (_P.stop - _P.start)
_OTHERS = tuple(k for k in range(-16, LOOK_AHEAD_BEATS + 1) if k != 0)
_NEAR = tuple(k for k in _OTHERS if k >= -8)
_NEAR_PLACES = np.array(_NEAR) + PAST_BEATS
_OTHER_PLACES = np.array(_OTHERS) + PAST_BEATS
_NEXT = tuple(k for k in _OTHERS if k > 0)
_ALIKE = np.float32(0.9)
"""Correlation of two QRS complexes from which on they count as alike."""
_LATE = np.float32(0.15)
"""Octaves by which a neighbour's RR interval is longer than that of a beat which is early."""
_LAGS = (1, 2, 3, 4)
_MEMORIES = (16, 32)
_BEFORE_SHORT = [RHYTHM.index("rr.before_50%_of_8")]
_BEFORE_SLOW = RHYTHM.index("slow.before_50%")
_TO_DOMINANT = Kinship._fields.index("to_dominant")
_TO_NEAREST = Kinship._fields.index("to_nearest")
_SHARE = Kinship._fields.index("share")
# Of 54 combinations the one that skips most beats of the development recordings while the network,
# not trained on the patient, would say other than N of at most 0.05 % of all. Chosen on four folds
# at a time, that is 0.07 % of the fifth, and the F1 of S, V and N are not below those of full.
_UNCHANGED_LIKENESS = np.float32(0.95)
_COMMON = np.float32(0.15)
_UNCHANGED_RR = np.float32(0.15)  # octaves
_UNCHANGED_TEMPO = np.float32(0.25)
_LEAD_RELATIVE = ("qrs", "p", "t", "size", "width", "off_qrs", "off_p", "off_t", "usual_p")
_LEAD_ABSOLUTE = ("usable", "p_size", "t_size", "polarity", "width")

FEATURES: tuple[str, ...] = (
    *RHYTHM,
    *(f"rr{k:+d}" for k in _NEXT),
    "rr+1.short", "rr+1.usual",
    *(f"row.rr{k:+d}" for k in _NEAR),
    *(f"row.disorder_{n}" for n in _MEMORIES), *(f"row.unrest_{n}" for n in _MEMORIES),
    *(f"alike.qrs{k:+d}" for k in _NEAR),
    *(f"alike.p{k:+d}" for k in _NEAR),
    "alike.share", "alike.rr_50%", "alike.rr_75%", "alike.p_50%", "alike.p_90%", "alike.nearest",
    "late.share", "late.qrs", "late.p", "early.qrs", "early.p",
    *(f"relative.row{k:+d}" for k in _NEAR),
    *(f"relative.{name}" for name in Kinship._fields),
    *(f"relative.lead{lead}.{name}" for lead in range(LEADS) for name in _LEAD_RELATIVE),
    *(f"lead{lead}.{name}" for lead in range(LEADS) for name in _LEAD_ABSOLUTE),
    "compared",
)  # fmt: skip
"""What each column of :attr:`BeatInputs.features` is. Columns that begin with ``relative`` compare
the beat with the patient's dominant one; ``compared`` is 1 where they are filled in."""


@dataclass(frozen=True, slots=True)
class BeatInputs:
    """Beats that are ready for the network.

    Parameters
    ----------
    samples : numpy.ndarray, shape (n,), int64
        Their R peaks, as they were pushed.
    shapes : numpy.ndarray, shape (n, 2, 112, 2), float32
        By lead and point of a 128-Hz grid: the beat, and what is left of it when the patient's
        dominant beat is taken off; both in units of that dominant beat's size, softly limited.
    features : numpy.ndarray, shape (n, len(FEATURES)), float32
        Numbers in -1..1.
    families : numpy.ndarray, shape (n,), int16
        The family of each; see :class:`signals.ecg.families.FamilyTable`.
    """

    samples: NDArray[np.int64]
    shapes: Floats
    features: Floats
    families: NDArray[np.int16]

    @classmethod
    def none(cls) -> Self:
        """Return no beat."""
        return cls(
            np.zeros(0, np.int64),
            np.zeros((0, LEADS, GRID_POINTS, 2), np.float32),
            np.zeros((0, len(FEATURES)), np.float32),
            np.zeros(0, np.int16),
        )

    @classmethod
    def joined(cls, parts: Sequence[BeatInputs]) -> BeatInputs:
        """Return the beats of all `parts` as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in (cls.none(), *parts)])
                for field in fields(cls)
            )
        )


@dataclass(frozen=True, slots=True)
class _Rows:
    """What is kept of each beat until its neighbours are known; first axis: beats."""

    sample: NDArray[np.int64]
    shape: Floats
    usable: NDArray[np.bool_]
    unit: Floats
    width: Floats
    template: Floats
    kinship: Floats
    family: NDArray[np.int16]
    p_unit: Floats
    log_rr: Floats
    log_usual: Floats
    rhythm: Floats

    @classmethod
    def blank(cls, n: int) -> Self:
        """Return `n` rows that stand for no beat."""
        return cls(
            sample=np.zeros(n, np.int64),
            shape=np.zeros((n, LEADS, GRID_POINTS), np.float32),
            usable=np.zeros((n, LEADS), np.bool_),
            unit=np.zeros((n, _QRS_VECTOR), np.float32),
            width=np.zeros((n, LEADS), np.float32),
            template=np.zeros((n, LEADS, GRID_POINTS), np.float32),
            kinship=np.zeros((n, len(Kinship._fields)), np.float32),
            family=np.zeros(n, np.int16),
            p_unit=np.zeros((n, _P_VECTOR), np.float32),
            log_rr=np.zeros(n, np.float32),
            log_usual=np.zeros(n, np.float32),
            rhythm=np.zeros((n, len(RHYTHM)), np.float32),
        )

    def __len__(self) -> int:
        return len(self.sample)

    def __getitem__(self, part: slice | _Places) -> Self:
        return type(self)(*(getattr(self, field.name)[part] for field in fields(self)))

    def __add__(self, other: Self) -> Self:
        return type(self)(
            *(np.concatenate((getattr(self, f.name), getattr(other, f.name))) for f in fields(self))
        )


class BeatFeatures:
    """Streaming feature extraction; the result does not depend on how the stream was cut.

    Parameters
    ----------
    rate : float
        Sampling rate, Hz.
    n_leads : int
        Leads that will be pushed; the first two are used.
    """

    def __init__(self, rate: float, n_leads: int) -> None:
        self._rate = rate
        self._windows = BeatWindows(rate, min(n_leads, LEADS))
        self._families = Families(_QRS_VECTOR, LEADS, GRID_POINTS)
        self._early: list[Windows] | None = []
        self._rows = _Rows.blank(PAST_BEATS)
        self._last_sample: int | None = None
        self._rhythm = BeatRhythm(np.zeros(1))
        self._compared = True

    def push(self, samples: Floats, peaks: NDArray[np.int64]) -> BeatInputs:
        """Take samples, shape (leads, n), mV, and R peaks; return the beats that became ready.

        Raises
        ------
        ValueError
            If peaks do not ascend, or come more than ``MAX_DELAY_S`` after their samples.
        """
        return _inputs_of(self.measure(samples, peaks))

    def finish(self) -> BeatInputs:
        """Return the beats that were held back for others to follow."""
        return _inputs_of(self.measure_last())

    def measure(self, samples: Floats, peaks: NDArray[np.int64]) -> list[MeasuredBeats]:
        """Do as :meth:`push` does, and leave it to the caller which beats become inputs."""
        self._windows.push(samples, peaks)
        return self._ready(ended=False)

    def measure_last(self) -> list[MeasuredBeats]:
        """Do as :meth:`finish` does, and leave it to the caller which beats become inputs."""
        self._windows.finish()
        return self._ready(ended=True)

    def family_table(self) -> FamilyTable:
        """Return the families of the beats so far, those not yet handed out included."""
        return self._families.table()

    def _ready(self, *, ended: bool) -> list[MeasuredBeats]:
        parts = []
        while (cut := self._windows.take()) is not None:
            if self._early is None:
                self._enter(cut)
                parts.append(self._hand_out())
                continue
            self._early.append(cut)
            if sum(len(early.peaks) for early in self._early) >= WARM_UP_BEATS:
                parts.append(self._warm_up(self._early))
        if ended:
            if self._early:
                parts.append(self._warm_up(self._early))
            self._rows += _Rows.blank(LOOK_AHEAD_BEATS)
            parts.append(self._hand_out())
        return [part for part in parts if len(part.samples)]

    def _warm_up(self, early: list[Windows]) -> MeasuredBeats:
        """Learn from the first beats what is usual, then take all of them in."""
        windows = early[0].joined(early[1:])
        first = windows.first(WARM_UP_BEATS)
        intervals = np.diff(first.peaks) / self._rate
        usual = np.log2(intervals if len(intervals) else [_TYPICAL_RR_S])
        self._rhythm = BeatRhythm(usual)
        self._compared = len(first.peaks) >= _FEWEST_TO_COMPARE
        self._enter(first)
        self._families.recount()
        self._rhythm, self._last_sample = BeatRhythm(usual), None
        self._rows = _Rows.blank(PAST_BEATS)
        self._rows.log_rr[:] = self._rhythm.past[-PAST_BEATS:]
        self._enter(windows)
        self._early = None
        return self._hand_out()

    def _enter(self, cut: Windows) -> None:
        """Measure beats, time them, and let the families meet them one by one."""
        n, leads = cut.known.shape
        rows = _Rows.blank(n)
        rows.sample[:] = cut.peaks
        rows.shape[:, :leads] = cut.shapes
        qrs = rows.shape[:, :, _QRS]
        rows.usable[:, :leads] = cut.known
        rows.usable[:] &= np.ptp(qrs, axis=2) > _FLAT_MV
        rows.shape[:] *= rows.usable[:, :, None]
        rows.unit[:] = qrs.reshape(n, -1)
        rows.unit[:] /= np.sqrt(np.square(rows.unit).sum(axis=1, keepdims=True)) + TINY
        rows.p_unit[:] = units(rows.shape[:, :, _P])
        rows.width[:] = slope_spread(rows.shape)
        self._time(rows)
        ratios = rows.log_rr - rows.log_usual
        weights = _dominance(ratios, rows.width, rows.usable)
        met = self._families.meet(rows.sample, rows.unit, rows.shape, ratios, weights)
        rows.kinship[:], rows.template[:], rows.family[:] = met
        self._rows += rows

    def _time(self, rows: _Rows) -> None:
        samples = rows.sample
        intervals = np.empty(len(samples))
        intervals[1:] = np.diff(samples) / self._rate
        intervals[0] = (
            np.exp2(np.median(self._rhythm.past))
            if self._last_sample is None
            else (samples[0] - self._last_sample) / self._rate
        )
        self._last_sample = int(samples[-1])
        rows.log_rr[:] = np.log2(intervals)
        rows.rhythm[:], rows.log_usual[:] = self._rhythm.enter(rows.log_rr)

    def _hand_out(self) -> MeasuredBeats:
        """Return the beats that have all their neighbours, and forget what no one needs."""
        rows = self._rows
        stop = max(PAST_BEATS, len(rows) - LOOK_AHEAD_BEATS)
        self._rows = rows[stop - PAST_BEATS :]
        return MeasuredBeats(rows, compared=self._compared)


class MeasuredBeats:
    """Beats whose neighbours are known, before the costly part: what the network sees of them.

    Parameters
    ----------
    rows
        The beats, after those that they are compared with and before those they waited for.
    compared
        Whether there were enough first beats to tell what is usual.
    """

    def __init__(self, rows: _Rows, *, compared: bool) -> None:
        self._rows = rows
        self._stop = max(PAST_BEATS, len(rows) - LOOK_AHEAD_BEATS)
        self._compared = compared
        own = slice(PAST_BEATS, self._stop)
        self.samples = rows.sample[own]
        self.families = rows.family[own]

    def unchanged(self) -> NDArray[np.bool_]:
        """Return which beats are as the ones before: on time, and of a shape that is common here.

        Neither a beat that comes early nor one that another comes early after is among them, and
        none in a tempo far from that of the last hour: a tachycardia is on time, too.
        """
        rows, own = self._rows, slice(PAST_BEATS, self._stop)
        following = slice(PAST_BEATS + 1, self._stop + 1)
        before = rows.rhythm[own, _BEFORE_SHORT[0]]
        after = np.where(rows.sample[following] > 0, rows.log_rr[following], rows.log_usual[own])
        after = after - rows.log_rr[own] + before
        like = rows.kinship[own, _TO_NEAREST] >= _UNCHANGED_LIKENESS
        like &= rows.kinship[own, _SHARE] >= _COMMON
        on_time = np.maximum(np.abs(before), np.abs(after)) <= _UNCHANGED_RR
        on_time &= np.abs(rows.rhythm[own, _BEFORE_SLOW]) <= _UNCHANGED_TEMPO
        unchanged: NDArray[np.bool_] = like & on_time & self._compared
        return unchanged

    def inputs(self, which: NDArray[np.intp] | None = None) -> BeatInputs:
        """Return what the network sees of the beats at the places `which`, of all by default."""
        which = np.arange(len(self.samples)) if which is None else which
        return _inputs(self._rows, PAST_BEATS + which, compared=self._compared)


def _inputs_of(measured: Sequence[MeasuredBeats]) -> BeatInputs:
    return BeatInputs.joined([beats.inputs() for beats in measured] or [BeatInputs.none()])


def _inputs(rows: _Rows, at: _Places, *, compared: bool) -> BeatInputs:
    """Return what the network sees of the beats of `rows` that are `at` these places."""
    own = rows[at]
    n = len(own)
    length = PAST_BEATS + LOOK_AHEAD_BEATS + 1
    around = at - PAST_BEATS
    exists = sliding_window_view(rows.sample > 0, length)[around]
    log_rr: Floats = sliding_window_view(rows.log_rr, length)[around]
    to_dominant: Floats = sliding_window_view(rows.kinship[:, _TO_DOMINANT], length)[around]
    after = np.where(
        exists[:, PAST_BEATS + 1 :], log_rr[:, PAST_BEATS + 1 :], own.log_usual[:, None]
    )
    rhythm = (
        own.rhythm,
        after - own.log_rr[:, None],
        after[:, :1] - own.log_rr[:, None] + own.rhythm[:, _BEFORE_SHORT],
        after[:, :1] - own.log_usual[:, None],
        ((log_rr - own.log_usual[:, None]) * exists)[:, _NEAR_PLACES],
        _disorder(np.concatenate((log_rr[:, : PAST_BEATS + 1], after), axis=1)),
    )

    beat, template, there = own.shape, own.template, own.usable
    rest = beat - template * there[:, :, None]
    size = np.abs(template[:, :, _QRS]).max(axis=2)
    own_size = np.abs(beat[:, :, _QRS]).max(axis=2)
    scale = np.where(size > _FLAT_MV / 2, size, own_size) + TINY
    likeness = [correlation(beat[:, :, p], template[:, :, p]) for p in (_QRS, _P, _T)]
    off = [rms(rest[:, :, p]) for p in (_QRS, _P, _T)]
    template_width = slope_spread(template)
    polarity = beat[:, :, _QRS].max(axis=2) + beat[:, :, _QRS].min(axis=2)
    widths = np.log2((own.width + TINY) / (template_width + TINY))
    relative = (
        *likeness,
        np.log2((own_size + TINY) / scale) * there,
        np.where(there & (size > _FLAT_MV / 2), widths, np.float32(0)),
        *(soft(part / scale) for part in off),
        soft(4 * rms(template[:, :, _P]) / scale) * there,
    )
    absolute = (
        there,
        soft(4 * rms(beat[:, :, _P]) / scale),
        soft(rms(beat[:, :, _T]) / scale),
        polarity / (2 * own_size + TINY),
        own.width * 10 - np.where(there, np.float32(0.3), np.float32(0)),
    )
    compared_by = np.concatenate(
        (to_dominant[:, _NEAR_PLACES], own.kinship, np.stack(relative, axis=2).reshape(n, -1)),
        axis=1,
    )
    if not compared:
        rest[:] = 0
        compared_by[:] = 0
    features = np.concatenate(
        (
            *rhythm,
            _likeness(rows, at, exists, log_rr),
            compared_by,
            np.stack(absolute, axis=2).reshape(n, -1),
            np.full((n, 1), compared),
        ),
        axis=1,
        dtype=np.float32,
    )
    shapes = np.stack((beat, rest), axis=3)
    shapes /= scale[:, :, None, None]
    return BeatInputs(own.sample, soft(shapes), np.clip(features, -1, 1), own.family)


def _disorder(log_rr: Floats) -> Floats:
    """Return how much intervals change to the next one, and at the lag that explains them best.

    In atrial fibrillation no lag helps; see :mod:`signals.ecg.fibrillation`. Shape (n, 4): both for
    each of the memories.
    """
    rr = np.exp2(log_rr)
    best, first = [], []
    for memory in _MEMORIES:
        part = rr[:, rr.shape[1] - memory - 1 - LOOK_AHEAD_BEATS :]
        usual = median(part)
        steps = [median(np.abs(part[:, lag:] - part[:, :-lag])) / usual for lag in _LAGS]
        best.append(np.minimum.reduce(steps))
        first.append(steps[0])
    return np.stack((*best, *first), axis=1)


def _likeness(rows: _Rows, at: _Places, exists: NDArray[np.bool_], log_rr: Floats) -> Floats:
    """Return how alike the beats `at` these places and their neighbours are, and to which ones."""
    unit, p_unit, own_rr = rows.unit[at], rows.p_unit[at], rows.log_rr[at]
    others = at[:, None] + np.array(_OTHERS)
    qrs: Floats = np.einsum("nkj,nj->nk", rows.unit[others], unit)
    p: Floats = np.einsum("nkj,nj->nk", rows.p_unit[others], p_unit)
    there = exists[:, _OTHER_PLACES]
    before = log_rr[:, _OTHER_PLACES]
    alike = there & (qrs > _ALIKE)
    late = there & (before > (own_rr + _LATE)[:, None])
    early = there & ~late
    n_alike = alike.sum(axis=1)
    rr_of_alike = np.sort(np.where(alike, before, np.float32(np.inf)), axis=1)
    p_of_alike = np.sort(np.where(alike, p, np.float32(np.inf)), axis=1)

    def ranked(values: Floats, share: float, none: Floats | np.float32) -> Floats:
        index = (n_alike * share).astype(np.int64)
        chosen = np.take_along_axis(values, np.minimum(index, len(_OTHERS) - 1)[:, None], axis=1)
        return np.where(n_alike > 0, chosen[:, 0], none)

    near = slice(len(_OTHERS) - len(_NEAR), None)
    summary = (
        n_alike / np.float32(len(_OTHERS)),
        own_rr - ranked(rr_of_alike, 0.5, own_rr),
        own_rr - ranked(rr_of_alike, 0.75, own_rr),
        ranked(p_of_alike, 0.5, np.float32(0)),
        ranked(p_of_alike, 0.9, np.float32(0)),
        qrs.max(axis=1),
        late.mean(axis=1, dtype=np.float32),
        mean_where(qrs, late),
        mean_where(p, late),
        mean_where(qrs, early),
        mean_where(p, early),
    )
    return np.concatenate((qrs[:, near], p[:, near], np.stack(summary, axis=1)), axis=1)


def _dominance(log_rr_ratio: Floats, width: Floats, usable: NDArray[np.bool_]) -> Floats:
    """Return how much each beat counts in the question what this patient's normal beat is.

    Early and wide beats count less, so that even in bigeminy the sinus node's beat dominates.
    """
    on_time = (log_rr_ratio > _ON_TIME[0]) & (log_rr_ratio < _ON_TIME[1])
    mean = (width * usable).sum(axis=1) / np.maximum(usable.sum(axis=1), 1)
    narrowness = np.float32(_USUAL_WIDTH_S) / np.maximum(mean, np.float32(_USUAL_WIDTH_S / 2))
    weight: Floats = np.where(on_time, np.float32(1), np.float32(_OFF_TIME)) * narrowness**2
    return weight
