"""Atrial fibrillation suspected from RR intervals: a rhythm that is irregularly irregular.

For each window of intervals the detector takes the median of ``|RR(i) - RR(i - k)|`` for the lags
k of 1 to 4 beats, and of these four the least, as a share of the median RR interval. Fibrillation
has no memory, so no lag helps; a rhythm that repeats itself every k beats (ectopy in bigeminy,
trigeminy or quadrigeminy, and breathing over four beats) is regular at that lag; and since all are
medians, single ectopic beats, wrong labels, missed and false beats weigh little. Where P waves are
known, a window is not in fibrillation if too many of its beats have one of their own.

A window tells that fibrillation began or ended somewhere in it. Where, its intervals tell one by
one: the edge leaves most of those that are irregular or without a P wave inside, and most of the
others outside.

In the spirit of detectors that need few operations and short windows: A. Petrėnas et al.,
"Low-complexity detection of atrial fibrillation in continuous long-term monitoring", Comput. Biol.
Med. 65 (2015) 184 (median filter against ectopic beats, suppression of bigeminy); S. Sarkar et al.,
IEEE Trans. Biomed. Eng. 55 (2008) 1219 (differences of successive intervals).
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from itertools import accumulate
from math import inf, nextafter
from typing import NamedTuple

from signals.ecg.episode import Episode, RhythmKind
from signals.ecg.waves import PWave

_LAGS = (1, 2, 3, 4)
_LENGTHS_PER_LAG = 4
"""In a window shorter than this many times a lag, too few intervals are that far apart."""
_P_WEIGHT = 2
"""How much a P wave says of a single interval, beside 1 for its difference from the one before.
Of 1 to 4 chosen on MIT-BIH record 201: fibrillation gives way to slow sinus rhythm with ectopy."""
_LEAST_GAIN = 3
"""What one regular interval after a P wave says: less may be chance. From 4 on, chosen on record
201 too, edges hardly moved."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An RR interval between two beats of the basic rhythm.

    Parameters
    ----------
    onset, end : float
        Its two R peaks, s.
    beat : int
        Number of the beat that ends it, counted from the start of the recording.
    readable_s : float
        Sum of all readable RR intervals up to its end, s.
    readable_n : int
        Their number.
    p : PWave
        What was decided of the P wave of the beat that ends it.
    """

    onset: float
    end: float
    beat: int
    readable_s: float
    readable_n: int
    p: PWave

    @property
    def rr(self) -> float:
        """Its length, s."""
        return self.end - self.onset


class Suspicion(NamedTuple):
    """Where fibrillation is suspected.

    Parameters
    ----------
    stretches : tuple of (float, float)
        Onset and end of the latest ones, s; what is under way may yet go on.
    known_s : float
        Up to when all others are known.
    """

    stretches: tuple[tuple[float, float], ...]
    known_s: float

    def overlaps(self, onset: float, end: float) -> bool | None:
        """Return whether a stretch lies in a suspected one, in part; None: not yet known."""
        if any(onset <= last and end >= first for first, last in self.stretches):
            return True
        return False if end <= self.known_s else None


EVERYWHERE = Suspicion(((0.0, inf),), inf)


class FibrillationDetector:
    """Finds stretches of suspected atrial fibrillation in a stream of RR intervals.

    The verdict on a window belongs to the interval in its middle. Where it changes, the edge of the
    episode is sought in the whole window. Memory: one window.

    Parameters
    ----------
    window : int
        Intervals that are judged together.
    fewest : int
        Intervals that are judged together where there are no more before a gap or the end.
    irregularity, irregularity_over : float
        Share of the median RR interval from which a window is irregular, and below which it is
        regular again.
    conducted_share : float
        Share of beats with a P wave of their own from which a window is not in fibrillation.
    without_p : int
        Beats of a window that must be known to have no P wave for it to be in fibrillation.
    shortest_s : float
        Length from which irregular rhythm is an episode, s.
    longest_gap_s : float
        Time without a usable interval after which judging starts afresh, s.
    """

    def __init__(
        self,
        *,
        window: int,
        fewest: int,
        irregularity: float,
        irregularity_over: float,
        conducted_share: float,
        without_p: int,
        shortest_s: float,
        longest_gap_s: float,
    ) -> None:
        self._window = window
        self._fewest = fewest
        self._irregularity = irregularity
        self._irregularity_over = irregularity_over
        self._conducted_share = conducted_share
        self._without_p = without_p
        self._shortest_s = shortest_s
        self._longest_gap_s = longest_gap_s
        beats = f"{window} beats" if fewest == window else f"{fewest} or more beats"
        self._rule = (
            f"RR intervals of {beats} at every distance of 1 to {max(_LAGS)} beats "
            f"{100 * irregularity:g} % or more apart, "
            + (
                f"under {100 * conducted_share:g} % of them after a P wave"
                if without_p
                else f"for {shortest_s:g} s or more"
            )
        )
        self._intervals: deque[Interval] = deque()
        self._n_judged = 0  # of `_intervals`, from the left
        self._irregular = False
        self._first: Interval | None = None
        self._last: Interval | None = None
        self._shortest_rr = inf  # of the intervals of the episode that left the window
        self._over = 0.0  # where the last episode ended
        self._n_with: Counter[PWave] = Counter()
        self._settled = 0.0
        self._latest: tuple[tuple[float, float], ...] = ()

    def push(self, interval: Interval) -> list[Episode]:
        """Take the next interval; return the episodes that it shows to be over."""
        self._n_with[interval.p] += 1
        self._intervals.append(interval)
        if len(self._intervals) > self._window:
            passed = self._intervals.popleft()
            self._n_with[passed.p] -= 1
            self._n_judged -= 1
            if self._first is not None and passed.onset >= self._first.onset:
                self._shortest_rr = min(self._shortest_rr, passed.rr)
        if len(self._intervals) == self._window:
            self._irregular = self._is_irregular()
            return self._judge(up_to=self._window // 2)
        return []

    def pass_time(self, onset: float, end: float) -> list[Episode]:
        """Say that the next interval is this or a later one; return as :meth:`push` does."""
        episodes: list[Episode] = []
        if self._intervals and end - self._intervals[-1].end > self._longest_gap_s:
            episodes = self.finish()
        if not self._intervals:
            self._settled = max(self._settled, onset)
        return episodes

    def finish(self) -> list[Episode]:
        """Judge what is left by the last verdict; return as :meth:`push` does. Starts afresh."""
        if self._fewest <= len(self._intervals) < self._window:
            self._irregular = self._is_irregular()
        episodes = self._judge(up_to=len(self._intervals)) + self._close()
        if self._intervals:
            self._settled = self._intervals[-1].end
        self._irregular = False
        self._intervals.clear()
        self._n_judged = 0
        self._n_with.clear()
        return episodes

    @property
    def suspicion(self) -> Suspicion:
        """The last episode that is over, and what is sure of the one under way."""
        if self._first is None or self._last is None:
            return Suspicion(self._latest, self._settled)
        onset = self._first.onset
        # the end may yet be set back into the window
        end = min(self._last.end, self._intervals[0].onset)
        if end - onset < self._shortest_s:
            return Suspicion(self._latest, nextafter(onset, -inf))
        return Suspicion((*self._latest, (onset, end)), end)

    def _is_irregular(self) -> bool:
        n = len(self._intervals)
        if self._n_with[PWave.CONDUCTED] >= self._conducted_share * n:
            return False
        if self._n_with[PWave.NONE] < self._without_p:
            return False
        rr = [interval.rr for interval in self._intervals]
        limit = self._irregularity_over if self._irregular else self._irregularity
        least = limit * _median(rr)
        return all(
            _median([abs(a - b) for a, b in zip(rr, rr[lag:], strict=False)]) >= least
            for lag in _LAGS
            if _LENGTHS_PER_LAG * lag <= n
        )

    def _judge(self, up_to: int) -> list[Episode]:
        """Put the intervals before index `up_to` that had no verdict under the present one."""
        episodes: list[Episode] = []
        for index in range(self._n_judged, up_to):
            interval = self._intervals[index]
            if not self._irregular:
                episodes += self._close()
            elif self._first is None:
                self._open(interval)
            elif interval.onset > self._first.onset:
                self._last = interval
        self._n_judged = up_to
        if self._first is None and self._intervals:
            # what begins later may yet begin in this window
            self._settled = max(self._over, self._intervals[0].onset)
        return episodes

    def _open(self, first: Interval) -> None:
        """Begin an episode, at the best edge where a whole window was judged."""
        if len(self._intervals) == self._window:
            after = [one for one in self._intervals if one.onset >= self._over]
            first = self._edge(after[::-1], self._evidence(after)[::-1], first)
        self._first = self._last = first
        self._shortest_rr = inf
        self._settled = first.onset

    def _close(self) -> list[Episode]:
        first, last = self._first, self._last
        self._first = self._last = None
        if first is None or last is None:
            return []
        inside = [one for one in self._intervals if one.onset >= first.onset]
        if len(self._intervals) == self._window:
            last = self._edge(inside, self._evidence(inside), last)
        if last.end - first.onset < self._shortest_s:
            return []
        self._over = last.end
        self._latest = ((first.onset, last.end),)
        shortest_rr = min([self._shortest_rr, *(one.rr for one in inside if one.end <= last.end)])
        seconds = last.readable_s - first.readable_s + first.rr
        intervals = last.readable_n - first.readable_n + 1
        return [
            Episode(
                RhythmKind.ATRIAL_FIBRILLATION,
                first.onset,
                last.end,
                last.beat - first.beat + 2,
                60.0 * intervals / seconds,
                60.0 / shortest_rr,
                self._rule,
            )
        ]

    @staticmethod
    def _edge(intervals: list[Interval], evidence: list[int], given: Interval) -> Interval:
        """Return the last interval of an episode that begins before the first of these.

        Another one than is `given` only where that gains enough: a few beats of fibrillation may
        well follow one another at like distances.
        """
        sums = dict(zip(intervals, accumulate(evidence), strict=True))
        best = max(intervals, key=sums.__getitem__)
        return best if sums[best] >= sums.get(given, -inf) + _LEAST_GAIN else given

    def _evidence(self, intervals: list[Interval]) -> list[int]:
        """Return for each interval how much more it looks like fibrillation than like another."""
        limit = self._irregularity * _median([one.rr for one in intervals])
        found = []
        for index, one in enumerate(intervals):
            before = intervals[index - 1] if index else intervals[min(1, len(intervals) - 1)]
            irregular = abs(one.rr - before.rr) >= limit
            p = (one.p is PWave.NONE) - (one.p is PWave.CONDUCTED)
            found.append((1 if irregular else -1) + _P_WEIGHT * p)
        return found


def _median(values: list[float]) -> float:
    """Return the median; the lower one of the two middle ones."""
    return sorted(values)[(len(values) - 1) // 2]
