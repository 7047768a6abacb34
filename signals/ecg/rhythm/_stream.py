"""What the rules are told of each beat, and what they have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from signals.ecg.beat import BeatClass
from signals.ecg.episode import Episode, RhythmKind
from signals.ecg.waves import BeatWaves, PWave, Wave

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class PWaves:
    """What is known of the atria at some beats.

    Parameters
    ----------
    pr : numpy.ndarray, shape (n,), float32
        PR interval, from the onset of the P wave to that of the QRS, s; NaN where there is none.
    p : numpy.ndarray, shape (n,), int8
        :class:`signals.ecg.waves.PWave`.
    lone_p : numpy.ndarray, shape (m,), int64
        Peaks of P waves that no QRS follows, in samples, ascending over all pushes.
    """

    pr: NDArray[np.float32]
    p: NDArray[np.int8]
    lone_p: NDArray[np.int64]

    @classmethod
    def of(cls, waves: BeatWaves) -> Self:
        """Return what the waves of the beats say of the atria."""
        return cls(waves.interval(Wave.P_ONSET, Wave.QRS_ONSET), waves.p_waves, waves.lone_p)

    @classmethod
    def unknown(cls, n: int) -> Self:
        """Return that nothing is known at `n` beats."""
        nothing = np.full(n, np.nan, np.float32)
        return cls(nothing, np.full(n, PWave.UNREADABLE, np.int8), np.empty(0, np.int64))


class TrackedBeat(NamedTuple):
    """A beat with what lies between it and the beat before.

    Parameters
    ----------
    number : int
        Counted from the start of the recording.
    before, time : float
        R peak of the beat before and its own, s.
    kind : BeatClass
        Its class.
    rr : float or None
        The interval between the two, s; None where it cannot be read.
    linked_rr : float or None
        The same, and None if it is a pause: beats of one pattern follow each other without one.
    readable_s, readable_n : float, int
        Sum and number of all readable RR intervals up to the beat.
    p : PWave
        What was decided of its P wave.
    pr : float or None
        Its PR interval, s.
    lone_p : tuple of float
        P waves that no QRS follows, after the beat before, s.
    """

    number: int
    before: float
    time: float
    kind: BeatClass
    rr: float | None
    linked_rr: float | None
    readable_s: float
    readable_n: int
    p: PWave
    pr: float | None
    lone_p: tuple[float, ...]

    @property
    def is_conducted(self) -> bool:
        """Whether it is a normal beat after a P wave of its own."""
        return self.kind is BeatClass.N and self.p is PWave.CONDUCTED


class Rule(Protocol):
    """Something that is told every beat and returns the episodes that are over."""

    def push(self, beat: TrackedBeat) -> Iterable[Episode]: ...

    def finish(self) -> Iterable[Episode]: ...


class Stretch:
    """Beats in a row, without a break between them."""

    def __init__(self, onset: float) -> None:
        self.onset = self.end = onset
        self.n_beats = 1
        self.shortest_rr = float("inf")

    def add(self, time: float, rr: float) -> None:
        self.end = time
        self.n_beats += 1
        self.shortest_rr = min(self.shortest_rr, rr)

    @property
    def bpm(self) -> float:
        # a run of 0.6-s intervals has 100 beats a minute, not 99.99999999999997
        return round(60.0 * (self.n_beats - 1) / (self.end - self.onset), 9)

    def episode(self, kind: RhythmKind, rule: str) -> Episode:
        peak = 60.0 / self.shortest_rr
        return Episode(kind, self.onset, self.end, self.n_beats, self.bpm, peak, rule)


def spanning(
    kind: RhythmKind, first: TrackedBeat, last: TrackedBeat, shortest_rr: float, rule: str
) -> Episode:
    """Return the episode from one beat to another, with some readable intervals between them."""
    mean_rr = (last.readable_s - first.readable_s) / (last.readable_n - first.readable_n)
    peak = 60.0 / min(shortest_rr, mean_rr)
    n_beats = last.number - first.number + 1
    return Episode(kind, first.time, last.time, n_beats, 60.0 / mean_rr, peak, rule)
