"""Ventricular flutter and fibrillation: stretches in which there are no beats to be found.

They are told by their shape (:mod:`signals.ecg._ventricular_shape`), not by beats: as steep at one
time as at another, never at rest, and between 2 and 7 Hz. Evenness of heights and slopes is
threshold crossing (Thakor 1990; Anas 2010) and count features (Jekova 2004) without a threshold;
the share of the band stands for the leakage of the VF filter (Kuo and Dillman 1978) and for the
spectrum (Barro 1989). A logistic rule makes one score of the three, the leads that can be read are
averaged, and hysteresis makes stretches of it.

A tachycardia of broad waves without a level line between them has the same shape and is found as
well; most that vfdb calls VT is such, above 180 a minute, one record at 135. Runs of ventricular
beats with rest between the beats are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from signals.ecg._ventricular_shape import N_SHAPES, WINDOW, ShapeMeter

if TYPE_CHECKING:
    from collections.abc import Sequence

LOWEST_RATE = 50.0
"""Hz; the slopes of beats are no steeper than those of fibrillation at less."""

RULE = "as steep at all times, without rest, most of its power between 2 and 7 Hz"
"""What makes a stretch, in words for reports."""

WEIGHTS = (-19.45, 7.90, 18.74, 13.35)
"""Constant, evenness of heights, evenness of slopes, share between 2 and 7 Hz: log odds.

Fitted by ``benchmarks/ventricular.py`` on the development part of vfdb, mitdb, svdb, nstdb and
cinc2017."""

_BLOCK_SECONDS = 60
# The rest was chosen on scores of the same recordings, each by weights fitted without it.
LEAST_HEIGHT = 0.03
"""mV, root mean square above 2 Hz: below, a lead is at rest and has no vote."""
_ENTER = 1.5
_ENTER_FOR = 2  # seconds
_LEAVE = 0.5
_LEAVE_FOR = 3
_LEAST = 3  # seconds


class VentricularScores:
    """Tells how much each three seconds look like flutter or fibrillation.

    The scores are the same, to the last bit, however the samples are cut into blocks. Time is
    linear in the length and memory does not depend on it. A score follows its second by less than
    half a second of samples, and by what the quality of that second waits for.

    Parameters
    ----------
    rate : float
        Hz, at least 50.
    n_leads : int
    weights : sequence of float, default :data:`WEIGHTS`

    Raises
    ------
    ValueError
        If the rate is below 50 Hz or there is no lead.
    """

    def __init__(self, rate: float, n_leads: int, weights: Sequence[float] = WEIGHTS) -> None:
        if not rate >= LOWEST_RATE:
            raise ValueError(f"fibrillation cannot be told at {rate:g} Hz: 50 Hz are needed")
        if n_leads < 1:
            raise ValueError("fibrillation cannot be told without a lead")
        self._rate = rate
        self._weights = tuple(weights)
        self._meter = ShapeMeter(rate, n_leads)
        # of the seconds to be judged next
        self._shapes = np.zeros((N_SHAPES, n_leads, 0))
        self._heights = np.zeros((n_leads, 0))
        # of those too, and of the seconds before that their windows look at
        self._readable = np.zeros((n_leads, WINDOW - 1), bool)

    def push(
        self, samples: NDArray[np.float32], readable: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Take the next samples, and which of the next seconds can be read.

        Parameters
        ----------
        samples, readable
            As for :meth:`VentricularDetector.push`.

        Returns
        -------
        numpy.ndarray, shape (seconds,), float64
            Log odds of the windows that end with the next seconds; minus infinity where no lead
            has a vote.
        """
        step = int(_BLOCK_SECONDS * self._rate)
        self._readable = np.concatenate((self._readable, readable), axis=1)
        parts = [
            self._judge(*self._meter.push(samples[:, i : i + step]))
            for i in range(0, max(1, samples.shape[1]), step)
        ]
        return np.concatenate(parts)

    def finish(self) -> NDArray[np.float64]:
        """Return what is left at the end of the recording."""
        return self._judge(*self._meter.finish())

    def _judge(
        self, shapes: NDArray[np.float64], heights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        self._shapes = np.concatenate((self._shapes, shapes), axis=2)
        self._heights = np.concatenate((self._heights, heights), axis=1)
        count = min(self._heights.shape[1], self._readable.shape[1] - WINDOW + 1)
        scores = self._scores(count)
        self._shapes = self._shapes[:, :, count:].copy()
        self._heights = self._heights[:, count:].copy()
        self._readable = self._readable[:, count:].copy()
        return scores

    def _scores(self, count: int) -> NDArray[np.float64]:
        votes = self._heights[:, :count] >= LEAST_HEIGHT
        for i in range(WINDOW):
            votes &= self._readable[:, i : i + count]
        odds = np.full(votes.shape, self._weights[0])
        for weight, shape in zip(self._weights[1:], self._shapes[:, :, :count], strict=True):
            odds += weight * shape
        total = np.zeros(count)
        for lead, vote in zip(odds, votes, strict=True):
            total += np.where(vote, lead, 0.0)
        n_votes = votes.sum(axis=0)
        return np.where(n_votes > 0, total / np.maximum(n_votes, 1), -np.inf)


class VentricularDetector:
    """Finds ventricular flutter and fibrillation in leads that are sampled together.

    As exact and as frugal as :class:`VentricularScores`, which it makes stretches of.

    Parameters
    ----------
    rate, n_leads, weights
        As for :class:`VentricularScores`.

    Raises
    ------
    ValueError
        If the rate is below 50 Hz or there is no lead.
    """

    def __init__(self, rate: float, n_leads: int, weights: Sequence[float] = WEIGHTS) -> None:
        self._scores = VentricularScores(rate, n_leads, weights)
        self._rate = rate
        self._second = 0
        self._run = 0  # windows in a row that would open a stretch
        self._first: int | None = None  # first and last window of the stretch that is open
        self._last = 0

    @property
    def settled(self) -> int:
        """Sample before which it is known what lies in a stretch: seconds behind the newest one.

        Whoever asks of a beat whether it lies in fibrillation waits until this has passed it, and
        looks at the stretches given out and at :attr:`under_way`.
        """
        if self._first is None:
            return self._sample(self._second - self._run)
        return self.under_way[1] if self.under_way else self._sample(self._first)

    @property
    def under_way(self) -> tuple[int, int] | None:
        """The stretch that has not ended yet, as far as it is settled; None if there is none."""
        if self._first is None or self._last - self._first + 1 < _LEAST:
            return None
        return self._sample(self._first), self._sample(self._last + 1)

    def push(
        self, samples: NDArray[np.float32], readable: NDArray[np.bool_]
    ) -> list[tuple[int, int]]:
        """Take the next samples, and which of the next seconds can be read.

        Parameters
        ----------
        samples : numpy.ndarray, shape (leads, n), float32
            mV, NaN where missing.
        readable : numpy.ndarray, shape (leads, k), bool
            Of the next k whole seconds (:func:`signals.quality.is_readable`); they may come before
            or after their samples. A part of a second at the end is left out.

        Returns
        -------
        list of (int, int)
            Stretches that have ended: first sample, and the one after the last.
        """
        return self._follow(self._scores.push(samples, readable).tolist())

    def finish(self) -> list[tuple[int, int]]:
        """Return what is left at the end of the recording."""
        return self._follow(self._scores.finish().tolist()) + self._close()

    def _follow(self, scores: list[float]) -> list[tuple[int, int]]:
        """Go on second by second; return the stretches that end."""
        ended: list[tuple[int, int]] = []
        for score in scores:
            if self._first is None:
                self._run = self._run + 1 if score >= _ENTER else 0
                if self._run == _ENTER_FOR:
                    self._first, self._last = self._second - _ENTER_FOR + 1, self._second
            elif score >= _LEAVE:
                self._last = self._second
            elif self._second - self._last >= _LEAVE_FOR:
                ended += self._close()
            self._second += 1
        return ended

    def _close(self) -> list[tuple[int, int]]:
        """End the stretch at hand; return it if it is long enough."""
        stretch, self._first, self._run = self.under_way, None, 0
        return [stretch] if stretch else []

    def _sample(self, window: int) -> int:
        """Return where the second begins that stands in the middle of a window."""
        return max(0, int(np.ceil((window - WINDOW // 2) * self._rate)))
