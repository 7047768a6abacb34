"""Wave boundaries: how P, QRS and T marks compare with a cardiologist's.

EC57 leaves this out; the protocol is that of the delineation papers on the QT and Lobachevsky
databases: point by point, one to one, within 150 ms, and nothing counts as extra outside of what
was annotated: the QT Database has beats left out, the first and last beat of a record often are.
Nor does a boundary of a wave that the reader marked without it: readers leave out what they cannot
place, such as most T onsets of the QT Database. A wave where the reader marked none is extra.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from signals.ecg.ec57.beats import EC57_WINDOW, pair_marks
from signals.ecg.ec57.reading import is_inside
from signals.ecg.ec57.share import Share
from signals.ecg.waves import Wave

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Times = NDArray[np.float64]

R_PEAK = "r"
POINTS = ("p_on", "p_peak", "p_off", "qrs_on", R_PEAK, "qrs_off", "t_on", "t_peak", "t_off")
"""What is scored, in order of time."""

_COLUMNS = {
    "p_on": Wave.P_ONSET,
    "p_peak": Wave.P_PEAK,
    "p_off": Wave.P_OFFSET,
    "qrs_on": Wave.QRS_ONSET,
    "qrs_off": Wave.QRS_OFFSET,
    "t_on": Wave.T_ONSET,
    "t_peak": Wave.T_PEAK,
    "t_off": Wave.T_OFFSET,
}
_LONGEST_GAP = 1.3  # RR intervals: a beat left out makes a gap of 1.4 or more, a pause rarely does
_WAVE_OF_PEAK = {"p": "p", "N": "qrs", "t": "t"}
_PEAK = {"p": "p_peak", "qrs": R_PEAK, "t": "t_peak"}
_NO_TIMES = np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class PointComparison:
    """How one point compares.

    Parameters
    ----------
    errors : numpy.ndarray, float64, shape (matched,)
        Test minus reference of each pair, seconds.
    missed, extra : numpy.ndarray, float64
        Times of the reference's marks without a pair, and of the test's, seconds.
    """

    errors: Times
    missed: Times
    extra: Times

    def shares(self) -> dict[str, Share]:
        """Return sensitivity, predictivity and F1."""
        matched, missed, extra = len(self.errors), len(self.missed), len(self.extra)
        return {
            "se": Share(matched, matched + missed),
            "pp": Share(matched, matched + extra),
            "f1": Share(2 * matched, 2 * matched + missed + extra),
        }


def annotated_waves(marks: Iterable[tuple[int, str, str]], rate: float) -> dict[str, Times]:
    """Return the wave marks of a WFDB annotation file, seconds; empty if it bounds no wave.

    ``(`` begins the wave whose peak (``p``, ``N`` or ``t``) follows it, ``)`` ends the one whose
    peak is before it. Boundaries without such a neighbour, those of U waves among them, are left
    out.
    """
    ordered = sorted(marks)
    symbols = [symbol for _, symbol, _ in ordered]
    if "(" not in symbols:
        return {}
    found: dict[str, list[float]] = {point: [] for point in POINTS}
    for before, (sample, symbol, _), after in zip(
        ["", *symbols], ordered, [*symbols[1:], ""], strict=False
    ):
        time = sample / rate
        if symbol == "(" and after in _WAVE_OF_PEAK:
            found[f"{_WAVE_OF_PEAK[after]}_on"].append(time)
        elif symbol == ")" and before in _WAVE_OF_PEAK:
            found[f"{_WAVE_OF_PEAK[before]}_off"].append(time)
        elif symbol == "N":
            found[R_PEAK].append(time)
        elif symbol in _WAVE_OF_PEAK:
            found[f"{_WAVE_OF_PEAK[symbol]}_peak"].append(time)
    return {point: np.array(times, np.float64) for point, times in found.items()}


def measured_waves(beats: Times, points: NDArray[np.float32]) -> dict[str, Times]:
    """Return the wave marks of a delineation, seconds from the start of the recording.

    Parameters
    ----------
    beats : numpy.ndarray, float64, shape (n,)
        R peaks, seconds.
    points : numpy.ndarray, float32, shape (n, 8)
        As :class:`signals.ecg.waves.BeatWaves` has them.
    """
    absolute = beats[:, np.newaxis] + points
    waves = {R_PEAK: beats}
    for point, column in _COLUMNS.items():
        times = absolute[:, column]
        waves[point] = np.sort(times[~np.isnan(times)])
    return waves


def compare_waves(
    reference: Mapping[str, Times], test: Mapping[str, Times]
) -> dict[str, PointComparison]:
    """Compare the points that both sides tell, by name.

    The reference annotates from its first mark, of whatever kind, to its last, except where none
    lies for longer than 1.3 times its usual RR interval: there it has left out a beat at least.
    A boundary is left out whose wave the reference marks, but never with it.
    """
    covered = _covered(reference)
    compared = {}
    for point in POINTS:
        if point not in reference or point not in test:
            continue
        theirs, ours = reference[point], test[point]
        gaps = _gaps(reference, point)
        if not len(theirs) and gaps.any():
            continue
        partner = pair_marks(theirs, ours, EC57_WINDOW)
        paired = partner >= 0
        alone = np.ones(len(ours), bool)
        alone[partner[paired]] = False
        compared[point] = PointComparison(
            errors=ours[partner[paired]] - theirs[paired],
            missed=theirs[~paired],
            extra=ours[alone & is_inside(ours, covered) & ~gaps[_place(reference, point, ours)]],
        )
    return compared


def _gaps(reference: Mapping[str, Times], point: str) -> NDArray[np.bool_]:
    """Return between which R peaks a reference marks a wave without this boundary of it."""
    n_places = len(reference.get(R_PEAK, _NO_TIMES)) + 1
    peak = _PEAK.get(point.partition("_")[0], point)

    def is_marked(name: str) -> NDArray[np.bool_]:
        places = _place(reference, point, reference.get(name, _NO_TIMES))
        return np.bincount(places, minlength=n_places) > 0

    return is_marked(peak) & ~is_marked(point)


def _place(reference: Mapping[str, Times], point: str, times: Times) -> NDArray[np.intp]:
    """Return how many R peaks of a reference lie before each time.

    An R peak itself belongs with the onset before it, or with the end after it.
    """
    side: Literal["left", "right"] = "right" if point.endswith("_off") else "left"
    return np.searchsorted(reference.get(R_PEAK, _NO_TIMES), times, side)


def _covered(reference: Mapping[str, Times]) -> list[tuple[float, float]]:
    """Return the stretches that a reference annotates."""
    marks = np.sort(np.concatenate([*reference.values(), np.zeros(0)]))
    if not len(marks):
        return []
    intervals = np.diff(reference.get(R_PEAK, marks))
    usual = float(np.median(intervals)) if len(intervals) else np.inf
    holes = np.flatnonzero(np.diff(marks) > _LONGEST_GAP * usual)
    firsts, lasts = np.append(0, holes + 1), np.append(holes, len(marks) - 1)
    return list(zip(marks[firsts].tolist(), marks[lasts].tolist(), strict=True))
