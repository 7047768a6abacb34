"""Rhythms that most beats are in by their P waves: sinus, first-degree block, dissociation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from signals.ecg.beat import BeatClass
from signals.ecg.episode import Episode, RhythmKind
from signals.ecg.rhythm._stream import TrackedBeat, spanning
from signals.ecg.waves import PWave

if TYPE_CHECKING:
    from signals.ecg.rhythm._thresholds import RhythmThresholds

_BEGIN_SHARE = 0.8
_END_SHARE = 0.5
_DECIDED_SHARE = 0.5
_DECIDED_OF = 60  # beats
_UNPAIRED_SHARE = 0.1


class _Judged(NamedTuple):
    """A beat of which it can be told whether it is in a rhythm."""

    beat: TrackedBeat
    fits: bool


class _Prevailing(ABC):
    """A rhythm that begins when most beats of a window are in it and ends when few are.

    Beats of which it cannot be told, as ectopic and unreadable ones, neither begin nor end it,
    unless there is nothing else for too long, or P waves are undecided in most of the last 60
    beats: a minute of them, so that some noise in a night does not break it into pieces. What
    cannot be read for a few seconds, as ventricular fibrillation, ends it.
    """

    _kind: RhythmKind
    _rule: str

    def __init__(self, limits: RhythmThresholds) -> None:
        self._begin_beats = limits.p_wave_beats
        self._end_beats = limits.p_wave_beats_over
        self._shortest_s = limits.p_wave_rhythm_s
        self._gap_s = limits.gap_s
        self._break_s = limits.p_wave_gap_s
        self._readable_until = 0.0
        self._undecided: deque[bool] = deque(maxlen=_DECIDED_OF)
        self._recent: deque[_Judged] = deque()
        self._n_fitting = 0  # of `_recent`, once it has begun
        self._first: TrackedBeat | None = None
        self._last: TrackedBeat | None = None
        self._shortest_rr = float("inf")

    @abstractmethod
    def _judge(self, beat: TrackedBeat) -> bool | None:
        """Return whether `beat` is in the rhythm; None where that cannot be told."""

    def push(self, beat: TrackedBeat) -> list[Episode]:
        episodes: list[Episode] = []
        if self._is_gap(beat):
            episodes = self.finish()
            self._undecided.clear()
        self._undecided.append(beat.p is PWave.UNREADABLE)
        decided = sum(self._undecided) <= (1 - _DECIDED_SHARE) * len(self._undecided)
        if self._first is not None and not decided:
            episodes += self.finish()
        fits = self._judge(beat)
        if fits is None:
            return episodes
        self._recent.append(_Judged(beat, fits))
        if self._first is None:
            if len(self._recent) > self._begin_beats:
                self._recent.popleft()
            if decided:
                self._try_to_begin()
            return episodes
        self._n_fitting += fits
        if len(self._recent) > self._end_beats:
            self._n_fitting -= self._recent.popleft().fits
        if self._n_fitting < _END_SHARE * len(self._recent):
            episodes += self.finish()
        elif fits:
            self._extend(beat)
        return episodes

    def finish(self) -> list[Episode]:
        first, last, shortest_rr = self._first, self._last, self._shortest_rr
        self._first = self._last = None
        self._shortest_rr = float("inf")
        self._recent.clear()
        if first is None or last is None or last.time - first.time < self._shortest_s:
            return []
        if last.readable_n == first.readable_n:
            return []
        return [spanning(self._kind, first, last, shortest_rr, self._rule)]

    def _is_gap(self, beat: TrackedBeat) -> bool:
        """Return whether the rhythm before `beat` is not to be followed up to it."""
        is_read = beat.rr is not None and beat.rr <= self._break_s
        begins = beat.before if is_read else beat.time
        is_break = begins - self._readable_until > self._break_s
        if is_break or beat.rr is not None:
            self._readable_until = beat.time
        if is_break or not self._recent:
            return is_break
        return beat.time - self._recent[-1].beat.time > self._gap_s

    def _try_to_begin(self) -> None:
        fitting = [one.beat for one in self._recent if one.fits]
        if len(fitting) < _BEGIN_SHARE * self._begin_beats:
            return
        while not self._recent[0].fits:
            self._recent.popleft()
        self._first = fitting[0]
        self._n_fitting = len(fitting)
        for beat in fitting:
            self._extend(beat)

    def _extend(self, beat: TrackedBeat) -> None:
        if self._last is not None and beat.number == self._last.number + 1 and beat.rr is not None:
            self._shortest_rr = min(self._shortest_rr, beat.rr)
        self._last = beat


class SinusRhythm(_Prevailing):
    """Normal beats, most of them after a P wave of their own.

    Ectopic beats, short runs and noise do not end it: it is the rhythm that they stand out from.
    Its peak rate is that of normal beats in a row.
    """

    _kind = RhythmKind.SINUS_RHYTHM

    def __init__(self, limits: RhythmThresholds) -> None:
        super().__init__(limits)
        self._rule = (
            f"normal beats with a conducted P wave for {limits.p_wave_rhythm_s:g} s or more"
        )

    def _judge(self, beat: TrackedBeat) -> bool | None:
        if beat.kind is not BeatClass.N or beat.p is PWave.UNREADABLE:
            return None
        return beat.p is PWave.CONDUCTED


class FirstDegreeBlock(_Prevailing):
    """Every P wave is conducted, and late."""

    _kind = RhythmKind.FIRST_DEGREE_BLOCK

    def __init__(self, limits: RhythmThresholds) -> None:
        super().__init__(limits)
        self._longest_s = limits.first_degree_pr_s
        self._rule = (
            f"PR over {1000 * limits.first_degree_pr_s:g} ms in most beats "
            f"for {limits.p_wave_rhythm_s:g} s or more"
        )

    def _judge(self, beat: TrackedBeat) -> bool | None:
        if beat.kind is not BeatClass.N or beat.p is PWave.UNREADABLE:
            return None
        if beat.p is not PWave.CONDUCTED:
            return False
        return None if beat.pr is None else beat.pr > self._longest_s


class Dissociation(_Prevailing):
    """P waves and QRS complexes that have nothing to do with each other, the latter slow and even.

    Third-degree block looks like this; so does a slow sinus node beside a junction that is faster.
    Where each QRS complex has just one P wave, PR is badly measured rather than dissociated: before
    a tenth of the beats there is none, or one more than their own.
    """

    _kind = RhythmKind.DISSOCIATION

    def __init__(self, limits: RhythmThresholds) -> None:
        super().__init__(limits)
        self._least_rr = 60.0 / limits.dissociation_bpm
        self._step = limits.dissociation_step
        self._rr_before: float | None = None
        self._unpaired: deque[bool] = deque(maxlen=limits.p_wave_beats_over)
        self._rule = (
            f"P waves unrelated to an even rhythm under {limits.dissociation_bpm:g} bpm "
            f"for {limits.p_wave_rhythm_s:g} s or more"
        )

    def _judge(self, beat: TrackedBeat) -> bool | None:
        rr_before, self._rr_before = self._rr_before, beat.rr
        if beat.kind not in {BeatClass.N, BeatClass.V} or beat.p is PWave.UNREADABLE:
            return None
        if beat.rr is None or rr_before is None:
            return None
        self._unpaired.append(beat.p is PWave.NONE or bool(beat.lone_p))
        if sum(self._unpaired) < _UNPAIRED_SHARE * len(self._unpaired):
            return False
        even = abs(beat.rr - rr_before) <= self._step * rr_before
        return beat.p is PWave.UNRELATED and even and beat.rr > self._least_rr
