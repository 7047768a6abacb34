from __future__ import annotations

import csv
import io
from dataclasses import replace

from hypothesis import given

from app.interop.csv import COLUMNS, write_csv
from app.report import NO_POINT, Report
from signals.ecg.beat import BeatClass
from signals.ecg.waves import PWave, Wave
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
    assert [i for i, row in enumerate(beats) if row["unsure"] == "1"] == list(report.beats.unsure)
    waves, families = report.beats.waves, report.beats.families
    assert waves is not None
    assert families is not None
    assert [int(row["family"]) for row in beats] == families.tolist()
    names = dict(zip(("conducted", "none", "unrelated", "undecided"), PWave, strict=True))
    assert [names[row["p_wave"]] for row in beats] == waves.p_waves.tolist()
    points = waves.points_ms.astype(int)
    for first, last, column in (
        (Wave.P_ONSET, Wave.QRS_ONSET, "pr_ms"),
        (Wave.QRS_ONSET, Wave.QRS_OFFSET, "qrs_ms"),
        (Wave.QRS_ONSET, Wave.T_OFFSET, "qt_ms"),
    ):
        for row, start, end in zip(beats, points[first], points[last], strict=True):
            missing = NO_POINT in (start, end) or (
                column == "pr_ms" and row["p_wave"] != "conducted"
            )
            assert row[column] == ("" if missing else str(end - start))
    findings = [row for row in rows if row["row"] == "finding"]
    told = sorted((row["label"], row["rule"]) for row in findings)
    assert told == sorted((found.kind, found.rule) for found in report.findings)
    assert len(beats) + len(findings) == len(rows)
    assert tuple(rows[0] if rows else COLUMNS) == COLUMNS


@given(reports)
def test_what_version_1_did_not_know_stays_empty(report: Report) -> None:
    text = io.StringIO(newline="")
    old = replace(report.beats, families=None, waves=None, unsure=None)
    write_csv(replace(report, beats=old), text)
    for row in csv.DictReader(io.StringIO(text.getvalue(), newline="")):
        later = ("unsure", "family", "p_wave", "pr_ms", "qrs_ms", "qt_ms")
        assert not any(row[name] for name in later)
