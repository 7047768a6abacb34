"""The waves of a beat as Gaussian pulses of the heart vector.

Each wave is a pulse in time along a direction in the body, and a lead sees its projection: the
dipole form that R. Sameni et al. ("Multichannel ECG and noise modeling", EURASIP J. Adv. Signal
Process. 2007, 43407) gave the Gaussian model of P. E. McSharry et al. ("A dynamical model for
generating synthetic electrocardiogram signals", IEEE Trans. Biomed. Eng. 50 (2003) 289). Amplitudes
and widths are those of a healthy adult.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from signals.ecg.beat import BeatClass
from signals.simulate.heart import Origin, Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Vector = tuple[float, float, float]

_REACH = 4.0
"""Standard deviations to each side at which a pulse has ended (0.03 % of its height)."""

_BEATS_AT_ONCE = 8192


@dataclass(frozen=True, slots=True)
class _Pulse:
    """One Gaussian: centre from the R peak (s), standard deviation (s), heart vector (mV)."""

    centre: float
    width: float
    vector: Vector


_CONDUCTED_QRS = (
    _Pulse(-0.027, 0.0065, (-0.13, -0.08, -0.22)),  # septum: q in II and V5, r in V1
    _Pulse(0.0, 0.0105, (0.82, 0.98, 0.30)),  # left ventricle
    _Pulse(0.024, 0.0085, (-0.16, -0.22, 0.55)),  # base: s in II and V5, S in V1
)
_OUTFLOW_TRACT_QRS = (
    _Pulse(-0.040, 0.018, (0.20, 0.45, 0.10)),
    _Pulse(0.0, 0.014, (0.50, 1.15, 0.70)),
    _Pulse(0.044, 0.018, (0.12, 0.55, 0.30)),
)
_APICAL_QRS = (
    _Pulse(-0.045, 0.014, (0.25, 0.10, -0.20)),
    _Pulse(0.0, 0.015, (-0.70, -1.10, -0.45)),
    _Pulse(0.046, 0.020, (-0.32, -0.45, 0.10)),
)
QRS = {
    Origin.SINUS: _CONDUCTED_QRS,
    Origin.ATRIAL: _CONDUCTED_QRS,
    Origin.FIBRILLATION: _CONDUCTED_QRS,
    Origin.VENTRICULAR: _OUTFLOW_TRACT_QRS,
    Origin.VENTRICULAR_OTHER_FOCUS: _APICAL_QRS,
}

# From the R peak, at an RR interval of 1 s; right atrium, then left.
_SINUS_P = (
    _Pulse(-0.166, 0.017, (0.020, 0.080, -0.045)),
    _Pulse(-0.138, 0.018, (0.050, 0.075, 0.045)),
)
_ATRIAL_P = (_Pulse(-0.122, 0.016, (0.040, -0.085, 0.030)),)  # from low in the atrium: inverted
_P = {Origin.SINUS: _SINUS_P, Origin.ATRIAL: _ATRIAL_P}

# From the end of the T wave, at an RR interval of 1 s: it rises slowly and falls fast.
_CONDUCTED_T = (
    _Pulse(-0.128, 0.044, (0.13, 0.15, -0.08)),
    _Pulse(-0.088, 0.032, (0.14, 0.16, -0.10)),
)
_OUTFLOW_TRACT_T = (
    _Pulse(-0.150, 0.050, (-0.12, -0.28, -0.28)),
    _Pulse(-0.095, 0.036, (-0.12, -0.22, -0.25)),
)
_APICAL_T = (
    _Pulse(-0.150, 0.050, (0.22, 0.27, 0.10)),
    _Pulse(-0.095, 0.036, (0.18, 0.22, 0.08)),
)
_T = {
    Origin.SINUS: _CONDUCTED_T,
    Origin.ATRIAL: _CONDUCTED_T,
    Origin.FIBRILLATION: _CONDUCTED_T,
    Origin.VENTRICULAR: _OUTFLOW_TRACT_T,
    Origin.VENTRICULAR_OTHER_FOCUS: _APICAL_T,
}

_CONDUCTED_R_TO_T_END_S, _VENTRICULAR_R_TO_T_END_S = 0.355, 0.400
"""At an RR interval of 1 s; QT is longer by the 45 ms (80 ms) from QRS onset to the R peak."""

_BREATH_ON_AMPLITUDE = 0.06
_BEAT_TO_BEAT_AMPLITUDE = 0.02


@dataclass(frozen=True, slots=True)
class _Wave:
    """The same pulse of many beats: centres (s) and widths (s), sizes, one vector (mV)."""

    centres: NDArray[np.float64]
    widths: NDArray[np.float64]
    sizes: NDArray[np.float64]
    vector: Vector


def draw_beats(
    schedule: Schedule,
    leads: Sequence[NDArray[np.float64]],
    rate: float,
    n_samples: int,
    rng: np.random.Generator,
) -> list[NDArray[np.float32]]:
    """Return what each of `leads` sees of the beats, mV, one array of `n_samples` a lead.

    The R peak, the largest deflection of the QRS in the first lead, lies at the scheduled time.
    """
    drawn = [np.zeros(n_samples, np.float32) for _ in leads]
    for wave in _waves(schedule, leads[0], rng):
        gains = [float(np.dot(lead, wave.vector)) for lead in leads]
        for first in range(0, wave.centres.size, _BEATS_AT_ONCE):
            part = slice(first, first + _BEATS_AT_ONCE)
            widths = wave.widths[part, None]
            centres = wave.centres[part, None] * rate
            reach = int(np.ceil(_REACH * widths.max() * rate))
            index = np.rint(centres).astype(np.int64) + np.arange(-reach, reach + 1)
            pulse = wave.sizes[part, None] * np.exp(-0.5 * ((index - centres) / rate / widths) ** 2)
            inside = (index >= 0) & (index < n_samples)
            at, heights = index[inside], pulse[inside].astype(np.float32)
            for lead, gain in zip(drawn, gains, strict=True):
                np.add.at(lead, at, np.float32(gain) * heights)
    return drawn


def _waves(
    schedule: Schedule, first_lead: NDArray[np.float64], rng: np.random.Generator
) -> Iterator[_Wave]:
    times, rr = schedule.times, _effective_rr(schedule.times)
    origins = schedule.origins
    amplitude = (1 + _BREATH_ON_AMPLITUDE * schedule.respiration) * (
        1 + _BEAT_TO_BEAT_AMPLITUDE * rng.standard_normal(times.size)
    )
    for origin in Origin:
        of = origins == origin
        if not of.any():
            continue
        t_size, p_size = np.exp(0.08 * rng.standard_normal(2))  # persons differ
        peak = times[of] - _extremum(QRS[origin], first_lead)
        for pulse in QRS[origin]:
            yield _wave(pulse, peak, np.ones(peak.size), amplitude[of])
        ventricular = origin.beat_class is BeatClass.V
        # Fridericia: QT goes with the cube root of the RR interval
        stretch = np.cbrt(rr[of])
        t_end = _VENTRICULAR_R_TO_T_END_S if ventricular else _CONDUCTED_R_TO_T_END_S
        for pulse in _T[origin]:
            yield _wave(pulse, peak + t_end * stretch, stretch, t_size * amplitude[of])
        pr = np.clip(rr[of], 0.4, 1.2) ** 0.25  # PR shortens a little at high rates
        for pulse in _P.get(origin, ()):
            yield _wave(pulse, peak, pr, np.full(peak.size, p_size))


def _wave(
    pulse: _Pulse,
    origin: NDArray[np.float64],
    stretch: NDArray[np.float64],
    sizes: NDArray[np.float64],
) -> _Wave:
    centres = origin + pulse.centre * stretch
    return _Wave(centres, pulse.width * stretch, sizes, pulse.vector)


def _effective_rr(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the RR interval that repolarisation answers to: the last one and a slow memory."""
    rr = np.diff(times, prepend=2 * times[0] - times[1]).clip(0.3, 2.0)
    slow, _ = signal.lfilter([0.08], [1, -0.92], rr, zi=[0.92 * np.median(rr[:16])])
    mixed: NDArray[np.float64] = 0.75 * slow + 0.25 * rr
    return mixed


def _extremum(qrs: Sequence[_Pulse], lead: NDArray[np.float64]) -> float:
    """Return when the QRS is largest in `lead`, seconds from the time its pulses refer to."""
    at = np.arange(-0.12, 0.12, 0.0005)
    seen = sum(
        np.dot(lead, pulse.vector) * np.exp(-0.5 * ((at - pulse.centre) / pulse.width) ** 2)
        for pulse in qrs
    )
    return float(at[np.argmax(np.abs(seen))])


def fibrillatory_waves(
    n: int, rate: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], Vector]:
    """Return the atrial activity of a stretch of AF: `n` samples and the vector they lie along.

    A sawtooth of five harmonics whose rate (5 to 7 Hz) and size wander, after M. Stridh and
    L. Sörnmo, IEEE Trans. Biomed. Eng. 48 (2001) 105. It fades in and out over 0.3 s.
    """
    seconds = np.arange(n) / rate
    wander = 0.4 * np.sin(2 * np.pi * 0.11 * seconds + rng.uniform(0, 6)) + 0.3 * np.sin(
        2 * np.pi * 0.37 * seconds + rng.uniform(0, 6)
    )
    phase = 2 * np.pi * np.cumsum(rng.uniform(5.3, 6.7) + wander) / rate
    waves = np.zeros(n)
    for harmonic in range(1, 6):
        waves += np.sin(harmonic * phase) / harmonic**1.3
    size = 1 + 0.3 * np.sin(2 * np.pi * 0.23 * seconds + rng.uniform(0, 6))
    fade = np.clip(np.minimum(seconds, seconds[-1] - seconds) / 0.3, 0, 1) if n else seconds
    return waves * size * fade, (0.010, 0.045, -0.065)
