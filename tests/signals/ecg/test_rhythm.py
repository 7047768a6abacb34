from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.ecg.beat import BeatClass
from signals.ecg.rhythm import Episode, PWaves, RhythmKind, RhythmThresholds, RhythmTracker
from signals.simulate import EcgScenario, holter_scenario, simulate_ecg

RATE = 250.0
AF = RhythmKind.ATRIAL_FIBRILLATION


def _track(
    samples: np.ndarray,
    classes: np.ndarray,
    breaks: tuple[tuple[int, int], ...] = (),
    end: int | None = None,
    rate: float = RATE,
) -> list[Episode]:
    tracker = RhythmTracker(rate)
    last = int(samples[-1]) + 1 if end is None else end
    episodes = tracker.push(samples, classes.astype(np.int8), breaks)
    return sorted(episodes + tracker.finish(last), key=lambda e: (e.onset, e.end))


def _beats(pattern: str, rr: float | list[float] = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Return beats of the classes that `pattern` spells, `rr` seconds before each."""
    steps = np.full(len(pattern), rr) if isinstance(rr, float) else np.array(rr)
    samples = np.rint(np.cumsum(steps) * RATE).astype(np.int64)
    return samples, np.array([BeatClass[letter] for letter in pattern], np.int8)


def _kinds(episodes: list[Episode]) -> list[RhythmKind]:
    return [e.kind for e in episodes]


def _fibrillating(n: int, seed: int = 0, mean: float = 0.6) -> list[float]:
    spread = np.random.default_rng(seed).standard_normal(n)
    return np.clip(mean * np.exp(0.22 * spread), 0.33, 1.2).tolist()


def test_regular_sinus_rhythm_is_no_episode() -> None:
    assert _track(*_beats("N" * 500)) == []


@pytest.mark.parametrize(
    ("rr", "kind", "limit"),
    [
        (2.0, RhythmKind.PAUSE, 2),
        (3.996, RhythmKind.PAUSE, 2),
        (4.0, RhythmKind.ASYSTOLE, 4),
        (30.0, RhythmKind.ASYSTOLE, 4),
    ],
)
def test_pause_from_two_seconds_and_asystole_from_four(
    rr: float, kind: RhythmKind, limit: int
) -> None:
    bpm = 60 / rr
    silence = Episode(kind, 2.4, 2.4 + rr, 2, bpm, bpm, f"no beat for {limit} s or more")
    assert _track(*_beats("NNNNN", [0.8, 0.8, 0.8, rr, 0.8])) == [silence]


def test_an_interval_under_two_seconds_is_no_pause() -> None:
    assert _track(*_beats("NNNNN", [0.8, 0.8, 0.8, 1.996, 0.8])) == []


def test_a_pause_parts_beats_of_one_pattern() -> None:
    for pattern in ("NNVVNN", "NNSSNN"):
        episodes = _track(*_beats(pattern, [0.8, 0.8, 0.8, 3.0, 0.8, 0.8]))
        assert _kinds(episodes) == [RhythmKind.PAUSE]


@pytest.mark.parametrize(("silence", "expected"), [(3.996, []), (4.0, [RhythmKind.ASYSTOLE])])
def test_silence_at_the_ends_of_the_recording_is_asystole_or_nothing(
    silence: float, expected: list[RhythmKind]
) -> None:
    samples, classes = _beats("NNNN", [silence, 0.8, 0.8, 0.8])
    found = _track(samples, classes)
    assert [(e.kind, e.onset, e.n_beats) for e in found] == [(kind, 0.0, 1) for kind in expected]
    samples, classes = _beats("NNNN")
    found = _track(samples, classes, end=int(samples[-1]) + round(silence * RATE))
    assert [(e.kind, e.n_beats) for e in found] == [(kind, 1) for kind in expected]


def test_three_beats_far_apart_have_two_pauses_between_them() -> None:
    samples, classes = _beats("NNN", [2.8, 2.2, 2.2])
    assert _kinds(_track(samples, classes, end=2500)) == [RhythmKind.PAUSE] * 2


def test_beside_a_break_only_asystole_is_told() -> None:
    """The first beats after noise are easily missed: what looks like a short pause may be none."""
    samples, classes = _beats("NNNN", [6.0, 0.8, 0.8, 0.8])
    assert _track(samples, classes, ((0, 510),)) == []
    [asystole] = _track(samples, classes, ((0, 500),))
    assert (asystole.kind, asystole.onset, asystole.end) == (RhythmKind.ASYSTOLE, 2.0, 6.0)
    assert asystole.n_beats == 1


def test_asystole_before_and_after_a_break() -> None:
    samples, classes = _beats("NNN", [0.8, 0.8, 30.0])
    second = int(samples[1])
    noise = ((second + 1250, second + 1750), (second + 3250, second + 3500))
    found = [(e.kind, round(e.duration, 6), e.n_beats) for e in _track(samples, classes, noise)]
    assert found == [(RhythmKind.ASYSTOLE, *lasting) for lasting in ((5, 1), (6, 0), (16, 1))]


def test_half_a_minute_of_asystole_at_the_end_is_told_in_spite_of_noise() -> None:
    samples, classes = _beats("NNNN")
    end = int(samples[-1]) + 31 * 250
    noise = ((int(samples[-1]) + 250, int(samples[-1]) + 500),)
    [asystole] = _track(samples, classes, noise, end=end)
    assert (asystole.kind, asystole.duration) == (RhythmKind.ASYSTOLE, pytest.approx(29.0))
    assert asystole.n_beats == 0


def test_a_recording_without_beats_is_silent_where_it_can_be_read() -> None:
    tracker = RhythmTracker(RATE)
    empty = np.empty(0, np.int64)
    assert tracker.push(empty, empty.astype(np.int8), [(2500, 5000), (5250, 6000)]) == []
    pauses = [(e.onset, e.end, e.n_beats) for e in tracker.finish(10_000)]
    assert pauses == [(0.0, 10.0, 0), (24.0, 40.0, 0)]


def test_breaks_may_come_in_any_order() -> None:
    samples, classes = _beats("N" * 20, [0.8] * 9 + [5.0] + [0.8] * 10)
    tracker = RhythmTracker(RATE)
    late = int(samples[-1])
    episodes = tracker.push(samples[:5], classes[:5], [(late + 50, late + 300)])
    episodes += tracker.push(samples[5:], classes[5:], [(int(samples[8]), int(samples[9]))])
    assert episodes + tracker.finish(late + 300 + 999) == []


def test_less_than_asystole_before_a_break_at_the_end_is_nothing() -> None:
    samples, classes = _beats("NNNN")
    off = ((int(samples[-1]) + 999, int(samples[-1]) + 1250),)
    assert _track(samples, classes, off, end=int(samples[-1]) + 1250) == []


@pytest.mark.parametrize(
    ("pattern", "rr", "expected"),
    [
        ("NNVNN", 0.8, []),
        ("NNVVNN", 0.8, [(RhythmKind.VENTRICULAR_COUPLET, 2)]),
        ("NNVVVNN", 0.4, [(RhythmKind.VENTRICULAR_TACHYCARDIA, 3)]),
        ("NNVVVVVNN", 0.6, [(RhythmKind.VENTRICULAR_TACHYCARDIA, 5)]),
        ("NNVVVVVVNN", 0.604, [(RhythmKind.IDIOVENTRICULAR_RHYTHM, 6)]),
        ("NNVVFVVNN", 0.7, [(RhythmKind.VENTRICULAR_COUPLET, 2)] * 2),
        ("NNSSNN", 0.6, [(RhythmKind.SUPRAVENTRICULAR_COUPLET, 2)]),
        ("NNSSSSNN", 0.6, [(RhythmKind.SUPRAVENTRICULAR_TACHYCARDIA, 4)]),
        ("NNSSSSNN", 0.604, [(RhythmKind.SUPRAVENTRICULAR_RUN, 4)]),
        ("NNVV", 0.8, [(RhythmKind.VENTRICULAR_COUPLET, 2)]),
        ("SSNN", 0.8, [(RhythmKind.SUPRAVENTRICULAR_COUPLET, 2)]),
    ],
)
def test_couplets_and_runs(pattern: str, rr: float, expected: list[tuple[RhythmKind, int]]) -> None:
    episodes = _track(*_beats(pattern, rr))
    assert [(e.kind, e.n_beats) for e in episodes] == expected
    for episode in episodes:
        assert episode.rate_bpm == pytest.approx(60 / rr, rel=0.01)


def test_run_tells_mean_and_peak_rate() -> None:
    [run] = _track(*_beats("NNVVVN", [0.8, 0.8, 0.5, 0.5, 0.4, 1.0]))
    assert (run.onset, run.end) == (2.1, 3.0)
    assert run.rate_bpm == pytest.approx(60 * 2 / 0.9)
    assert run.peak_bpm == pytest.approx(150)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("NVNVNN", []),
        ("NVNVNVNN", [(RhythmKind.VENTRICULAR_BIGEMINY, 5)]),
        ("NVNVNVNV", [(RhythmKind.VENTRICULAR_BIGEMINY, 7)]),
        ("NVNNVNNVN", [(RhythmKind.VENTRICULAR_TRIGEMINY, 7)]),
        (
            "NVNVNVNNVNNVN",
            [(RhythmKind.VENTRICULAR_BIGEMINY, 5), (RhythmKind.VENTRICULAR_TRIGEMINY, 7)],
        ),
        ("NVNVNNVNVNN", []),
        ("NVNNNVNNNVNNNV", []),
    ],
)
def test_bigeminy_and_trigeminy(pattern: str, expected: list[tuple[RhythmKind, int]]) -> None:
    assert [(e.kind, e.n_beats) for e in _track(*_beats(pattern))] == expected


@pytest.mark.parametrize(
    ("rr", "seconds", "expected"),
    [
        (0.5, 60, [RhythmKind.TACHYCARDIA]),
        (0.5, 20, []),
        (0.61, 60, []),
        (1.4, 60, [RhythmKind.BRADYCARDIA]),
        (1.4, 15, []),
        (1.19, 60, []),
    ],
)
def test_sustained_rates(rr: float, seconds: float, expected: list[RhythmKind]) -> None:
    n = round(seconds / rr)
    episodes = _track(*_beats("N" * (n + 100), [0.8] * 50 + [rr] * n + [0.8] * 50))
    assert _kinds(episodes) == expected
    for episode in episodes:
        assert episode.onset == pytest.approx(40, abs=6)
        assert episode.end == pytest.approx(40 + n * rr, abs=6)
        assert episode.rate_bpm == pytest.approx(60 / rr, rel=0.1)


def test_asystole_ends_bradycardia_and_is_no_part_of_it() -> None:
    fast = _track(*_beats("N" * 21, [0.8] * 10 + [30.0] + [0.8] * 10))
    assert _kinds(fast) == [RhythmKind.ASYSTOLE]
    slow = _track(*_beats("N" * 71, [1.5] * 30 + [30.0] + [1.5] * 40))
    assert _kinds(slow) == [RhythmKind.BRADYCARDIA, RhythmKind.ASYSTOLE, RhythmKind.BRADYCARDIA]
    assert [e.rate_bpm for e in slow] == pytest.approx([40, 2, 40])


def test_a_pause_makes_no_bradycardia_and_does_not_end_one() -> None:
    rr = ([0.9] * 6 + [3.0]) * 10
    assert set(_kinds(_track(*_beats("N" * len(rr), rr)))) == {RhythmKind.PAUSE}
    rr = [1.5] * 15 + [3.0] + [1.5] * 15
    [bradycardia, pause] = _track(*_beats("N" * len(rr), rr))
    assert (bradycardia.kind, pause.kind) == (RhythmKind.BRADYCARDIA, RhythmKind.PAUSE)
    assert (bradycardia.n_beats, bradycardia.peak_bpm) == (31, pytest.approx(40))


def test_a_rhythm_of_pauses_is_bradycardia() -> None:
    found = _track(*_beats("N" * 40, [0.8] * 10 + [2.2] * 30))
    [slow] = [e for e in found if e.kind is RhythmKind.BRADYCARDIA]
    assert slow.n_beats > 30
    assert slow.rate_bpm == pytest.approx(60 / 2.2, rel=0.15)


def test_nothing_is_read_across_an_unreadable_stretch() -> None:
    samples, classes = _beats("NNVVVNNVNVNVNNN", 0.5)
    assert len(_track(samples, classes)) == 2

    def between(first: int, second: int) -> tuple[int, int]:
        return int(samples[first]) + 10, int(samples[second]) - 10

    broken = _track(samples, classes, (between(3, 4), between(9, 10)))
    assert _kinds(broken) == [RhythmKind.VENTRICULAR_COUPLET]
    long_gap = _beats("NNN", [0.8, 0.8, 5.0])
    assert _track(*long_gap, ((0, 750), (100, 200))) == []
    assert _track(*long_gap, ((500, 750),)) == []
    assert _kinds(_track(*long_gap, ((0, 200), (1650, 1800)))) == [RhythmKind.ASYSTOLE]


def test_a_break_ends_a_sustained_rate() -> None:
    samples, classes = _beats("N" * 120, 0.5)
    assert _kinds(_track(samples, classes)) == [RhythmKind.TACHYCARDIA]
    middle = int(samples[59]) + 10
    assert _track(samples, classes, ((middle, middle + 20),)) == []


def test_fibrillation_is_found_where_it_is() -> None:
    rr = [0.8] * 100 + _fibrillating(300) + [0.8] * 100
    [episode] = [e for e in _track(*_beats("N" * 500, rr)) if e.kind is AF]
    assert episode.onset == pytest.approx(80, abs=6)
    assert episode.end == pytest.approx(sum(rr[:400]), abs=6)
    assert episode.n_beats == pytest.approx(300, abs=20)
    assert episode.rate_bpm == pytest.approx(60 / np.mean(rr[100:400]), rel=0.03)
    assert episode.peak_bpm > 150


def test_fibrillation_shorter_than_half_a_minute_is_not_reported() -> None:
    rr = [0.8] * 100 + _fibrillating(35) + [0.8] * 100
    assert _track(*_beats("N" * 235, rr)) == []


def test_fibrillation_from_the_first_beat_to_the_last() -> None:
    samples, classes = _beats("N" * 120, _fibrillating(120))
    [episode] = [e for e in _track(samples, classes) if e.kind is AF]
    assert (episode.onset, episode.end) == (samples[0] / RATE, samples[-1] / RATE)
    assert episode.n_beats == 120


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 1.0])
def test_fibrillation_with_beats_taken_for_supraventricular_ones(share: float) -> None:
    rr = [0.8] * 60 + _fibrillating(300) + [0.8] * 60
    samples, classes = _beats("N" * 420, rr)
    wrong = np.random.default_rng(1).random(300) < share
    classes[60:360][wrong] = BeatClass.S
    episodes = _track(samples, classes)
    found = sum(e.duration for e in episodes if e.kind is AF)
    assert found == pytest.approx(sum(rr[60:360]), rel=0.12)
    inside = (
        RhythmKind.SUPRAVENTRICULAR_RUN,
        RhythmKind.SUPRAVENTRICULAR_TACHYCARDIA,
        RhythmKind.SUPRAVENTRICULAR_COUPLET,
    )
    loose = [e for e in episodes if e.kind in inside and 54 < e.onset < sum(rr[:350])]
    assert loose == []


def test_fibrillation_with_some_beats_taken_for_ventricular_ones() -> None:
    samples, classes = _beats("N" * 300, _fibrillating(300))
    classes[np.random.default_rng(2).random(300) < 0.15] = BeatClass.V
    found = [e for e in _track(samples, classes) if e.kind is AF]
    assert sum(e.duration for e in found) > 0.9 * samples[-1] / RATE


def test_fibrillation_is_followed_across_a_short_gap_but_not_a_long_one() -> None:
    samples, classes = _beats("N" * 300, _fibrillating(300))
    for gap, episodes in ((10, 1), (40, 2)):
        later = samples.copy()
        later[150:] += round(gap * RATE)
        hole = (int(later[149]) + 20, int(later[150]) - 20)
        assert _kinds(_track(later, classes, (hole,))).count(AF) == episodes


def _cyclic(short: float, cycle: int) -> list[float]:
    """Every `cycle` beats one comes early, and the one after it late."""
    return ([0.8] * (cycle - 2) + [short, 1.6 - short]) * 60


@pytest.mark.parametrize(
    "rr",
    [
        _cyclic(0.5, 2),
        _cyclic(0.5, 3),
        _cyclic(0.5, 4),
        (0.85 + 0.12 * np.sin(2 * np.pi * np.arange(300) / 4.3)).tolist(),
        (0.8 + 0.1 * np.sin(2 * np.pi * np.arange(300) / 60)).tolist(),
        (0.8 + 0.02 * np.random.default_rng(3).standard_normal(300)).tolist(),
    ],
    ids=["bigeminy", "trigeminy", "quadrigeminy", "breathing", "drift", "jitter"],
)
def test_what_is_not_fibrillation(rr: list[float]) -> None:
    assert AF not in _kinds(_track(*_beats("N" * len(rr), rr)))


@pytest.mark.parametrize("seed", range(3))
def test_simulated_holter_is_read_as_it_was_made(seed: int) -> None:
    simulated = simulate_ecg(holter_scenario(seed=seed))
    beats = simulated.beats
    found = _track(beats.samples, beats.classes, end=450_000)
    for onset, end, kind in simulated.episodes:
        hits = [e for e in found if e.kind is kind and e.onset < end and e.end > onset]
        overlap = sum(min(e.end, end) - max(e.onset, onset) for e in hits)
        assert overlap > 0.9 * (end - onset), kind
    true_kinds = {kind for *_, kind in simulated.episodes}
    assert set(_kinds(found)) == true_kinds
    assert _kinds(found).count(AF) == 1


def test_supraventricular_runs_around_fibrillation_are_kept() -> None:
    scenario = EcgScenario(
        duration=300,
        supraventricular_runs=((20.0, 5), (250.0, 4)),
        af_episodes=((100.0, 200.0),),
        seed=5,
    )
    beats = simulate_ecg(scenario).beats
    found = _track(beats.samples, beats.classes)
    runs = [e for e in found if e.kind is RhythmKind.SUPRAVENTRICULAR_TACHYCARDIA]
    assert [run.n_beats for run in runs] == [5, 4]


_PIECES = st.tuples(
    st.sampled_from(["N", "S", "V", "NV", "NNV", "NS", "VV", "NF", "NQ"]), st.integers(1, 40)
)


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(_PIECES, min_size=1, max_size=8),
    spread=st.sampled_from([0.0, 0.05, 0.3]),
    mean=st.sampled_from([0.4, 0.8, 1.5]),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_blocks_do_not_matter(
    pieces: list[tuple[str, int]], spread: float, mean: float, seed: int, data: st.DataObject
) -> None:
    pattern = "".join(letters * times for letters, times in pieces)
    rng = np.random.default_rng(seed)
    rr = np.clip(mean * np.exp(spread * rng.standard_normal(len(pattern))), 0.2, 4)
    samples, classes = _beats(pattern, rr.tolist())
    end = int(samples[-1]) + 600
    starts = np.unique(rng.integers(0, end, rng.integers(0, 6)))
    breaks = [(int(s), int(s) + int(rng.integers(1, 20 * RATE))) for s in starts]

    whole = RhythmTracker(RATE)
    expected = whole.push(samples, classes, breaks) + whole.finish(end)

    cuts = data.draw(st.lists(st.integers(0, len(samples)), max_size=6).map(sorted))
    tracker = RhythmTracker(RATE)
    found = []
    for start, stop in zip([0, *cuts], [*cuts, len(samples)], strict=True):
        upto = samples[stop - 1] if stop else 0
        due = [b for b in breaks if b[0] <= upto]
        breaks = breaks[len(due) :]
        found += tracker.push(samples[start:stop], classes[start:stop], due)
    found += tracker.push(samples[:0], classes[:0], breaks) + tracker.finish(end)
    assert found == expected


def test_memory_does_not_grow_with_the_recording() -> None:
    def held(value: object, seen: set[int]) -> int:
        if id(value) in seen or isinstance(value, type):
            return 0
        seen.add(id(value))
        slots = getattr(type(value), "__slots__", ())
        inner = [getattr(value, name) for name in slots if hasattr(value, name)]
        inner += list(getattr(value, "__dict__", {}).values())
        if isinstance(value, (list, tuple)) or type(value).__name__ == "deque":
            inner += list(value)
        return sys.getsizeof(value) + sum(held(item, seen) for item in inner)

    tracker = RhythmTracker(RATE)
    pattern = "NNNSSNNVVNSVN" * 200
    samples, classes = _beats(
        pattern, np.random.default_rng(0).uniform(0.4, 1.2, len(pattern)).tolist()
    )
    rng = np.random.default_rng(1)
    pr = rng.uniform(0.15, 0.25, len(pattern)).astype(np.float32)
    p = rng.choice(4, len(pattern), p=[0.8, 0.1, 0.05, 0.05]).astype(np.int8)
    sizes = []
    for hour in range(4):
        offset = hour * (int(samples[-1]) + 200)
        breaks = [(offset + 250 * k, offset + 250 * k + 250) for k in range(0, 1000, 50)]
        tracker.push(samples + offset, classes, breaks, PWaves(pr, p, samples[::7] + offset - 90))
        sizes.append(held(tracker, set()))
    assert sizes[-1] < 1.1 * sizes[0] < 100_000


def test_thresholds_can_be_changed() -> None:
    samples, classes = _beats("NNNN", [0.8, 0.8, 2.5, 0.8])
    tracker = RhythmTracker(RATE, RhythmThresholds(pause_s=3.0))
    assert tracker.push(samples, classes) + tracker.finish(int(samples[-1])) == []


@pytest.mark.parametrize(
    ("kind", "thresholds", "rule"),
    [
        (RhythmKind.PAUSE, RhythmThresholds(pause_s=2.5), "no beat for 2.5 s or more"),
        (
            RhythmKind.VENTRICULAR_TACHYCARDIA,
            RhythmThresholds(ventricular_tachycardia_bpm=120.0),
            "3 or more ventricular beats in a row at 120 bpm or more",
        ),
        (
            RhythmKind.TACHYCARDIA,
            RhythmThresholds(tachycardia_bpm=90.0, sustained_s=5.0),
            "mean rate of 8 intervals over 90 bpm, for 5 s or more",
        ),
        (
            RhythmKind.VENTRICULAR_TRIGEMINY,
            RhythmThresholds(allorhythmia_beats=2),
            "2 or more ventricular beats, 2 other beats between two",
        ),
    ],
)
def test_an_episode_says_the_rule_that_made_it(
    kind: RhythmKind, thresholds: RhythmThresholds, rule: str
) -> None:
    pattern = "N" * 20 + "VVV" + "NNVNNVNN"
    rr = [0.5] * 18 + [2.6] + [0.4] * (len(pattern) - 19)
    samples, classes = _beats(pattern, rr)
    tracker = RhythmTracker(RATE, thresholds)
    episodes = tracker.push(samples, classes) + tracker.finish(int(samples[-1]))
    assert {e.rule for e in episodes if e.kind is kind} == {rule}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (RhythmKind.ATRIAL_FIBRILLATION, "(AFIB"),
        (RhythmKind.VENTRICULAR_TACHYCARDIA, "(VT"),
        (RhythmKind.VENTRICULAR_BIGEMINY, "(B"),
        (RhythmKind.VENTRICULAR_TRIGEMINY, "(T"),
        (RhythmKind.SUPRAVENTRICULAR_RUN, ""),
        (RhythmKind.BRADYCARDIA, "(SBR"),
        (RhythmKind.IDIOVENTRICULAR_RHYTHM, "(IVR"),
        (RhythmKind.SUPRAVENTRICULAR_TACHYCARDIA, "(SVTA"),
        (RhythmKind.VENTRICULAR_FIBRILLATION, "(VFL"),
        (RhythmKind.ASYSTOLE, "(ASYS"),
        (RhythmKind.FIRST_DEGREE_BLOCK, "(BI"),
        (RhythmKind.TYPE_1_BLOCK, "(BII"),
        (RhythmKind.PAUSE, ""),
        (RhythmKind.SINUS_RHYTHM, ""),
    ],
)
def test_words_of_wfdb(kind: RhythmKind, text: str) -> None:
    assert kind.wfdb == text
