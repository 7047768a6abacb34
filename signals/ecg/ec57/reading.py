"""What an annotation file says of a record: beats and the rhythms that EC57 scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from signals.ecg.beat import beat_class_of
from signals.ecg.ec57.beats import T, flutter_stretches
from signals.stretches import joined

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

Stretch = tuple[int, int]
"""First and last sample."""

_RHYTHM_CHANGE = "+"
_ATRIAL_FIBRILLATION = frozenset({"(AFIB", "(AF"})
_ATRIAL_FLUTTER = frozenset({"(AFL"})
_VENTRICULAR_FIBRILLATION = frozenset({"(VF", "(VFIB", "(VFL"})


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One side of a comparison.

    Parameters
    ----------
    rate : float
        Hz; all samples count at it.
    beats : numpy.ndarray, int64, shape (n,)
        Samples, ascending.
    classes : numpy.ndarray, int8, shape (n,)
        :class:`signals.ecg.beat.BeatClass` of each.
    fibrillation : tuple of (int, int)
        Ventricular flutter or fibrillation.
    atrial_fibrillation, atrial_flutter : tuple of (int, int)
        As their names say.
    unreadable : tuple of (int, int)
        Where the signal was given up: what EC57 calls shutdown.
    tells_rhythm : bool
        Whether it names rhythms at all. Where it names none, nothing is known of episodes.
    """

    rate: float
    beats: NDArray[np.int64]
    classes: NDArray[np.int8]
    fibrillation: tuple[Stretch, ...] = ()
    atrial_fibrillation: tuple[Stretch, ...] = ()
    atrial_flutter: tuple[Stretch, ...] = ()
    unreadable: tuple[Stretch, ...] = ()
    tells_rhythm: bool = True


def reading_of(
    marks: Iterable[tuple[int, str, str]],
    rate: float,
    end: int,
    unreadable: Sequence[Stretch] = (),
) -> Reading:
    """Return what WFDB annotations say.

    Parameters
    ----------
    marks : iterable of (int, str, str)
        Sample, symbol and note of each annotation.
    rate : float
        Hz.
    end : int
        The sample after the last one of the record: where a rhythm that nothing ends does end.
    unreadable : sequence of (int, int)
        See :class:`Reading`.

    Notes
    -----
    A rhythm lasts from its ``+`` annotation to the next one. Ventricular flutter and fibrillation
    lie between ``[`` and ``]``; a file without such marks tells them as rhythms: ``(VF``,
    ``(VFIB``, ``(VFL``.
    """
    ordered = sorted(marks)
    found = [
        (sample, cls) for sample, symbol, _ in ordered if (cls := beat_class_of(symbol)) is not None
    ]
    changes = [
        (sample, note.partition(" ")[0])
        for sample, symbol, note in ordered
        if symbol == _RHYTHM_CHANGE and note
    ]
    samples = np.array([sample for sample, _, _ in ordered], np.int64)
    marked = flutter_stretches(samples, [symbol for _, symbol, _ in ordered])
    return Reading(
        rate=rate,
        beats=np.array([sample for sample, _ in found], np.int64),
        classes=np.array([cls for _, cls in found], np.int8),
        fibrillation=tuple(marked) or _lasting(changes, _VENTRICULAR_FIBRILLATION, end),
        atrial_fibrillation=_lasting(changes, _ATRIAL_FIBRILLATION, end),
        atrial_flutter=_lasting(changes, _ATRIAL_FLUTTER, end),
        unreadable=tuple(unreadable),
        tells_rhythm=bool(changes or marked),
    )


def is_inside(samples: NDArray[T], stretches: Iterable[tuple[float, float]]) -> NDArray[np.bool_]:
    """Return which samples (or times) lie in one of the stretches, both ends included."""
    inside = np.zeros(len(samples), bool)
    for first, last in stretches:
        inside |= (samples >= first) & (samples <= last)
    return inside


def _lasting(
    changes: Sequence[tuple[int, str]], words: Collection[str], end: int
) -> tuple[Stretch, ...]:
    ends = [sample for sample, _ in changes[1:]] + [end]
    stretches = zip(changes, ends, strict=True) if changes else ()
    return tuple(joined((start, stop) for (start, word), stop in stretches if word in words))
