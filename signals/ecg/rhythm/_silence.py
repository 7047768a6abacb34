"""Stretches without a beat: pauses and asystole."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from signals.ecg.episode import Episode, RhythmKind
from signals.stretches import joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signals.ecg.rhythm._thresholds import RhythmThresholds


class Silences:
    """Finds pauses and asystole, and knows where the recording can be read.

    Where a break lies between two beats, what is left of the interval is a pause only if it is
    long enough for asystole: the first beats after noise are easily missed. So it is at the start
    and the end of the recording, where the interval began before or goes on after it.
    """

    def __init__(self, rate: float, limits: RhythmThresholds) -> None:
        self._rate = rate
        self._pause_s = limits.pause_s
        self._asystole_s = limits.asystole_s
        self._breaks: deque[tuple[int, int]] = deque()

    def add_breaks(self, breaks: Sequence[tuple[int, int]]) -> None:
        """Take stretches in which beats cannot be told, in any order, some may overlap."""
        self._breaks = deque(joined([*self._breaks, *breaks]))

    def is_readable(self, start: int, stop: int) -> bool:
        """Return whether no break lies between two samples; forget those before `start`."""
        while self._breaks and self._breaks[0][1] <= start:
            self._breaks.popleft()
        return not self._breaks or self._breaks[0][0] >= stop

    def between(self, start: int, stop: int, *, starts: bool, stops: bool) -> list[Episode]:
        """Return the silences from `start` to `stop`.

        `starts` and `stops` say whether a beat is there, or else an end of the recording.
        """
        if (stop - start) / self._rate < self._pause_s:
            return []
        if self.is_readable(start, stop):
            shortest_s = self._pause_s if starts and stops else self._asystole_s
            return self._silence(start, stop, starts + stops, shortest_s)
        silences = []
        readable_from, n_beats = start, int(starts)
        for broken_from, broken_to in self._breaks:
            if broken_from >= stop:
                break
            silences += self._silence(readable_from, broken_from, n_beats, self._asystole_s)
            readable_from, n_beats = broken_to, 0
        return silences + self._silence(readable_from, stop, int(stops), self._asystole_s)

    def _silence(self, start: int, stop: int, n_beats: int, shortest_s: float) -> list[Episode]:
        seconds = (stop - start) / self._rate
        if seconds < shortest_s:
            return []
        kind, limit = RhythmKind.PAUSE, self._pause_s
        if seconds >= self._asystole_s:
            kind, limit = RhythmKind.ASYSTOLE, self._asystole_s
        bpm = 60.0 / seconds
        onset, end = start / self._rate, stop / self._rate
        return [Episode(kind, onset, end, n_beats, bpm, bpm, f"no beat for {limit:g} s or more")]
