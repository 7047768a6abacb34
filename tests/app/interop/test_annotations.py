from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.interop.annotations import wfdb_annotations
from app.report import Beats, Finding, Provenance, Report, Subject, Windows
from signals.ecg.beat import BeatClass
from signals.ecg.rhythm import RhythmKind

RATE = 250.0


def report(samples: list[int], classes: str, *findings: Finding) -> Report:
    return Report(
        Subject("made", "test", 100.0, None, (), ()),
        Provenance("", "", "", (), ""),
        Beats(
            RATE,
            np.array(samples, np.int64),
            np.array([BeatClass[c] for c in classes], np.int8),
            np.full(len(samples), 90, np.uint8),
        ),
        Windows(10, (), (), ()),
        findings,
        (),
    )


def finding(kind: str, first: int, last: int) -> Finding:
    return Finding(kind, first / RATE, last / RATE, 3, 120.0)


def test_beats_have_the_symbols_of_their_classes_after_the_basic_rhythm() -> None:
    found = wfdb_annotations(report([100, 300, 500, 700, 900], "NSVFQ"))
    assert found == [
        (0, "+", "(N"),
        (100, "N", ""),
        (300, "S", ""),
        (500, "V", ""),
        (700, "F", ""),
        (900, "Q", ""),
    ]


def test_a_rhythm_goes_from_before_its_first_beat_to_after_its_last() -> None:
    episode = finding(RhythmKind.VENTRICULAR_TACHYCARDIA, 300, 700)
    found = wfdb_annotations(report([100, 300, 500, 700, 900], "NVVVN", episode))
    assert [a for a in found if a.symbol == "+"] == [
        (0, "+", "(N"),
        (299, "+", "(VT"),
        (701, "+", "(N"),
    ]


def test_a_rhythm_within_another_goes_back_to_it() -> None:
    af = finding(RhythmKind.ATRIAL_FIBRILLATION, 100, 900)
    vt = finding(RhythmKind.VENTRICULAR_TACHYCARDIA, 300, 700)
    notes = [a.note for a in wfdb_annotations(report([], "", af, vt)) if a.note]
    assert notes == ["(N", "(AFIB", "(VT", "(AFIB", "(N"]


def test_what_is_slow_within_fibrillation_does_not_part_it() -> None:
    af = finding(RhythmKind.ATRIAL_FIBRILLATION, 100, 900)
    slow = finding(RhythmKind.BRADYCARDIA, 300, 700)
    notes = [a.note for a in wfdb_annotations(report([], "", af, slow)) if a.note]
    assert notes == ["(N", "(AFIB", "(N"]


def test_ventricular_fibrillation_has_its_brackets() -> None:
    vf = finding(RhythmKind.VENTRICULAR_FIBRILLATION, 300, 700)
    found = wfdb_annotations(report([100, 500, 900], "NVN", vf))
    assert [(a.sample, a.symbol) for a in found if a.symbol in "[]"] == [(300, "["), (700, "]")]


def test_what_is_no_rhythm_is_not_written() -> None:
    pause = finding(RhythmKind.PAUSE, 300, 700)
    unreadable = finding("unreadable", 0, 1000)
    assert wfdb_annotations(report([9], "N", pause, unreadable)) == [(0, "+", "(N"), (9, "N", "")]


def test_of_a_recording_without_beats_nothing_is_said() -> None:
    assert wfdb_annotations(report([], "", finding("unreadable", 0, 1000))) == []


def test_a_rhythm_that_is_there_from_the_start_is_told_first() -> None:
    af = finding(RhythmKind.ATRIAL_FIBRILLATION, 0, 900)
    found = wfdb_annotations(report([0, 900], "NN", af))
    assert found[:2] == [(0, "+", "(AFIB"), (0, "N", "")]


_finding = st.builds(
    lambda kind, first, length: finding(kind, first, first + length),
    st.sampled_from([*RhythmKind, "unreadable"]),
    st.integers(0, 5000),
    st.integers(0, 2000),
)


@given(st.lists(_finding, max_size=8), st.lists(st.integers(0, 7000), unique=True, max_size=20))
def test_annotations_ascend_hold_every_beat_and_end_in_the_basic_rhythm(
    findings: list[Finding], samples: list[int]
) -> None:
    made = report(sorted(samples), "N" * len(samples))
    found = wfdb_annotations(replace(made, findings=tuple(findings)))
    assert [a.sample for a in found] == sorted(a.sample for a in found)
    assert [a.sample for a in found if a.symbol == "N"] == sorted(samples)
    notes = [a.note for a in found if a.symbol == "+"]
    assert notes[-1:] == ["(N"] * bool(notes)
    assert notes or not samples
    assert all(one != other for one, other in pairwise(notes))
    told = {kind.wfdb for kind in {f.kind for f in findings} & set(RhythmKind) if kind.wfdb}
    assert set(notes) - {"(N"} <= told
