"""What several commands say about a recording, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signals.ecg.beat import BeatClass

if TYPE_CHECKING:
    from datetime import datetime

    from signals.recording import Patient


def summary(headline: dict[str, Any]) -> str:
    """Return the beats and findings of a report's headline in one line."""
    from app.wording import class_name

    counts = headline["beats"]
    parts = [f"{sum(counts.values())} beats"]
    parts += [
        f"{counts[cls.name]} {class_name(cls)}"
        for cls in BeatClass
        if cls is not BeatClass.N and counts[cls.name]
    ]
    parts += [f"{kind} ×{count}" for kind, count in headline["findings"].items()]
    return ", ".join(parts)


def patient_name(patient: Patient) -> str:
    """Return what the file calls the patient: the name, else the code."""
    return patient.name or patient.code


def moment(start: datetime | None) -> str:
    """Return when a recording was made, to the minute."""
    return start.isoformat(sep=" ", timespec="minutes") if start else "not known"
