"""Suspected fibrillation beside what a model says of the same stretches."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from signals.ecg.episode import Episode, RhythmKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

AGREED_FROM = 0.4
"""Mean probability of fibrillation from which an episode is told. Chosen on the development
recordings: those of MIT-BIH 201 and 203 have 0.7 and more; of 31 minutes of vfdb, whose reference
names no fibrillation of the atria, 19 have less."""
_LAST_S = 3600.0
_MOST_WINDOWS = 400


class FibrillationCheck:
    """Lets episodes of atrial fibrillation pass where a model agrees; all others always.

    Intervals say where fibrillation is suspected, to the beat; the model, which sees the tracing,
    says in windows whether it is that. An episode waits until it is known what the model says of
    all of it; of one longer than an hour only the last hour is looked at, so that memory does not
    grow. Where the model said nothing, the intervals are believed.
    """

    def __init__(self) -> None:
        self._waiting: deque[Episode] = deque()
        self._windows: deque[tuple[float, float, float]] = deque(maxlen=_MOST_WINDOWS)

    def push(
        self, episodes: Sequence[Episode], windows: Iterable[tuple[float, float, float]]
    ) -> list[Episode]:
        """Take what became known; return the episodes that are told.

        Parameters
        ----------
        episodes : sequence of Episode
            The next ones.
        windows : iterable of (float, float, float)
            The next ones in which a lead could be read: onset and end, s, and the probability of
            fibrillation. In order of their onsets, at least 10 s apart.
        """
        suspected = [e for e in episodes if e.kind is RhythmKind.ATRIAL_FIBRILLATION]
        passed = [e for e in episodes if e.kind is not RhythmKind.ATRIAL_FIBRILLATION]
        self._waiting += suspected
        for window in windows:
            while self._waiting and window[0] >= self._waiting[0].end:
                passed += self._judged(self._waiting.popleft())
            self._windows.append(window)
        return passed

    def finish(self) -> list[Episode]:
        """Return those of the waiting episodes that are told: no more windows come."""
        passed = [e for episode in self._waiting for e in self._judged(episode)]
        self._waiting.clear()
        return passed

    def _judged(self, episode: Episode) -> list[Episode]:
        begin = max(episode.onset, episode.end - _LAST_S)
        seconds = weighted = 0.0
        for onset, end, probability in self._windows:
            inside = min(end, episode.end) - max(onset, begin)
            if inside > 0:
                seconds += inside
                weighted += inside * probability
        return [episode] if weighted >= AGREED_FROM * seconds else []
