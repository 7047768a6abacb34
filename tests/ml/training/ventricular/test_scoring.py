"""ml.training.ventricular.scoring: alarms counted by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ml.training.ventricular.data import Record
from ml.training.ventricular.scoring import SHIFTS, alarmed, begins, counts, curve, pooled

SECONDS = 3600


def record() -> Record:
    samples = np.zeros((1, SECONDS * 250), np.float32)
    readable = np.ones((1, SECONDS), bool)
    episodes = ((1000.0, 1020.0), (2000.0, 2005.0), (2500.0, 2502.0))
    return Record("vfdb/1", 250.0, samples, readable, episodes, ((3000.0, 3100.0),))


def margin(*positive: tuple[int, int]) -> NDArray[np.float32]:
    found = np.full(SECONDS, -3.0, np.float32)
    for begin, end in positive:
        found[begin:end] = 3.0
    return found


def test_an_alarm_takes_two_seconds_without_a_doubt() -> None:
    alarm = alarmed(margin((100, 101), (200, 202), (300, 310)))
    assert not alarm[:201].any()
    assert alarm[201]
    assert not alarm[203:300].any()
    # four seconds at most are to be unsaid
    assert np.flatnonzero(alarm[300:]).tolist() == list(range(1, 13))


def test_doubtful_seconds_need_company() -> None:
    weak = margin()
    weak[100:120] = 0.25
    assert np.flatnonzero(alarmed(weak))[0] == 107


def test_each_kind_is_counted() -> None:
    found = counts(record(), margin((1002, 1022), (1500, 1503), (1509, 1512), (3010, 3030)))
    assert (found["episodes"], found["delays_s"], found["missed_at"]) == (2, [4.0], [2000])
    assert (found["false_alarms"], found["false_at"]) == (1, [1501])
    assert found["doubtful_alarms"] == 1
    assert found["windows"] == 17 + 2
    assert found["windows_found"] == 17
    assert found["windows_alarmed"] == 17
    assert found["windows_false"] == 6
    assert 0.9 < found["hours"] < SECONDS / 3600
    twice = pooled([found, found])
    assert twice["windows"] == 38
    assert twice["false_alarms"] == 2
    assert len(twice["delays_s"]) == 2


def test_alarms_close_together_are_one() -> None:
    alarm = np.zeros(100, bool)
    alarm[[3, 4, 14, 40]] = True
    assert begins(alarm) == [3, 40]
    assert begins(np.zeros(5, bool)) == []


def test_a_higher_threshold_finds_no_more() -> None:
    rng = np.random.default_rng(0)
    found = curve(record(), rng.normal(0, 2, SECONDS).astype(np.float32))
    for name in ("windows_found", "windows_alarmed"):
        assert len(found[name]) == len(SHIFTS)
        assert (np.diff(found[name]) <= 0).all()
