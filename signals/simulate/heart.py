"""When the simulated heart beats, and from where: the schedule that waves are drawn from."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from signals.ecg.beat import BeatClass
from signals.ecg.rhythm import RhythmKind
from signals.simulate.noise import narrowband
from signals.simulate.scenario import RUN_CYCLE_S, EcgScenario

if TYPE_CHECKING:
    from collections.abc import Callable

_TACHOGRAM_HZ = 4.0
"""Rate at which heart-rate modulations are drawn: well above respiration, the fastest of them."""

_RESPIRATION_HZ, _MAYER_WAVE_HZ, _DRIFT_HZ = 0.25, 0.1, 0.02
_LF_HF_RATIO = 0.5

_BRADYCARDIA_BPM, _TACHYCARDIA_BPM = 50.0, 100.0


class Origin(IntEnum):
    """Where a beat comes from, which decides its shape."""

    SINUS = 0
    ATRIAL = 1
    FIBRILLATION = 2
    VENTRICULAR = 3
    VENTRICULAR_OTHER_FOCUS = 4

    @property
    def beat_class(self) -> BeatClass:
        """The class by which the beat is scored; conducted beats of fibrillation are N."""
        if self in {Origin.VENTRICULAR, Origin.VENTRICULAR_OTHER_FOCUS}:
            return BeatClass.V
        return BeatClass.S if self is Origin.ATRIAL else BeatClass.N


@dataclass(frozen=True)
class Schedule:
    """The beats in order and the episodes that they make.

    Parameters
    ----------
    times : numpy.ndarray, shape (beats,), float64
        R peaks, s.
    origins : numpy.ndarray, shape (beats,), int8
        Values of :class:`Origin`.
    respiration : numpy.ndarray, shape (beats,), float64
        Where each beat falls in the breath: zero mean, unit variance over the recording.
    episodes : list of (onset, end, RhythmKind)
        By onset, s; from the first beat to the last.
    """

    times: NDArray[np.float64]
    origins: NDArray[np.int8]
    respiration: NDArray[np.float64]
    episodes: list[tuple[float, float, RhythmKind]]


def schedule_beats(scenario: EcgScenario, rng: np.random.Generator) -> Schedule:
    """Return the beats of `scenario`.

    Sinus intervals follow the bimodal spectrum of McSharry et al. (IEEE Trans. Biomed. Eng. 50
    (2003) 289): a low-frequency part at 0.1 Hz and respiration at 0.25 Hz, with a slow drift
    beside them. A ventricular beat leaves the sinus node alone, so the beat after it comes two
    sinus intervals after the one before it; an atrial beat resets the node.

    Raises
    ------
    ValueError
        If more isolated ectopic beats are asked for than fit into the sinus rhythm.
    """
    n = int(scenario.duration * _TACHOGRAM_HZ) + 8
    respiration = narrowband(n, _TACHOGRAM_HZ, _RESPIRATION_HZ, 0.02, rng)
    modulation = (
        respiration
        + np.sqrt(_LF_HF_RATIO) * narrowband(n, _TACHOGRAM_HZ, _MAYER_WAVE_HZ, 0.02, rng)
        + 0.5 * narrowband(n, _TACHOGRAM_HZ, 0.0, _DRIFT_HZ, rng)
    )
    modulation *= scenario.rr_variability / modulation.std()
    # 2.5 standard deviations: a sinus beat must not come so early or late as to seem ectopic
    limit = 2.5 * scenario.rr_variability
    sinus_rr = 60.0 / _sinus_rate(scenario, n) * (1 + np.clip(modulation, -limit, limit))
    heart = _Heart(scenario, sinus_rr, rng)
    heart.beat_until_the_end()
    times = np.array(heart.times)
    return Schedule(
        times=times,
        origins=np.array(heart.origins, np.int8),
        respiration=respiration[(times * _TACHOGRAM_HZ).astype(np.int64)],
        episodes=sorted([*heart.episodes, *_rate_episodes(scenario)]),
    )


def _sinus_rate(scenario: EcgScenario, n: int) -> NDArray[np.float64]:
    rate = np.full(n, scenario.heart_rate)
    for onset, end, bpm in scenario.rate_episodes:
        rate[round(onset * _TACHOGRAM_HZ) : round(end * _TACHOGRAM_HZ)] = bpm
    return rate


def _rate_episodes(scenario: EcgScenario) -> list[tuple[float, float, RhythmKind]]:
    episodes = []
    for onset, end, bpm in scenario.rate_episodes:
        if bpm < _BRADYCARDIA_BPM:
            episodes.append((onset, end, RhythmKind.BRADYCARDIA))
        elif bpm > _TACHYCARDIA_BPM:
            episodes.append((onset, end, RhythmKind.TACHYCARDIA))
    return episodes


def _isolated_ectopics(
    scenario: EcgScenario, rng: np.random.Generator
) -> list[tuple[float, Origin]]:
    """Choose when isolated ectopic beats come: far enough apart that each stays isolated."""
    hours = scenario.duration / 3600.0
    n_ventricular = round(scenario.pvc_per_hour * hours)
    n_atrial = round(scenario.sveb_per_hour * hours)
    if n_ventricular + n_atrial == 0:
        return []
    slot = 4.5 * scenario.longest_rr
    slots = np.arange(slot, scenario.duration - 2 * slot, slot)
    for onset, end in scenario.stretches():
        slots = slots[(slots + slot <= onset) | (slots >= end + slot)]
    if n_ventricular + n_atrial > slots.size:
        raise ValueError(
            f"{n_ventricular + n_atrial} isolated ectopic beats do not fit into the sinus rhythm: "
            f"{slots.size} would, one every {slot:.1f} s"
        )
    chosen = rng.permutation(slots)[: n_ventricular + n_atrial]
    other_focus = rng.random(n_ventricular) < 0.15
    origins = [Origin.VENTRICULAR_OTHER_FOCUS if o else Origin.VENTRICULAR for o in other_focus]
    origins += [Origin.ATRIAL] * n_atrial
    return list(zip(chosen.tolist(), origins, strict=True))


@dataclass
class _Heart:
    """A heart that walks through the scenario, beat by beat."""

    scenario: EcgScenario
    sinus_rr: NDArray[np.float64]
    rng: np.random.Generator
    times: list[float] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    episodes: list[tuple[float, float, RhythmKind]] = field(default_factory=list)

    def beat_until_the_end(self) -> None:
        agenda = self._agenda()
        onsets = [onset for onset, _ in agenda]
        done = 0
        self._beat(float(self.rng.uniform(0.3, 0.9)), Origin.SINUS)
        while self._now < self.scenario.duration:
            due = bisect_right(onsets, self._now, lo=done)
            if due > done:
                agenda[done][1]()
                done += 1
            else:
                self._beat(self._rr, Origin.SINUS)
        while self.times[-1] > self._last_moment:
            del self.times[-1], self.origins[-1]

    @property
    def _last_moment(self) -> float:
        """A beat later than this might have no sample to stand on, at 100 Hz."""
        return self.scenario.duration - 0.02

    @property
    def _now(self) -> float:
        return self.times[-1]

    @property
    def _rr(self) -> float:
        index = min(int(self._now * _TACHOGRAM_HZ), self.sinus_rr.size - 1)
        return float(self.sinus_rr[index])

    def _beat(self, after: float, origin: Origin) -> None:
        previous = self.times[-1] if self.times else 0.0
        self.times.append(previous + after)
        self.origins.append(origin)

    def _agenda(self) -> list[tuple[float, Callable[[], None]]]:
        s = self.scenario
        agenda: list[tuple[float, Callable[[], None]]] = []

        def plan(onset: float, act: Callable[[], None]) -> None:
            agenda.append((onset, act))

        for onset, origin in _isolated_ectopics(s, self.rng):
            plan(onset, self._atrial if origin is Origin.ATRIAL else partial(self._pvc, origin))
        for onset, beats in s.ventricular_runs:
            plan(onset, partial(self._run, Origin.VENTRICULAR, beats))
        for onset, beats in s.supraventricular_runs:
            plan(onset, partial(self._run, Origin.ATRIAL, beats))
        for onset, end in s.bigeminy:
            plan(onset, partial(self._allorhythmia, end, 1))
        for onset, end in s.trigeminy:
            plan(onset, partial(self._allorhythmia, end, 2))
        for onset, end in s.af_episodes:
            plan(onset, partial(self._fibrillate, end))
        for onset, length in s.pauses:
            plan(onset, partial(self._pause, length))
        return sorted(agenda, key=lambda item: item[0])

    def _pvc(self, origin: Origin) -> None:
        rr = self._rr
        coupling = rr * self.rng.uniform(0.55, 0.72)
        self._beat(coupling, origin)
        self._beat(2 * rr - coupling, Origin.SINUS)

    def _atrial(self) -> None:
        rr = self._rr
        self._beat(rr * self.rng.uniform(0.6, 0.75), Origin.ATRIAL)
        self._beat(rr * self.rng.uniform(1.0, 1.1), Origin.SINUS)

    def _run(self, origin: Origin, beats: int) -> None:
        rr = self._rr
        first = len(self.times)
        self._beat(rr * self.rng.uniform(0.6, 0.7), origin)
        cycle = min(RUN_CYCLE_S, 0.75 * rr)
        for step in self.rng.normal(1.0, 0.02, beats - 1):
            self._beat(cycle * float(np.clip(step, 0.94, 1.06)), origin)
        kind = _RUN_KINDS[origin.beat_class, beats > 2]
        self._episode(first, kind)
        self._beat(1.3 * rr, Origin.SINUS)

    def _allorhythmia(self, end: float, sinus_beats: int) -> None:
        first = len(self.times)
        while self._now < end:
            self._pvc(Origin.VENTRICULAR)
            for _ in range(sinus_beats - 1):
                self._beat(self._rr, Origin.SINUS)
        kind = (
            RhythmKind.VENTRICULAR_BIGEMINY
            if sinus_beats == 1
            else RhythmKind.VENTRICULAR_TRIGEMINY
        )
        # after the last ectopic beat come the sinus beats of its own cycle
        self._episode(first, kind, until=-sinus_beats)

    def _fibrillate(self, end: float) -> None:
        first = len(self.times)
        mean = 60.0 / self.scenario.af_heart_rate
        # scattered intervals without memory, their spread that of the conducted rhythm in AF
        while self._now < end:
            spread = 0.22 * self.rng.standard_normal()
            rr = float(np.clip(mean * np.exp(spread), max(0.3, 0.6 * mean), 1.8 * mean))
            self._beat(rr, Origin.FIBRILLATION)
        self._episode(first, RhythmKind.ATRIAL_FIBRILLATION)
        self._beat(1.3 * self._rr, Origin.SINUS)

    def _pause(self, length: float) -> None:
        first = len(self.times) - 1
        self._beat(length, Origin.SINUS)
        self._episode(first, RhythmKind.PAUSE)

    def _episode(self, first: int, kind: RhythmKind, until: int | None = None) -> None:
        """Note the episode from beat `first` to the last one before index `until`, if any."""
        if first == len(self.times):  # it would have ended before its first beat
            return
        last = self.times[:until][-1]
        onset = self.times[first]
        if onset < self._last_moment:
            self.episodes.append((onset, min(last, self._last_moment), kind))


_RUN_KINDS = {
    (BeatClass.V, False): RhythmKind.VENTRICULAR_COUPLET,
    (BeatClass.V, True): RhythmKind.VENTRICULAR_TACHYCARDIA,
    (BeatClass.S, False): RhythmKind.SUPRAVENTRICULAR_COUPLET,
    (BeatClass.S, True): RhythmKind.SUPRAVENTRICULAR_TACHYCARDIA,
}
