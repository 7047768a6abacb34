"""Beat-by-beat comparison of a detector with reference marks, as ANSI/AAMI EC57 asks for it.

The pairing is the one of PhysioNet's ``bxb``: in time order, one to one, within a window (150 ms in
EC57, 4.3.1), and a mark goes unpaired when its neighbour fits the other side better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

EC57_WINDOW = 0.150
"""Seconds that a detection may lie from its reference beat."""
EC57_LEARNING = 300.0
"""Seconds at the start of a record that are not counted."""

Samples = NDArray[np.int64]
T = TypeVar("T", np.int64, np.float64)


@dataclass(frozen=True, slots=True)
class BeatComparison:
    """What a comparison counted.

    Parameters
    ----------
    pairs : numpy.ndarray, shape (matched, 2), int64
        Reference sample and detected sample of each true positive.
    missed : numpy.ndarray, shape (FN,), int64
        Reference samples without a detection.
    extra : numpy.ndarray, shape (FP,), int64
        Detected samples without a reference beat.
    rate : float
        Sampling rate of the samples, Hz.
    """

    pairs: Samples
    missed: Samples
    extra: Samples
    rate: float

    @property
    def offsets(self) -> NDArray[np.float64]:
        """Detected minus reference time of each true positive, seconds."""
        return (self.pairs[:, 1] - self.pairs[:, 0]) / self.rate

    @property
    def counts(self) -> BeatCounts:
        """The counts alone, to be summed over records."""
        return BeatCounts(len(self.pairs), len(self.missed), len(self.extra))


@dataclass(frozen=True, slots=True)
class BeatCounts:
    """True positives, false negatives and false positives; they add up to gross figures."""

    matched: int = 0
    missed: int = 0
    extra: int = 0

    def __add__(self, other: BeatCounts) -> BeatCounts:
        return BeatCounts(
            self.matched + other.matched, self.missed + other.missed, self.extra + other.extra
        )

    @property
    def sensitivity(self) -> float:
        """Se, share of the reference beats that were found; NaN where there are none."""
        return _share(self.matched, self.matched + self.missed)

    @property
    def positive_predictivity(self) -> float:
        """+P, share of the detections that are beats; NaN where there are none."""
        return _share(self.matched, self.matched + self.extra)

    @property
    def f1(self) -> float:
        """Harmonic mean of Se and +P; NaN where there is neither beat nor detection."""
        return _share(2 * self.matched, 2 * self.matched + self.missed + self.extra)


def compare_beats(
    reference: Samples,
    detected: Samples,
    rate: float,
    *,
    window: float = EC57_WINDOW,
    start: float = 0.0,
    excluded: Sequence[tuple[int, int]] = (),
) -> BeatComparison:
    """Pair detections with reference beats and count what is left over.

    Parameters
    ----------
    reference, detected : numpy.ndarray of int64
        Sample numbers, ascending.
    rate : float
        Hz.
    window : float, default 0.15
        Greatest distance of a pair, seconds, the end included.
    start : float, default 0
        Seconds at the start that are not counted (:data:`EC57_LEARNING` in EC57). A pair counts by
        its reference beat, so that one across the border costs nothing on either side.
    excluded : sequence of (int, int)
        Stretches, in samples with both ends, where neither side counts: ventricular flutter and
        fibrillation, which EC57 scores by episode and not by beat.

    Returns
    -------
    BeatComparison
    """
    reference = _outside(reference, excluded)
    detected = _outside(detected, excluded)
    of_reference = pair_marks(reference, detected, round(window * rate))
    paired = of_reference >= 0
    unpaired_detection = np.ones(len(detected), bool)
    unpaired_detection[of_reference[paired]] = False
    counted = reference >= start * rate
    return BeatComparison(
        pairs=np.column_stack(
            (reference[paired & counted], detected[of_reference[paired & counted]])
        ),
        missed=reference[~paired & counted],
        extra=detected[unpaired_detection & (detected >= start * rate)],
        rate=rate,
    )


def flutter_stretches(samples: Samples, symbols: Sequence[str]) -> list[tuple[int, int]]:
    """Return the stretches that WFDB notes mark as ventricular flutter or fibrillation.

    Parameters
    ----------
    samples : numpy.ndarray of int64
        Sample numbers of the notes, ascending.
    symbols : sequence of str
        Their WFDB symbols; ``[`` begins a stretch and ``]`` ends it. One that is never ended runs
        to the last note.
    """
    stretches: list[tuple[int, int]] = []
    begin: int | None = None
    for sample, symbol in zip(samples.tolist(), symbols, strict=True):
        if symbol == "[" and begin is None:
            begin = sample
        elif symbol == "]" and begin is not None:
            stretches.append((begin, sample))
            begin = None
    if begin is not None:
        stretches.append((begin, int(samples[-1])))
    return stretches


def _outside(samples: Samples, stretches: Sequence[tuple[int, int]]) -> Samples:
    keep = np.ones(len(samples), bool)
    for first, last in stretches:
        keep &= (samples < first) | (samples > last)
    return samples[keep]


def pair_marks(reference: NDArray[T], detected: NDArray[T], window: float) -> NDArray[np.intp]:
    """Return for each mark of the reference the index of its detection, -1 where it has none.

    Both ascend; `window` is the greatest distance of a pair, in their unit.
    """
    of_reference = np.full(len(reference), -1, np.intp)
    beats, marks = reference.tolist(), detected.tolist()
    i = j = 0
    while i < len(beats) and j < len(marks):
        distance = abs(beats[i] - marks[j])
        next_mark_fits = j + 1 < len(marks) and abs(beats[i] - marks[j + 1]) < distance
        next_beat_fits = i + 1 < len(beats) and abs(beats[i + 1] - marks[j]) < distance
        if marks[j] < beats[i] and (next_mark_fits or distance > window):
            j += 1
        elif marks[j] >= beats[i] and (next_beat_fits or distance > window):
            i += 1
        else:
            of_reference[i] = j
            i += 1
            j += 1
    return of_reference


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
