from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.scale import GAINS, PAPER_SPEEDS, Scale


def test_a_second_and_a_millivolt_of_standard_paper() -> None:
    scale = Scale(speed=25, gain=10, dots_per_mm=8)
    assert scale.dots_per_second == 200
    assert scale.dots_per_millivolt == 80


def test_a_screen_is_not_to_scale_until_it_was_measured() -> None:
    assert not Scale().to_scale
    assert Scale(calibrated=True).to_scale
    assert not Scale(speed=24.9, calibrated=True).to_scale


def test_steps_are_the_standard_ones_and_end_at_the_last() -> None:
    scale, seen = Scale(speed=12.5, gain=2.5), [(12.5, 2.5)]
    for _ in range(4):
        scale = scale.faster().higher()
        seen.append((scale.speed, scale.gain))
    assert seen[:4] == list(zip(PAPER_SPEEDS, GAINS, strict=True))
    assert seen[4] == seen[3]
    assert Scale(gain=2.5).lower() == Scale(gain=2.5)


def test_below_the_slowest_standard_speed_each_step_halves() -> None:
    assert Scale(speed=12.5).slower().speed == 6.25
    assert Scale(speed=1.0).faster().speed == 2.0


@given(st.floats(1e-3, 100))
def test_from_any_free_zoom_both_ways_come_to_a_standard_speed(speed: float) -> None:
    up = Scale(speed=speed)
    for _ in range(30):
        up = up.faster()
    assert up.speed == 100
    if speed > 12.5:
        assert Scale(speed=speed).slower().speed in PAPER_SPEEDS


@pytest.mark.parametrize("wrong", [{"speed": 0}, {"gain": -1}, {"dots_per_mm": 0}])
def test_nothing_is_drawn_without_size(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Scale(**wrong)
