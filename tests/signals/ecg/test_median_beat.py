"""signals.ecg.median_beat: what the beats of a short recording share."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from signals.ecg.beat import BeatClass
from signals.ecg.median_beat import MedianBeat, median_beat, repeated_beat
from signals.simulate.ecg import SimulatedEcg, simulate_ecg
from signals.simulate.scenario import EcgScenario, NoiseLevels

RATE = 500.0
LEADS = ("II", "V2")


def _simulated(noise: NoiseLevels | None = None, pvc_per_hour: float = 0.0) -> SimulatedEcg:
    return simulate_ecg(
        EcgScenario(
            duration=12.0,
            rate=RATE,
            leads=LEADS,
            heart_rate=75,
            rr_variability=0.02,
            pvc_per_hour=pvc_per_hour,
            noise=noise or NoiseLevels(),
            seed=3,
        )
    )


def _samples(ecg: SimulatedEcg) -> NDArray[np.float32]:
    return ecg.recording.read(range(2), 0, ecg.recording.channels[0].n_samples)


def _beat(samples: NDArray[np.float32], peaks: NDArray[np.int64]) -> MedianBeat:
    beat = median_beat(samples, peaks, np.ones(len(peaks), np.bool_), RATE)
    assert beat is not None
    return beat


def _off(one: MedianBeat, other: MedianBeat) -> float:
    """Return how far two beats differ around their QRS and T, offsets aside, mV."""
    rest = [
        beat.samples[:, beat.r_index - 120 : beat.r_index + 180].astype(np.float64)
        for beat in (one, other)
    ]
    rest = [part - np.median(part, axis=1, keepdims=True) for part in rest]
    return float(np.sqrt(np.mean(np.square(rest[0] - rest[1]))))


def test_noise_and_wander_leave_the_median_beat() -> None:
    clean, noisy = _simulated(), _simulated(NoiseLevels(wander_mv=0.3, muscle_mv=0.04))
    peaks = clean.beats.samples
    single = _off(_beat(_samples(clean), peaks), _beat(_samples(noisy), peaks[4:5]))
    shared = _off(_beat(_samples(clean), peaks), _beat(_samples(noisy), peaks))
    assert shared < 0.03
    assert shared < single / 2


def test_peaks_that_jitter_leave_its_qrs_as_tall_as_it_is() -> None:
    ecg = _simulated()
    peaks = ecg.beats.samples
    jitter = np.random.default_rng(0).integers(-4, 5, len(peaks))
    exact, jittered = _beat(_samples(ecg), peaks), _beat(_samples(ecg), peaks + jitter)
    np.testing.assert_allclose(
        np.ptp(jittered.samples, axis=1), np.ptp(exact.samples, axis=1), rtol=0.02
    )


def test_only_the_beats_that_are_kept_take_part() -> None:
    ecg = _simulated(pvc_per_hour=300)
    samples, peaks = _samples(ecg), ecg.beats.samples
    normal = ecg.beats.classes == BeatClass.N
    plain = _beat(_samples(_simulated()), _simulated().beats.samples)
    conducted, ventricular = (median_beat(samples, peaks, k, RATE) for k in (normal, ~normal))
    assert conducted is not None
    assert ventricular is not None
    assert ventricular.n_beats == 1
    assert _off(conducted, plain) < 0.03
    assert _off(ventricular, plain) > 0.2


def test_missing_samples_cost_only_the_beats_they_lie_in() -> None:
    ecg = _simulated()
    samples, peaks = _samples(ecg), ecg.beats.samples
    whole = _beat(samples, peaks)
    samples[0, peaks[4] - 50 : peaks[4] + 50] = np.nan
    samples[1, peaks[6]] = np.inf
    holed = _beat(samples, peaks)
    assert np.isfinite(holed.samples).all()
    assert holed.n_beats == whole.n_beats
    assert _off(holed, whole) < 0.01


def test_a_dead_lead_is_nan_and_harms_no_other() -> None:
    ecg = _simulated()
    samples, peaks = _samples(ecg), ecg.beats.samples
    alone = _beat(samples[:1], peaks)
    samples[1] = np.nan
    beat = _beat(samples, peaks)
    assert np.isnan(beat.samples[1]).all()
    np.testing.assert_allclose(beat.samples[0], alone.samples[0], atol=1e-6)


@pytest.mark.parametrize("n", [0, 1])
def test_without_a_whole_beat_there_is_none(n: int) -> None:
    samples = np.zeros((1, 300), np.float32)
    assert median_beat(samples, np.full(n, 10), np.ones(n, np.bool_), RATE) is None


def test_a_flat_line_stays_flat() -> None:
    beat = _beat(np.ones((1, 5000), np.float32), np.arange(400, 4600, 400))
    np.testing.assert_allclose(beat.samples, 1, atol=1e-6)


@pytest.mark.parametrize("bpm", [40, 75, 190])
def test_it_fits_into_its_rr_interval(bpm: float) -> None:
    rr = 60 / bpm
    peaks = np.rint(np.arange(2, 8, rr) * RATE).astype(np.int64)
    beat = _beat(np.random.default_rng(0).standard_normal((2, 5000)).astype(np.float32), peaks)
    assert beat.samples.shape[1] <= round(rr * RATE)
    strip, at = repeated_beat(beat, rr, RATE, 7)
    assert strip.shape == (2, 7 * round(rr * RATE))
    assert len(at) == 7
    for peak in at:
        part = strip[:, peak - beat.r_index : peak - beat.r_index + beat.samples.shape[1]]
        np.testing.assert_array_equal(part, beat.samples)


def test_between_repeats_the_signal_goes_straight() -> None:
    beat = MedianBeat(np.array([[0.0, 5.0, 2.0]], np.float32), 1, 1)
    strip, peaks = repeated_beat(beat, 0.6, 10.0, 2)
    np.testing.assert_allclose(strip[0], [0, 5, 2, 1.5, 1, 0.5] * 2)
    assert peaks.tolist() == [1, 7]
