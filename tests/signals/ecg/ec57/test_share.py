"""Shares, gross and average."""

from __future__ import annotations

from math import isnan, nan

from signals.ecg.ec57.share import Share, average


def test_gross_weighs_by_the_whole_and_average_does_not() -> None:
    small, large = Share(1, 2), Share(98, 98)
    assert (small + large).percent == 99
    assert average([small.percent, large.percent]) == 75


def test_a_share_of_nothing_is_no_number_and_counts_in_no_average() -> None:
    assert isnan(Share(0, 0).percent)
    assert average([nan, 40, 60]) == 50
    assert isnan(average([nan]))
    assert isnan(average([]))
