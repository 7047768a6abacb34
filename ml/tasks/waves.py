"""Delineation: samples and R peaks in, the waves of each beat out, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.tasks.wave_decisions import (
    LONE_WAIT_S,
    NEIGHBOURS,
    Candidates,
    candidates,
    decide,
    lone,
)
from ml.tasks.wave_measures import areas, levels, st_levels
from ml.tasks.wave_points import P_REACH_S, T_REACH_S, combine, read_points
from ml.tasks.wave_strips import STEP_POINTS, Strips, WaveStrips, model_input
from signals.ecg.waves import BeatWaves, Wave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.bundle import Bundle

TASK = "waves"
LABELS = ("P", "QRS", "T")
_LOWEST_RATE = 100.0


@dataclass(frozen=True, slots=True)
class _Beats:
    """Beats that were read; the first axis of each array."""

    samples: NDArray[np.int64]
    points: NDArray[np.float32]
    lead_points: NDArray[np.float32]
    p_logit: NDArray[np.float32]
    unreadable: NDArray[np.bool_]
    st: NDArray[np.float32]
    qrs_area: NDArray[np.float32]

    def joined(self, other: _Beats) -> _Beats:
        return _Beats(
            *(np.concatenate((getattr(self, name), getattr(other, name))) for name in _FIELDS)
        )

    def part(self, first: int, last: int) -> _Beats:
        return _Beats(*(getattr(self, name)[first:last] for name in _FIELDS))


_FIELDS = tuple(_Beats.__dataclass_fields__)


class WaveDelineator:
    """Finds P, QRS and T of the beats of one recording as they come.

    The model reads strips of each lead by itself, with the R peaks marked, and says of each 8 ms
    how sure it is of a P, a QRS and a T; boundaries lie where it is undecided, between the steps.
    The consensus is read off the mean of the leads that count: not those with missing samples near
    the beat, and not those without a QRS that could be seen.

    A beat is given out when 8 later ones were read. What is given out, in the end, does not depend
    on how samples and peaks were cut into blocks, and memory does not grow with the recording.

    Parameters
    ----------
    bundle : Bundle
        For the task ``waves``.
    rate : float
        Sampling rate, Hz; at least 100.
    n_leads : int
        Number of leads that will be pushed.

    Raises
    ------
    ValueError
        If the rate is below 100 Hz, there is no lead, or the bundle is for another task.
    """

    def __init__(self, bundle: Bundle, rate: float, n_leads: int) -> None:
        if rate < _LOWEST_RATE:
            raise ValueError(f"waves are read from {_LOWEST_RATE:g} Hz on, not at {rate:g} Hz")
        if n_leads < 1:
            raise ValueError("waves cannot be read without a lead")
        if bundle.task != TASK or bundle.labels != LABELS:
            raise ValueError(f"the bundle {bundle.id} does not find {', '.join(LABELS)}")
        self._model = bundle.ready()
        self._offsets = np.array(bundle.decision.offsets, np.float32)
        self._strips = WaveStrips(rate, n_leads)
        self._rate = rate
        self._leads = n_leads
        none = BeatWaves.none(n_leads)
        self._beats = _Beats(
            samples=none.samples,
            points=none.points,
            lead_points=none.lead_points,
            p_logit=np.zeros(0, np.float32),
            unreadable=np.zeros(0, np.bool_),
            st=none.st,
            qrs_area=none.qrs_area,
        )
        self._given = 0
        self._found = Candidates(*np.zeros((3, 0)))
        self._breaks: list[tuple[int, int]] = []

    @property
    def runtime(self) -> str:
        """Name and version of what runs the model."""
        return self._model.runtime

    def push(
        self,
        samples: NDArray[np.float32],
        peaks: NDArray[np.int64],
        breaks: Sequence[tuple[int, int]] = (),
    ) -> BeatWaves:
        """Take samples and R peaks; return the beats that became ready.

        Parameters
        ----------
        samples : numpy.ndarray, shape (leads, n), float32
            The next samples, mV, NaN where missing.
        peaks : numpy.ndarray, shape (k,), int64
            The next R peaks, ascending, counted in samples from the start of the recording; each
            at once with the samples it lies in, or up to 10 s later.
        breaks : sequence of (int, int)
            Stretches, samples, that no lead can be read in; each at most 10 s after the samples it
            begins in, long ones in parts.

        Raises
        ------
        ValueError
            If peaks do not ascend or come later than that.
        """
        self._breaks += breaks
        self._strips.push(samples, peaks)
        self._read()
        return self._give(len(self._beats.samples) - NEIGHBOURS)

    def finish(self) -> BeatWaves:
        """Return the beats that were held back for later ones to follow."""
        self._strips.finish()
        self._read()
        return self._give(len(self._beats.samples), ended=True)

    def _read(self) -> None:
        while (strips := self._strips.take()) is not None:
            beats, found = self._read_strips(strips)
            oldest = self._strips.taken / self._strips.grid_rate * self._rate
            self._breaks = [pair for pair in self._breaks if pair[1] > oldest - 2 * self._rate]
            self._beats = self._beats.joined(beats)
            self._found = Candidates(
                *(np.concatenate(pair) for pair in zip(self._found, found, strict=True))
            )

    def _read_strips(self, strips: Strips) -> tuple[_Beats, Candidates]:
        n, leads, length = strips.level.shape
        marks = np.repeat(strips.marks, leads, axis=0)
        (answers,) = self._model.run(model_input(strips.level.reshape(-1, length), marks))
        logits = answers.reshape(n, leads, -1, len(LABELS)) + self._offsets
        seen = combine(logits, strips)
        grid_rate = self._strips.grid_rate
        to_steps = grid_rate / self._rate / STEP_POINTS
        at = strips.peaks * to_steps - (strips.first[strips.strip] + 0.5) / STEP_POINTS
        read = read_points(seen, strips.strip, at, strips.room * to_steps, strips.silent)
        seconds = read.points * np.float32(STEP_POINTS / grid_rate)
        points, lead_points = seconds[:, -1], seconds[:, :-1]
        unreadable = self._clear_of_breaks(strips.peaks, points, lead_points)
        unreadable |= ~np.isfinite(points[:, Wave.QRS_ONSET])
        points[unreadable, : Wave.QRS_ONSET] = np.nan
        onset, offset = (
            STEP_POINTS * (at + read.points[:, -1, column].astype(np.float64)) + 0.5
            for column in (Wave.QRS_ONSET, Wave.QRS_OFFSET)
        )
        base = levels(strips.millivolts, strips.strip, onset)
        st = st_levels(strips.millivolts, strips.strip, offset, grid_rate) - base[:, :, None]
        qrs_area = areas(strips.millivolts, strips.strip, onset, offset, base) / grid_rate
        for values in (st, qrs_area):
            values[strips.silent] = np.nan
        beats = _Beats(
            samples=strips.peaks,
            points=points,
            lead_points=lead_points,
            p_logit=read.p_logit[:, -1],
            unreadable=unreadable,
            st=st.astype(np.float32),
            qrs_area=qrs_area.astype(np.float32),
        )
        found = candidates(seen.logits[0, :, -1], strips.first, self._strips.core, grid_rate)
        return beats, self._away_from_breaks(found)

    def _away_from_breaks(self, found: Candidates) -> Candidates:
        """Leave out what may have its QRS in a break, or be a part of one."""
        away = np.ones(len(found.peak), np.bool_)
        for start, stop in self._breaks:
            away &= (found.peak < start / self._rate - LONE_WAIT_S) | (
                found.onset > stop / self._rate
            )
        return Candidates(*(column[away] for column in found))

    def _clear_of_breaks(
        self,
        peaks: NDArray[np.int64],
        points: NDArray[np.float32],
        lead_points: NDArray[np.float32],
    ) -> NDArray[np.bool_]:
        """Take out what lies near a break; return where that is before the beat."""
        before = np.zeros(len(peaks), np.bool_)
        after = np.zeros(len(peaks), np.bool_)
        for start, stop in self._breaks:
            before |= (peaks - P_REACH_S * self._rate < stop) & (peaks >= start)
            after |= (peaks < stop) & (peaks + T_REACH_S * self._rate > start)
        for values in (points, lead_points):
            values[before, ..., : Wave.QRS_ONSET] = np.nan
            values[after, ..., Wave.T_ONSET :] = np.nan
        return before

    def _give(self, last: int, *, ended: bool = False) -> BeatWaves:
        """Decide on the beats up to `last` and give those out that were not yet."""
        if last <= self._given and not ended:
            return BeatWaves.none(self._leads)
        beats = self._beats
        times = beats.samples / self._rate
        rr = np.diff(times, prepend=np.nan)
        p_waves = decide(beats.points, beats.p_logit, beats.unreadable, rr)
        end = self._strips.stop / self._rate
        peaks, after = lone(self._found, times, beats.points, p_waves, end)
        chosen = (after >= self._given) & ((after < last) | ended)
        given = beats.part(self._given, last)
        kept = max(0, last - NEIGHBOURS - 1)
        self._beats = beats.part(kept, len(times))
        if kept:
            recent = self._found.peak > times[kept]
            self._found = Candidates(*(column[recent] for column in self._found))
        out = BeatWaves(
            samples=given.samples,
            points=given.points,
            lead_points=given.lead_points,
            p_waves=p_waves[self._given : last],
            st=given.st,
            qrs_area=given.qrs_area,
            lone_p=np.rint(peaks[chosen] * self._rate).astype(np.int64),
        )
        self._given = last - kept
        return out
