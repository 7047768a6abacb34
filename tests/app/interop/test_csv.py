from __future__ import annotations

import csv
import io

from hypothesis import given

from app.interop.csv import COLUMNS, write_csv
from app.report import Report
from signals.ecg.beat import BeatClass
from tests.app.strategies import reports


@given(reports)
def test_every_beat_and_finding_is_a_row_in_order_of_time(report: Report) -> None:
    text = io.StringIO(newline="")
    write_csv(report, text)
    rows = list(csv.DictReader(io.StringIO(text.getvalue(), newline="")))
    onsets = [float(row["onset_s"]) for row in rows]
    assert onsets == sorted(onsets)
    beats = [row for row in rows if row["row"] == "beat"]
    assert [int(row["sample"]) for row in beats] == report.beats.samples.tolist()
    assert [BeatClass[row["label"]] for row in beats] == report.beats.classes.tolist()
    assert [int(row["percent"]) for row in beats] == report.beats.percent.tolist()
    findings = [row for row in rows if row["row"] == "finding"]
    assert sorted(row["label"] for row in findings) == sorted(f.kind for f in report.findings)
    assert len(beats) + len(findings) == len(rows)
    assert tuple(rows[0] if rows else COLUMNS) == COLUMNS
