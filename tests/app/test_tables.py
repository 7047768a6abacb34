from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from app.report import (
    UNREADABLE,
    Beats,
    Family,
    Hour,
    Lead,
    Measurement,
    Provenance,
    Report,
    Strip,
    StripRhythm,
    Subject,
    Summary,
    Windows,
)
from app.tables import NONE, Table, main_tables, summary_tables
from signals.ecg.beat import BeatClass
from signals.ecg.ectopy import EctopyCounts, ExtremeRun
from signals.ecg.hrv import HrvSummary
from signals.ecg.intervals import IntervalSummary, Measured, StSegment
from signals.ecg.qtc import QtFormula

NO_ECTOPY = EctopyCounts(0, 0, 0, 0, 0, 0, None, None, 0, 0, 0)
LEAP_NIGHT = datetime(2024, 2, 29, 23, 30)  # noqa: DTZ001 (as recorders tell it)
LONGEST, FASTEST = ExtremeRun(50.0, 53.0, 5, 120.0), ExtremeRun(70.0, 71.0, 3, 150.0)
ECTOPY = EctopyCounts(1234, 1000, 113, 2, 0, 8, LONGEST, FASTEST, 0, 7, 1)


def measured(start: float, end: float) -> IntervalSummary:
    return IntervalSummary(
        start,
        end,
        rr=Measured(1.1, 0.05, 900),
        pr=None,
        qrs=Measured(0.094, 0.004, 900),
        qt=Measured(0.4, 0.01, 900),
        qtc=dict.fromkeys(QtFormula, Measured(0.41, 0.01, 900)),
        axis=None,
        st=(StSegment("II", Measured(-0.001, 0.0, 9), Measured(0.123, 0.0, 9), None),),
    )


def hour(start: float) -> Hour:
    return Hour(
        start_s=start,
        end_s=start + 3600,
        beats=(3000, 0, 1234, 0, 0),
        heart_rate_mean=61.6,
        heart_rate_min=48.2,
        heart_rate_max=None,
        longest_rr_s=1.234,
        pauses=0,
        ventricular=ECTOPY,
        supraventricular=NO_ECTOPY,
        af_s=360.0,
        unreadable_s=0,
        lead_unreadable_s=(0,),
        intervals=measured(start, start + 3600),
    )


def holter(n_hours: int = 3) -> Report:
    classes = np.array([BeatClass.N, BeatClass.V, BeatClass.V, BeatClass.N], np.int8)
    return Report(
        subject=Subject("a", "EDF+", n_hours * 3600.0, None, (Lead("II", 250.0),), ()),
        provenance=Provenance("tracekeep", "", "", (), ""),
        beats=Beats(
            250.0,
            np.array([250, 500, 750, 1000], np.int64),
            classes,
            np.full(4, 99, np.uint8),
            np.array([1, 2, 2, 0], np.int16),
        ),
        windows=Windows(10.0, (), (), ("",)),
        findings=(),
        measurements=(
            Measurement("heart_rate_mean", 61.6, "bpm"),
            Measurement("heart_rate_min", None, "bpm"),
            Measurement("longest_rr", 1.234, "s", 12.0),
            Measurement("pr", None, "ms"),
        ),
        summary=Summary(
            basic_rhythm=(),
            intervals=measured(0.0, n_hours * 3600.0),
            ventricular=ECTOPY,
            supraventricular=NO_ECTOPY,
            variability=HrvSummary(0.91, 900, 0, 12, "As it is done", rmssd_ms=31.4),
            hours=tuple(hour(3600.0 * index) for index in range(n_hours)),
            strips=(
                Strip("longest atrial fibrillation", 100.0, 110.0),
                Strip(f"longest {UNREADABLE}", 200.0, 210.0),
                Strip("slowest heart rate", 0.0, 10.0),
            ),
            families=(
                Family(1, 1, np.zeros((1, 2), np.int16)),
                Family(2, 2, np.zeros((1, 2), np.int16)),
            ),
        ),
    )


def ten_seconds() -> Report:
    report = holter(1)
    assert report.summary is not None
    return replace(
        report,
        subject=replace(report.subject, duration_s=10.0),
        summary=replace(
            report.summary,
            intervals=measured(0.0, 10.0),
            ventricular=NO_ECTOPY,
            variability=HrvSummary(0.9, 8, 0, 0, mean_nn_ms=1000.0),
            strips=(Strip("slowest heart rate", 0.0, 10.0),),
            families=report.summary.families[:1],
        ),
    )


def tables(report: Report) -> dict[str, Table]:
    return {table.title: table for table in (*main_tables(report), *summary_tables(report))}


def rows(report: Report, title: str) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in tables(report)[title].rows}


@pytest.mark.parametrize("report", [holter(), ten_seconds(), replace(holter(), summary=None)])
@pytest.mark.parametrize("start", [None, LEAP_NIGHT])
def test_every_row_fits_its_header_and_every_moment_its_row(
    report: Report, start: datetime | None
) -> None:
    for table in tables(replace(report, subject=replace(report.subject, start=start))).values():
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert len(table.moments) in (0, len(table.rows))


def test_a_short_recording_has_only_what_ten_seconds_can_say() -> None:
    report = ten_seconds()
    assert list(tables(report)) == ["Heart rate and rhythm", "Beats", "Intervals", "ST segment"]
    assert "Slowest heart rate (10 s)" not in rows(report, "Heart rate and rhythm")
    assert tables(report)["Intervals"].header == ("", "", "Beats")


def test_a_report_of_version_1_has_its_measurements_and_beats() -> None:
    report = replace(holter(), summary=None)
    assert list(tables(report)) == ["Heart rate and rhythm", "Beats"]
    assert rows(report, "Heart rate and rhythm")["PR interval"] == ("not measurable", "")


def test_a_share_of_a_few_beats_is_not_none() -> None:
    n = 10_000
    classes = np.zeros(n, np.int8)
    classes[0] = BeatClass.V
    many = Beats(250.0, np.arange(n) * 200, classes, np.full(n, 99, np.uint8))
    found = rows(replace(holter(), beats=many), "Beats")
    assert found["Ventricular ectopic (V)"] == ("1", "< 0.1 %")
    assert found["Fusion (F)"] == ("0", "0.0 %")


def test_without_beats_there_is_no_table_of_blanks() -> None:
    report = holter()
    nothing = Beats(250.0, *(np.zeros(0, kind) for kind in (np.int64, np.int8, np.uint8)))
    assert list(summary_tables(replace(report, beats=nothing))) == []


def test_the_extremes_and_the_runs_say_where_they_are() -> None:
    table = tables(holter())["Heart rate and rhythm"]
    told = dict(zip((row[0] for row in table.rows), table.moments, strict=True))
    assert told == {
        "Mean heart rate": None,
        "Slowest heart rate (10 s)": None,
        "Longest RR interval": 12.0,
        "Longest V run": 50.0,
        "Fastest V run": 70.0,
    }
    assert rows(holter(), "Heart rate and rhythm")["Longest V run"] == (
        "5 beats, 120 bpm",
        "0:00:50",
    )


def test_an_interval_that_cannot_be_measured_is_said_to_be_so() -> None:
    found = rows(holter(), "Intervals")
    assert found["RR"] == ("1,100 ms", "50 ms", "900")
    assert found["PR"] == ("not measurable", "", "")


def test_ectopic_beats_by_the_company_they_come_in() -> None:
    found = rows(holter(), "Ectopic beats")
    assert found["Single beats"] == ("1,000", "0")
    assert found["Runs of 3 to 5"] == ("2", "0")


def test_hour_by_hour() -> None:
    table = tables(holter())["Hour by hour"]
    second = dict(zip(table.header, table.rows[1], strict=True))
    assert second["From"] == "1:00:00"
    assert table.moments[1] == 3600.0
    assert (second["HR min"], second["V"], second["V runs"]) == ("48", "1,234", "2")
    assert (second["AF %"], second["Unread. %"], second["QTcF"]) == ("10.0", "0", "410")
    assert not {"PR", "HR max", "Clock"} & set(table.header), "nothing was measured"
    assert "Hour by hour" not in tables(holter(1))


def test_the_time_of_day_is_told_where_it_is_known() -> None:
    report = holter()
    known = replace(report, subject=replace(report.subject, start=LEAP_NIGHT))
    assert [row[:2] for row in tables(known)["Hour by hour"].rows] == [
        ("0:00:00", "23:30"),
        ("1:00:00", "00:30"),
        ("2:00:00", "01:30"),
    ]
    assert tables(known)["Strips to look at"].rows[0][1:] == ("0:01:40", "23:31")


def test_what_is_only_suspected_is_called_so_where_a_strip_shows_it() -> None:
    assert list(rows(holter(), "Strips to look at")) == [
        "Longest suspected atrial fibrillation",
        "Longest unreadable stretch",
        "Slowest heart rate",
    ]


def test_variability_names_what_could_not_be_measured() -> None:
    table = tables(holter())["Heart-rate variability"]
    assert table.rows == (("Time in NN intervals", "91.0 %"), ("RMSSD", "31 ms"))
    assert table.note.startswith("Not measurable here: Mean NN, SDNN, SDANN")
    assert table.note.endswith("As it is done.")


def test_variability_that_is_missing_says_why() -> None:
    report = holter()
    assert report.summary is not None
    assert "Heart-rate variability" not in rows(report, "Heart rate and rhythm")
    for share, words in ((0.634, "too few NN: 63 %"), (None, "not measurable")):
        summary = replace(report.summary, variability=HrvSummary(share, 0, 0, 0))
        found = rows(replace(report, summary=summary), "Heart rate and rhythm")
        assert found["Heart-rate variability"] == (words, "")


def test_a_fully_unreadable_hour_has_no_share_of_fibrillation() -> None:
    report = holter()
    assert report.summary is not None
    first, *others = report.summary.hours
    summary = replace(report.summary, hours=(replace(first, unreadable_s=3600, af_s=0), *others))
    table = tables(replace(report, summary=summary))["Hour by hour"]
    assert dict(zip(table.header, table.rows[0], strict=True))["AF %"] == NONE


@pytest.mark.parametrize(("share", "told"), [(0.5, False), (20.0, True), (None, False)])
def test_how_much_of_the_rhythm_is_not_determined_is_said(
    share: float | None, *, told: bool
) -> None:
    report = replace(holter(), measurements=(Measurement("undetermined", share, "%"),))
    assert ("Rhythm not determined" in rows(report, "Heart rate and rhythm")) == told


def test_st_that_rounds_to_nothing_has_no_sign() -> None:
    assert rows(holter(), "ST segment") == {"II": ("0.00", "+0.12", NONE)}


def test_beats_by_shape_are_named_by_what_most_of_them_are() -> None:
    table = tables(holter())["Beats by shape"]
    assert table.rows == (
        ("1, mostly normal", "1", "25.0 %", "0:00:01"),
        ("2, mostly ventricular ectopic", "2", "50.0 %", "0:00:02"),
        ("Other shapes", "1", "25.0 %", ""),
    )
    assert table.moments == (1.0, 2.0, None)


def test_beats_that_the_model_is_not_sure_of_are_counted() -> None:
    report = holter()
    known = replace(report, beats=replace(report.beats, unsure=np.array([], np.int64)))
    doubtful = replace(report, beats=replace(report.beats, unsure=np.array([1, 3])))
    for told in (report, known):
        beats = next(table for table in main_tables(told) if table.title == "Beats")
        assert not any("not sure" in row[0] for row in beats.rows)
    beats = next(table for table in main_tables(doubtful) if table.title == "Beats")
    assert beats.rows[-1] == ("Of all classes, not sure", "2", "50.0 %")


def test_the_rhythm_of_a_strip_is_told_with_what_else_it_may_be() -> None:
    report = holter()
    assert report.summary is not None

    def told(rhythm: StripRhythm) -> list[str]:
        summary = replace(report.summary, rhythm=rhythm)
        heart = next(iter(main_tables(replace(report, summary=summary))))
        return [row[1] for row in heart.rows if row[0] == "Rhythm, by the model"]

    known = StripRhythm({"sinus": 93, "other": 6, "unreadable": 1, "fibrillation": 0}, unsure=False)
    assert told(known) == ["sinus rhythm 93 %, another rhythm 6 %"]
    doubtful = StripRhythm({"other": 50, "fibrillation": 50}, unsure=True)
    assert told(doubtful) == ["not sure: another rhythm 50 %, atrial fibrillation 50 %"]
