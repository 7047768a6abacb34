"""What is no heart, or badly recorded, makes no episode: detectors and rules together."""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from signals.ecg.qrs import QrsBatch, QrsDetector
from signals.ecg.rhythm import Episode, RhythmKind, RhythmTracker
from signals.ecg.ventricular import VentricularDetector
from signals.quality import is_readable

if TYPE_CHECKING:
    from collections.abc import Iterable

Signal = NDArray[np.float32]

RATE = 250
RAILS = (-5.0, 5.0)


class Chain:
    """Beats, fibrillation and rhythm of a stream; every beat is taken for a normal one."""

    def __init__(self, rate: float, n_leads: int) -> None:
        self._rate = rate
        self._beats = QrsDetector(rate, [RAILS] * n_leads)
        self._ventricular = VentricularDetector(rate, n_leads)
        self._rhythm = RhythmTracker(rate)
        self._seconds = 0
        self._waiting: NDArray[np.int64] = np.zeros(0, np.int64)
        self.peaks: list[int] = []
        self.fibrillation: list[tuple[int, int]] = []
        self.episodes: list[Episode] = []

    def push(self, samples: Signal) -> None:
        found = self._beats.push(samples)
        self.fibrillation += self._ventricular.push(samples, is_readable(found.quality))
        self._take(found, self._ventricular.settled)

    def finish(self, n_samples: int) -> None:
        found = self._beats.finish()
        self.fibrillation += self._ventricular.finish()
        self._take(found, n_samples)
        self.episodes += self._rhythm.finish(n_samples)

    def _take(self, found: QrsBatch, settled: int) -> None:
        """Give the tracker the beats of which it is known whether they lie in fibrillation."""
        lost = np.flatnonzero(~is_readable(found.quality).any(axis=0)) + self._seconds
        self._seconds += found.quality.shape[1]
        breaks = [(ceil(s * self._rate), ceil((s + 1) * self._rate)) for s in lost.tolist()]
        breaks += [*found.unclear, *self.fibrillation]
        if self._ventricular.under_way:
            breaks.append(self._ventricular.under_way)
        self._waiting = np.concatenate((self._waiting, found.peaks))
        ready, self._waiting = np.split(self._waiting, [np.searchsorted(self._waiting, settled)])
        self.peaks += ready.tolist()
        self.episodes += self._rhythm.push(ready, np.zeros(ready.size, np.int8), breaks)


def run(signal: Signal | list[Signal], rate: float = RATE, cuts: Iterable[int] = ()) -> Chain:
    leads = np.atleast_2d(np.asarray(signal, np.float32))
    chain = Chain(rate, len(leads))
    for start, end in pairwise([0, *sorted(cuts), leads.shape[1]]):
        chain.push(leads[:, start:end])
    chain.finish(leads.shape[1])
    return chain


def kinds(chain: Chain) -> list[RhythmKind]:
    return sorted(episode.kind for episode in chain.episodes if not episode.kind.is_basic)


def beats(times: Iterable[float], seconds: float, rate: float = RATE) -> Signal:
    t = np.arange(round(seconds * rate)) / rate
    signal = np.random.default_rng(1).normal(0, 0.01, t.size)
    for time in times:
        signal += np.exp(-0.5 * ((t - time) / 0.012) ** 2)
        signal += 0.25 * np.exp(-0.5 * ((t - time - 0.28) / 0.05) ** 2)
    return signal.astype(np.float32)


def sinus(seconds: float, rate: float = RATE) -> Signal:
    return beats(np.arange(0.5, seconds - 0.3, 0.8), seconds, rate)


def waves(seconds: float) -> Signal:
    """Return fibrillation: waves between 3.5 and 5.5 Hz that wax and wane."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(4.5 + np.sin(2 * np.pi * 0.23 * t)) / RATE
    return (0.5 * (1 + 0.5 * np.sin(2 * np.pi * 0.31 * t)) * np.sin(phase)).astype(np.float32)


def _nothing(kind: str) -> Signal:
    rng = np.random.default_rng(2)
    t = np.arange(60 * RATE) / RATE
    signals = {
        "nothing there": np.full(t.size, np.nan),
        "infinite": np.full(t.size, np.inf),
        "constant": np.full(t.size, 0.7),
        "at the rail": np.full(t.size, 5.0),
        "square wave": np.sign(np.sin(2 * np.pi * 1.3 * t)),
        "fast square wave": np.sign(np.sin(2 * np.pi * 4 * t)),
        "white noise at full scale": rng.uniform(-5, 5, t.size),
        "60 dB of baseline drift": 1000 * np.sin(2 * np.pi * 0.1 * t).clip(-0.005, 0.005),
    }
    return signals[kind].astype(np.float32)


NOTHING = [
    "nothing there",
    "infinite",
    "constant",
    "at the rail",
    "square wave",
    "fast square wave",
    "white noise at full scale",
    "60 dB of baseline drift",
]


@pytest.mark.parametrize("kind", NOTHING)
def test_what_cannot_be_read_has_neither_beats_nor_episodes(kind: str) -> None:
    chain = run(_nothing(kind))
    assert chain.peaks == []
    assert chain.fibrillation == []
    assert chain.episodes == []


@pytest.mark.parametrize("kind", NOTHING)
def test_it_hides_nothing_in_the_other_lead(kind: str) -> None:
    for leads in ([sinus(60), _nothing(kind)], [_nothing(kind), sinus(60)]):
        chain = run(leads)
        assert len(chain.peaks) == 74
        assert chain.fibrillation == []
        assert kinds(chain) == []


@pytest.mark.parametrize("kind", NOTHING)
def test_in_the_middle_of_a_recording_it_makes_a_gap(kind: str) -> None:
    signal = sinus(60)
    signal[20 * RATE : 40 * RATE] = _nothing(kind)[: 20 * RATE]
    chain = run(signal)
    assert [p for p in chain.peaks if 21 * RATE < p < 39 * RATE] == []
    assert len(chain.peaks) >= 48
    assert chain.fibrillation == []
    assert kinds(chain) == []


@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_no_beat_is_asystole(noise: float) -> None:
    t = np.arange(60 * RATE) / RATE
    signal = np.random.default_rng(0).normal(0, noise, t.size) + 0.2 * np.sin(0.6 * np.pi * t)
    chain = run(signal.astype(np.float32))
    assert chain.peaks == []
    assert chain.fibrillation == []
    assert kinds(chain) == [RhythmKind.ASYSTOLE]


def test_half_a_minute_without_beats() -> None:
    chain = run(beats([*np.arange(0.5, 20, 0.8), *np.arange(50, 70, 0.8)], 70))
    assert chain.fibrillation == []
    assert RhythmKind.PAUSE not in kinds(chain)
    (asystole,) = [e for e in chain.episodes if e.kind is RhythmKind.ASYSTOLE]
    assert asystole.duration == pytest.approx(30.3, abs=0.3)


def test_one_beat() -> None:
    chain = run(beats([7.0], 20))
    assert len(chain.peaks) == 1
    assert chain.fibrillation == []
    assert set(kinds(chain)) == {RhythmKind.ASYSTOLE}


@pytest.mark.parametrize("length", [0, 1, RATE // 3])
def test_next_to_nothing(length: int) -> None:
    chain = run(np.zeros((2, length), np.float32))
    assert (chain.peaks, chain.fibrillation, chain.episodes) == ([], [], [])


def test_leads_that_are_swapped_halfway() -> None:
    first, second = sinus(60), -0.4 * sinus(60)
    middle = 30 * RATE + 100
    swapped = [np.r_[first[:middle], second[middle:]], np.r_[second[:middle], first[middle:]]]
    chain = run(swapped)
    assert len(chain.peaks) == 74
    assert chain.fibrillation == []
    assert kinds(chain) == []


@pytest.mark.parametrize(
    ("factor", "kind"), [(0.5, RhythmKind.BRADYCARDIA), (2.0, RhythmKind.TACHYCARDIA)]
)
def test_a_rate_that_is_wrong_by_a_factor_of_two(factor: float, kind: RhythmKind) -> None:
    chain = run(sinus(119.4), RATE * factor)
    assert chain.fibrillation == []
    assert set(kinds(chain)) <= {kind}
    assert chain.peaks == pytest.approx(np.arange(0.5, 119.1, 0.8) * RATE, abs=8)


def test_drift_much_higher_than_the_beats_makes_no_episode() -> None:
    t = np.arange(60 * RATE) / RATE
    signal = 0.1 * sinus(60) + 4.5 * np.sin(2 * np.pi * 0.05 * t)
    chain = run(signal.astype(np.float32))
    assert chain.fibrillation == []
    assert kinds(chain) == []


@pytest.mark.parametrize("length", [2.5, 6, 25])
def test_fibrillation_is_no_pause(length: float) -> None:
    signal = sinus(60)
    begin, end = 20 * RATE, round((20 + length) * RATE)
    signal[begin:end] = waves(length)
    chain = run(signal, cuts=range(100, 60 * RATE, 170))
    assert len(chain.fibrillation) == (length > 4)
    assert not {RhythmKind.PAUSE, RhythmKind.ASYSTOLE} & set(kinds(chain))


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 60 * RATE), max_size=10))
def test_episodes_are_the_same_for_any_cut(cuts: list[int]) -> None:
    signal = sinus(60)
    signal[8 * RATE : 13 * RATE] = 0.0
    signal[17 * RATE : 31 * RATE] = waves(14)
    signal[40 * RATE : 45 * RATE] = _nothing("white noise at full scale")[: 5 * RATE]
    signal[52 * RATE : 57 * RATE] *= 0.01
    whole, cut = run(signal), run(signal, cuts=cuts)
    assert cut.peaks == whole.peaks
    assert cut.fibrillation == whole.fibrillation != []
    assert sorted(cut.episodes, key=str) == sorted(whole.episodes, key=str)
