"""How alarms are scored: windows and episodes found, and when, false alarms.

A **window** is the judged seconds at the end of each second; it is positive where four fifths of
them lie in an annotated episode, and alarmed if there is an alarm at its end. Alarms less than 10 s
apart count as one. An alarm is **false** if it meets seconds more than 2 s before and 8 s after
every episode; doubtful stretches are counted apart. An **episode** of 4 s and more is found if
there is an alarm between its begin and 8 s after its end; the delay is from its begin to the end of
the first second with an alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from ml.tasks.ventricular import Hysteresis, log_odds
from ml.training.ventricular.data import AFTER_S

if TYPE_CHECKING:
    from ml.decision import Decision
    from ml.training.ventricular.data import Record

APART_S = 10
LEAST_EPISODE_S = 4.0
SHIFTS = tuple(np.arange(-4, 5.01, 0.0625).tolist())
"""Of the threshold, in log odds, to lower and to higher ones."""

Bools = NDArray[np.bool_]


class Counts(TypedDict):
    """Of one record; JSON values.

    ``windows`` and ``windows_alarmed``, positive ones; ``windows_false``, far from all episodes,
    that were alarmed; ``episodes`` of 4 s and more, ``delays_s`` of those found;
    ``false_alarms`` in ``hours``, ``doubtful_alarms`` in ``doubtful_hours``; ``false_at`` and
    ``missed_at``, seconds at which false alarms and missed episodes begin.
    """

    windows: int
    windows_alarmed: int
    windows_false: int
    episodes: int
    delays_s: list[float]
    missed_at: list[int]
    false_alarms: int
    false_at: list[int]
    hours: float
    doubtful_alarms: int
    doubtful_hours: float


def odds_of(decision: Decision, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the log odds of answers of :func:`ml.training.ventricular.data.answers_of`.

    NaN where nothing was known.
    """
    odds = log_odds(decision, logits)
    odds[~logits.any(axis=1)] = np.nan
    return odds


def counts(record: Record, odds: NDArray[np.float32], threshold: float) -> Counts:
    """Return the counts of a record.

    Parameters
    ----------
    record : Record
    odds : numpy.ndarray, shape (seconds,), float32
        As of :func:`odds_of`.
    threshold : float
    """
    return alarm_counts(record, alarmed(odds, threshold))


def alarm_counts(record: Record, alarm: Bools) -> Counts:
    """Return the counts of what any detector said.

    Parameters
    ----------
    record : Record
    alarm : numpy.ndarray, shape (seconds,), bool
        Whether there is an alarm at the end of each second.
    """
    truth = record.truth
    far = record.far
    false = begins(alarm & far)
    delays, missed = [], []
    for begin, end in record.episodes:
        if end - begin < LEAST_EPISODE_S:
            continue
        first = int(np.ceil(begin))
        there = np.flatnonzero(alarm[first : int(end + AFTER_S)])
        if len(there):
            delays.append(round(float(first + there[0] + 1 - begin), 2))
        else:
            missed.append(int(begin))
    return Counts(
        windows=int((truth == 1).sum()),
        windows_alarmed=int(alarm[truth == 1].sum()),
        windows_false=int(alarm[truth == 0].sum()),
        episodes=len(delays) + len(missed),
        delays_s=delays,
        missed_at=missed,
        false_alarms=len(false),
        false_at=false,
        hours=float(far.sum() / 3600),
        doubtful_alarms=len(begins(alarm & record.in_doubt)),
        doubtful_hours=float(record.in_doubt.sum() / 3600),
    )


def begins(alarm: Bools) -> list[int]:
    """Return the seconds at which alarms begin, those less than 10 s apart taken for one."""
    seconds = np.flatnonzero(alarm)
    if not len(seconds):
        return []
    new = np.diff(seconds, prepend=-2 * APART_S) > APART_S
    found: list[int] = seconds[new].tolist()
    return found


def curve(record: Record, odds: NDArray[np.float32], threshold: float) -> dict[str, list[int]]:
    """Return what is found, and false alarms, with the threshold moved by each of SHIFTS."""
    at = [counts(record, odds, threshold + shift) for shift in SHIFTS]
    return {
        "windows_alarmed": [one["windows_alarmed"] for one in at],
        "episodes_found": [len(one["delays_s"]) for one in at],
        "false_alarms": [one["false_alarms"] for one in at],
    }


def alarmed(odds: NDArray[np.float32], threshold: float) -> Bools:
    """Return where there is an alarm."""
    alarm = np.zeros(len(odds), bool)
    # most recordings have no second that calls for one
    if (odds > threshold).any():
        hysteresis = Hysteresis(threshold)
        for second, one in enumerate(odds.tolist()):
            alarm[second] = hysteresis.add(one)
    return alarm


def pooled(parts: Sequence[Counts]) -> Counts:
    """Return the counts of several records as one; where things are is left out."""

    def total(name: str) -> float:
        return sum(part[name] for part in parts)  # type: ignore[literal-required]

    return Counts(
        windows=int(total("windows")),
        windows_alarmed=int(total("windows_alarmed")),
        windows_false=int(total("windows_false")),
        episodes=int(total("episodes")),
        delays_s=[delay for part in parts for delay in part["delays_s"]],
        missed_at=[],
        false_alarms=int(total("false_alarms")),
        false_at=[],
        hours=total("hours"),
        doubtful_alarms=int(total("doubtful_alarms")),
        doubtful_hours=total("doubtful_hours"),
    )
