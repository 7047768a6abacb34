"""ml.personal: bounded, explained, taken back without a trace, fair to classes not shown."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.decision import Decision
from ml.personal import (
    DENIALS,
    MOST_SHIFT,
    Correction,
    Ground,
    PatternError,
    PersonalPattern,
    ReadBeats,
)
from signals.ecg.beat import BeatClass

MODEL, OTHER_MODEL = "ab" * 32, "cd" * 32
RECORDING, ANOTHER = "12" * 32, "34" * 32
RATE, N, WIDTH = 250.0, 120, 6
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DECISION = Decision(
    tuple(beat_class.name for beat_class in BeatClass),
    scale=0.8,
    offsets=(0.0, -1.0, 0.0, -2.0, -2.0),
    thresholds=(0.0, 0.5, 0.0, 0.0, 0.0),
)
N_, S, V, F, Q = BeatClass


def read_beats(seed: int = 0, n: int = N, recording: str = RECORDING) -> ReadBeats:
    """Return beats of three kinds in two families, and a model that is often wrong about them."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, n)
    centres = np.random.default_rng(7).normal(0, 1, (3, WIDTH))
    return ReadBeats(
        recording=recording,
        model=MODEL,
        rate=RATE,
        samples=np.arange(n, dtype=np.int64) * 200 + 100,
        embeddings=(centres[kinds] + rng.normal(0, 0.05, (n, WIDTH))).astype(np.float32),
        logits=(2 * np.eye(5)[kinds] + rng.normal(0, 1.5, (n, 5))).astype(np.float32),
        families=np.where(kinds == 2, 2, 1).astype(np.int16),
    )


def correction(beat: int, marked: BeatClass = V, seconds: int = 0, **more: object) -> Correction:
    made = NOON + timedelta(seconds=seconds)
    return Correction(RECORDING, beat * 200 + 100, marked, made, **more)  # type: ignore[arg-type]


def taught(*corrections: Correction, beats: ReadBeats | None = None) -> PersonalPattern:
    return PersonalPattern(MODEL).taught(corrections, beats or read_beats(), DECISION)


unhurried = settings(max_examples=60, deadline=None)
marks = st.lists(
    st.builds(
        correction,
        st.integers(0, N - 1),
        st.sampled_from(BeatClass),
        st.integers(0, 5),
        family=st.sampled_from((None, None, None, 1, 2)),
        answered=st.sampled_from((None, N_, S)),
    ),
    min_size=1,
    max_size=25,
    unique=True,
)
beat_marks = st.lists(
    st.tuples(st.integers(0, N - 1), st.sampled_from(BeatClass)),
    min_size=1,
    max_size=40,
    unique_by=lambda pair: pair[0],
)


def test_no_correction_leaves_the_models_answers_as_they_are() -> None:
    beats = read_beats()
    answers = PersonalPattern(MODEL).apply(beats, DECISION)
    assert answers.logits.tobytes() == beats.logits.tobytes()
    assert np.array_equal(answers.classes, DECISION.classes(beats.logits))
    assert not answers.reasons


def test_corrections_teach_beats_that_are_alike() -> None:
    beats = read_beats()
    kinds = np.array([N_, S, V])[np.argmax(beats.embeddings @ _centres().T, axis=1)]
    shown = [correction(beat, BeatClass(kinds[beat])) for beat in range(20)]
    answers = taught(*shown, beats=beats).apply(beats, DECISION)
    right_before = np.mean(DECISION.classes(beats.logits)[20:] == kinds[20:])
    assert right_before < 0.8
    assert np.mean(answers.classes[20:] == kinds[20:]) > 0.97
    assert np.array_equal(answers.classes[:20], kinds[:20])


def _centres() -> np.ndarray:
    centres = np.random.default_rng(7).normal(0, 1, (3, WIDTH))
    return centres / np.linalg.norm(centres, axis=1, keepdims=True)


@unhurried
@given(marks, st.randoms())
def test_the_order_of_corrections_does_not_matter(made: list[Correction], random: object) -> None:
    shuffled = made.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = taught(*made), PersonalPattern(MODEL)
    for each in shuffled:
        other = other.taught([each], read_beats(), DECISION)
    assert one == other
    assert one.to_json() == other.to_json()


@unhurried
@given(marks, st.data())
def test_a_correction_taken_back_was_never_made(
    made: list[Correction], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(made))
    rest = [each for each in made if each != gone]
    assert taught(*made).without([gone]) == taught(*rest)
    with pytest.raises(ValueError, match="not part"):
        taught(*rest).without([gone])


@unhurried
@given(beat_marks, st.integers(0, 3))
def test_a_class_that_was_not_shown_never_loses(
    pairs: list[tuple[int, BeatClass]], seed: int
) -> None:
    beats = read_beats(seed)
    answers = DECISION.classes(beats.logits)
    pattern = taught(*(correction(*pair) for pair in pairs), beats=beats)
    adapted = pattern.apply(beats, DECISION)
    before, after = (DECISION.probabilities(logits) for logits in (beats.logits, adapted.logits))
    marked = dict(pairs)
    unmarked = np.array([beat not in marked for beat in range(N)])
    for unseen in set(BeatClass) - set(marked.values()):
        denied = [beat for beat in marked if answers[beat] == unseen]
        if len(denied) >= DENIALS and max(denied) - min(denied) >= (N - 1) / 2:
            continue
        np.testing.assert_allclose(after[:, unseen], before[:, unseen], rtol=1e-4, atol=1e-7)
        kept = unmarked & (answers == unseen)
        assert np.all(adapted.classes[kept] == unseen)


def test_only_a_class_that_was_denied_all_over_the_recording_can_be_lost() -> None:
    beats = dataclasses.replace(read_beats(), logits=np.tile(np.float32([0, 3, 0, 0, 0]), (N, 1)))

    def share_lost(made: list[int]) -> float:
        pattern = taught(*(correction(beat, N_) for beat in made), beats=beats)
        others = np.setdiff1d(np.arange(N), made)
        return float(np.mean(pattern.apply(beats, DECISION).classes[others] != S))

    all_over = np.linspace(0, N - 1, DENIALS).round().astype(int).tolist()
    assert share_lost(all_over) > 0.5
    assert share_lost(all_over[:-1]) == 0
    assert share_lost(list(range(N // 2 - 1))) == 0


@unhurried
@given(beat_marks, st.integers(0, 3))
def test_odds_move_by_a_bounded_factor(pairs: list[tuple[int, BeatClass]], seed: int) -> None:
    beats = read_beats(seed)
    adapted = taught(*(correction(*pair) for pair in pairs), beats=beats).apply(beats, DECISION)
    shift = (adapted.logits.astype(float) - beats.logits) * DECISION.scale
    assert np.ptp(shift, axis=1).max() <= MOST_SHIFT + 1e-4


@unhurried
@given(marks)
def test_every_changed_beat_and_no_other_has_a_reason(made: list[Correction]) -> None:
    beats = read_beats()
    adapted = taught(*made).apply(beats, DECISION)
    changed = np.flatnonzero(adapted.classes != DECISION.classes(beats.logits))
    assert sorted(adapted.reasons) == changed.tolist()
    for beat, reason in adapted.reasons.items():
        assert reason.marked in {each.given for each in made}
        assert reason.marked.name in str(reason)
        if reason.ground is Ground.READER:
            assert adapted.classes[beat] == reason.marked


def test_a_marked_family_is_what_the_reader_said_and_says_why() -> None:
    beats = read_beats()
    own = int(np.flatnonzero(beats.families == 2)[5])
    pattern = taught(
        correction(int(np.flatnonzero(beats.families == 2)[0]), F, seconds=1, family=2),
        correction(own, Q),
    )
    adapted = pattern.apply(beats, DECISION)
    others = (beats.families == 2) & (np.arange(N) != own)
    assert np.all(adapted.classes[others] == F)
    assert adapted.classes[own] == Q, "a beat that was marked by itself stays"
    reasons = {str(adapted.reasons[beat]) for beat in np.flatnonzero(others).tolist()}
    assert reasons == {"because you marked family 2 F"}
    assert str(adapted.reasons[own]) == "because you marked it Q"


def test_a_family_can_be_marked_as_far_as_the_model_took_it_for_one_class() -> None:
    beats = read_beats()
    answers = DECISION.classes(beats.logits)
    of_family = beats.families == 1
    pattern = taught(correction(int(of_family.argmax()), N_, family=1, answered=V))
    adapted = pattern.apply(beats, DECISION)
    assert np.all(adapted.classes[of_family & (answers == V)] == N_)
    assert np.all(adapted.classes[of_family & (answers == S)] == S)


def test_beats_of_a_family_follow_the_one_that_was_marked_in_that_recording() -> None:
    beats = read_beats()
    far_apart = np.diag(np.arange(1, N + 1, dtype=np.float32) * 10)
    none_sure = np.tile(np.float32([0.5, 0, 0, 0, 0]), (N, 1))
    beats = dataclasses.replace(beats, embeddings=far_apart, logits=none_sure)
    first, second = np.flatnonzero(beats.families == 2)[:2].tolist()
    plain = [correction(beat, N_) for beat in np.flatnonzero(beats.families == 1)[:3].tolist()]
    hardly_shown = taught(correction(first), *plain[:2], beats=beats)
    assert hardly_shown.apply(beats, DECISION).classes[second] != V
    pattern = taught(correction(first), *plain, beats=beats)
    adapted = pattern.apply(beats, DECISION)
    assert adapted.classes[second] == V
    assert str(adapted.reasons[second]) == "of family 2, of which you marked 1 beat V"
    elsewhere = dataclasses.replace(
        beats, recording=ANOTHER, embeddings=np.roll(far_apart, N // 2, axis=0)
    )
    assert V not in np.delete(pattern.apply(elsewhere, DECISION).classes, first + N // 2)


def test_the_later_of_two_corrections_of_a_beat_counts() -> None:
    early, late = correction(3, V, 0), correction(3, F, 1)
    for made in ((early, late), (late, early)):
        pattern = taught(*made)
        assert pattern.corrections == (early, late)
        assert pattern.apply(read_beats(), DECISION).classes[3] == F
    assert taught(early, late).without([late]).apply(read_beats(), DECISION).classes[3] == V


def test_what_is_learned_holds_in_another_recording_but_families_do_not() -> None:
    beats, later = read_beats(), read_beats(5, recording=ANOTHER)
    kinds = np.argmax(later.embeddings @ _centres().T, axis=1)
    shown = np.argmax(beats.embeddings @ _centres().T, axis=1)
    pattern = taught(*(correction(b, BeatClass(int(shown[b]))) for b in range(40)), beats=beats)
    adapted = pattern.apply(later, DECISION)
    assert np.mean(adapted.classes == kinds) > 0.97
    assert {reason.ground for reason in adapted.reasons.values()} == {Ground.ALIKE}


def test_beats_are_found_again_when_they_are_found_a_little_elsewhere() -> None:
    beats = read_beats()
    moved = dataclasses.replace(beats, samples=beats.samples + 12)
    gone = dataclasses.replace(beats, samples=beats.samples + 13)
    pattern = taught(correction(3, Q), beats=beats)
    assert pattern.apply(moved, DECISION).classes[3] == Q
    assert Ground.READER not in {r.ground for r in pattern.apply(gone, DECISION).reasons.values()}


def test_another_model_learns_from_the_same_corrections() -> None:
    made = [correction(b, V) for b in range(5)] + [correction(9, N_, family=1)]
    beats = dataclasses.replace(read_beats(3), model=OTHER_MODEL)
    with pytest.raises(PatternError, match="6 corrections have to be learned anew"):
        taught(*made).apply(beats, DECISION)
    again = taught(*made).relearned(OTHER_MODEL, [beats], DECISION)
    assert again == PersonalPattern(OTHER_MODEL).taught(made, beats, DECISION)
    elsewhere = dataclasses.replace(beats, recording=ANOTHER)
    waiting = taught(*made).relearned(OTHER_MODEL, [elsewhere], DECISION)
    assert waiting.corrections == again.corrections
    assert not waiting.apply(elsewhere, DECISION).reasons
    assert waiting.taught(made, beats, DECISION) == again


def test_a_correction_of_another_recording_or_without_a_zone_is_refused() -> None:
    elsewhere = dataclasses.replace(correction(1), recording=ANOTHER)
    nowhen = dataclasses.replace(correction(1), made=datetime(2026, 1, 1))  # noqa: DTZ001
    for wrong in (elsewhere, nowhen):
        with pytest.raises(ValueError, match=r"recording|zone"):
            taught(wrong)


def test_a_thousand_corrections_are_learned_from_those_that_matter() -> None:
    beats = read_beats(n=3000)
    answers = DECISION.classes(beats.logits)
    made = [correction(b, BeatClass(answers[b])) for b in range(2900)]
    adapted = taught(*made, correction(2950, F), beats=beats).apply(beats, DECISION)
    assert adapted.classes[2950] == F
    assert np.mean(adapted.classes[:2900] == answers[:2900]) == 1


def test_questions_are_in_doubt_unlike_one_another_and_not_asked_twice() -> None:
    beats = read_beats()
    first = taught().worth_asking(beats, DECISION, 3)
    kinds = np.argmax(beats.embeddings @ _centres().T, axis=1)
    assert set(kinds[first]) == {0, 1, 2}, "one of each kind before two of one"
    pattern = taught(*(correction(int(b), BeatClass(int(kinds[b]))) for b in first))
    assert not set(first) & set(pattern.worth_asking(beats, DECISION, N))
    assert len(taught().worth_asking(beats, DECISION, N + 5)) == N
    assert len(set(taught().worth_asking(beats, DECISION, N).tolist())) == N


def test_a_recording_without_beats_is_no_problem() -> None:
    nothing = read_beats(n=0)
    pattern = taught(correction(1))
    assert len(pattern.apply(nothing, DECISION).classes) == 0
    assert len(pattern.worth_asking(nothing, DECISION, 3)) == 0


@unhurried
@given(marks)
def test_a_pattern_comes_back_from_json(made: list[Correction]) -> None:
    pattern = taught(*made)
    assert PersonalPattern.from_json(pattern.to_json()) == pattern


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_json_gives_the_one_error(data: st.DataObject) -> None:
    raw = bytearray(taught(correction(1), correction(2, N_, family=1)).to_json().encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut])):
        try:
            PersonalPattern.from_json(damaged)
        except PatternError:
            continue


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "tracekeep-report"}, "something else"),
        ({"schema_version": 99}, "update it"),
        ({"schema_version": 0}, "something else"),
        ({"model": "AB"}, "model"),
        ({"more": 1}, "more"),
        ({"lessons": 3}, "lessons"),
    ],
)
def test_what_is_no_pattern_is_refused_in_words(change: dict[str, object], words: str) -> None:
    kept = json.loads(taught(correction(1)).to_json())
    with pytest.raises(PatternError, match=words):
        PersonalPattern.from_json(json.dumps(kept | change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"embeddings": "AAAA"}, "differ in length"),
        ({"logits": ""}, "differ in length"),
        ({"embeddings": ""}, "no embedding"),
        ({"logits": "AHwAAAAAAAAAAA=="}, "not finite"),
        ({"samples": [-1]}, "samples"),
        ({"samples": [3, 3]}, "length|order"),
    ],
)
def test_a_damaged_lesson_is_refused_in_words(change: dict[str, object], words: str) -> None:
    kept = json.loads(taught(correction(1)).to_json())
    kept["lessons"][0] |= change
    with pytest.raises(PatternError, match=words):
        PersonalPattern.from_json(json.dumps(kept))


def test_lessons_twice_or_out_of_order_are_refused() -> None:
    kept = json.loads(taught(correction(1), correction(2)).to_json())
    for lessons in (kept["lessons"][::-1], kept["lessons"][:1] * 2):
        with pytest.raises(PatternError, match="out of order"):
            PersonalPattern.from_json(json.dumps(kept | {"lessons": lessons}))


def test_a_pattern_for_another_embedding_is_refused() -> None:
    wider = dataclasses.replace(read_beats(), embeddings=np.zeros((N, WIDTH + 1), np.float32))
    with pytest.raises(PatternError, match="width"):
        taught(correction(1)).apply(wider, DECISION)


def test_a_pattern_is_small() -> None:
    made = [correction(beat) for beat in range(N)]
    assert len(taught(*made).to_json()) / N < 350
