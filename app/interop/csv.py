"""A report as a table: one row for each beat and each finding, in order of time."""

from __future__ import annotations

import csv
from operator import itemgetter
from typing import TYPE_CHECKING

from signals.ecg.beat import BeatClass

if TYPE_CHECKING:
    from typing import TextIO

    from app.report import Report

    _Row = tuple[str, float, float | None, int | None, str, int | None, int | None, float | None]

COLUMNS = (
    "row",  # "beat" or "finding"
    "onset_s",
    "end_s",
    "sample",
    "label",  # of a beat its AAMI class, of a finding its kind
    "percent",
    "n_beats",
    "rate_bpm",
)


def write_csv(report: Report, file: TextIO) -> None:
    """Write the beats and findings of a report as CSV (:rfc:`4180`).

    Times are seconds from the start of the recording; what a row does not have stays empty.
    """
    beats = report.beats
    rows: list[_Row] = [
        ("beat", round(time, 6), None, sample, BeatClass(cls).name, percent, None, None)
        for time, sample, cls, percent in zip(
            beats.times.tolist(),
            beats.samples.tolist(),
            beats.classes.tolist(),
            beats.percent.tolist(),
            strict=True,
        )
    ]
    rows += [
        ("finding", round(f.onset, 6), round(f.end, 6), None, f.kind, None, f.n_beats, f.rate_bpm)
        for f in report.findings
    ]
    rows.sort(key=itemgetter(1))
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows(rows)
