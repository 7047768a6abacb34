from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.report import (
    SCHEMA_VERSION,
    Beats,
    Measurement,
    Provenance,
    Report,
    ReportError,
    Subject,
    Waves,
    Windows,
)
from ml.adaptive import Work
from signals.ecg.beat import BeatClass
from tests.app.strategies import reports


@given(reports)
def test_json_gives_back_the_same_report(report: Report) -> None:
    assert Report.from_json(report.to_json()) == report


@given(reports)
def test_every_report_says_that_it_is_a_proposal_for_research_use(report: Report) -> None:
    values = json.loads(report.to_json())
    assert values["state"] == "proposed"
    assert "Research use only" in values["notice"]


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 99, 2**63, 10**400, 0.5, math.nan, math.inf, "", "N"])
    | st.floats()
    | st.text(max_size=3)
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def _damage(values: object, data: st.DataObject) -> object:
    """Put anything in a place of a tree of JSON values."""
    if not isinstance(values, dict | list) or not values or data.draw(st.integers(0, 5)) == 0:
        return data.draw(_values)
    keys = sorted(values) if isinstance(values, dict) else range(len(values))
    key = data.draw(st.sampled_from(keys))
    values[key] = _damage(values[key], data)
    return values


@settings(max_examples=150, deadline=None)
@given(reports, st.data())
def test_whatever_stands_anywhere_is_refused_or_read(report: Report, data: st.DataObject) -> None:
    try:
        read = Report.from_json(json.dumps(_damage(report.to_dict(), data)))
    except ReportError:
        return
    again = Report.from_json(read.to_json())
    assert again == read
    read.headline()


_GATE = json.loads(
    Report.to_json(
        Report(
            Subject("a", "EDF", 3.0, None, (), ()),
            Provenance("", "", "", (), ""),
            Beats(
                250.0,
                np.array([1, 2]),
                np.zeros(2, np.int8),
                np.zeros(2, np.uint8),
                np.zeros(2, np.int16),
                Waves(np.zeros(2, np.int8), np.zeros((8, 2), np.int16), ()),
                np.array([1]),
            ),
            Windows(10.0, (60.0,), (0,), ("g",)),
            (),
            (Measurement("longest_rr", 1.0, "s"),),
        )
    )
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema_version", 0),
        ("schema_version", 1.5),
        ("schema_version", True),
        ("beats.samples", 5),
        ("beats.samples", [[1], [2]]),
        ("beats.samples", [1.5, 2]),
        ("beats.samples", [2, 1]),
        ("beats.samples", [-1, 1]),
        ("beats.rate", 0),
        ("beats.rate", math.inf),
        ("beats.percent", [101, 0]),
        ("beats.unsure", [2]),
        ("beats.unsure", [-1]),
        ("beats.unsure", [1, 0]),
        ("beats.unsure", [[0]]),
        ("beats.waves.p_waves", [99, 0]),
        ("beats.waves.points_ms", [[0, 0]] * 3),
        ("beats.waves.points_ms", []),
        ("beats.waves.lead_points_ms", [[0, 0]] * 8),
        ("windows.quality", ["gg"]),
        ("windows.quality", ["?"]),
        ("windows.seconds", 0),
        ("measurements.0.value", math.nan),
    ],
)
def test_what_the_gate_is_for(path: str, value: object) -> None:
    Report.from_json(json.dumps(_GATE))
    damaged = json.loads(json.dumps(_GATE))
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    part = damaged
    for step in way:
        part = part[step]
    part[last] = value
    with pytest.raises(ReportError):
        Report.from_json(json.dumps(damaged))


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"schema": "other"}', "\x00", "[" * 9999]
)
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ReportError, match="report"):
        Report.from_json(text)


@given(reports)
def test_a_newer_version_asks_for_an_update(report: Report) -> None:
    values = report.to_dict() | {"schema_version": SCHEMA_VERSION + 1}
    with pytest.raises(ReportError, match="update"):
        Report.from_json(json.dumps(values))


def test_beats_are_counted_by_class() -> None:
    beats = Beats(
        250.0,
        np.array([250, 500, 1000]),
        np.array([BeatClass.N, BeatClass.V, BeatClass.N], np.int8),
        np.array([99, 80, 100], np.uint8),
    )
    assert beats.counts() == {
        BeatClass.N: 2,
        BeatClass.S: 0,
        BeatClass.V: 1,
        BeatClass.F: 0,
        BeatClass.Q: 0,
    }
    assert beats.times.tolist() == [1.0, 2.0, 4.0]


@given(reports)
def test_measurements_are_found_by_name(report: Report) -> None:
    for name in {m.name for m in report.measurements}:
        assert isinstance(report.measurement(name), Measurement)
    with pytest.raises(KeyError):
        report.measurement("no such measurement")


VERSION_1 = (
    '{"schema":"tracekeep-report","schema_version":1,"notice":"","state":"proposed",'
    '"subject":{"name":"a","format":"EDF","duration_s":12.5,"start":"2020-01-02T03:04:05",'
    '"leads":[{"label":"II","rate":250.0}],"repairs":["r"]},'
    '"provenance":{"software":"tracekeep 0.1.0","analysed_at":"2026-11-21T12:00:00+00:00",'
    '"input_sha256":"00","model_id":"beats-1.1.1","model_sha256":"11","runtime":"x"},'
    '"measurements":[{"name":"longest_rr","value":1.25,"unit":"s","at":3.0}],'
    '"findings":[{"kind":"pause","onset":1.0,"end":4.0,"n_beats":2,"rate_bpm":20.0}],'
    '"windows":{"seconds":10,"heart_rate":[60.0,null],"unreadable_s":[0,1],"quality":["gx"]},'
    '"beats":{"rate":250.0,"samples":[250,1000],"classes":"NV","percent":[99,80]}}'
)


def test_a_report_of_version_1_is_read() -> None:
    report = Report.from_json(VERSION_1)
    assert [model.id for model in report.provenance.models] == ["beats-1.1.1"]
    assert report.beats.classes.tolist() == [BeatClass.N, BeatClass.V]
    assert report.beats.families is None
    assert report.beats.waves is None
    assert report.summary is None
    assert report.findings[0].rule == ""
    assert Report.from_json(report.to_json()) == report


@pytest.mark.parametrize(
    ("part", "value"), [("samples", [1, "x"]), ("percent", [300, 1]), ("classes", "NX")]
)
def test_a_column_of_something_else_is_refused(part: str, value: object) -> None:
    values = json.loads(VERSION_1)
    values["beats"][part] = value
    with pytest.raises(ReportError, match="whole"):
        Report.from_json(json.dumps(values))


def test_beats_that_were_read_less_than_not_at_all_are_refused() -> None:
    values = json.loads(VERSION_1)
    values["provenance"]["work"] = {"skipped": 2, "quick": 0, "full": 1}
    assert Report.from_json(json.dumps(values)).provenance.work == Work(2, 0, 1)
    values["provenance"]["work"]["quick"] = -1
    with pytest.raises(ReportError, match="read less"):
        Report.from_json(json.dumps(values))


def test_a_value_of_the_wrong_type_is_refused() -> None:
    values = json.loads(VERSION_1)
    values["findings"][0]["onset"] = "soon"
    with pytest.raises(ReportError, match="onset"):
        Report.from_json(json.dumps(values))
