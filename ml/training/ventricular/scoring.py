"""How alarms are scored: windows found, episodes found and when, false alarms.

The decisions are those of each second. A **window** is positive where four fifths of the judged
seconds lie in an annotated episode; it is found if the decision is positive, and alarmed if there
is an alarm at its end. Alarms less than 10 s apart count as one. An alarm is **false** if it meets
seconds more than 2 s before and 8 s after every episode; doubtful stretches are counted apart. An
**episode** of 4 s and more is found if there is an alarm between its begin and 8 s after its end;
the delay is from its begin to the end of the first second with an alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from ml.tasks.ventricular import Evidence
from ml.training.ventricular.data import AFTER_S

if TYPE_CHECKING:
    from ml.training.ventricular.data import Record

APART_S = 10
LEAST_EPISODE_S = 4.0
SHIFTS = tuple(np.arange(-4, 5.01, 0.125).tolist())
"""Of the threshold, in log odds, to lower and to higher ones."""

Bools = NDArray[np.bool_]


class Counts(TypedDict):
    """Of one record; JSON values.

    ``windows``, ``windows_found`` and ``windows_alarmed``, positive ones; ``windows_false``, far
    from all episodes, that were found; ``episodes`` of 4 s and more, ``delays_s`` of those found;
    ``false_alarms`` in ``hours``, ``doubtful_alarms`` in ``doubtful_hours``; ``false_at`` and
    ``missed_at``, seconds at which false alarms and missed episodes begin.
    """

    windows: int
    windows_found: int
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


def counts(record: Record, margin: NDArray[np.float32]) -> Counts:
    """Return the counts of a record.

    Parameters
    ----------
    record : Record
    margin : numpy.ndarray, shape (seconds,), float32
        As of :func:`ml.tasks.ventricular.margins`.
    """
    return alarm_counts(record, margin > 0, alarmed(margin))


def alarm_counts(record: Record, positive: Bools, alarm: Bools) -> Counts:
    """Return the counts of what any detector said.

    Parameters
    ----------
    record : Record
    positive, alarm : numpy.ndarray, shape (seconds,), bool
        The decision of each second, and whether there is an alarm at its end.
    """
    truth = record.truth
    far = ~(record.near_episodes | record.in_doubt)
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
        windows_found=int(positive[truth == 1].sum()),
        windows_alarmed=int(alarm[truth == 1].sum()),
        windows_false=int(positive[truth == 0].sum()),
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


def curve(record: Record, margin: NDArray[np.float32]) -> dict[str, list[int]]:
    """Return what is found, and false alarms, with the threshold moved by each of SHIFTS."""
    at = [counts(record, margin - np.float32(shift)) for shift in SHIFTS]
    return {
        "windows_found": [one["windows_found"] for one in at],
        "windows_alarmed": [one["windows_alarmed"] for one in at],
        "episodes_found": [len(one["delays_s"]) for one in at],
        "false_alarms": [one["false_alarms"] for one in at],
    }


def alarmed(margin: NDArray[np.float32]) -> Bools:
    """Return where there is an alarm."""
    evidence = Evidence()
    alarm = np.zeros(len(margin), bool)
    for second, one in enumerate(margin.tolist()):
        evidence.add(one)
        alarm[second] = evidence.alarm
    return alarm


def pooled(parts: Sequence[Counts]) -> Counts:
    """Return the counts of several records as one; where things are is left out."""

    def total(name: str) -> float:
        return sum(part[name] for part in parts)  # type: ignore[literal-required]

    return Counts(
        windows=int(total("windows")),
        windows_found=int(total("windows_found")),
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
