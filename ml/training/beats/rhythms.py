"""Rhythms that were never recorded, made of a patient's own beats: training only.

What tells supraventricular beats from sinus rhythm is above all when they come, and too few
patients have them. So the normal beats of a recording are moved in time: premature ones, alone, in
pairs and runs or in every second to fourth place; tachycardias of minutes that begin at once;
and, as normal beats, atrial fibrillation (without P waves), changes of the sinus rate and sinus
arrhythmia. Single ventricular beats come earlier or later, interpolated ones with no pause. Beats
are cut between T and P and added where they come to lie; other classes stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from signals.ecg.beat import BeatClass

if TYPE_CHECKING:
    from ml.training.beats.data import Record

_KINDS = (
    "as it is",
    "premature",
    "in turns",
    "tachycardia",
    "fibrillation",
    "change of rate",
    "sinus arrhythmia",
    "ventricular",
)
_SHARES = (0.17, 0.24, 0.12, 0.12, 0.14, 0.10, 0.05, 0.06)
_SHORTEST_RR_S = 0.3
_EARLIEST = 0.42
"""Of the usual interval: in 2 of the 43 patients with ten, a tenth of the S come about as early."""
_TACHYCARDIC_S = (0.38, 0.66)
"""Bounds of the longest RR of a made tachycardia.

In runs of S it is 0.38 to 0.62 s (median of a patient; 0.96 s in one of twelve). Regular beats at
0.8 s, called S when they were made, had cost one patient 300 false ones."""
_LATEST_INTERPOLATED = 0.6
_BASELINE_HZ = 0.4
_ISOELECTRIC_S = 0.07
_BEFORE_R_S = 0.24
_FADE_S = 0.04
_P_S = (0.23, 0.06)
_NOISE_MV = 0.004


@dataclass(frozen=True, slots=True)
class _Plan:
    """What becomes of each beat.

    Parameters
    ----------
    factor : numpy.ndarray, shape (n,)
        Of the RR interval before it.
    classes : numpy.ndarray, shape (n,), int8
    p_size : numpy.ndarray, shape (n,)
        By which its P wave is multiplied.
    fibrillates : numpy.ndarray, shape (n,), bool
    """

    factor: NDArray[np.float64]
    classes: NDArray[np.int8]
    p_size: NDArray[np.float64]
    fibrillates: NDArray[np.bool_]


def remade(record: Record, seed: int) -> Record:
    """Return a recording of the same beats in other rhythms, deterministic from `seed`."""
    rng = np.random.default_rng([seed, *record.name.encode()])
    rate, peaks = record.rate, record.peaks
    intervals = np.diff(peaks, prepend=peaks[0] - rate) / rate
    plan = _plan(intervals, record.classes, rng)
    factor = np.maximum(plan.factor, _SHORTEST_RR_S / np.maximum(intervals, 0.05))
    steps = np.rint(intervals * factor * rate).astype(np.int64)
    steps[0] = peaks[0]
    moved = np.cumsum(steps)
    samples = _assembled(_levelled(record), rate, peaks, moved, plan.p_size)
    if plan.fibrillates.any():
        samples += _fibrillation(samples.shape[1], rate, moved[plan.fibrillates], rng)
    samples += rng.normal(0, _NOISE_MV, samples.shape)
    return replace(record, samples=samples.astype(np.float32), peaks=moved, classes=plan.classes)


def _plan(
    intervals: NDArray[np.float64], classes: NDArray[np.int8], rng: np.random.Generator
) -> _Plan:
    n = len(intervals)
    plan = _Plan(np.ones(n), classes.copy(), np.ones(n), np.zeros(n, np.bool_))
    normal = classes == BeatClass.N
    movable = normal & np.roll(normal, 1)
    i = 4
    while i < n - 2:
        kind = rng.choice(_KINDS, p=_SHARES)
        shortest = 5 if kind == "tachycardia" else 40
        end = min(n - 2, i + int(np.exp(rng.uniform(np.log(shortest), np.log(500)))))
        beats = np.arange(i, end)
        beats = beats[movable[i:end]]
        usual = float(np.median(intervals[max(0, i - 16) : i]))
        if kind == "premature":
            _premature(plan, beats, rng)
        elif kind == "in turns":
            _in_turns(plan, beats, rng)
        elif kind == "tachycardia":
            rr = min(usual * rng.uniform(0.45, 0.78), rng.uniform(*_TACHYCARDIC_S))
            rr = max(_SHORTEST_RR_S, rr)
            plan.factor[beats] = rr * rng.normal(1, 0.01, len(beats)) / intervals[beats]
            plan.classes[beats] = BeatClass.S
            plan.p_size[beats] = rng.choice([0.0, rng.uniform(-0.6, 1)])
        elif kind == "fibrillation":
            mean, scatter = usual * rng.uniform(0.65, 1.1), rng.uniform(0.12, 0.3)
            irregular = np.clip(mean * np.exp(rng.normal(0, scatter, len(beats))), 0.33, 2)
            plan.factor[beats] = irregular / intervals[beats]
            plan.p_size[beats] = 0
            plan.fibrillates[beats] = True
        elif kind == "change of rate":
            ramp = np.minimum(1, np.minimum(beats - i, end - beats) / rng.integers(3, 100))
            plan.factor[beats] = 1 + (rng.uniform(0.6, 1.25) - 1) * ramp
        elif kind == "sinus arrhythmia":
            waves = np.sin(2 * np.pi * (beats - i) / rng.uniform(3, 9) + rng.uniform(0, 6))
            plan.factor[beats] = 1 + rng.uniform(0.05, 0.25) * waves
        elif kind == "ventricular":
            _ventricular(plan, np.arange(i, end), intervals / usual, rng)
        i = end + int(rng.integers(3, 40))
    return plan


def _premature(plan: _Plan, beats: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Make some beats early, alone or in short runs; the next comes late."""
    share, usual, p_size = rng.uniform(0.02, 0.15), rng.uniform(0.45, 0.85), rng.uniform(-0.7, 1)
    place = 0
    while place < len(beats):
        if rng.random() < share:
            run = 1 if rng.random() < 0.75 else int(rng.integers(2, 6))
            early = beats[place : place + run]
            plan.factor[early] = rng.uniform(0.5, 0.85, len(early))
            plan.factor[early[0]] = np.clip(usual + rng.normal(0, 0.05), _EARLIEST, 0.9)
            plan.classes[early] = BeatClass.S
            plan.p_size[early] = p_size
            place += run
            plan.factor[beats[place : place + 1]] = rng.uniform(0.95, 1.3)
        place += 1


def _in_turns(plan: _Plan, beats: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Make every second, third or fourth beat early."""
    period, usual, p_size = int(rng.integers(2, 5)), rng.uniform(0.48, 0.9), rng.uniform(-0.7, 1)
    pause = 1 + (1 - usual) * rng.choice([0.4, 1.0])
    early, late = beats[period - 1 :: period], beats[period::period]
    plan.factor[early] = np.clip(usual + rng.normal(0, 0.03, len(early)), 0.5, 0.93)
    plan.classes[early] = BeatClass.S
    plan.p_size[early] = p_size
    plan.factor[late] = pause * rng.uniform(1, 1.05, len(late))


def _ventricular(
    plan: _Plan, beats: NDArray[np.int64], ratio: NDArray[np.float64], rng: np.random.Generator
) -> None:
    """Have single ventricular beats come at another time, with a pause after them or with none.

    `ratio` is that of all intervals to the usual one.
    """
    coupling = rng.uniform(_EARLIEST, 1)
    interpolated = coupling < _LATEST_INTERPOLATED and rng.random() < 0.5
    for beat in beats[plan.classes[beats] == BeatClass.V].tolist():
        if (plan.classes[[beat - 1, beat + 1]] != BeatClass.N).any():
            continue
        early = max(_EARLIEST, coupling + rng.normal(0, 0.03))
        rest = (1.1 if interpolated else 2) - early
        plan.factor[beat] = early / ratio[beat]
        plan.factor[beat + 1] = max(_EARLIEST, rest * rng.uniform(0.95, 1.05)) / ratio[beat + 1]


def _levelled(record: Record) -> NDArray[np.float64]:
    """Return the samples without baseline: 0 just before each QRS, so that beats can be added."""
    sections = butter(2, _BASELINE_HZ, "highpass", fs=record.rate, output="sos")
    samples: NDArray[np.float64] = sosfiltfilt(
        sections, np.nan_to_num(record.samples).astype(np.float64), axis=1
    )
    n = samples.shape[1]
    reach = max(1, round(0.012 * record.rate))
    at = np.maximum(record.peaks - round(_ISOELECTRIC_S * record.rate), 0)
    near = np.clip(at[:, None] + np.arange(-reach, reach + 1), 0, n - 1)
    for lead in samples:
        lead -= np.interp(np.arange(n), at, np.median(lead[near], axis=1))
    return samples


def _assembled(
    samples: NDArray[np.float64],
    rate: float,
    peaks: NDArray[np.int64],
    moved: NDArray[np.int64],
    p_size: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return each beat, from before its P wave to before the next one's, where it is moved to."""
    n = samples.shape[1]
    result = np.zeros((len(samples), int(moved[-1] + 2 * rate)))
    before, fade = round(_BEFORE_R_S * rate), max(2, round(_FADE_S * rate))
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / fade)
    p_first, p_last = (round(s * rate) for s in _P_S)
    hump = np.minimum(1, 5 * np.minimum(*(np.linspace(a, 1 - a, p_first - p_last) for a in (0, 1))))
    for i, peak in enumerate(peaks.tolist()):
        begin = peak - before if i else 0
        end = int(peaks[i + 1]) - before if i + 1 < len(peaks) else n
        first, last = max(0, begin - fade // 2), min(n, end + fade - fade // 2)
        if last - first < 2 * fade:
            continue
        beat = samples[:, first:last].copy()
        if i:
            beat[:, :fade] *= rise
        if i + 1 < len(peaks):
            beat[:, -fade:] *= rise[::-1]
            missing = int((peaks[i + 1] - peak) - (moved[i + 1] - moved[i]))
            if missing > 0:
                rr = (peaks[i + 1] - peak) / rate
                t_end = peak - first + int((0.30 + 0.12 * min(1.2, rr)) * rate)
                stop = min(max(t_end, beat.shape[1] - missing), beat.shape[1])
                fall = np.clip(1 - np.arange(beat.shape[1] - stop) / (2 * fade), 0, 1)
                beat[:, stop:] *= fall
        p = slice(peak - p_first - first, peak - p_last - first)
        if p_size[i] != 1 and p.start >= 0 and p.stop <= beat.shape[1]:
            beat[:, p] *= 1 + (p_size[i] - 1) * hump
        offset = int(moved[i]) - peak + first
        low, high = max(0, -offset), min(beat.shape[1], result.shape[1] - offset)
        if high > low:
            result[:, offset + low : offset + high] += beat[:, low:high]
    return result


def _fibrillation(
    n: int, rate: float, peaks: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return waves of about 6 Hz around these beats, shape (2, n)."""
    there = np.zeros(n)
    for peak in peaks.tolist():
        there[max(0, peak - round(0.6 * rate)) : peak + round(0.3 * rate)] = 1
    hertz = 6 + np.clip(np.cumsum(rng.normal(0, 0.02, n)), -1.5, 1.5)
    waves = there * np.sin(np.cumsum(2 * np.pi * hertz / rate))
    result: NDArray[np.float64] = waves * rng.uniform(0.01, 0.07, (2, 1))
    return result
