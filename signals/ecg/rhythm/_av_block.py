"""Second-degree atrioventricular block: P waves on time that no QRS follows.

The definitions are those of the 2018 ACC/AHA/HRS guideline on bradycardia: the P waves come at a
constant rate under 100 a minute; in type 1 PR differs before and after the blocked one, in type 2
it does not, in 2:1 block every other P wave is blocked (and no type can be told), in advanced block
two or more in a row are.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from signals.ecg.episode import Episode, RhythmKind
from signals.ecg.rhythm._stream import TrackedBeat, spanning

if TYPE_CHECKING:
    from signals.ecg.rhythm._thresholds import RhythmThresholds


_NEVER = float("inf")


def _rr(beat: TrackedBeat) -> float:
    return _NEVER if beat.rr is None else beat.rr


@dataclass(slots=True)
class _Blocked:
    """Cycles of one kind of block, near each other."""

    kind: RhythmKind
    first: TrackedBeat
    last: TrackedBeat
    shortest_rr: float
    shortest_since: float
    """Among the intervals after `last`."""


@dataclass(frozen=True, slots=True)
class _SingleDrop:
    """An interval in which one P wave was blocked, whose kind the next interval may change."""

    first: TrackedBeat
    last: TrackedBeat
    kind: RhythmKind | None
    """By its PR intervals; None if they fit no definition, or the interval before was such too."""


class SecondDegreeBlock:
    """Blocked P waves; cycles of one kind near each other make one episode.

    Only between normal beats with conducted P waves. P waves are timed at R less PR for the beats
    and at their peaks for the lone ones: 10 or 20 ms apart, a small part of what is tolerated.
    """

    def __init__(self, limits: RhythmThresholds) -> None:
        self._gap_s = limits.gap_s
        self._step = limits.atrial_step
        self._least_pp = 60.0 / limits.atrial_bpm
        self._pr_step_s = limits.pr_step_s
        step_ms = 1000 * limits.pr_step_s
        self._rules = {
            RhythmKind.TYPE_1_BLOCK: f"P wave blocked, PR {step_ms:g} ms or more shorter after it",
            RhythmKind.TYPE_2_BLOCK: f"P wave blocked, PR changing less than {step_ms:g} ms",
            RhythmKind.TWO_TO_ONE_BLOCK: "every other P wave blocked, 2 or more times",
            RhythmKind.ADVANCED_BLOCK: "2 or more P waves blocked in a row",
        }
        self._before: tuple[TrackedBeat | None, TrackedBeat | None] = (None, None)
        self._drop: _SingleDrop | None = None
        self._blocked: _Blocked | None = None

    def push(self, beat: TrackedBeat) -> list[Episode]:
        earlier, before = self._before
        self._before = (before, beat)
        drop, self._drop = self._drop, None
        n_blocked = self._n_blocked(before, beat)
        episodes: list[Episode] = []
        if before is not None and n_blocked > 1:
            episodes += self._settle(drop)
            episodes += self._add(RhythmKind.ADVANCED_BLOCK, before, [beat])
        elif before is not None and n_blocked == 1:
            kind = self._type(earlier, before, beat)
            self._drop = _SingleDrop(before, beat, kind)
            if drop is not None:
                episodes += self._add(RhythmKind.TWO_TO_ONE_BLOCK, drop.first, [before, beat])
        else:
            episodes += self._settle(drop)
        if self._blocked is not None:
            self._blocked.shortest_since = min(self._blocked.shortest_since, _rr(beat))
            if beat.time - self._blocked.last.time > self._gap_s:
                episodes += self._close()
        return episodes

    def finish(self) -> list[Episode]:
        drop, self._drop = self._drop, None
        return self._settle(drop) + self._close()

    def _n_blocked(self, before: TrackedBeat | None, beat: TrackedBeat) -> int:
        """Return how many P waves were blocked between two beats, 0 if they are not on time."""
        if before is None or not beat.lone_p or beat.rr is None:
            return 0
        if not (before.is_conducted and beat.is_conducted) or before.pr is None or beat.pr is None:
            return 0
        p_times = [before.time - before.pr, *beat.lone_p, beat.time - beat.pr]
        return len(beat.lone_p) if self._is_even([b - a for a, b in pairwise(p_times)]) else 0

    def _is_even(self, steps: list[float]) -> bool:
        mean = sum(steps) / len(steps)
        return mean > self._least_pp and all(abs(s - mean) <= self._step * mean for s in steps)

    def _type(
        self, earlier: TrackedBeat | None, before: TrackedBeat, beat: TrackedBeat
    ) -> RhythmKind | None:
        """Return the kind of a single blocked P wave, by the two beats before it and that after."""
        if earlier is None or not earlier.is_conducted or before.lone_p or before.rr is None:
            return None
        if earlier.pr is None or before.pr is None or beat.pr is None:
            return None
        p_before = before.time - before.pr
        steps = [p_before - earlier.time + earlier.pr, beat.lone_p[0] - p_before]
        if not self._is_even(steps):
            return None
        if before.pr - beat.pr >= self._pr_step_s:
            return RhythmKind.TYPE_1_BLOCK
        steady = abs(before.pr - beat.pr) < self._pr_step_s
        steady &= abs(before.pr - earlier.pr) < self._pr_step_s
        return RhythmKind.TYPE_2_BLOCK if steady else None

    def _settle(self, drop: _SingleDrop | None) -> list[Episode]:
        """Take a blocked P wave that no other one follows at once."""
        if drop is None or drop.kind is None:
            return []
        return self._add(drop.kind, drop.first, [drop.last])

    def _add(
        self, kind: RhythmKind, first: TrackedBeat, following: list[TrackedBeat]
    ) -> list[Episode]:
        """Take a cycle: the beat before the blocked P wave, and those after it."""
        episodes: list[Episode] = []
        if self._blocked is None or self._blocked.kind is not kind:
            episodes = self._close()
            self._blocked = _Blocked(kind, first, first, _NEVER, _NEVER)
        blocked = self._blocked
        blocked.last = following[-1]
        shortest = min(map(_rr, following))
        blocked.shortest_rr = min(blocked.shortest_rr, blocked.shortest_since, shortest)
        blocked.shortest_since = _NEVER
        return episodes

    def _close(self) -> list[Episode]:
        blocked, self._blocked = self._blocked, None
        if blocked is None:
            return []
        rule = self._rules[blocked.kind]
        return [spanning(blocked.kind, blocked.first, blocked.last, blocked.shortest_rr, rule)]
