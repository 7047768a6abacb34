"""The ventricular alarm: tachycardia, flutter and fibrillation of the ventricles, as they come."""

from __future__ import annotations

from math import ceil, isnan
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
from signals.ecg.ventricular import WEIGHTS, VentricularScores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.bundle import Bundle
    from ml.decision import Decision

TASK = "ventricular"
LABELS = ("other", "ventricular")
LEAST_HEIGHT_MV = 0.01
"""Mean deflection of a window; below, a lead is at rest and has no vote for the model.

Less than the rule's 0.03 mV, which are a root mean square: of narrow beats with rest between them
that is some three times the mean."""
LOOK_AHEAD_S = 0.43
"""Seconds of samples after a second that its decision waits for: what the rule's filters look
ahead. Half of its longest mean (0.8 s), two thirds of a period of 50 Hz, a sample at 60 a second;
the windows of the model wait for 0.06 s."""

# The model's answer and the rule's are added up: both are log odds, and err in different places.
# All below was chosen on the development part of vfdb, mitdb, svdb and nstdb, on answers of model
# and rule out of fold: what finds the most with 0.05 to 0.15 false alarms an hour, between
# neighbours that find as much to a point or two.
RULE_SHARE = 0.75
"""What of the rule's log odds counts beside the model's."""
MOST_OF_RULE = 2.0
"""The rule's log odds count from minus this to this."""
ASKED_FROM, ASKED_FOR = -4.0, 3
"""The model is asked in a second if the rule's log odds of one of the last three are that high;
asking more often changed no alarm."""
BEGINS_AFTER = 2
"""Seconds in a row that call for an alarm."""
ENDS_BELOW = -0.5
"""Log odds: an alarm goes on until a second says that clearly that there is no reason for it."""
HELD_FOR = 5
"""Seconds in a row of which nothing is known that are passed over: two seconds that cannot be read
leave so many windows without an answer. After more of them an alarm ends: that a signal cannot be
read for long is another alarm's business. Not tuned."""
LONG, AFTER_LONG = 20, 60
"""Seconds of an alarm, and seconds after its end in which less is asked for another one."""
LESS_ASKED = 1.5
"""By so much, in log odds: what comes back, or never went, is likelier than a first one."""

_OTHER_ODDS = 1  # major version of the bundles among which are thresholds of the model alone
_LOWEST_RATE = 100.0
_BLOCK_SECONDS = 60


class Decisions(NamedTuple):
    """What became known, one row for each second.

    Parameters
    ----------
    ends : numpy.ndarray, shape (n,), int64
        Samples from the start of the recording to the end of the second.
    probability : numpy.ndarray, shape (n,), float32
        That the last 4 s are ventricular tachycardia, flutter or fibrillation; 0 where the rule
        rules it out, and the model is not asked; NaN where nothing is known: in the first 7 s,
        where no lead that moves could be read throughout the 4 s, and where the rule had no lead
        with a vote in any of the last three seconds.
    alarm : numpy.ndarray, shape (n,), bool
        Whether there is an alarm from this second on.
    episodes : list of (int, int)
        Alarms that ended with one of these seconds: from the first second that called for an alarm
        to the last one, in samples.
    """

    ends: NDArray[np.int64]
    probability: NDArray[np.float32]
    alarm: NDArray[np.bool_]
    episodes: list[tuple[int, int]]

    @classmethod
    def joined(cls, parts: Sequence[Decisions]) -> Decisions:
        """Return one or more parts, in the order of time, as one."""
        return cls(
            np.concatenate([part.ends for part in parts]),
            np.concatenate([part.probability for part in parts]),
            np.concatenate([part.alarm for part in parts]),
            [episode for part in parts for episode in part.episodes],
        )


class Hysteresis:
    """Turns what seconds say into an alarm: two call for it, one that is clear ends it.

    A few seconds of which nothing is known are passed over, as if they were not there.

    Parameters
    ----------
    threshold : float
        Log odds above which a second calls for an alarm, unless a long one has just ended.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._lasted = 0
        self._less_asked_for = 0
        self._unknown = 0  # seconds in a row
        self.calls = 0
        """Seconds in a row that have called for an alarm, those passed over left out."""
        self.alarm = False
        """Whether there is one."""

    def add(self, log_odds: float) -> bool:
        """Take the next second, NaN if nothing is known; return whether there is an alarm then."""
        asked = self._threshold - (LESS_ASKED if self._less_asked_for > 0 else 0.0)
        self._less_asked_for = max(0, self._less_asked_for - 1)
        self._unknown = self._unknown + 1 if isnan(log_odds) else 0
        if not self._unknown:
            self.calls = self.calls + 1 if log_odds > asked else 0
            self.alarm = self.calls >= BEGINS_AFTER or (self.alarm and log_odds >= ENDS_BELOW)
        elif self._unknown > HELD_FOR:
            self.calls, self.alarm = 0, False
        if not self.alarm and self._lasted >= LONG:
            self._less_asked_for = AFTER_LONG
        self._lasted = self._lasted + 1 if self.alarm else 0
        return self.alarm


def log_odds(decision: Decision, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the calibrated log odds of logits, shape (n, 2)."""
    shares = np.maximum(decision.probabilities(logits), np.finfo(np.float32).tiny)
    odds: NDArray[np.float32] = np.log(shares[:, 1]) - np.log(shares[:, 0])
    return odds


def threshold_of(decision: Decision) -> float:
    """Return the log odds above which a second calls for an alarm."""
    other, ventricular = decision.thresholds
    return other - ventricular


class VentricularAlarm:
    """Judges the last 4 s of a recording, second by second, by a rule and a model.

    The rule (:mod:`signals.ecg.ventricular`) is cheap and runs all the time; where it thinks that
    flutter or fibrillation is possible at all, the model is asked too, of each lead by itself, with
    4 s more before them; the leads that can be read are averaged. The log odds of both are added.

    A decision follows its second by :data:`LOOK_AHEAD_S` of samples, and by what the quality of
    that second waits for. What is given out, in the end, does not depend on how samples were cut
    into blocks, and memory does not grow with the recording.

    Parameters
    ----------
    bundle : Bundle
        For the task ``ventricular``.
    rate : float
        Hz; at least 100.
    n_leads : int
    rule_weights : sequence of float, default :data:`signals.ecg.ventricular.WEIGHTS`
        Of the rule, where it is judged by recordings that it has not seen.

    Raises
    ------
    ValueError
        If the rate is below 100 Hz, there is no lead, the bundle is for another task, or its
        thresholds are not of these log odds.
    """

    def __init__(
        self, bundle: Bundle, rate: float, n_leads: int, rule_weights: Sequence[float] = WEIGHTS
    ) -> None:
        if not rate >= _LOWEST_RATE:
            raise ValueError(f"alarms need {_LOWEST_RATE:g} Hz or more, not {rate:g} Hz")
        if n_leads < 1:
            raise ValueError("alarms need a lead")
        if bundle.task != TASK or bundle.decision.labels != LABELS:
            raise ValueError(f"the bundle {bundle.id} does not tell {', '.join(LABELS)}")
        if bundle.version[0] == _OTHER_ODDS:
            raise ValueError(f"the thresholds of {bundle.id} are of other log odds")
        self._model = bundle.ready()
        self._decision = bundle.decision
        self._rate = rate
        self._rule = VentricularScores(rate, n_leads, rule_weights)
        self._windows = VentricularWindows(rate, n_leads)
        # of the seconds to be judged next, and of those before that they look at
        self._rule_odds = np.full(ASKED_FOR - 1, -np.inf)
        self._waiting = np.zeros((0, n_leads, POINTS), np.float32)
        self._readable = np.zeros((n_leads, JUDGED - 1), bool)
        self._second = 0
        self._hysteresis = Hysteresis(threshold_of(bundle.decision))
        self._first: int | None = None  # second that was the first of those that call for an alarm
        self._last = 0  # and the last

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
        parts = []
        for first in range(0, max(1, samples.shape[1]), step):
            part = samples[:, first : first + step]
            rule_odds = self._rule.push(part, readable if first == 0 else readable[:, :0])
            parts.append(self._judge(rule_odds, self._windows.push(part)))
        return Decisions.joined(parts)

    def finish(self) -> Decisions:
        """Return what is left at the end of the recording."""
        rest = self._judge(self._rule.finish(), self._windows.finish())
        return rest._replace(episodes=rest.episodes + self._closed(self._hysteresis.alarm))

    def _judge(self, rule_odds: NDArray[np.float64], windows: NDArray[np.float32]) -> Decisions:
        self._rule_odds = np.concatenate((self._rule_odds, rule_odds))
        self._waiting = np.concatenate((self._waiting, windows))
        # the rule has waited for what can be read
        count = min(len(self._waiting), len(self._rule_odds) - ASKED_FOR + 1)
        votes = self._votes(self._waiting[:count])
        highest = np.full(count, -np.inf)
        for i in range(ASKED_FOR):
            np.maximum(highest, self._rule_odds[i : i + count], out=highest)
        asked = highest >= ASKED_FROM
        logits = self._logits(self._waiting[:count], votes & asked[:, None])
        rule = self._rule_odds[ASKED_FOR - 1 :][:count]
        # minus infinity: it has no vote
        rule = np.where(np.isinf(rule), 0.0, np.clip(rule, -MOST_OF_RULE, MOST_OF_RULE))
        logits[:, 1] += (RULE_SHARE * rule).astype(np.float32)
        self._rule_odds = self._rule_odds[count:].copy()
        self._waiting = self._waiting[count:].copy()
        self._readable = self._readable[:, count:].copy()
        probability = self._decision.probabilities(logits)[:, 1]
        odds = log_odds(self._decision, logits)
        probability[~asked], odds[~asked] = 0, -np.inf
        unknown = ~votes.any(axis=1) | np.isinf(highest)
        probability[unknown] = odds[unknown] = np.nan
        alarm, episodes = self._follow(odds)
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
    ) -> NDArray[np.float32]:
        """Return the model's mean answer of the leads that vote."""
        answers = np.zeros((*votes.shape, len(LABELS)), np.float32)
        if votes.any():
            strip, numbers = model_input(windows[votes])
            (answers[votes],) = self._model.run(numbers, strip)
        total = np.zeros((len(votes), len(LABELS)), np.float32)
        for lead in range(votes.shape[1]):
            total += answers[:, lead]
        total /= np.maximum(votes.sum(axis=1), 1).astype(np.float32)[:, None]
        return total

    def _follow(self, odds: NDArray[np.float32]) -> tuple[NDArray[np.bool_], list[tuple[int, int]]]:
        """Go on second by second; return where there is an alarm, and the alarms that end."""
        alarm = np.zeros(len(odds), bool)
        ended: list[tuple[int, int]] = []
        for i, one in enumerate(odds.tolist()):
            was_alarm = self._hysteresis.alarm
            alarm[i] = self._hysteresis.add(one)
            if self._hysteresis.calls:
                self._first = self._second if self._first is None else self._first
                self._last = self._last if isnan(one) else self._second
            elif not alarm[i]:
                ended += self._closed(was_alarm)
            self._second += 1
        return alarm, ended

    def _closed(self, was_alarm: bool) -> list[tuple[int, int]]:  # noqa: FBT001
        """Forget the seconds that called for an alarm; return from where to where there was one."""
        first, self._first = self._first, None
        if first is None or not was_alarm:
            return []
        return [(self._sample(first), self._sample(self._last + 1))]

    def _sample(self, second: int) -> int:
        """Return the first sample that lies in a second of the recording."""
        return ceil(second * self._rate)
