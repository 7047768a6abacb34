"""What no recording of a heart or a brain goes beyond: a stranger's numbers are held to it.

A number can be finite and still keep a list from being shown: a rate of 1e-310 Hz makes a recording
last for ever. Text that is made of a stranger's values is made here once, before they are stored.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datetime import datetime

    from app.report import Report

RATES = (1e-4, 1e6)  # Hz: a value in three hours; ten times what any amplifier samples at
LONGEST_S = 366 * 86_400.0  # of a recording: implanted recorders are read out more often
LARGEST = 1e15  # of any number: samples of a year at the highest rate, and of any unit's values
_YEARS = range(1000, 6000)  # of a start: so that no moment of it leaves the calendar


def is_rate(rate: float) -> bool:
    """Return whether something is sampled so often, in Hz."""
    return RATES[0] <= rate <= RATES[1]


def is_number(number: float) -> bool:
    """Return whether it is finite and not beyond all measure."""
    return math.isfinite(number) and abs(number) <= LARGEST


def is_start(start: datetime | None) -> bool:
    """Return whether a recording may have begun then."""
    return start is None or start.year in _YEARS


def is_sane(report: Report) -> bool:
    """Return whether a report stays within the limits, so that it can be listed and shown."""
    from app.tables import main_tables, summary_tables
    from app.wording import clock, describe

    subject = report.subject
    rates = (report.beats.rate, *(lead.rate for lead in subject.leads))
    if not all(map(is_rate, rates)) or not 0 < subject.duration_s <= LONGEST_S:
        return False
    if not is_start(subject.start) or not _all_numbers(report):
        return False
    try:
        for finding in report.findings:
            clock(finding.onset)
            describe(finding)
        tables = [*main_tables(report), *summary_tables(report)]
    except (LookupError, ArithmeticError, TypeError, ValueError, AttributeError):
        return False  # a kind, a name or a unit that nobody has a word for
    return all(len(row) == len(table.header) for table in tables for row in table.rows)


def _all_numbers(value: object) -> bool:
    if isinstance(value, int | float):
        return is_number(value)
    if isinstance(value, np.ndarray):
        return not value.size or (is_number(float(value.min())) and is_number(float(value.max())))
    if isinstance(value, dict):
        return all(map(_all_numbers, value.values()))
    if isinstance(value, tuple | list):
        return all(map(_all_numbers, value))
    if dataclasses.is_dataclass(value):
        return all(_all_numbers(getattr(value, f.name)) for f in dataclasses.fields(value))
    return True
