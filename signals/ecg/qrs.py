"""Where the beats are: a QRS detector that is fed blocks and needs neither model nor file.

The way of a beat: gaps are filled, high rates decimated, each lead turned into the energy of what
looks like a QRS (:mod:`signals.ecg._qrs_front`); the leads that can be read are added up; hills of
the sum are candidates, chosen by height, distance and their neighbours
(:mod:`signals.ecg._qrs_decide`); and each beat is put on the extremum of its QRS. Where no lead can
be read there are no beats, and the quality says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import log2
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from signals.ecg._qrs_decide import LOOK_AHEAD, REFRACTORY, BeatDecider, Candidates
from signals.ecg._qrs_front import QrsFront
from signals.ecg._qrs_gaps import BeatlessActivity
from signals.ecg._qrs_noise import REACH, NoiseJudge
from signals.filters import Decimator, GapFiller, SpikeRemover
from signals.quality import QualityMeter, is_readable

if TYPE_CHECKING:
    from collections.abc import Sequence

_Real = TypeVar("_Real", np.float32, np.float64)
_Value = TypeVar("_Value", np.int32, np.float32)

LOWEST_RATE = 100.0
"""Hz; a QRS of 80 ms is eight samples there, and fewer tell nothing from a T wave."""

_HIGHEST_RATE = 600.0  # Hz; beyond it, samples cost time and find no more beats
_BLOCK_SECONDS = 60
_LEAST_HEIGHT = 0.015  # mV
_LEAST_OF_NOISE = 2.0
_NOISE_POINTS = 25
_NOISE_RANK = 7  # of 25: about the 30th percentile
_MEMORY = 8  # seconds
_LULL_SECONDS, _LULL_RANK = 4, 2  # the second highest of four
_SCALE_UNITS = 64  # of one octave
_SCALE_MOST = 10 * _SCALE_UNITS
_SCALE_LEAK = 8  # seconds for each unit; what steps leave over must not add up for days
_PEAK_REACH = 0.08  # s
_SLOPE_LAG = 0.012  # s
_ALIGN_VOTE = 0.1
_ALIGN_LEVEL = 0.3


@dataclass(frozen=True, slots=True)
class QrsBatch:
    """What a detector found since the last time it was asked.

    Parameters
    ----------
    peaks : numpy.ndarray, shape (n,), int64
        R peaks as samples of the recording, ascending over all batches.
    quality : numpy.ndarray, shape (leads, k), uint8
        :class:`~signals.quality.Quality` of the next k seconds.
    unclear : tuple of (int, int)
        Stretches of two seconds and more in which there is activity but no beat stands out, from
        the last beat before to the first one after, in samples: fibrillation, a tachycardia of
        broad waves, motion. Each comes at once with the beat that ends it.
    """

    peaks: NDArray[np.int64]
    quality: NDArray[np.uint8]
    unclear: tuple[tuple[int, int], ...]


class QrsDetector:
    """Finds R peaks in one or more leads that are sampled together.

    The result is the same, to the last bit, however the samples are cut into blocks. Time is linear
    in the length and memory does not depend on it.

    Parameters
    ----------
    rate : float
        Hz, at least 100. Rates above 600 Hz are decimated inside.
    rails : sequence of (float, float)
        Least and greatest value the converter of each lead can give, mV: one pair for each lead.

    Raises
    ------
    ValueError
        If the rate is below 100 Hz or there is no lead.
    """

    def __init__(self, rate: float, rails: Sequence[tuple[float, float]]) -> None:
        if not rate >= LOWEST_RATE:
            raise ValueError(f"beats cannot be found at {rate:g} Hz: 100 Hz and more are needed")
        if len(rails) == 0:
            raise ValueError("beats cannot be found without a lead")
        self._rate = rate
        self._n_leads = len(rails)
        self._seen = 0
        self._meter = QualityMeter(rate, rails)
        self._filler = GapFiller(self._n_leads)
        self._spikes = SpikeRemover(rate, self._n_leads)
        self._factor = int(np.ceil(rate / _HIGHEST_RATE))
        self._decimator = Decimator(rate, self._factor, self._n_leads) if self._factor > 1 else None
        self._inner_rate = rate / self._factor
        self._reach = round(_PEAK_REACH * self._inner_rate)
        self._farthest = int(0.45 * REFRACTORY * self._inner_rate)
        self._lag = max(1, round(_SLOPE_LAG * self._inner_rate))
        self._front = QrsFront(self._inner_rate, self._n_leads)
        self._window_reach = int(np.ceil(REACH * self._inner_rate))
        judge = NoiseJudge(self._inner_rate, self._window_at, self._front.microvolts)
        self._decider = BeatDecider(self._inner_rate, judge)
        self._gaps = BeatlessActivity(rate)
        # from the second to search next on
        self._second = 0
        self._codes = np.zeros((self._n_leads, 0), np.uint8)
        self._energy = np.zeros((self._n_leads, 0), np.float32)
        # from further back: what a beat still undecided is aligned by
        self._deflection = np.zeros((self._n_leads, 0), np.int32)
        self._hills = np.zeros((self._n_leads, 0), np.float32)
        self._deflection_start = 0
        # the last seconds searched
        self._levels = np.zeros((self._n_leads, 0))
        self._noises = np.zeros((self._n_leads, 0))
        # how high beats are in each lead and what counts, kept while no lead can be read
        self._beat_levels, self._votes = GapFiller(self._n_leads), GapFiller(self._n_leads)
        self._recently_readable = np.ones((self._n_leads, _MEMORY - 1), bool)
        self._last_vote = np.zeros((self._n_leads, 1), np.float32)
        self._octaves = 0  # of the scale of heights, in units
        self._last_scale = self._latest_scales = np.ones(1)
        # of the seconds last searched
        self._noise = np.full(_LULL_SECONDS, np.inf)
        self._trust = self._latest_trust = np.zeros((self._n_leads, 1))
        # height of the last two samples searched; nothing before the first
        self._border = np.zeros(1, np.float32)
        # as after a gap: the step from nothing to the first sample is no beat
        self._was_readable = np.zeros(self._n_leads, bool)
        self._leads_start = 0
        self._leads = np.zeros(0, np.intp)  # the lead that beats are aligned by; -1: none readable

    @property
    def look_ahead(self) -> float:
        """Seconds: a peak at t is given out when all samples up to t + this have been pushed."""
        lag = self._front.delay * self._factor + self._spikes.delay
        if self._decimator is not None:
            lag += self._decimator.delay
        return LOOK_AHEAD + 1.0 + _PEAK_REACH + (lag + 3 * self._factor) / self._rate

    def push(self, samples: NDArray[np.float32]) -> QrsBatch:
        """Take the next samples.

        Parameters
        ----------
        samples : numpy.ndarray, shape (leads, n), float32
            mV, NaN where missing.

        Returns
        -------
        QrsBatch
            The beats that can be decided now, and the seconds that are complete.
        """
        step = int(_BLOCK_SECONDS * self._rate)
        return _joined(
            [
                self._push_block(samples[:, i : i + step])
                for i in range(0, max(1, samples.shape[1]), step)
            ]
        )

    def finish(self) -> QrsBatch:
        """Return what is left at the end of the recording."""
        quality = self._meter.finish()
        self._codes = np.concatenate((self._codes, quality), axis=1)
        # as if the last sample stayed, until the filters have given out what they hold
        if self._seen:
            held = (self._front.delay + 1) * self._factor + self._spikes.delay
            if self._decimator is not None:
                held += self._decimator.delay
            self._filter(np.full((self._n_leads, held), np.nan, np.float32))
            length = -(-self._seen // self._factor) - self._edge(self._second)
            self._energy = self._energy[:, :length]
            # nor is the step from the last sample to nothing
            self._energy[:, max(0, length - self._front.delay) :] = 0.0
        peaks, unclear = self._search(at_end=True)
        return QrsBatch(peaks, quality, (*unclear, *self._gaps.finish(self._seen)))

    def _push_block(self, samples: NDArray[np.float32]) -> QrsBatch:
        self._seen += samples.shape[1]
        quality = self._meter.push(samples)
        self._codes = np.concatenate((self._codes, quality), axis=1)
        self._filter(samples)
        peaks, unclear = self._search(at_end=False)
        return QrsBatch(peaks, quality, tuple(unclear))

    def _filter(self, samples: NDArray[np.float32]) -> None:
        samples = self._spikes.push(self._filler.push(samples))
        if self._decimator is not None:
            samples = self._decimator.push(samples)
        traces = self._front.push(samples)
        self._energy = np.concatenate((self._energy, traces.energy), axis=1)
        self._deflection = np.concatenate((self._deflection, traces.deflection), axis=1)
        self._hills = np.concatenate((self._hills, traces.energy), axis=1)

    def _search(self, *, at_end: bool) -> tuple[NDArray[np.int64], list[tuple[int, int]]]:
        """Search the seconds whose energy and quality are both known; return beats and gaps."""
        start = self._edge(self._second)
        last = self._second + self._codes.shape[1]
        known = start + self._energy.shape[1] - self._reach
        while last > self._second and self._edge(last) > known and not at_end:
            last -= 1
        edges = np.array([self._edge(k) for k in range(self._second, last + 1)], np.int64) - start
        edges = np.minimum(edges, self._energy.shape[1])  # the last second may be a part
        readable = is_readable(self._codes[:, : len(edges) - 1])
        searched = int(edges[-1])
        noise = np.zeros(0)
        if searched:
            candidates, noise = self._candidates(self._energy[:, :searched], edges, readable)
            self._decider.push(candidates)
        self._codes = self._codes[:, last - self._second :]
        self._energy = self._energy[:, searched:].copy()
        self._second = last
        beats = self._decider.decide(float("inf") if at_end else start + searched - 2.0)
        peaks = self._align(beats) if beats else np.zeros(0, np.int64)
        self._forget()
        return peaks, self._gaps.push(noise, peaks.tolist())

    def _edge(self, second: int) -> int:
        return int(np.ceil(second * self._inner_rate))

    def _candidates(
        self, energy: NDArray[np.float32], edges: NDArray[np.int64], readable: NDArray[np.bool_]
    ) -> tuple[Candidates, NDArray[np.float64]]:
        """Return the hills of the whole seconds between `edges`, and the noise of each second."""
        lengths = np.diff(edges)
        votes = self._weights(energy, edges, readable).astype(np.float32)
        weights = np.repeat(votes, lengths, axis=1)
        before = np.column_stack((self._was_readable, readable[:, :-1]))
        self._was_readable = readable[:, -1]
        for lead, second in np.argwhere(readable & ~before):
            # the step from the rail, or from the value that filled a gap, is no beat
            weights[lead, edges[second] : edges[second] + self._front.delay] = 0.0
        height = _sum_over_leads(weights * energy)
        noise = _quiet(height[np.newaxis], edges)[0]
        noise[~readable.any(axis=0)] = np.inf
        # a hill may have its top in the last sample of what was searched before
        start = self._edge(self._second) - len(self._border)
        height = np.concatenate((self._border, height))
        self._border = height[-2:]
        top = np.flatnonzero(
            (height[1:-1] > height[:-2])
            & (height[1:-1] >= height[2:])
            & (height[1:-1] >= _LEAST_HEIGHT)
        )
        times = top + 1 + start
        scales = np.concatenate((self._last_scale, self._latest_scales))
        self._last_scale = scales[-1:]
        self._noise = np.concatenate((self._noise[-_LULL_SECONDS:], noise / scales[1:]))
        self._trust = np.concatenate((self._trust[:, -1:], self._latest_trust), axis=1)
        recent = np.lib.stride_tricks.sliding_window_view(self._noise, _LULL_SECONDS)
        lulls = np.partition(recent, _LULL_RANK, axis=1)[:, _LULL_RANK]
        second = (times / self._inner_rate).astype(np.intp) - self._second + 1
        heights, noises = (
            height[top + 1] / scales[second],
            self._noise[_LULL_SECONDS - 1 :][second],
        )
        high = heights >= _LEAST_OF_NOISE * noises
        times, heights, noises, second = times[high], heights[high], noises[high], second[high]
        found = Candidates(
            times,
            heights,
            noises,
            self._steepness(times) / scales[second],
            lulls[second],
            self._trust[:, second].T,
        )
        return found, noise

    def _steepness(self, middle: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the steepest slope around each hill, in the lead that leads there."""
        lead = self._lead_at(middle / self._inner_rate)
        size = self._around(self._deflection, middle, lead)
        slope: NDArray[np.int32] = np.abs(size[:, self._lag :] - size[:, : -self._lag])
        return np.asarray(slope.max(axis=1, initial=0), np.float64)

    def _window_at(self, time: int) -> NDArray[np.int32]:
        """Return the deflection of all leads around a sample; at the ends, the outermost again."""
        first = time - self._window_reach - self._deflection_start
        end = first + 2 * self._window_reach + 1
        if first >= 0 and end <= self._deflection.shape[1]:
            return self._deflection[:, first:end].copy()
        place = np.clip(np.arange(first, end), 0, self._deflection.shape[1] - 1)
        return self._deflection[:, place]

    def _around(
        self, traces: NDArray[_Value], middle: NDArray[np.int64], lead: NDArray[np.intp]
    ) -> NDArray[_Value]:
        """Return the trace of `lead` over a QRS with its middle at `middle`."""
        first, width = middle - self._reach - self._deflection_start, 2 * self._reach + 1
        last = traces.shape[1] - 1
        if len(first) and first[0] >= 0 and first[-1] + width - 1 <= last:
            windows = np.lib.stride_tricks.sliding_window_view(traces, width, axis=1)
            return np.asarray(windows[lead, first])
        place = np.clip(first[:, np.newaxis] + np.arange(width), 0, max(0, last))
        return np.asarray(traces[lead[:, np.newaxis], place])

    def _weights(
        self, energy: NDArray[np.float32], edges: NDArray[np.int64], readable: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the vote of each lead in each second: how far its beats rise above the rest."""
        first = np.minimum(edges[:-1], energy.shape[1] - 1)
        levels = np.maximum.reduceat(energy, first, axis=1)
        self._levels = np.concatenate((self._levels, levels), axis=1)
        self._noises = np.concatenate((self._noises, _quiet(energy, edges)), axis=1)
        count = len(edges) - 1
        level = _trailing_median(self._levels, count)
        # a lead loses its vote at once and gets it back when it has been quiet for a while
        noise = np.maximum(_trailing_median(self._noises, count), self._noises[:, -count:])
        noise += _LEAST_HEIGHT / 4
        self._latest_trust = np.where(readable, 1 / noise, 0.0)
        ratio = level / noise
        self._levels = self._levels[:, -_MEMORY:]
        self._noises = self._noises[:, -_MEMORY:]
        vote = np.where(readable, 1.0 + ratio, 0.0)
        vote /= np.maximum(_sum_over_leads(vote), np.finfo(float).tiny)
        self._latest_scales = self._scales(vote, level, readable)
        level = np.where(vote >= _ALIGN_VOTE, level, 0.0)
        lead = np.argmax(level >= _ALIGN_LEVEL * level.max(axis=0), axis=0)
        self._leads = np.concatenate((self._leads, np.where(readable.any(axis=0), lead, -1)))
        return vote

    def _scales(
        self, votes: NDArray[np.float64], levels: NDArray[np.float64], readable: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return by what heights are divided in each second, so that votes do not move them.

        Where a lead of tall beats falls silent, the sum of leads is lower and the beats are the
        same. So the scale follows the height that beats of the usual size have in the leads that
        vote.
        """
        if self._n_leads == 1:
            return np.ones(votes.shape[1])
        recent = np.concatenate((self._recently_readable, readable), axis=1)
        self._recently_readable = recent[:, 1 - _MEMORY :]
        settled = np.lib.stride_tricks.sliding_window_view(recent, _MEMORY, axis=1).all(axis=2)
        level = self._beat_levels.push(np.where(settled, levels, np.nan).astype(np.float32))
        vote = self._votes.push(np.where(readable.any(axis=0), votes, np.nan).astype(np.float32))
        before = np.concatenate((self._last_vote, vote), axis=1)[:, :-1]
        self._last_vote = vote[:, -1:]
        heights = _sum_over_leads(vote * level).tolist()
        heights_before = _sum_over_leads(before * level).tolist()
        scales: list[float] = []
        for i, (now, then) in enumerate(zip(heights, heights_before, strict=True), self._second):
            # whole steps add up alike from wherever a block begins
            step = round(_SCALE_UNITS * log2(now / then)) if now > 0 and then > 0 else 0
            leak = (self._octaves > 0) - (self._octaves < 0) if i % _SCALE_LEAK == 0 else 0
            self._octaves = min(max(self._octaves + step - leak, -_SCALE_MOST), _SCALE_MOST)
            scales.append(2.0 ** (self._octaves / _SCALE_UNITS))
        return np.array(scales)

    def _align(self, beats: list[int]) -> NDArray[np.int64]:
        """Return the samples of the recording at the extremes of the QRS of `beats`."""
        middle = np.array(beats, np.int64)
        lead = self._lead_at(middle / self._inner_rate)
        if self._n_leads > 1:
            # the middle of the sum of all leads may lie off the QRS of this one
            middle = middle - self._reach + np.argmax(self._around(self._hills, middle, lead), 1)
        size = np.abs(self._around(self._deflection, middle, lead))
        # no further than what keeps two beats in their order
        shift = middle - self._reach + np.argmax(size, axis=1) - beats
        shift = np.clip(shift, -self._farthest, self._farthest)
        peaks: NDArray[np.int64] = np.clip((beats + shift) * self._factor, 0, self._seen - 1)
        return peaks[self._lead_at(peaks / self._rate) >= 0]

    def _lead_at(self, seconds: NDArray[np.float64]) -> NDArray[np.intp]:
        place = seconds.astype(np.intp) - self._leads_start
        return self._leads[np.minimum(place, len(self._leads) - 1)]

    def _forget(self) -> None:
        """Drop what no beat to come can ask for."""
        old = max(0, len(self._leads) - _MEMORY)
        self._leads = self._leads[old:]
        self._leads_start += old
        oldest = self._edge(max(0, self._second - _MEMORY)) - self._deflection_start
        if oldest > 0:
            self._deflection = self._deflection[:, oldest:].copy()
            self._hills = self._hills[:, oldest:].copy()
            self._deflection_start += oldest


def _joined(batches: list[QrsBatch]) -> QrsBatch:
    return QrsBatch(
        np.concatenate([batch.peaks for batch in batches]),
        np.concatenate([batch.quality for batch in batches], axis=1),
        tuple(gap for batch in batches for gap in batch.unclear),
    )


def _sum_over_leads(values: NDArray[_Real]) -> NDArray[_Real]:
    """Add up rows in their order; numpy's own order depends on how long the rows are."""
    return reduce(np.add, values)


def _quiet(height: NDArray[np.float32], edges: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the height that a third of each second stays under, shape (rows, seconds)."""
    place = edges[:-1, np.newaxis] + np.diff(edges)[:, np.newaxis] * np.arange(_NOISE_POINTS) // (
        _NOISE_POINTS
    )
    points = height[:, np.minimum(place, height.shape[1] - 1)]
    return np.partition(points, _NOISE_RANK, axis=2)[:, :, _NOISE_RANK]


def _trailing_median(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return, for each of the last `count` columns, the median of the eight up to it."""
    padding = np.repeat(values[:, :1], max(0, count + _MEMORY - 1 - values.shape[1]), axis=1)
    padded = np.concatenate((padding, values), axis=1)[:, -(count + _MEMORY - 1) :]
    windows = np.lib.stride_tricks.sliding_window_view(padded, _MEMORY, axis=1)
    return np.asarray(np.median(windows, axis=2))
