"""ml.training.ventricular.scoring: alarms counted by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ml.decision import Decision
from ml.training.ventricular.data import Record
from ml.training.ventricular.scoring import (
    SHIFTS,
    alarmed,
    begins,
    counts,
    curve,
    odds_of,
    pooled,
)

SECONDS = 3600


def record() -> Record:
    samples = np.zeros((1, SECONDS * 250), np.float32)
    readable = np.ones((1, SECONDS), bool)
    episodes = ((1000.0, 1020.0), (2000.0, 2005.0), (2500.0, 2502.0))
    return Record("vfdb/1", 250.0, samples, readable, episodes, ((3000.0, 3100.0),))


def odds(*calls: tuple[int, int]) -> NDArray[np.float32]:
    found = np.full(SECONDS, -3.0, np.float32)
    for begin, end in calls:
        found[begin:end] = 3.0
    return found


def test_an_alarm_takes_two_seconds_and_goes_on_while_it_is_not_denied() -> None:
    found = odds((100, 101), (200, 202), (300, 310))
    found[202:204] = 0
    alarm = alarmed(found, 2.0)
    assert np.flatnonzero(alarm).tolist() == [201, 202, 203, *range(301, 310)]
    assert not alarmed(found, 3.0).any()


def test_a_second_of_which_nothing_is_known_is_neither_for_nor_against() -> None:
    logits = np.array([[-3.0, -0.05], [0.0, 0.0], [-0.05, -3.0]], np.float32)
    found = odds_of(Decision(("other", "ventricular"), scale=2.0), logits)
    np.testing.assert_allclose(found, [5.9, np.nan, -5.9], rtol=1e-5)
    said = odds((300, 310))
    said[304:307] = np.nan
    assert np.flatnonzero(alarmed(said, 2.0)).tolist() == list(range(301, 310))


def test_each_kind_is_counted() -> None:
    said = odds((1002, 1022), (1500, 1503), (1509, 1512), (3010, 3030))
    found = counts(record(), said, 2.0)
    assert (found["episodes"], found["delays_s"], found["missed_at"]) == (2, [4.0], [2000])
    assert (found["false_alarms"], found["false_at"]) == (1, [1501])
    assert found["doubtful_alarms"] == 1
    assert found["windows"] == 17 + 2
    assert found["windows_alarmed"] == 17
    assert found["windows_false"] == 4
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
    found = curve(record(), rng.normal(0, 2, SECONDS).astype(np.float32), 1.0)
    assert len(found["windows_alarmed"]) == len(SHIFTS)
    assert (np.diff(found["windows_alarmed"]) <= 0).all()
