"""The ventricular alarm: tachycardia, flutter and fibrillation of the ventricles, as they come."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.tasks.ventricular_windows import (
    JUDGED,
    POINTS,
    WINDOW,
    VentricularWindows,
    heights,
    model_input,
)

if TYPE_CHECKING:
    from ml.bundle import Bundle
    from ml.decision import Decision

TASK = "ventricular"
LABELS = ("other", "ventricular")
LEAST_HEIGHT_MV = 0.01
"""Mean deflection of a window; below, a lead is at rest and has no vote."""
BEGINS_AT = 2.0
"""Evidence with which an alarm begins; it ends when none is left."""

_MOST_IN_A_SECOND = 1.0
_MOST_EVIDENCE = 4.0
_LOWEST_RATE = 100.0
_BLOCK_SECONDS = 60


class Decisions(NamedTuple):
    """What became known, one row for each second.

    Parameters
    ----------
    ends : numpy.ndarray, shape (n,), int64
        Samples from the start of the recording to the end of the second.
    probability : numpy.ndarray, shape (n,), float32
        That the last 4 s are ventricular tachycardia, flutter or fibrillation; NaN where no lead
        could be read throughout them, and in the first 7 s.
    alarm : numpy.ndarray, shape (n,), bool
        Whether there is an alarm from this second on.
    episodes : list of (int, int)
        Alarms that ended with one of these seconds: from the second whose evidence was the first
        to that whose evidence was the last, in samples.
    """

    ends: NDArray[np.int64]
    probability: NDArray[np.float32]
    alarm: NDArray[np.bool_]
    episodes: list[tuple[int, int]]


class Evidence:
    """Adds up what seconds say for an alarm, and against it: cumulative sums (Page 1954).

    Each second adds its margin, a logarithm of odds, one at most; the sum lies between 0 and 4. So
    two seconds without a doubt are enough, and doubtful ones need company. The limits were chosen
    on the development part of vfdb, mitdb, svdb and nstdb, on answers out of fold: best among
    those tried, with little between them.
    """

    def __init__(self) -> None:
        self._sum = 0.0
        self.alarm = False
        """Whether there is one."""

    def add(self, margin: float) -> bool:
        """Take the next second; return whether there is any evidence after it."""
        step = min(max(margin, -_MOST_IN_A_SECOND), _MOST_IN_A_SECOND)
        self._sum = min(max(self._sum + step, 0.0), _MOST_EVIDENCE)
        self.alarm = self._sum >= BEGINS_AT or (self.alarm and self._sum > 0)
        return self._sum > 0


def margins(decision: Decision, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by how much an alarm is likelier than asked: calibrated log odds, 0 the threshold.

    Parameters
    ----------
    decision : Decision
    logits : numpy.ndarray, shape (n, 2), float32
    """
    shares = np.maximum(decision.probabilities(logits), np.finfo(np.float32).tiny)
    other, ventricular = decision.thresholds
    odds: NDArray[np.float32] = np.log(shares[:, 1]) - np.log(shares[:, 0])
    return odds + np.float32(ventricular - other)


class VentricularAlarm:
    """Judges the last 4 s of a recording, second by second.

    Each lead is judged by itself, with 4 s more before them; the leads that can be read are
    averaged. A decision follows its second by 60 ms of samples, and by what the quality of that
    second waits for. What is given out, in the end, does not depend on how samples were cut into
    blocks, and memory does not grow with the recording.

    Parameters
    ----------
    bundle : Bundle
        For the task ``ventricular``.
    rate : float
        Hz; at least 100.
    n_leads : int

    Raises
    ------
    ValueError
        If the rate is below 100 Hz, there is no lead, or the bundle is for another task.
    """

    def __init__(self, bundle: Bundle, rate: float, n_leads: int) -> None:
        if not rate >= _LOWEST_RATE:
            raise ValueError(f"alarms need {_LOWEST_RATE:g} Hz or more, not {rate:g} Hz")
        if n_leads < 1:
            raise ValueError("alarms need a lead")
        if bundle.task != TASK or bundle.decision.labels != LABELS:
            raise ValueError(f"the bundle {bundle.id} does not tell {', '.join(LABELS)}")
        self._model = bundle.ready()
        self._decision = bundle.decision
        self._rate = rate
        self._windows = VentricularWindows(rate, n_leads)
        self._waiting = np.zeros((0, n_leads, POINTS), np.float32)
        # of the seconds to be judged next, and of those before that their windows look at
        self._readable = np.zeros((n_leads, JUDGED - 1), bool)
        self._second = 0
        self._evidence = Evidence()
        self._first: int | None = None  # second from which on there has been evidence
        self._last = 0  # second that was the last to add to it

    @property
    def runtime(self) -> str:
        """Name and version of what runs the model."""
        return self._model.runtime

    def push(self, samples: NDArray[np.float32], readable: NDArray[np.bool_]) -> Decisions:
        """Take the next samples, and which of the next seconds can be read.

        Parameters
        ----------
        samples : numpy.ndarray, shape (leads, n), float32
            mV, NaN where missing.
        readable : numpy.ndarray, shape (leads, k), bool
            Of the next k whole seconds (:func:`signals.quality.is_readable`); they may come before
            or after their samples.
        """
        self._readable = np.concatenate((self._readable, readable), axis=1)
        step = int(_BLOCK_SECONDS * self._rate)
        parts = [
            self._judge(self._windows.push(samples[:, i : i + step]))
            for i in range(0, max(1, samples.shape[1]), step)
        ]
        return _joined(parts)

    def finish(self) -> Decisions:
        """Return what is left at the end of the recording."""
        rest = self._judge(self._windows.finish())
        return rest._replace(episodes=rest.episodes + self._closed(self._evidence.alarm))

    def _judge(self, windows: NDArray[np.float32]) -> Decisions:
        self._waiting = np.concatenate((self._waiting, windows))
        count = min(len(self._waiting), self._readable.shape[1] - JUDGED + 1)
        ready, self._waiting = self._waiting[:count], self._waiting[count:].copy()
        logits, voted = self._logits(ready, self._votes(ready))
        self._readable = self._readable[:, count:].copy()
        probability = self._decision.probabilities(logits)[:, 1]
        probability[~voted] = np.nan
        alarm, episodes = self._follow(np.where(voted, margins(self._decision, logits), -np.inf))
        ends = [self._sample(k + 1) for k in range(self._second - count, self._second)]
        return Decisions(np.array(ends, np.int64), probability, alarm, episodes)

    def _votes(self, windows: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which leads could be read and were not at rest, shape (seconds, leads)."""
        n, leads, _ = windows.shape
        votes = heights(windows.reshape(-1, POINTS)).reshape(n, leads) >= LEAST_HEIGHT_MV
        votes[: max(0, WINDOW - 1 - self._second)] = False
        for i in range(JUDGED):
            votes &= self._readable[:, i : i + n].T
        return votes

    def _logits(
        self, windows: NDArray[np.float32], votes: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the mean answer of the leads that vote, and where there is one."""
        answers = np.zeros((*votes.shape, len(LABELS)), np.float32)
        if votes.any():
            strip, numbers = model_input(windows[votes])
            (answers[votes],) = self._model.run(numbers, strip)
        n_votes = votes.sum(axis=1)
        total = np.zeros((len(votes), len(LABELS)), np.float32)
        for lead in range(votes.shape[1]):
            total += answers[:, lead]
        return total / np.maximum(n_votes, 1).astype(np.float32)[:, None], n_votes > 0

    def _follow(
        self, margin: NDArray[np.float32]
    ) -> tuple[NDArray[np.bool_], list[tuple[int, int]]]:
        """Go on second by second; return where there is an alarm, and the alarms that end."""
        alarm = np.zeros(len(margin), bool)
        ended: list[tuple[int, int]] = []
        for i, one in enumerate(margin.tolist()):
            was_alarm = self._evidence.alarm
            if not self._evidence.add(one):
                ended += self._closed(was_alarm)
            elif one > 0:
                self._first = self._second if self._first is None else self._first
                self._last = self._second
            self._second += 1
            alarm[i] = self._evidence.alarm
        return alarm, ended

    def _closed(self, was_alarm: bool) -> list[tuple[int, int]]:  # noqa: FBT001
        """Forget the evidence at hand; return where it lay, if there was an alarm."""
        first, self._first = self._first, None
        if first is None or not was_alarm:
            return []
        return [(self._sample(first), self._sample(self._last + 1))]

    def _sample(self, second: int) -> int:
        """Return the first sample that lies in a second of the recording."""
        return ceil(second * self._rate)


def _joined(parts: list[Decisions]) -> Decisions:
    return Decisions(
        np.concatenate([part.ends for part in parts]),
        np.concatenate([part.probability for part in parts]),
        np.concatenate([part.alarm for part in parts]),
        [episode for part in parts for episode in part.episodes],
    )
