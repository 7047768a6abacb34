"""What several commands say about a recording, in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from signals.recording import Patient


def summary(headline: dict[str, Any]) -> str:
    """Return the beats and the weightiest findings of a report's headline in one line."""
    from app.wording import weightiest

    counts = headline["beats"]
    ectopic = [f", {counts[cls]} {cls}" for cls in "SVFQ" if counts[cls]]
    beats = f"{sum(counts.values())} beats{''.join(ectopic)}"
    return f"{beats}. {weightiest(headline, most=3)}"


def patient_name(patient: Patient) -> str:
    """Return what the file calls the patient: the name, else the code."""
    return patient.name or patient.code


def moment(start: datetime | None) -> str:
    """Return when a recording was made, to the minute."""
    return start.isoformat(sep=" ", timespec="minutes") if start else "not known"


def parse_clock(text: str) -> float:
    """Return how many seconds a time such as ``1:02:03``, ``2:03`` or ``3.5`` is.

    Raises
    ------
    typer.BadParameter
        If it is none.
    """
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)", text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no time such as 1:02:03, 2:03 or 3.5")
    hours, minutes, seconds = match.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
