"""Atrial fibrillation, and the supraventricular couplets and runs outside it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from signals.ecg.beat import BeatClass
from signals.ecg.fibrillation import FibrillationDetector, Interval
from signals.ecg.rhythm._runs import supraventricular_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signals.ecg.episode import Episode
    from signals.ecg.fibrillation import Suspicion
    from signals.ecg.rhythm._stream import TrackedBeat
    from signals.ecg.rhythm._thresholds import RhythmThresholds


class AtrialRhythms:
    """Atrial fibrillation, and the supraventricular couplets and runs outside it.

    Fibrillation is judged by the intervals of the basic rhythm: those beside a ventricular beat or
    a lone supraventricular one are left out. Supraventricular beats in a row are kept, since a
    classifier may well take the beats of fibrillation for them.
    """

    def __init__(self, limits: RhythmThresholds) -> None:
        self._runs = supraventricular_runs(limits)
        self._fibrillation = FibrillationDetector(
            window=limits.fibrillation_intervals,
            fewest=limits.fibrillation_fewest,
            irregularity=limits.fibrillation_irregularity,
            irregularity_over=limits.fibrillation_over,
            conducted_share=limits.fibrillation_conducted,
            without_p=limits.fibrillation_without_p,
            shortest_s=limits.fibrillation_s,
            longest_gap_s=limits.gap_s,
        )
        self._keeps_lone = limits.lone_s_in_fibrillation
        self._interval: Interval | None = None  # before the last beat
        self._kinds: tuple[BeatClass | None, BeatClass | None] = (None, None)  # of the last two
        self._basic = False  # whether the last beat but one belongs to the basic rhythm
        self._waiting: deque[Episode] = deque()

    @property
    def suspicion(self) -> Suspicion:
        """As of the detector of fibrillation."""
        return self._fibrillation.suspicion

    def push(self, beat: TrackedBeat) -> list[Episode]:
        episodes = self._judge_last_beat(beat.kind)
        self._interval = None
        if beat.rr is not None:
            self._interval = Interval(
                beat.before,
                beat.time,
                beat.number,
                beat.readable_s,
                beat.readable_n,
                beat.p,
            )
        episodes += self._fibrillation.pass_time(beat.before, beat.time)
        return episodes + self._outside_fibrillation(self._runs.push(beat))

    def finish(self) -> list[Episode]:
        episodes = self._judge_last_beat(None) + self._fibrillation.finish()
        return episodes + self._outside_fibrillation(self._runs.finish())

    def _judge_last_beat(self, following: BeatClass | None) -> list[Episode]:
        before, last = self._kinds
        lone = last is BeatClass.S and before is not BeatClass.S and following is not BeatClass.S
        basic = last is not BeatClass.V and (self._keeps_lone or not lone)
        was_basic, self._basic = self._basic, basic
        self._kinds = (last, following)
        if self._interval is not None and was_basic and self._basic:
            return self._fibrillation.push(self._interval)
        return []

    def _outside_fibrillation(self, runs: Sequence[Episode]) -> list[Episode]:
        """Take further runs; return those that are known to lie outside fibrillation."""
        self._waiting += runs
        settled = []
        while self._waiting:
            run = self._waiting[0]
            in_fibrillation = self.suspicion.overlaps(run.onset, run.end)
            if in_fibrillation is None:
                break
            self._waiting.popleft()
            if not in_fibrillation:
                settled.append(run)
        return settled
