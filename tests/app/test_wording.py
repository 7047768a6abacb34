from __future__ import annotations

import pytest

from app.report import UNCLEAR, UNREADABLE, Finding, Measurement
from app.wording import (
    BY_WEIGHT,
    class_name,
    clock,
    describe,
    duration,
    is_worth_telling,
    measurement_name,
    measurement_value,
    weightiest,
)
from signals.ecg.beat import BeatClass
from signals.ecg.rhythm import RhythmKind


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0.0 s"),
        (4.21, "4.2 s"),
        (9.96, "10.0 s"),
        (59.4, "59 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (3599.9, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_lengths_of_time_are_read_aloud(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_moments_count_from_the_start() -> None:
    assert clock(0) == "0:00:00"
    assert clock(90_061.9) == "25:01:01"


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (Finding("pause", 10, 12.6, 2, 23.1), "Pause, 2.6 s"),
        (
            Finding("asystole", 10, 16.0, 1, 10.0),
            "Asystole (look: standstill, or an electrode off), 6.0 s",
        ),
        (Finding("unreadable", 0, 90, 0, None), "Unreadable, 1 min 30 s"),
        (Finding("ventricular couplet", 1, 1.4, 2, 150), "Ventricular couplet, 150 bpm"),
        (
            Finding("ventricular tachycardia", 1, 3, 5, 163.6),
            "Ventricular tachycardia, 5 beats, 164 bpm",
        ),
        (
            Finding("atrial fibrillation", 60, 780, 1300, 108.4),
            "Suspected atrial fibrillation, 12 min, 108 bpm",
        ),
    ],
)
def test_a_finding_is_one_line(finding: Finding, words: str) -> None:
    assert describe(finding) == words


@pytest.mark.parametrize("kind", RhythmKind)
def test_every_kind_of_rhythm_has_words(kind: RhythmKind) -> None:
    words = describe(Finding(kind.value, 0, 30, 40, 80.0))
    assert kind.value in words.lower()
    assert words[0].isupper()


@pytest.mark.parametrize(
    ("findings", "beats", "words"),
    [
        (
            {"pause": 2, "ventricular tachycardia": 1, "unreadable": 1, "tachycardia": 3},
            {"N": 9, "V": 3},
            "Ventricular tachycardia, pause ×2",
        ),
        ({"atrial fibrillation": 1}, {"N": 9}, "Suspected atrial fibrillation"),
        ({"unreadable": 1}, {"N": 9, "S": 1, "V": 2}, "3 ectopic beats"),
        ({}, {"N": 9, "Q": 1}, "No findings"),
        ({}, {"N": 9, "V": 1}, "1 ectopic beat"),
        ({"unreadable": 1}, {"N": 0}, "No beats found"),
        ({"pause": 1}, {"N": 0}, "Pause"),
        ({}, {"N": 2}, "Too few beats to judge"),
    ],
)
def test_the_weightiest_findings_come_first(
    findings: dict[str, int], beats: dict[str, int], words: str
) -> None:
    assert weightiest({"findings": findings, "beats": beats, "measurements": {}}, most=2) == words


def test_every_kind_of_finding_has_a_weight() -> None:
    findings = {str(kind) for kind in RhythmKind if not kind.is_basic}
    assert set(BY_WEIGHT) == {*findings, UNREADABLE, UNCLEAR}


@pytest.mark.parametrize("beat_class", BeatClass)
def test_every_class_has_a_name(beat_class: BeatClass) -> None:
    assert class_name(beat_class)


def test_what_cannot_be_measured_says_so() -> None:
    assert measurement_value(Measurement("heart_rate_mean", None, "bpm")) == "not measurable"
    assert measurement_value(Measurement("longest_rr", 2.345, "s")) == "2.35 s"
    assert measurement_name(Measurement("longest_rr", 2.345, "s")) == "Longest RR interval"


def test_where_nothing_stands_out_the_basic_rhythm_is_told() -> None:
    headline = {"findings": {}, "beats": {"N": 9, "V": 2}, "measurements": {"sinus_rhythm": 97.0}}
    assert weightiest(headline, most=2) == "Sinus rhythm, 2 ectopic beats"


@pytest.mark.parametrize(
    ("duration_s", "beats", "measurements", "words"),
    [
        (9.9, {"N": 9}, {"sinus_rhythm": 100.0}, "Too short to judge"),
        (9.9, {"N": 8, "V": 1}, {}, "Too short to judge, 1 ectopic beat"),
        (10.0, {"N": 9}, {"sinus_rhythm": 100.0}, "Sinus rhythm, no findings"),
        (600.0, {"N": 600}, {"undetermined": 70.0}, "Rhythm not determined, no findings"),
        (600.0, {"N": 600}, {"undetermined": 50.0}, "No findings"),
    ],
)
def test_no_more_is_told_of_the_rhythm_than_is_known(
    duration_s: float, beats: dict[str, int], measurements: dict[str, float], words: str
) -> None:
    headline = {
        "findings": {},
        "beats": beats,
        "measurements": measurements,
        "duration_s": duration_s,
    }
    assert weightiest(headline, most=2) == words


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("vf_burden", 0.0, False),
        ("vf_burden", 65.2, True),
        ("undetermined", 0.5, False),
        ("undetermined", 29.3, True),
        ("af_burden", 0.0, True),
        ("pr", None, True),
    ],
)
def test_fibrillation_of_the_ventricles_is_told_where_there_is_any(
    name: str, value: float | None, *, told: bool
) -> None:
    assert is_worth_telling(Measurement(name, value, "%")) is told
