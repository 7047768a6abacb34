"""ECGs of up to a minute, which are judged as a whole."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from signals.ecg.beat import BeatClass
from signals.ecg.rhythm import Episode, PWaves, RhythmKind, RhythmThresholds, RhythmTracker
from signals.ecg.waves import PWave

RATE = 500.0
AF = RhythmKind.ATRIAL_FIBRILLATION
_IRREGULAR = [0.62, 0.9, 0.71, 1.05, 0.58, 0.8, 0.95, 0.66, 1.1, 0.7, 0.85]


def _strip(rr: list[float], p: str = "", pattern: str = "") -> list[Episode]:
    """Return what is told of beats `rr` apart, the first at 0.3 s, of P waves and classes."""
    samples = np.rint((0.3 + np.cumsum([0.0, *rr])) * RATE).astype(np.int64)
    n = len(samples)
    letters = p or "?" * n
    decided = np.array(["CNU?".index(letter) for letter in letters], np.int8)
    pr = np.where(decided == PWave.CONDUCTED, 0.16, np.nan).astype(np.float32)
    classes = np.array([BeatClass[letter] for letter in pattern or "N" * n], np.int8)
    end = int(samples[-1]) + 100
    tracker = RhythmTracker(RATE, RhythmThresholds.for_strip(end / RATE))
    episodes = tracker.push(samples, classes, (), PWaves(pr, decided, np.empty(0, np.int64)))
    return episodes + tracker.finish(end)


def _kinds(episodes: list[Episode]) -> set[RhythmKind]:
    return {episode.kind for episode in episodes}


@pytest.mark.parametrize(
    ("rr", "expected"),
    [
        ([1.3] * 7, {RhythmKind.BRADYCARDIA}),
        ([2.3] * 5, {RhythmKind.BRADYCARDIA, RhythmKind.PAUSE}),
        ([0.455] * 20, {RhythmKind.TACHYCARDIA}),
        ([0.8] * 12, set()),
        ([0.8] * 10 + [1.3] * 4, set()),
        ([0.8] * 4 + [3.0] + [0.8] * 3, {RhythmKind.PAUSE}),
        ([1.3] * 3, set()),
    ],
)
def test_rates(rr: list[float], expected: set[RhythmKind]) -> None:
    assert _kinds(_strip(rr)) == expected


def test_a_rate_is_told_with_the_limits_of_the_strip() -> None:
    [bradycardia] = _strip([1.3] * 7)
    assert bradycardia.n_beats == 8
    assert bradycardia.rate_bpm == pytest.approx(60 / 1.3)
    assert bradycardia.rule == "mean rate of 4 intervals under 50 bpm, for 4.8 s or more"


def test_fibrillation_is_told_of_the_whole_strip() -> None:
    [fibrillation] = _strip(_IRREGULAR, "NN?NN?NN?NNN")
    assert (fibrillation.kind, fibrillation.n_beats) == (AF, 12)
    assert fibrillation.onset == pytest.approx(0.3)
    assert fibrillation.duration == pytest.approx(sum(_IRREGULAR), abs=0.01)
    assert fibrillation.rule == (
        "RR intervals of 8 or more beats at every distance of 1 to 4 beats 5 % or more apart, "
        "under 30 % of them after a P wave"
    )


@pytest.mark.parametrize(
    ("p", "is_told"),
    [
        ("NNNNNNNNNNNN", True),
        ("???????????N", True),
        ("????????????", False),
        ("?CCCNNNNNNNN", True),
        ("?CCCCNNNNNNN", False),
        ("CCCCCCCCCCCC", False),
    ],
)
def test_fibrillation_has_hardly_any_p_wave(p: str, *, is_told: bool) -> None:
    assert (AF in _kinds(_strip(_IRREGULAR, p))) is is_told


def test_a_regular_rhythm_without_p_waves_is_not_fibrillation() -> None:
    assert _strip([0.8, 0.82] * 6, "N" * 13) == []


@pytest.mark.parametrize(("n", "is_told"), [(7, False), (8, True)])
def test_fibrillation_needs_eight_intervals(n: int, *, is_told: bool) -> None:
    assert (AF in _kinds(_strip(_IRREGULAR[:n], "N" * (n + 1)))) is is_told


def test_early_beats_of_fibrillation_are_no_supraventricular_ones() -> None:
    assert _kinds(_strip(_IRREGULAR, "N" * 12, "NSNNSSSNNSNN")) == {AF}


@pytest.mark.realdata
def test_rhythms_of_marked_strips(recordings: Path) -> None:
    """By the beats and P waves that LUDB's cardiologists marked in lead II, 140 records.

    Of nine with fibrillation, two are regular, and in two fewer than nine beats are marked in this
    lead. Bradycardia is under 50 bpm here; most of what the cardiologists call so is faster.
    """
    with (recordings / "ludb" / "ludb.csv").open(newline="") as file:
        noted = {row["ID"].strip(): row["Rhythms"].lower() for row in csv.DictReader(file)}
    found: dict[str, set[RhythmKind]] = {}
    for header in sorted((recordings / "ludb").glob("*.hea")):
        rr, p = _marked(header.with_suffix(""))
        found[header.stem] = _kinds(_strip(rr, p))
    fibrillating = {record for record in found if "fibrillation" in noted[record]}
    told = {record for record, kinds in found.items() if AF in kinds}
    slow = {record for record, kinds in found.items() if RhythmKind.BRADYCARDIA in kinds}
    assert len(told & fibrillating) >= 5
    assert told <= fibrillating
    assert len(slow) >= 5
    assert all("bradycardia" in noted[record] for record in slow)


def _marked(record: Path) -> tuple[list[float], str]:
    """Return the RR intervals in lead II and whether a P wave is marked before each beat."""
    import wfdb

    notes = wfdb.rdann(str(record), "ii")
    waves = [
        (s, symbol)
        for s, symbol in zip(notes.sample.tolist(), notes.symbol, strict=True)
        if symbol in {"p", "N"}
    ]
    peaks = [s for s, symbol in waves if symbol == "N"]
    before = ["", *(symbol for _, symbol in waves)]
    p = [
        "C" if a == "p" else "N" if a else "?"
        for a, (_, b) in zip(before, waves, strict=False)
        if b == "N"
    ]
    return (np.diff(peaks) / RATE).tolist(), "".join(p)
