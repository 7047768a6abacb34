"""Suspected fibrillation beside what a model says of the same stretches."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from signals.ecg.episode import Episode
    from signals.ecg.fibrillation import Suspicion

AGREED_FROM = 0.4
"""Mean probability of fibrillation from which an episode is told. Chosen on the development
recordings: those of MIT-BIH 201 and 203 have 0.7 and more; of 31 minutes of vfdb, whose reference
names no fibrillation of the atria, 19 have less."""
_LAST_S = 3600.0
_MOST_WINDOWS = 400


class FibrillationCheck:
    """Lets episodes of atrial fibrillation pass where a model agrees.

    Intervals say where fibrillation is suspected, to the beat; the model, which sees the tracing,
    says in windows whether it is that. An episode waits until it is known what the model says of
    all of it; of one longer than an hour only the last hour is looked at, so that memory does not
    grow. Where the model said nothing, the intervals are believed.
    """

    def __init__(self) -> None:
        self._waiting: deque[Episode] = deque()
        self._windows: deque[tuple[float, float, float]] = deque(maxlen=_MOST_WINDOWS)

    def take(self, suspected: Iterable[Episode], suspicion: Suspicion) -> Suspicion:
        """Take the next episodes, which wait; return where the model is to look.

        Parameters
        ----------
        suspected : iterable of Episode
            That are over.
        suspicion : Suspicion
            What is under way, and until when all is known.
        """
        self._waiting += suspected
        waiting = ((episode.onset, episode.end) for episode in self._waiting)
        return suspicion._replace(stretches=(*waiting, *suspicion.stretches))

    def judge(self, windows: Iterable[tuple[float, float, float]], until_s: float) -> list[Episode]:
        """Take what the model says; return the waiting episodes that it agrees with.

        Parameters
        ----------
        windows : iterable of (float, float, float)
            The next ones in which a lead could be read: onset and end, s, and the probability of
            fibrillation. In order of their onsets, at least 10 s apart.
        until_s : float
            No window will come that begins before.
        """
        told: list[Episode] = []
        for window in windows:
            told += self._agreed(window[0])
            self._windows.append(window)
        return told + list(self._agreed(until_s))

    def _agreed(self, until_s: float) -> Iterator[Episode]:
        while self._waiting and self._waiting[0].end <= until_s:
            if self._is_told(episode := self._waiting.popleft()):
                yield episode

    def _is_told(self, episode: Episode) -> bool:
        begin = max(episode.onset, episode.end - _LAST_S)
        seconds = weighted = 0.0
        for onset, end, probability in self._windows:
            inside = min(end, episode.end) - max(onset, begin)
            if inside > 0:
                seconds += inside
                weighted += inside * probability
        return weighted >= AGREED_FROM * seconds
