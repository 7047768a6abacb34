"""Cuts a stream of samples into strips of one length on one grid, as the wave model reads them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float32]

GRID_RATE = 250.0
"""Rate of the grid that strips are laid on, Hz; the nearest simple ratio to the sampling rate."""
STRIP_POINTS = 3040
STEP_POINTS = 2
"""Grid points to each answer of the model."""
MARGIN_POINTS = 224
"""At each end of a strip, for the model to see what its core follows and precedes."""
MAX_DELAY_S = 10.0
"""How long after its samples a peak may be pushed, seconds."""
CUTOFF_HZ = 40.0
"""Of the low-pass that goes with the resampling: mains are damped, all rates look alike."""
MOST_ROOM_S = 0.85
"""How far from a peak the beats beside it matter, seconds: less than a margin."""
BASELINE_S = 0.4
"""Standard deviation of the Gaussian that the baseline is smoothed with: high-pass 0.6 Hz."""

_MOST_DENOMINATOR = 64
_HALF_KERNEL_S = 0.04
_LEAST_GROUP = 16
_BLOCK_POINTS = 20
_REACH_POINTS = 300
_EXTENDED = STRIP_POINTS + 2 * _REACH_POINTS
_HEIGHT_S = 0.06
_BUMP_POINTS = 8
_COMPRESSION = np.float32(0.05)
_LEAST_HEIGHT_MV = 0.02
_LEAST_STRIPS = 12
_MOST_STRIPS = 32
_NEAR_S = 0.1


class Strips(NamedTuple):
    """Strips that follow each other.

    Parameters
    ----------
    millivolts : numpy.ndarray, shape (strips, leads, STRIP_POINTS), float32
        On the grid, low-passed.
    level : numpy.ndarray, shape (strips, leads, STRIP_POINTS), float32
        The same without its baseline, in heights of a usual QRS of the lead.
    votes : numpy.ndarray, shape (strips, leads, STRIP_POINTS / STEP_POINTS), float32
        0 where samples near the step are missing or the lead has no QRS that could be seen, else 1.
    marks : numpy.ndarray, shape (strips, STRIP_POINTS), float32
        A bump of height 1 on each R peak.
    first : numpy.ndarray, shape (strips,), int64
        Grid index of the first point.
    peaks : numpy.ndarray, shape (n,), int64
        R peaks in the cores, in samples.
    strip : numpy.ndarray, shape (n,), int64
        The strip of each.
    room : numpy.ndarray, shape (n, 2), int64
        Samples from the peak before and to the peak after; MOST_ROOM_S where they are farther.
    silent : numpy.ndarray, shape (n, leads), bool
        Where samples near the peak are missing or the lead has no QRS that could be seen.
    """

    millivolts: Floats
    level: Floats
    votes: Floats
    marks: Floats
    first: NDArray[np.int64]
    peaks: NDArray[np.int64]
    strip: NDArray[np.int64]
    room: NDArray[np.int64]
    silent: NDArray[np.bool_]


class WaveStrips:
    """Resampling, baseline and scale, strip by strip, each from its own samples alone.

    That, and operations of one fixed shape, make the result the same to the last bit however the
    samples were cut into blocks.

    Parameters
    ----------
    rate : float
        Sampling rate, Hz.
    leads : int
        Number of leads.
    """

    def __init__(self, rate: float, leads: int) -> None:
        ratio = Fraction(GRID_RATE / rate).limit_denominator(_MOST_DENOMINATOR)
        times = -(-_LEAST_GROUP // ratio.numerator)
        self._out, self._in = ratio.numerator * times, ratio.denominator * times
        self.grid_rate = rate * ratio.numerator / ratio.denominator
        self.core = (STRIP_POINTS - 2 * MARGIN_POINTS) // self._out * self._out
        self._per_grid = self._in / self._out
        self._rate = rate
        self._leads = leads
        self._groups = -(-_EXTENDED // self._out)
        half = ceil(_HALF_KERNEL_S * rate)
        begin = Fraction(-(MARGIN_POINTS + _REACH_POINTS) * self._in, self._out)
        self._begin = floor(begin) - half
        self._length = (self._groups - 1) * self._in + self._in + 2 * half + 2
        self._kernel = _kernel(rate, self._out, self._in, half, float(begin) - self._begin)
        self._samples = np.zeros((leads, -self._begin), np.float32)
        self._missing = np.zeros((leads, -self._begin), np.bool_)
        self._start = self._begin
        self._held = np.full(leads, np.nan, np.float32)
        self._heights = np.ones(leads, np.float32)
        self._peaks = np.zeros(0, np.int64)
        self._last_peak = -1
        self._next = 0
        self._ended = False
        self._stop = 0

    @property
    def stop(self) -> int:
        """Number of samples that were pushed."""
        return self._stop

    @property
    def taken(self) -> int:
        """Grid index up to which strips were given out."""
        return self._next * self.core

    def push(self, samples: Floats, peaks: NDArray[np.int64]) -> None:
        """Take samples, shape (leads, n), mV, NaN where missing, and ascending peaks.

        Raises
        ------
        ValueError
            If the peaks do not ascend, or one comes more than MAX_DELAY_S after its samples.
        """
        peaks = np.asarray(peaks, np.int64)
        if len(peaks):
            if peaks[0] <= self._last_peak or (np.diff(peaks) <= 0).any():
                raise ValueError("R peaks must ascend from push to push")
            if peaks[0] < self._stop - round(MAX_DELAY_S * self._rate):
                raise ValueError(
                    f"an R peak came more than {MAX_DELAY_S:g} s after the samples it lies in"
                )
            self._last_peak = int(peaks[-1])
            self._peaks = np.concatenate((self._peaks, peaks))
        filled, missing = self._filled(np.asarray(samples, np.float32))
        self._stop += samples.shape[1]
        self._append(filled, missing)

    def finish(self) -> None:
        """Tell that no more samples come: after the end the last value is held."""
        self._ended = True
        n = max(0, self._raw(self._strips_in_all() - 1) + self._length - self._stop)
        held = np.nan_to_num(self._held)[:, None]
        self._append(np.repeat(held, n, axis=1), np.ones((self._leads, n), np.bool_))

    def take(self) -> Strips | None:
        """Return the next strips whose samples and peaks are all there, None where there are few.

        Two to six minutes are given out at a time: less would cost more for each beat, more would
        need more memory.
        """
        last = self._strips_in_all()
        if not self._ended:
            wait = self._stop - round(MAX_DELAY_S * self._rate)
            ready = (wait - self._begin - self._length) // self._raw_core
            last = min(last, ready + 1)
            if last - self._next < _LEAST_STRIPS:
                return None
        strips = range(self._next, min(last, self._next + _MOST_STRIPS))
        if not strips:
            return None
        self._next = strips.stop
        taken = self._cut(strips)
        drop = self._raw(self._next) - self._start
        self._samples, self._missing = self._samples[:, drop:], self._missing[:, drop:]
        self._start += drop
        recent = np.searchsorted(self._peaks, self._raw(self._next))
        self._peaks = self._peaks[recent:]
        return taken

    @property
    def _raw_core(self) -> int:
        return self.core // self._out * self._in

    def _raw(self, strip: int) -> int:
        """Return the first sample that a strip is made from."""
        return strip * self._raw_core + self._begin

    def _strips_in_all(self) -> int:
        return -(-self._stop // self._raw_core)

    def _append(self, samples: Floats, missing: NDArray[np.bool_]) -> None:
        self._samples = np.concatenate((self._samples, samples), axis=1)
        self._missing = np.concatenate((self._missing, missing), axis=1)

    def _filled(self, samples: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Hold the last value where samples are missing; before the first one, its value."""
        missing = ~np.isfinite(samples)
        samples = samples.copy()
        for lead, (row, gone) in enumerate(zip(samples, missing, strict=True)):
            if gone.all():
                row[:] = self._held[lead]
                continue
            there = np.flatnonzero(~gone)
            if np.isnan(self._held[lead]):
                self._held[lead] = row[there[0]]
                before = self._samples[lead]
                before[:] = row[there[0]]
            if len(there) < len(row):
                last = np.where(gone, -1, np.arange(len(row)))
                np.maximum.accumulate(last, out=last)
                row[:] = np.where(last < 0, self._held[lead], row[last])
            self._held[lead] = row[-1]
        return samples, missing

    def _cut(self, strips: range) -> Strips:
        raw = np.stack(
            [self._samples[:, self._raw(k) - self._start :][:, : self._length] for k in strips]
        )
        raw[np.isnan(raw)] = 0
        windows = sliding_window_view(raw, len(self._kernel), axis=2)[:, :, :: self._in]
        resampled = np.matmul(windows[:, :, : self._groups], self._kernel)
        extended = resampled.reshape(*raw.shape[:2], -1)[:, :, :_EXTENDED]
        blocks = extended.reshape(*raw.shape[:2], -1, _BLOCK_POINTS).mean(axis=3)
        millivolts = np.ascontiguousarray(extended[:, :, _REACH_POINTS:-_REACH_POINTS])
        level = millivolts - _between(np.matmul(blocks, _BASELINE))
        firsts = np.array([k * self.core - MARGIN_POINTS for k in strips], np.int64)
        row, at = self._near_peaks(firsts)
        alive = self._scale(level, row, at)
        found = [
            self._peaks[
                slice(*np.searchsorted(self._peaks, (k * self._raw_core, (k + 1) * self._raw_core)))
            ]
            for k in strips
        ]
        peaks = np.concatenate(found)
        strip = np.repeat(np.arange(len(strips)), [len(inside) for inside in found])
        return Strips(
            millivolts=millivolts,
            level=level,
            votes=self._votes(strips, alive),
            marks=_marks(len(strips), row, at),
            first=firsts,
            peaks=peaks,
            strip=strip,
            room=self._room(peaks),
            silent=self._near_missing(peaks, MARGIN_POINTS / GRID_RATE) | ~alive[strip],
        )

    def _near_peaks(
        self, firsts: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return for all peaks in or at strips the strip and the point in it."""
        grid = self._peaks / self._per_grid
        begin = np.searchsorted(grid, firsts - _BUMP_POINTS)
        end = np.searchsorted(grid, firsts + STRIP_POINTS)
        row = np.repeat(np.arange(len(firsts)), end - begin)
        peak = np.concatenate([np.arange(*pair) for pair in zip(begin, end, strict=True)])
        return row, grid[peak] - firsts[row]

    def _scale(
        self, level: Floats, row: NDArray[np.int64], at: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Divide by the height of a usual QRS, in place; without one, by that of the strip before.

        Returns
        -------
        numpy.ndarray, shape (strips, leads)
            Whether there is one to be seen.
        """
        width = 2 * round(_HEIGHT_S * GRID_RATE) + 1
        first = np.rint(at).astype(np.int64) - width // 2
        whole = (first >= 0) & (first <= STRIP_POINTS - width)
        row, first = row[whole], first[whole]
        around = sliding_window_view(level, width, axis=2)[row, :, first]
        heights = around.max(axis=2) - around.min(axis=2)
        alive = np.empty(level.shape[:2], np.bool_)
        ends = np.searchsorted(row, np.arange(len(level) + 1))
        for strip, (begin, end) in enumerate(pairwise(ends.tolist())):
            if end > begin:
                self._heights = np.sort(heights[begin:end], axis=0)[(end - begin) // 2]
            level[strip] /= np.maximum(self._heights, np.float32(_LEAST_HEIGHT_MV))[:, None]
            alive[strip] = self._heights > _LEAST_HEIGHT_MV
        return alive

    def _room(self, peaks: NDArray[np.int64]) -> NDArray[np.int64]:
        most = round(MOST_ROOM_S * self._rate)
        known = np.concatenate(
            ([-2 * most], self._peaks, [max(self._stop, self._last_peak) + 2 * most])
        )
        index = np.searchsorted(known, peaks)
        room = np.stack((peaks - known[index - 1], known[index + 1] - peaks), axis=1)
        return np.minimum(room, most)

    def _votes(self, strips: range, alive: NDArray[np.bool_]) -> Floats:
        votes = np.repeat(alive[:, :, None], STRIP_POINTS // STEP_POINTS, axis=2)
        if self._missing.any():
            grid = np.arange(STRIP_POINTS // STEP_POINTS) * STEP_POINTS - MARGIN_POINTS
            for row, k in enumerate(strips):
                at = np.rint((k * self.core + grid) * self._per_grid).astype(np.int64)
                votes[row] &= ~self._near_missing(at, _NEAR_S).T
        return votes.astype(np.float32)

    def _near_missing(self, at: NDArray[np.int64], reach_s: float) -> NDArray[np.bool_]:
        """Return for samples of the recording where others near them are missing, (n, leads)."""
        near = np.zeros((len(at), self._leads), np.bool_)
        if len(at) and self._missing.any():
            reach = round(reach_s * self._rate)
            counts = np.pad(np.cumsum(self._missing, axis=1), ((0, 0), (1, 0)))
            edges = at[:, None] - self._start + np.array([-reach, reach + 1])
            # before the first sample and after the last one nothing is missing: nothing is there
            edges = np.clip(edges, max(-self._start, 0), self._stop - self._start)
            near = (counts[:, edges[:, 1]] > counts[:, edges[:, 0]]).T
        return near


def model_input(level: Floats, marks: Floats) -> Floats:
    """Return what the model reads: (n, 1, STRIP_POINTS, 2).

    Small waves keep their steps in eight bits because the tall ones are compressed.
    """
    out = np.empty((len(level), 1, STRIP_POINTS, 2), np.float32)
    out[:, 0, :, 0] = np.arcsinh(level / _COMPRESSION)
    out[:, 0, :, 1] = 2 * marks
    return out


def _marks(n: int, row: NDArray[np.int64], at: NDArray[np.float64]) -> Floats:
    marks = np.zeros((n, STRIP_POINTS + 4 * _BUMP_POINTS), np.float32)
    base = np.floor(at).astype(np.int64)
    for offset in range(1 - _BUMP_POINTS, _BUMP_POINTS + 1):
        place = row, base + offset + 2 * _BUMP_POINTS
        height = 1 - np.abs(base + offset - at) / _BUMP_POINTS
        marks[place] = np.maximum(marks[place], height)
    return marks[:, 2 * _BUMP_POINTS : -2 * _BUMP_POINTS]


def _between(knots: Floats) -> Floats:
    """Return the points of a strip on lines between the edges of its blocks."""
    part = ((np.arange(_BLOCK_POINTS) + 0.5) / _BLOCK_POINTS).astype(np.float32)
    begin, end = knots[:, :, :-1, None], knots[:, :, 1:, None]
    return (begin + (end - begin) * part).reshape(*knots.shape[:2], STRIP_POINTS)


def _kernel(rate: float, n_out: int, n_in: int, half: int, offset: float) -> Floats:
    """Return the weights of `n_out` grid points on their samples, shape (samples, n_out)."""
    at = offset + np.arange(n_out) * n_in / n_out
    distance = (np.arange(n_in + 2 * half + 2)[:, None] - at) / rate
    cutoff = min(CUTOFF_HZ, 0.4 * rate)
    window = np.where(
        np.abs(distance) < _HALF_KERNEL_S, 1 + np.cos(np.pi * distance / _HALF_KERNEL_S), 0
    )
    weights = np.sinc(2 * cutoff * distance) * window
    return np.asarray(weights / weights.sum(axis=0), np.float32)


def _baseline() -> Floats:
    """Return the Gaussian weights of the edges of a strip's blocks on the means of blocks."""
    centres = np.arange(_EXTENDED // _BLOCK_POINTS) + 0.5
    edges = np.arange(STRIP_POINTS // _BLOCK_POINTS + 1) + _REACH_POINTS / _BLOCK_POINTS
    distance = (centres[:, None] - edges) * _BLOCK_POINTS / GRID_RATE / BASELINE_S
    weights = np.exp(-0.5 * np.square(distance))
    return np.asarray(weights / weights.sum(axis=0), np.float32)


_BASELINE = _baseline()
