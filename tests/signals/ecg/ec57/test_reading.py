"""What WFDB annotations say of a record."""

from __future__ import annotations

import numpy as np

from signals.ecg.beat import BeatClass
from signals.ecg.ec57.reading import is_inside, reading_of


def test_beats_have_the_class_of_their_symbol_and_other_marks_are_none() -> None:
    marks = [
        (10, "N", ""),
        (20, "V", ""),
        (25, "~", ""),
        (30, "A", ""),
        (40, "L", ""),
        (50, "/", ""),
    ]
    reading = reading_of(marks, 250, 100)
    assert reading.beats.tolist() == [10, 20, 30, 40, 50]
    assert [BeatClass(c).name for c in reading.classes] == ["N", "V", "S", "N", "Q"]
    assert not reading.tells_rhythm


def test_a_rhythm_lasts_to_the_next_one_and_the_last_to_the_end() -> None:
    marks = [(0, "+", "(N"), (100, "+", "(AFIB"), (300, "+", "(AFL"), (400, "+", "(AFIB")]
    reading = reading_of(marks, 250, 900)
    assert reading.atrial_fibrillation == ((100, 300), (400, 900))
    assert reading.atrial_flutter == ((300, 400),)
    assert reading.fibrillation == ()
    assert reading.tells_rhythm


def test_the_words_of_the_malignant_arrhythmia_database_are_one_episode_where_they_touch() -> None:
    marks = [
        (5, "+", "(VFL"),
        (9, "+", "(VF"),
        (20, "+", "(VFIB"),
        (30, "+", "(N"),
        (40, "+", "(VT"),
    ]
    assert reading_of(marks, 250, 50).fibrillation == ((5, 30),)


def test_marks_of_flutter_go_before_its_rhythm() -> None:
    marks = [(8, "+", "(VFL"), (10, "[", ""), (15, "!", ""), (30, "]", ""), (45, "+", "(N")]
    assert reading_of(marks, 250, 50).fibrillation == ((10, 30),)


def test_annotations_may_come_in_any_order() -> None:
    reading = reading_of([(30, "V", ""), (10, "N", "")], 250, 50)
    assert reading.beats.tolist() == [10, 30]
    assert reading.classes.tolist() == [BeatClass.N, BeatClass.V]


def test_a_file_without_annotations_says_nothing() -> None:
    reading = reading_of([], 250, 50)
    assert len(reading.beats) == len(reading.classes) == 0
    assert not reading.tells_rhythm


def test_both_ends_of_a_stretch_are_inside() -> None:
    inside = is_inside(np.array([4, 5, 9, 10], np.int64), [(5, 9)])
    assert inside.tolist() == [False, True, True, False]
