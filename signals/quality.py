"""Signal quality, second by second: can this lead be read, and if not, why not.

The rules are few and look at one second of one lead at a time, so that a reader of the tracing can
check each verdict by eye. Ventricular fibrillation and asystole are rhythms, not bad signal: only
what no heart and no skin can make counts as unreadable.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Codes = NDArray[np.uint8]

_MICROVOLTS = 1000.0
_HIGHEST = 2e5  # µV; keeps every sum below exact in float64
_MISSING_SHARE = 0.25
# One step of the coarsest converters in use is 5 µV; an amplifier on a skin always shows more.
_FLAT_RANGE = 6.0
# A square wave sits on two levels; the flat stretch of a noiseless ECG fills half a second at most.
_TWO_LEVEL_SHARE = 0.8
_TWO_LEVEL_FLAT_RANGE = 50.0
_RAIL_SHARE = 0.2
_RAIL_WIDTH = 0.002  # of the converter's range
_OFF_AFTER = 5  # seconds flat or at the rail
_OFF_DRIFT = 5000.0  # µV between the halves of one second
_MAINS_HZ = (50.0, 60.0)
_MAINS_AMPLITUDE = 50.0  # µV: one millimetre on paper from crest to trough
_MAINS_SHARE = 0.3
_NOISE_LAG = 0.008  # s
_POINTS = 128  # of each second, evenly spaced: enough for every rule that counts samples
_NOISE_SHARE = 0.22
_NOISE_LEAST = 100.0  # µV
_LEAST_PART = 0.25  # s of an unfinished second that can be judged
_BLOCK_SECONDS = 60
_TABLE_SCALE = 1024.0


class Quality(IntEnum):
    """What one second of one lead is fit for."""

    GOOD = 0
    NOISY = 1
    """Noise above 30 Hz as high as the beats themselves: no beat can be told from it."""
    MAINS = 2
    """50 or 60 Hz hum of 0.1 mV and more, crest to trough; the beat filters take it out."""
    FLAT = 3
    """No variation beyond a step of the converter, or jumps between two levels 50 µV apart."""
    SATURATED = 4
    """A fifth of the second at the end of the converter's range, or a square wave."""
    LEAD_OFF = 5
    """Flat or saturated for more than five seconds, or drifting by 5 mV and more in one."""
    MISSING = 6
    """A quarter of the samples and more are not there."""

    @property
    def readable(self) -> bool:
        """Whether beats can be looked for: true for GOOD and MAINS."""
        return self in READABLE


READABLE = (Quality.GOOD, Quality.MAINS)


def is_readable(codes: Codes) -> NDArray[np.bool_]:
    """Return, item by item, whether beats can be looked for in a second with that code."""
    return np.isin(codes, READABLE)


class QualityMeter:
    """Judges each lead second by second as samples arrive.

    Second k holds the samples from ``ceil(k * rate)`` on. The codes are the same for any cut of the
    samples into blocks: all sums run over whole numbers, which add up alike in any order.

    Parameters
    ----------
    rate : float
        Hz, at least 50.
    rails : sequence of (float, float)
        Least and greatest value the converter of each lead can give, mV.
    """

    def __init__(self, rate: float, rails: Sequence[tuple[float, float]]) -> None:
        self._rate = rate
        ends = np.clip(np.asarray(rails, np.float64).reshape(-1, 2).T * _MICROVOLTS, -1e9, 1e9)
        margin = (ends[1] - ends[0]) * _RAIL_WIDTH
        self._low = (ends[0] + margin)[:, np.newaxis, np.newaxis]
        self._high = (ends[1] - margin)[:, np.newaxis, np.newaxis]
        n_leads = ends.shape[1]
        self._tail = np.zeros((n_leads, 0), np.float32)
        self._tail_start = 0
        self._seconds = 0
        self._still = np.zeros(n_leads, np.int64)  # seconds flat or saturated up to now
        self._last = np.full(n_leads, Quality.GOOD, np.uint8)

    def push(self, samples: NDArray[np.float32]) -> Codes:
        """Take the next samples and judge the seconds they complete.

        Parameters
        ----------
        samples : numpy.ndarray, shape (leads, n), float32
            mV, NaN where missing.

        Returns
        -------
        numpy.ndarray, shape (leads, k), uint8
            One :class:`Quality` for each second completed since the last call.
        """
        step = max(1, int(_BLOCK_SECONDS * self._rate))
        parts = [
            self._push_block(samples[:, i : i + step])
            for i in range(0, max(1, samples.shape[1]), step)
        ]
        return np.concatenate(parts, axis=1)

    def finish(self) -> Codes:
        """Judge the unfinished second at the end, if there is one.

        Returns
        -------
        numpy.ndarray, shape (leads, 0 or 1), uint8
            A part of less than a quarter of a second is judged like the second before it.
        """
        begun = self._edge(self._seconds) - self._tail_start
        part, self._tail = self._tail[:, begun:], self._tail[:, :0]
        if part.shape[1] == 0:
            return np.zeros((len(part), 0), np.uint8)
        if part.shape[1] < _LEAST_PART * self._rate:
            missing = ~np.isfinite(part).any(axis=1)
            return np.where(missing, Quality.MISSING, self._last)[:, np.newaxis].astype(np.uint8)
        return self._judge(part[:, np.newaxis, :])

    def _edge(self, second: int) -> int:
        return int(np.ceil(second * self._rate))

    def _push_block(self, samples: NDArray[np.float32]) -> Codes:
        self._tail = np.concatenate((self._tail, samples), axis=1)
        end = self._tail_start + self._tail.shape[1]
        last = self._seconds
        while self._edge(last + 1) <= end:
            last += 1
        starts = np.array([self._edge(k) for k in range(self._seconds, last)], np.int64)
        length = int(self._rate)
        first = starts - self._tail_start
        if length == self._rate:
            seconds = self._tail[:, : length * len(first)].reshape(len(self._tail), -1, length)
        else:  # the odd sample is left out
            seconds = self._tail[:, first[:, np.newaxis] + np.arange(length)]
        self._seconds = last
        keep_from = self._edge(last) - self._tail_start
        self._tail = self._tail[:, keep_from:].copy()
        self._tail_start += keep_from
        return self._judge(seconds)

    def _judge(self, seconds: NDArray[np.float32]) -> Codes:
        """Return the codes of whole seconds, shape (leads, seconds, samples)."""
        n_leads, count, length = seconds.shape
        if count == 0:
            return np.zeros((n_leads, 0), np.uint8)
        missing_share = np.zeros((n_leads, count))
        low, high = seconds.min(axis=2), seconds.max(axis=2)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            present = np.isfinite(seconds)
            missing_share = 1.0 - present.mean(axis=2)
            seconds = np.where(present, seconds, np.float32(0))
            low, high = seconds.min(axis=2), seconds.max(axis=2)
        lowest, highest = _counts(low), _counts(high)
        spread = highest - lowest
        lag = max(1, round(_NOISE_LAG * self._rate))
        place = np.linspace(lag, length - 1 - lag, _POINTS).astype(np.intp)
        x, before, after = (
            _counts(seconds.take(points, axis=2)) for points in (place, place - lag, place + lag)
        )
        # beats fill a tenth of a second and move no median; muscle and white noise fill all of it
        curvature = np.partition(np.abs(2 * x - before - after), _POINTS // 2, axis=2)
        curvature = curvature[:, :, _POINTS // 2]

        codes = np.full((n_leads, count), Quality.GOOD, np.uint8)
        codes[curvature > np.maximum(_NOISE_LEAST, _NOISE_SHARE * spread)] = Quality.NOISY
        loud = curvature > _NOISE_LEAST  # as any hum of the least amplitude is
        codes[loud] = np.where(
            _has_hum(_counts(seconds[loud]), self._rate), Quality.MAINS, codes[loud]
        )
        half = _POINTS // 2
        drift = np.abs(x[:, :, :half].sum(axis=2) - x[:, :, half:].sum(axis=2)) / half
        codes[drift > _OFF_DRIFT] = Quality.LEAD_OFF

        at_ends = (x == lowest[:, :, np.newaxis]) | (x == highest[:, :, np.newaxis])
        two_levels = at_ends.mean(axis=2) > _TWO_LEVEL_SHARE
        at_rail = ((x <= self._low) | (x >= self._high)).mean(axis=2) > _RAIL_SHARE
        flat = (spread <= _FLAT_RANGE) | (two_levels & (spread <= _TWO_LEVEL_FLAT_RANGE))
        codes[two_levels] = Quality.SATURATED
        codes[flat] = Quality.FLAT
        codes[at_rail] = Quality.SATURATED
        codes[self._long(flat | at_rail)] = Quality.LEAD_OFF
        codes[missing_share > _MISSING_SHARE] = Quality.MISSING
        self._last = codes[:, -1]
        return codes

    def _long(self, still: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return where a lead has been still for longer than `_OFF_AFTER` seconds."""
        count = still.shape[1]
        index = np.arange(1, count + 1)
        moved = np.maximum.accumulate(np.where(still, 0, index), axis=1)
        run = np.where(moved > 0, index - moved, index + self._still[:, np.newaxis])
        self._still = run[:, -1]
        return run > _OFF_AFTER


def _counts(millivolts: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return whole microvolts."""
    scaled = millivolts.astype(np.float64) * _MICROVOLTS
    return np.rint(np.clip(scaled, -_HIGHEST, _HIGHEST))


def _has_hum(x: NDArray[np.float64], rate: float) -> NDArray[np.bool_]:
    """Return which seconds, shape (seconds, samples), carry a hum that leads all of its speed."""
    length = x.shape[1]
    change = np.diff(x, axis=1)
    total = (change * change).sum(axis=1) / (length - 1)
    found = np.zeros(len(x), bool)
    for frequency in _MAINS_HZ:
        if frequency >= 0.49 * rate:
            continue
        turn = 2 * np.pi * frequency / rate
        angle = turn * np.arange(length)
        table = np.rint(_TABLE_SCALE * np.column_stack((np.cos(angle), np.sin(angle))))
        table -= np.rint(table.mean(axis=0))  # the level of the signal is no hum
        part = x @ table / _TABLE_SCALE
        amplitude = 2 / length * np.sqrt(part[:, 0] * part[:, 0] + part[:, 1] * part[:, 1])
        of_change = amplitude * amplitude / 2 * (2 * np.sin(turn / 2)) ** 2
        found |= (amplitude >= _MAINS_AMPLITUDE) & (of_change >= _MAINS_SHARE * total)
    return found
