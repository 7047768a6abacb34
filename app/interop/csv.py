"""A report as a table: one row for each beat and each finding, in order of time."""

from __future__ import annotations

import csv
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from app.report import NO_POINT
from signals.ecg.beat import BeatClass
from signals.ecg.waves import PWave, Wave

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

    from app.report import Beats, Report

_Row = dict[str, float | str | None]

COLUMNS = (
    "row",  # "beat" or "finding"
    "onset_s",
    "end_s",
    "sample",
    "label",  # of a beat its AAMI class, of a finding its kind
    "percent",
    "unsure",  # of a beat: 1 where the model does not know its class well enough, else 0
    "n_beats",
    "rate_bpm",
    "family",
    "p_wave",  # "conducted", "none", "unrelated" or "undecided"
    "pr_ms",  # of a conducted P wave
    "qrs_ms",
    "qt_ms",
    "rule",  # what made a finding
)

_P_WAVES = {value: value.name.lower() for value in PWave} | {PWave.UNREADABLE: "undecided"}


def write_csv(report: Report, file: TextIO) -> None:
    """Write the beats and findings of a report as CSV (:rfc:`4180`).

    Times are seconds from the start of the recording; what a row does not have stays empty, such as
    all that a report of version 1 does not know.
    """
    rows = list(_beats(report.beats))
    rows += [
        {
            "row": "finding",
            "onset_s": round(found.onset, 6),
            "end_s": round(found.end, 6),
            "label": found.kind,
            "n_beats": found.n_beats,
            "rate_bpm": found.rate_bpm,
            "rule": found.rule,
        }
        for found in report.findings
    ]
    rows.sort(key=itemgetter("onset_s"))
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)


def _beats(beats: Beats) -> Iterator[_Row]:
    measured = _measured(beats)
    families = [None] * len(beats) if beats.families is None else beats.families.tolist()
    unsure: list[int | None] = [None] * len(beats)
    if beats.unsure is not None:
        unsure = np.isin(np.arange(len(beats)), beats.unsure).astype(int).tolist()
    for index, (time, sample) in enumerate(
        zip(beats.times.tolist(), beats.samples.tolist(), strict=True)
    ):
        yield {
            "row": "beat",
            "onset_s": round(time, 6),
            "sample": sample,
            "label": BeatClass(beats.classes[index]).name,
            "percent": int(beats.percent[index]),
            "unsure": unsure[index],
            "family": families[index],
            **{name: column[index] for name, column in measured.items()},
        }


def _measured(beats: Beats) -> dict[str, Sequence[int | str | None]]:
    """Return what the waves of each beat say, column by column."""
    waves = beats.waves
    if waves is None:
        return {}
    points = waves.points_ms.astype(np.int64)
    points[Wave.P_ONSET, waves.p_waves != PWave.CONDUCTED] = NO_POINT  # without it, no PR

    def interval(first: Wave, last: Wave) -> list[int | None]:
        known = (points[first] != NO_POINT) & (points[last] != NO_POINT)
        lengths = (points[last] - points[first]).tolist()
        return [n if k else None for n, k in zip(lengths, known.tolist(), strict=True)]

    return {
        "p_wave": [_P_WAVES[value] for value in waves.p_waves.tolist()],
        "pr_ms": interval(Wave.P_ONSET, Wave.QRS_ONSET),
        "qrs_ms": interval(Wave.QRS_ONSET, Wave.QRS_OFFSET),
        "qt_ms": interval(Wave.QRS_ONSET, Wave.T_OFFSET),
    }
