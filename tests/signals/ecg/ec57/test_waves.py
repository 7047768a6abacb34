"""Wave boundaries: how files tell them, and how they are compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.ecg.ec57.waves import (
    POINTS,
    R_PEAK,
    Times,
    annotated_waves,
    compare_waves,
    measured_waves,
)
from signals.ecg.waves import Wave

RATE = 500.0


def marks(text: str, at: int = 0, step: int = 20) -> list[tuple[int, str, str]]:
    return [(at + i * step, symbol, "") for i, symbol in enumerate(text)]


def times(*seconds: float) -> Times:
    return np.array(seconds, np.float64)


def test_a_boundary_belongs_to_the_wave_beside_it() -> None:
    waves = annotated_waves(marks("(p)(N)(t)"), RATE)
    assert {name: found.tolist() for name, found in waves.items()} == {
        point: [i * 20 / RATE] for i, point in enumerate(POINTS)
    }


def test_waves_without_an_onset_and_u_waves_are_read() -> None:
    waves = annotated_waves(marks("(N)t)u)"), RATE)  # as the QT database writes them
    assert [name for name, found in waves.items() if len(found)] == [
        "qrs_on",
        "r",
        "qrs_off",
        "t_peak",
        "t_off",
    ]
    assert waves["t_off"].tolist() == [4 * 20 / RATE]


def test_a_file_of_beats_bounds_no_wave() -> None:
    assert annotated_waves([(10, "N", ""), (20, "t", "")], RATE) == {}


def test_points_are_told_from_the_r_peak() -> None:
    points = np.full((2, len(Wave)), np.nan, np.float32)
    points[0, Wave.P_ONSET] = -0.2
    points[1, Wave.T_OFFSET] = 0.4
    waves = measured_waves(times(1.0, 2.0), points)
    assert waves[R_PEAK].tolist() == [1.0, 2.0]
    assert waves["p_on"].tolist() == pytest.approx([0.8])
    assert waves["t_off"].tolist() == pytest.approx([2.4])
    assert len(waves["p_off"]) == 0


def test_pairs_lie_within_150_ms_and_their_difference_is_the_error() -> None:
    reference = {"p_on": times(1.0, 2.0, 3.0), R_PEAK: times(1.2, 2.2, 3.2)}
    found = compare_waves(reference, {"p_on": times(1.01, 2.16, 2.99)})
    assert list(found) == ["p_on"]  # what is not told is not scored
    assert found["p_on"].errors.tolist() == pytest.approx([0.01, -0.01])
    assert found["p_on"].missed.tolist() == [2.0]
    assert found["p_on"].extra.tolist() == [2.16]
    shares = {name: share.percent for name, share in found["p_on"].shares().items()}
    assert shares == pytest.approx({"se": 200 / 3, "pp": 200 / 3, "f1": 200 / 3})


def test_nothing_is_extra_outside_of_what_is_annotated() -> None:
    reference = {R_PEAK: times(1, 2, 3), "t_off": times(1.4, 2.4, 3.4)}
    found = compare_waves(reference, {R_PEAK: times(0.2, 1, 2, 3, 3.45, 4)})
    assert len(found[R_PEAK].extra) == 0


def test_a_mark_just_outside_still_makes_a_pair() -> None:
    found = compare_waves({R_PEAK: times(1, 2)}, {R_PEAK: times(0.95, 2.05)})
    assert len(found[R_PEAK].errors) == 2


def test_a_beat_that_the_reference_left_out_is_not_extra_but_one_too_many_is() -> None:
    reference = {R_PEAK: times(1, 2, 3, 5, 6), "t_off": times(1.4, 2.4, 3.4, 5.4, 6.4)}
    ours = {R_PEAK: times(1, 2, 3, 4, 5, 6)}
    assert compare_waves(reference, ours)[R_PEAK].extra.tolist() == []
    ours = {R_PEAK: times(1, 2, 2.3, 3, 4, 5, 6)}
    assert compare_waves(reference, ours)[R_PEAK].extra.tolist() == [2.3]


def test_a_boundary_that_the_reader_left_out_of_a_wave_is_not_extra() -> None:
    beats = [*marks("(N)(t)"), *marks("N)t)", at=500), *marks("(N)", at=1000)]
    reference = annotated_waves([*beats, *marks("(N)(t)", at=1500)], RATE)
    ours = annotated_waves(beats, RATE)
    ours["qrs_on"] = times(0, 0.98, 2, 3)  # the second beat has none by the reader
    ours["t_on"] = times(0.12, 1.06, 2.2, 3.12)  # neither has its T wave; the third beat has no T
    found = compare_waves(reference, ours)
    assert found["qrs_on"].extra.tolist() == []
    assert found["t_on"].extra.tolist() == [2.2]
    ours["qrs_on"] = times(0, 0.98, 1.6, 2, 3)
    assert compare_waves(reference, ours)["qrs_on"].extra.tolist() == [1.6]


def test_a_boundary_that_the_reader_never_marks_is_not_scored() -> None:
    reference = annotated_waves(
        [mark for at in (0, 500, 1000) for mark in marks("(N)t)", at)], RATE
    )
    ours = dict.fromkeys(POINTS, times(0.1, 1.1))
    found = compare_waves(reference, ours)
    assert "t_on" not in found
    assert {"t_peak", "t_off", "p_on", "p_off"} <= found.keys()
    assert found["p_on"].extra.tolist() == [0.1, 1.1]  # it has no P wave at all


def test_a_wave_that_the_reference_never_marks_is_all_extra() -> None:
    reference = {R_PEAK: times(1, 2, 3), "p_peak": times()}
    found = compare_waves(reference, {"p_peak": times(1.8, 2.8)})["p_peak"]
    assert found.shares()["pp"].percent == 0
    assert np.isnan(found.shares()["se"].percent)


def test_nothing_annotated_is_nothing_scored() -> None:
    found = compare_waves({R_PEAK: times()}, {R_PEAK: times(1, 2)})[R_PEAK]
    assert len(found.extra) == len(found.missed) == 0


@given(st.lists(st.integers(20, 60), max_size=20))
def test_perfect_agreement_is_full_marks(steps: list[int]) -> None:
    starts = np.cumsum([0, *steps]) * 20
    beats = [mark for start in starts.tolist() for mark in marks("(p)(N)(t)", at=start)]
    waves = annotated_waves(beats, RATE)
    for comparison in compare_waves(waves, waves).values():
        assert (comparison.errors == 0).all()
        assert comparison.shares()["f1"].percent == 100
