"""Finds the episodes in a stream of labelled beats."""

from __future__ import annotations

from collections import deque
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from signals.ecg.beat import BeatClass
from signals.ecg.episode import Episode, RhythmKind
from signals.ecg.rhythm._atrial import AtrialRhythms
from signals.ecg.rhythm._av_block import SecondDegreeBlock
from signals.ecg.rhythm._prevailing import Dissociation, FirstDegreeBlock, SinusRhythm
from signals.ecg.rhythm._rates import SustainedRate
from signals.ecg.rhythm._runs import Allorhythmia, ventricular_runs
from signals.ecg.rhythm._silence import Silences
from signals.ecg.rhythm._stream import PWaves, Rule, TrackedBeat
from signals.ecg.rhythm._thresholds import RhythmThresholds
from signals.ecg.waves import PWave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signals.ecg.fibrillation import Suspicion

_CLASSES = tuple(BeatClass)
_P_WAVES = tuple(PWave)


class RhythmTracker:
    """Finds the episodes in a stream of labelled beats.

    The result does not depend on how the beats were cut into blocks, and memory does not grow with
    the recording. An episode is given out once it is over; supraventricular couplets and runs also
    wait until it is known that they lie outside atrial fibrillation, which has no P waves to tell
    them by. Other kinds may overlap: fibrillation may be fast, a pause may lie in it, and sinus
    rhythm goes on under ectopic beats.

    Parameters
    ----------
    rate : float
        Sampling rate, Hz.
    thresholds : RhythmThresholds, optional
        From when on a rhythm is an episode.
    """

    def __init__(self, rate: float, thresholds: RhythmThresholds | None = None) -> None:
        limits = thresholds or RhythmThresholds()
        self._rate = rate
        self._pause_s = limits.pause_s
        self._silences = Silences(rate, limits)
        self._lone_p: deque[int] = deque()
        self._n_beats = 0
        self._last_sample: int | None = None
        self._readable_s = 0.0
        self._readable_n = 0
        self._atrial = AtrialRhythms(limits)
        self._rules: tuple[Rule, ...] = (
            SustainedRate(RhythmKind.BRADYCARDIA, limits),
            SustainedRate(RhythmKind.TACHYCARDIA, limits),
            self._atrial,
            SinusRhythm(limits),
            FirstDegreeBlock(limits),
            SecondDegreeBlock(limits),
            Dissociation(limits),
            ventricular_runs(limits),
            Allorhythmia(RhythmKind.VENTRICULAR_BIGEMINY, 1, limits),
            Allorhythmia(RhythmKind.VENTRICULAR_TRIGEMINY, 2, limits),
        )

    @property
    def fibrillation(self) -> Suspicion:
        """Where atrial fibrillation is suspected: the latest episode, and what is under way."""
        return self._atrial.suspicion

    def push(
        self,
        samples: NDArray[np.int64],
        classes: NDArray[np.int8],
        breaks: Sequence[tuple[int, int]] = (),
        p_waves: PWaves | None = None,
    ) -> list[Episode]:
        """Take the next beats; return the episodes that are now known to be over.

        Parameters
        ----------
        samples : numpy.ndarray, shape (beats,), int64
            R peaks in samples from the start of the recording, ascending over all calls.
        classes : numpy.ndarray, shape (beats,), int8
            Values of :class:`signals.ecg.beat.BeatClass`.
        breaks : sequence of (start, stop)
            Stretches in samples, `stop` not included, in which beats cannot be told, in any order:
            unreadable, or in ventricular fibrillation. Each comes at the latest with the first beat
            after its start; coming earlier does no harm. No rhythm is read across them.
        p_waves : PWaves, optional
            Of these beats; each lone P wave comes at the latest with the first beat after it. Where
            they are not known, rules that need them are silent.
        """
        if breaks:
            self._silences.add_breaks(breaks)
        atria = p_waves or PWaves.unknown(len(samples))
        self._lone_p += atria.lone_p.tolist()
        episodes: list[Episode] = []
        for sample, kind, p, pr in zip(
            samples.tolist(), classes.tolist(), atria.p.tolist(), atria.pr.tolist(), strict=True
        ):
            # a PR of 0.2 s is not over 0.2 s because float32 rounds it up
            pr_s = None if isnan(pr) else round(pr, 6)
            episodes += self._push(sample, _CLASSES[kind], _P_WAVES[p], pr_s)
        return episodes

    def finish(self, end_sample: int) -> list[Episode]:
        """Return the episodes that the end of the recording, after `end_sample` samples, closes.

        A recording that ends without beats for long enough ends with asystole of one beat; one
        without any beat is asystole of none wherever it can be read for as long.
        """
        episodes = [episode for rule in self._rules for episode in rule.finish()]
        start = self._last_sample or 0
        has_beats = self._last_sample is not None
        return episodes + self._silences.between(start, end_sample, starts=has_beats, stops=False)

    def _push(self, sample: int, kind: BeatClass, p: PWave, pr: float | None) -> list[Episode]:
        last = self._last_sample
        start = last or 0
        episodes = self._silences.between(start, sample, starts=last is not None, stops=True)
        rr = None
        if last is not None and last < sample and self._silences.is_readable(last, sample):
            rr = (sample - last) / self._rate
            self._readable_s += rr
            self._readable_n += 1
        lone_p = []
        while self._lone_p and self._lone_p[0] < sample:
            lone_p.append(self._lone_p.popleft() / self._rate)
        beat = TrackedBeat(
            number=self._n_beats,
            before=(sample if last is None else last) / self._rate,
            time=sample / self._rate,
            kind=kind,
            rr=rr,
            linked_rr=rr if rr is not None and rr < self._pause_s else None,
            readable_s=self._readable_s,
            readable_n=self._readable_n,
            p=p,
            pr=pr,
            lone_p=tuple(lone_p),
        )
        self._n_beats += 1
        self._last_sample = sample
        for rule in self._rules:
            episodes += rule.push(beat)
        return episodes
