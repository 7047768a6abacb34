"""Rhythms that are too slow or too fast."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from signals.ecg.episode import Episode, RhythmKind
from signals.ecg.rhythm._stream import spanning

if TYPE_CHECKING:
    from signals.ecg.rhythm._stream import TrackedBeat
    from signals.ecg.rhythm._thresholds import RhythmThresholds

_PAUSE_RATIO = 1.5
"""An interval that is a pause by its length belongs to a rhythm, a very slow one, if it is no
longer than this many times the one before. A convention of ours."""


class SustainedRate:
    """Bradycardia or tachycardia: the mean rate of a few intervals, kept up long enough.

    The episode reaches from the first beat of the first window beyond the limit to the last beat
    of the last. A pause does not make a rhythm slow: it may lie in the episode, but is not in the
    windows. Asystole ends it.
    """

    def __init__(self, kind: RhythmKind, limits: RhythmThresholds) -> None:
        self._kind = kind
        self._shortest_s = limits.sustained_s
        self._pause_s = limits.pause_s
        self._asystole_s = limits.asystole_s
        if kind is RhythmKind.BRADYCARDIA:
            self._sign, beyond = -1, "under"
            enter, leave = limits.bradycardia_bpm, limits.rate_hysteresis_bpm
        else:
            self._sign, beyond = 1, "over"
            enter, leave = limits.tachycardia_bpm, -limits.rate_hysteresis_bpm
        self._enter_bpm, self._leave_bpm = enter, enter + leave
        self._rule = (
            f"mean rate of {limits.rate_intervals} intervals {beyond} {enter:g} bpm, "
            f"for {limits.sustained_s:g} s or more"
        )
        self._n_intervals = limits.rate_intervals
        self._recent: deque[tuple[TrackedBeat, float]] = deque(maxlen=limits.rate_intervals)
        """Intervals of rhythm: the beat that each begins with, and its length."""
        self._before: TrackedBeat | None = None
        self._first: TrackedBeat | None = None
        self._last: TrackedBeat | None = None
        self._shortest_rr = float("inf")

    def push(self, beat: TrackedBeat) -> list[Episode]:
        before, self._before = self._before, beat
        if before is None:
            return []
        if beat.rr is None or beat.rr >= self._asystole_s:
            episodes = self.finish()
            self._recent.clear()
            return episodes
        if beat.rr >= self._pause_s and (before.rr is None or beat.rr > _PAUSE_RATIO * before.rr):
            return []
        self._recent.append((before, beat.rr))
        if len(self._recent) < self._n_intervals:
            return []
        bpm = 60.0 * self._n_intervals / sum(rr for _, rr in self._recent)
        limit = self._enter_bpm if self._first is None else self._leave_bpm
        if self._sign * (bpm - limit) <= 0:
            return self.finish()
        if self._first is None:
            self._first = self._recent[0][0]
            self._shortest_rr = min(rr for _, rr in self._recent)
        self._last = beat
        self._shortest_rr = min(self._shortest_rr, beat.rr)
        return []

    def finish(self) -> list[Episode]:
        first, last = self._first, self._last
        self._first = self._last = None
        if first is None or last is None or last.time - first.time < self._shortest_s:
            return []
        return [spanning(self._kind, first, last, self._shortest_rr, self._rule)]
