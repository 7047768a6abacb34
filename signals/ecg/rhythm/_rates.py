"""Rhythms that are too slow or too fast."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from signals.ecg.episode import Episode, RhythmKind
from signals.ecg.rhythm._stream import Stretch

if TYPE_CHECKING:
    from signals.ecg.rhythm._stream import TrackedBeat
    from signals.ecg.rhythm._thresholds import RhythmThresholds


class SustainedRate:
    """Bradycardia or tachycardia: the mean rate of a few intervals, kept up long enough.

    The episode reaches from the first beat of the first window beyond the limit to the last beat
    of the last.
    """

    def __init__(self, kind: RhythmKind, limits: RhythmThresholds) -> None:
        self._kind = kind
        self._shortest_s = limits.sustained_s
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
        self._recent: deque[TrackedBeat] = deque(maxlen=limits.rate_intervals + 1)
        self._stretch: Stretch | None = None

    def push(self, beat: TrackedBeat) -> list[Episode]:
        episodes: list[Episode] = []
        if beat.rr is None:
            episodes = self.finish()
            self._recent.clear()
        self._recent.append(beat)
        if len(self._recent) < (self._recent.maxlen or 0):
            return episodes
        bpm = 60.0 * (len(self._recent) - 1) / (beat.time - self._recent[0].time)
        if self._stretch is None:
            if self._sign * (bpm - self._enter_bpm) > 0:
                self._stretch = Stretch(self._recent[0].time)
                for past in list(self._recent)[1:]:
                    self._extend(self._stretch, past)
        elif self._sign * (bpm - self._leave_bpm) > 0:
            self._extend(self._stretch, beat)
        else:
            episodes += self.finish()
        return episodes

    def finish(self) -> list[Episode]:
        stretch, self._stretch = self._stretch, None
        if stretch is None or stretch.end - stretch.onset < self._shortest_s:
            return []
        return [stretch.episode(self._kind, self._rule)]

    @staticmethod
    def _extend(stretch: Stretch, beat: TrackedBeat) -> None:
        if beat.rr is not None:
            stretch.add(beat.time, beat.rr)
