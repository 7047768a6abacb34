"""How a beat stands in time: its RR interval against what was usual before it, near and far.

Sinus rhythm changes its tempo slowly, an ectopic focus at once. An early beat is early against its
neighbours; a tachycardia that has lasted for minutes no longer is. So an interval is compared with
quantiles of the last 8, 32 and 128, with the tempo before the last abrupt acceleration, and with
quantiles that forget over an hour.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float32]

TYPICAL_LOG_RR = np.float32(np.log2(0.8))
LONGEST = 128
"""Intervals that are kept."""
USUAL = 32
"""Of how many intervals before a beat the median is the usual one."""

_SPANS = (8, 32, 128)
_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
_SLOW_SHARES = (0.25, 0.5, 0.85)
_FIRST_STEP, _SLOWEST_STEP = 8.0, 0.002
_ONSET, _STAY, _BEFORE = 4, 8, 16  # beats
# octaves; the sinus node takes more than four beats for a fifth of one
_ACCELERATION = 0.2
_RETURN = 0.15
_STEADY = 0.2

RHYTHM: tuple[str, ...] = (
    "rr.before",
    *(f"rr.before_{share:.0%}_of_{span}" for span in _SPANS for share in _SHARES),
    *(f"rr.spread_of_{span}" for span in _SPANS),
    *(f"rr.tempo_of_{span}" for span in _SPANS),
    "rr.irregularity", "rr.scatter",
    "slow.before_jump", "slow.since_jump",
    *(f"slow.before_{share:.0%}" for share in _SLOW_SHARES),
)  # fmt: skip
"""What each column of :meth:`BeatRhythm.enter` is, in octaves of the RR interval."""


class BeatRhythm:
    """Compares RR intervals with those before them, as they come.

    Parameters
    ----------
    usual : numpy.ndarray, shape (k,)
        log2 of some intervals in seconds, at least one: what is taken to have gone before.
    """

    def __init__(self, usual: NDArray[np.float64]) -> None:
        self._past = np.resize(usual, LONGEST).astype(np.float32)
        self._slow = [float(np.median(usual))] * len(_SLOW_SHARES)
        self._met = 0
        self._held: float | None = None

    @property
    def past(self) -> Floats:
        """log2 of the latest intervals."""
        return self._past

    def enter(self, log_rr: Floats) -> tuple[Floats, Floats]:
        """Take the intervals before the next beats, log2 of seconds, shape (n,).

        Returns
        -------
        columns : numpy.ndarray, shape (n, len(RHYTHM))
        usual : numpy.ndarray, shape (n,)
            log2 of the median of the :data:`USUAL` intervals before each.
        """
        n = len(log_rr)
        run = np.concatenate((self._past, log_rr))
        self._past = run[-LONGEST:]
        columns: list[Floats] = [log_rr - TYPICAL_LOG_RR]
        spreads, tempos = [], []
        for span in _SPANS:
            ranked = np.sort(sliding_window_view(run[LONGEST - span : -1], span), axis=1)
            levels = [ranked[:, round(share * (span - 1))] for share in _SHARES]
            columns += [log_rr - level for level in levels]
            spreads.append(levels[3] - levels[1])
            tempos.append(levels[2] - TYPICAL_LOG_RR)
            if span == USUAL:
                usual = levels[2]
        steps = np.abs(np.diff(run[LONGEST - USUAL : -1]))
        latest = sliding_window_view(steps[USUAL - 8 :], 7)
        scatter = np.sort(sliding_window_view(steps, USUAL - 1), axis=1)[:, (USUAL - 1) // 2]
        columns += [*spreads, *tempos, latest.sum(axis=1) / np.float32(7), scatter * 2]

        newest = np.sort(sliding_window_view(run[LONGEST - _ONSET + 1 :], _ONSET), axis=1)
        latest = np.sort(sliding_window_view(run[LONGEST - _STAY + 1 :], _STAY), axis=1)
        before = sliding_window_view(run[LONGEST - _STAY - _BEFORE + 1 : len(run) - _STAY], _BEFORE)
        middle = latest[:, _STAY // 2]
        held = self._hold(
            np.sort(before, axis=1)[:, _BEFORE // 2],
            newest[:, _ONSET // 2],
            newest[:, -1] - newest[:, 0] < _STEADY,
            middle,
        )
        columns += [log_rr - held, middle - held]
        slow = self._track(log_rr)
        columns += [log_rr - level for level in slow.T]
        return np.stack(columns, axis=1).reshape(n, len(RHYTHM)), usual

    def _hold(
        self, before: Floats, newest: Floats, steady: NDArray[np.bool_], latest: Floats
    ) -> Floats:
        """Return the tempo to compare with, shape (n,).

        It is that of the beats just before; when beats suddenly come faster and steadily so, it
        stays what it was until they are slow again.
        """
        tempo = []
        held = self._held
        for usual, now, is_steady, lately in zip(
            before.tolist(), newest.tolist(), steady.tolist(), latest.tolist(), strict=True
        ):
            if held is not None and lately > held - _RETURN:
                held = None
            if held is None and is_steady and now < usual - _ACCELERATION:
                held = usual
            tempo.append(usual if held is None else held)
        self._held = held
        return np.array(tempo, np.float32)

    def _track(self, log_rr: Floats) -> Floats:
        """Return quantiles of all time before each beat, shape (n, 3), the far past forgotten."""
        rows = []
        a, b, c = self._slow
        low, middle, high = _SLOW_SHARES
        met = self._met
        for value, duration in zip(log_rr.tolist(), np.exp2(log_rr).tolist(), strict=True):
            rows.append((a, b, c))
            met += 1
            step = duration * max(_SLOWEST_STEP, _FIRST_STEP / (met + 16) ** 2)
            a += step * (low - (value < a))
            b += step * (middle - (value < b))
            c += step * (high - (value < c))
        self._slow, self._met = [a, b, c], met
        return np.array(rows, np.float32).reshape(len(log_rr), len(_SLOW_SHARES))
