"""Run by run: couplets, short and long runs of ectopic beats, by the rules of ``rxr``.

A run of one side is looked for on the other side between 150 ms before its first and 150 ms after
its last beat, and scored by the longest run found there. It is done twice: the reference's runs
give the sensitivity, the test's runs the positive predictivity (EC57, 4.3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from signals.ecg.beat import BeatClass
from signals.ecg.ec57.beats import EC57_WINDOW
from signals.ecg.ec57.reading import is_inside
from signals.ecg.ec57.share import Share
from signals.stretches import joined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signals.ecg.ec57.reading import Reading, Stretch

_LONG_RUN = 6  # beats, and whatever is more
_LENGTHS = {"couplet": (2, 2), "short": (3, _LONG_RUN - 1), "long": (_LONG_RUN, _LONG_RUN)}


class RunKind(Enum):
    """Which beats make a run."""

    VENTRICULAR = "ventricular"
    """V and F beats. Ventricular fibrillation is a long run."""
    SUPRAVENTRICULAR = "supraventricular"
    """S beats, and N beats within atrial fibrillation or flutter, which is a long run itself."""


@dataclass(frozen=True, slots=True, eq=False)
class RunMatrices:
    """How long the runs of one side are on the other.

    Parameters
    ----------
    of_reference, of_test : numpy.ndarray, int64, shape (7, 7)
        The runs of the reference, and those of the test. Row: beats of the run in the reference,
        column: in the test; 0 is none, 6 is six or more.
    """

    of_reference: NDArray[np.int64]
    of_test: NDArray[np.int64]

    def shares(self) -> dict[str, Share]:
        """Return sensitivity (``couplet_se``) and predictivity (``couplet_pp``) by length.

        A run is found if the other side has one at least as long as the shortest of its kind.
        """
        shares = {}
        for name, (least, most) in _LENGTHS.items():
            rows = self.of_reference[least : most + 1]
            columns = self.of_test[:, least : most + 1]
            shares[f"{name}_se"] = Share(int(rows[:, least:].sum()), int(rows.sum()))
            shares[f"{name}_pp"] = Share(int(columns[least:].sum()), int(columns.sum()))
        return shares


def compare_runs(
    reference: Reading, test: Reading, kind: RunKind, *, start: float = 0.0
) -> RunMatrices:
    """Compare two readings run by run.

    Parameters
    ----------
    reference, test : Reading
        Of the same record and rate.
    kind : RunKind
        Which runs.
    start : float, default 0
        Seconds at the start whose beats begin no run.

    Notes
    -----
    The same as ``rxr`` but for corners in which that program does not find a run in its own copy:
    it forgets a run that nothing ends before the record does, takes ventricular fibrillation that
    follows upon ectopic beats for no more than those, and parts a run where the other kind of
    fibrillation begins, on the side that is searched alone.
    """
    rate = reference.rate
    first, window = round(start * rate), round(EC57_WINDOW * rate)
    of_reference = np.zeros((_LONG_RUN + 1,) * 2, np.int64)
    of_test = of_reference.copy()
    ours, theirs = _Track.of(test, kind), _Track.of(reference, kind)
    for run in theirs.runs(first):
        of_reference[run.length, ours.longest(run.first - window, run.last + window)] += 1
    for run in ours.runs(first):
        of_test[theirs.longest(run.first - window, run.last + window), run.length] += 1
    return RunMatrices(of_reference, of_test)


class _Run(NamedTuple):
    first: int
    last: int
    length: int  # beats, as many as make a long run at most

    def extended(self, to: int, beats: int) -> _Run:
        return _Run(self.first, to, min(self.length + beats, _LONG_RUN))


class _Event(NamedTuple):
    """Something that makes, stretches or ends a run; where several fall together, in this order."""

    sample: int
    order: int
    beats: int  # that a run grows by; -1: it ends


@dataclass(frozen=True, slots=True)
class _Track:
    """What one side says about one kind of run."""

    events: list[_Event]
    samples: NDArray[np.int64]  # of the events
    blocks: list[Stretch]  # fibrillation: long runs by themselves

    @classmethod
    def of(cls, reading: Reading, kind: RunKind) -> _Track:
        if kind is RunKind.VENTRICULAR:
            blocks = joined(reading.fibrillation)
            member = np.isin(reading.classes, [BeatClass.V, BeatClass.F])
        else:
            blocks = joined(reading.atrial_fibrillation + reading.atrial_flutter)
            member = reading.classes == BeatClass.S
            member |= (reading.classes == BeatClass.N) & is_inside(reading.beats, blocks)
        events = [_Event(first, 0, -1) for first, _ in reading.unreadable]
        events += [_Event(first, 1, _LONG_RUN) for first, _ in blocks]
        events += [_Event(last, 2, 0) for _, last in blocks]
        events += [
            _Event(sample, 3, 1 if grows else -1)
            for sample, grows in zip(reading.beats.tolist(), member.tolist(), strict=True)
        ]
        events.sort()
        return cls(events, np.array([event.sample for event in events], np.int64), blocks)

    def runs(self, start: int) -> Iterator[_Run]:
        """Yield the runs from `start` on, each with its first and last sample."""
        begun = any(first < start <= last for first, last in self.blocks)
        run = _Run(start, start, _LONG_RUN) if begun else None
        for sample, _, beats in self.events:
            if sample < start:
                continue
            if run is None:
                run = _Run(sample, sample, beats) if beats > 0 else None
            elif beats >= 0:
                run = run.extended(sample, beats)
            else:
                yield run
                run = None
        if run is not None:
            yield run

    def longest(self, first: int, last: int) -> int:
        """Return the length of the longest run between two samples, both included."""
        if any(begin <= last and end > first for begin, end in self.blocks):
            return _LONG_RUN
        longest = length = 0
        begin, stop = np.searchsorted(self.samples, (first, last + 1))
        for event in self.events[begin:stop]:
            ends = event.beats < 0
            length = 0 if ends else min(length + event.beats, _LONG_RUN)
            longest = max(longest, length)
        return longest
