"""How many ectopic beats there were, and in what company they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from signals.ecg.rhythm import RhythmThresholds

if TYPE_CHECKING:
    from signals.ecg.beat import BeatClass

LONG_RUN_BEATS = 6
"""Beats from which ANSI/AAMI EC57 calls a run long; 3 to 5 make a short one."""

_USUAL_QTC_S = 0.4


@dataclass(frozen=True, slots=True)
class ExtremeRun:
    """A run that stands out among others.

    Parameters
    ----------
    onset, end : float
        R peaks of its first and last beat, s.
    n_beats : int
        Beats in it.
    rate_bpm : float
        Its mean rate.
    """

    onset: float
    end: float
    n_beats: int
    rate_bpm: float


@dataclass(frozen=True, slots=True)
class EctopyCounts:
    """The ectopic beats of one class in a recording or in a stretch of it.

    Every beat is a single one or belongs to one couplet or run. Those of bigeminy and trigeminy
    are singles that are counted once more.

    Parameters
    ----------
    beats : int
        All.
    singles, couplets : int
        Beats with none of their class beside them; pairs.
    short_runs, long_runs : int
        Runs of 3 to 5 beats, and of 6 or more: ANSI/AAMI EC57.
    run_beats : int
        Beats in runs.
    longest_run, fastest_run : ExtremeRun or None
        By beats and by mean rate; of equals the first. None without a run.
    bigeminy_beats, trigeminy_beats : int
        Ectopic beats that follow each other with one other beat, or two, between them.
    r_on_t : int
        Ectopic beats so early that the T wave of the beat before may not be over, by time alone:
        RR shorter than QT is expected to be, 0.4 s times the cube root of the median RR interval
        in s (Fridericia, at a QTc in the middle of what is normal). To be looked at, not a finding.
        Only at the beginning of a couplet or run.
    """

    beats: int
    singles: int
    couplets: int
    short_runs: int
    long_runs: int
    run_beats: int
    longest_run: ExtremeRun | None
    fastest_run: ExtremeRun | None
    bigeminy_beats: int
    trigeminy_beats: int
    r_on_t: int


@dataclass(frozen=True, slots=True)
class Ectopy:
    """The ectopic beats of one class in a recording, row by row; a beat alone is a row of one.

    Parameters
    ----------
    onsets, ends : numpy.ndarray, shape (rows,), float64
        R peaks of the first and last beat of each, ascending, s.
    lengths : numpy.ndarray, shape (rows,), int64
        Beats in each.
    r_on_t : numpy.ndarray, shape (rows,), bool
        Whether its first beat may fall into the T wave before; see :class:`EctopyCounts`.
    bigeminy, trigeminy : numpy.ndarray, shape (beats,), float64
        R peaks of the beats that come in bigeminy, in trigeminy, ascending, s.
    run_beats : int
        How many beats make a run.
    """

    onsets: NDArray[np.float64]
    ends: NDArray[np.float64]
    lengths: NDArray[np.int64]
    r_on_t: NDArray[np.bool_]
    bigeminy: NDArray[np.float64]
    trigeminy: NDArray[np.float64]
    run_beats: int

    def counts(self, start: float = 0.0, end: float = np.inf) -> EctopyCounts:
        """Return how many there are in ``start <= t < end`` seconds.

        A row belongs with all its beats where it begins: hours add up to the recording.
        """
        rows = slice(*np.searchsorted(self.onsets, (start, end)).tolist())
        lengths = self.lengths[rows]
        in_runs = lengths >= self.run_beats
        runs = [
            ExtremeRun(onset, last, n, round(60.0 * (n - 1) / (last - onset), 9))
            for onset, last, n in zip(
                self.onsets[rows][in_runs].tolist(),
                self.ends[rows][in_runs].tolist(),
                lengths[in_runs].tolist(),
                strict=True,
            )
        ]

        def beats_in(times: NDArray[np.float64]) -> int:
            first, last = np.searchsorted(times, (start, end)).tolist()
            return int(last - first)

        return EctopyCounts(
            beats=int(lengths.sum()),
            singles=int(np.count_nonzero(lengths == 1)),
            couplets=int(np.count_nonzero((lengths > 1) & ~in_runs)),
            short_runs=sum(run.n_beats < LONG_RUN_BEATS for run in runs),
            long_runs=sum(run.n_beats >= LONG_RUN_BEATS for run in runs),
            run_beats=int(lengths[in_runs].sum()),
            longest_run=max(runs, key=lambda run: run.n_beats, default=None),
            fastest_run=max(runs, key=lambda run: run.rate_bpm, default=None),
            bigeminy_beats=beats_in(self.bigeminy),
            trigeminy_beats=beats_in(self.trigeminy),
            r_on_t=int(np.count_nonzero(self.r_on_t[rows])),
        )


def find_ectopy(
    times: NDArray[np.float64],
    rr: NDArray[np.float64],
    classes: NDArray[np.int8],
    kind: BeatClass,
    thresholds: RhythmThresholds | None = None,
) -> Ectopy:
    """Return how the ectopic beats of one class come, by the rules of :class:`RhythmTracker`.

    Parameters
    ----------
    times : numpy.ndarray, shape (beats,), float64
        R peaks, ascending, s.
    rr : numpy.ndarray, shape (beats,), float64
        The RR interval before each, s; NaN where something in it could not be read. Like a pause,
        that parts the beats on both sides. The first one does not matter.
    classes : numpy.ndarray, shape (beats,), int8
        Values of :class:`signals.ecg.beat.BeatClass`.
    kind : BeatClass
        The class to find: V or S.
    thresholds : RhythmThresholds, optional
        When a pause parts beats, and how many beats make a run, a bigeminy or a trigeminy.
    """
    limits = thresholds or RhythmThresholds()
    rr = rr[1:]
    linked = rr < limits.pause_s  # false where it is NaN
    ectopic = classes == kind
    firsts, lasts = _rows(ectopic, linked)
    led = np.flatnonzero(firsts > 0)
    led = led[linked[firsts[led] - 1]]
    usual_rr = float(np.median(rr[linked])) if linked.any() else 0.0
    r_on_t = np.zeros(len(firsts), np.bool_)
    r_on_t[led] = rr[firsts[led] - 1] < _USUAL_QTC_S * np.cbrt(usual_rr)
    return Ectopy(
        onsets=times[firsts],
        ends=times[lasts],
        lengths=(lasts - firsts + 1).astype(np.int64),
        r_on_t=r_on_t,
        bigeminy=times[_in_step(ectopic, linked, 2, limits.allorhythmia_beats)],
        trigeminy=times[_in_step(ectopic, linked, 3, limits.allorhythmia_beats)],
        run_beats=limits.run_beats,
    )


def _rows(
    ectopic: NDArray[np.bool_], linked: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first and last beat of each row of ectopic beats, one alone being a row."""
    joined = ectopic[:-1] & ectopic[1:] & linked
    begins = ectopic & ~np.concatenate([[False], joined])[: len(ectopic)]
    ends = ectopic & ~np.concatenate([joined, [False]])[: len(ectopic)]
    return np.flatnonzero(begins), np.flatnonzero(ends)


def _in_step(
    ectopic: NDArray[np.bool_], linked: NDArray[np.bool_], step: int, least: int
) -> NDArray[np.intp]:
    """Return the ectopic beats in rows of `least` or more, `step` beats apart."""
    places = np.flatnonzero(ectopic)
    n_linked = np.concatenate([[0], np.cumsum(linked)])
    follows = (np.diff(places) == step) & (np.diff(n_linked[places]) == step)
    edges = np.diff(np.concatenate([[0], follows.astype(np.int8), [0]]))
    rows = zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist(), strict=True)
    long_enough = [places[a : b + 1] for a, b in rows if b - a + 1 >= least]
    return np.concatenate([places[:0], *long_enough])
