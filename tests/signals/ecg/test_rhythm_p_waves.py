"""Rules that need P waves, on hearts made of an atrium that beats and a node that conducts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.ecg.beat import BeatClass
from signals.ecg.rhythm import Episode, PWaves, RhythmKind, RhythmThresholds, RhythmTracker
from signals.ecg.waves import BeatWaves, PWave, Wave
from signals.simulate import holter_scenario, simulate_ecg

RATE = 1000.0
SINUS = RhythmKind.SINUS_RHYTHM
AF = RhythmKind.ATRIAL_FIBRILLATION
_SECOND_DEGREE = (
    RhythmKind.TYPE_1_BLOCK,
    RhythmKind.TYPE_2_BLOCK,
    RhythmKind.TWO_TO_ONE_BLOCK,
    RhythmKind.ADVANCED_BLOCK,
)

Beats = tuple[np.ndarray, np.ndarray, PWaves]


def _conducted(p_times: np.ndarray, pr: list[float | None]) -> Beats:
    """Return the beats after P waves at these times, `pr` s later; None: no QRS follows."""
    led = np.array([delay is not None for delay in pr])
    delays = np.array([delay for delay in pr if delay is not None])
    samples = np.rint((p_times[led] + delays) * RATE).astype(np.int64)
    lone = np.rint(p_times[~led] * RATE).astype(np.int64)
    p_waves = PWaves(delays.astype(np.float32), np.zeros(len(samples), np.int8), lone)
    return samples, np.full(len(samples), BeatClass.N, np.int8), p_waves


def _steady(pr: list[float | None], pp: float = 0.8) -> Beats:
    return _conducted(0.5 + pp * np.arange(len(pr)), pr)


def _regular(pattern: str, p: str, rr: float | list[float] = 0.8) -> Beats:
    """Return beats of classes and P waves (C, N, U or ? for unreadable) spelt by letters."""
    steps = np.full(len(pattern), rr) if isinstance(rr, float) else np.array(rr)
    samples = np.rint(np.cumsum(steps) * RATE).astype(np.int64)
    decided = np.array(["CNU?".index(letter) for letter in p], np.int8)
    pr = np.where(decided == PWave.CONDUCTED, 0.16, np.nan).astype(np.float32)
    classes = np.array([BeatClass[letter] for letter in pattern], np.int8)
    return samples, classes, PWaves(pr, decided, np.empty(0, np.int64))


def _track(
    beats: Beats,
    breaks: tuple[tuple[int, int], ...] = (),
    thresholds: RhythmThresholds | None = None,
) -> list[Episode]:
    samples, classes, p_waves = beats
    tracker = RhythmTracker(RATE, thresholds)
    episodes = tracker.push(samples, classes, breaks, p_waves)
    episodes += tracker.finish(int(samples[-1]) + 1)
    return sorted(episodes, key=lambda e: (e.onset, e.end))


def _of(episodes: list[Episode], *kinds: RhythmKind) -> list[Episode]:
    return [e for e in episodes if e.kind in kinds]


def test_the_atria_are_read_from_the_waves_of_the_beats() -> None:
    points = np.full((2, len(Wave)), np.nan, np.float32)
    points[0, [Wave.P_ONSET, Wave.QRS_ONSET]] = -0.2, -0.04
    waves = replace(
        BeatWaves.none(1),
        samples=np.array([400, 1200]),
        points=points,
        p_waves=np.array([PWave.CONDUCTED, PWave.NONE], np.int8),
        lone_p=np.array([900]),
    )
    p_waves = PWaves.of(waves)
    np.testing.assert_allclose(p_waves.pr, [0.16, np.nan], rtol=1e-6)
    assert (p_waves.p.tolist(), p_waves.lone_p.tolist()) == ([0, 1], [900])


def test_without_p_waves_rules_that_need_them_are_silent() -> None:
    samples, classes, _ = _steady([0.24] * 60)
    tracker = RhythmTracker(RATE)
    assert tracker.push(samples, classes) + tracker.finish(int(samples[-1])) == []


class TestSinusRhythm:
    def test_ten_seconds_at_40_bpm_with_the_first_p_wave_cut_off(self) -> None:
        [sinus] = _track(_regular("NNNNNN", "?CCCCC", [0.2] + [1.5] * 5))
        assert (sinus.kind, sinus.onset, sinus.end) == (SINUS, 1.7, 7.7)
        assert (sinus.n_beats, sinus.rate_bpm) == (5, pytest.approx(40))
        assert sinus.rule == "normal beats with a conducted P wave for 4 s or more"

    def test_it_is_basic_and_nothing_else_is(self) -> None:
        assert [kind for kind in RhythmKind if kind.is_basic] == [SINUS]

    def test_ectopic_beats_and_noise_do_not_end_it(self) -> None:
        pattern = "NNNNNNNN" + "NV" * 20 + "N" * 30 + "VVVVV" + "SSS" + "N" * 20
        p = "C" * 8 + "CN" * 20 + "C" * 10 + "?" * 20 + "NNNNN" + "CCC" + "C" * 20
        [sinus] = _of(_track(_regular(pattern, p)), SINUS)
        assert (sinus.n_beats, sinus.rate_bpm) == (len(pattern), pytest.approx(75))

    def test_its_peak_rate_is_that_of_normal_beats_in_a_row(self) -> None:
        rr = [0.8] * 10 + [0.4, 1.2] + [0.8] * 5 + [0.6] + [0.8] * 5
        beats = _regular("N" * 10 + "VN" + "N" * 11, "C" * 10 + "NC" + "C" * 11, rr)
        [sinus] = _of(_track(beats), SINUS)
        assert sinus.peak_bpm == pytest.approx(100)

    def test_sinus_rhythm_in_bigeminy_has_the_mean_rate_as_its_peak(self) -> None:
        [sinus] = _of(_track(_regular("NV" * 20, "CN" * 20)), SINUS)
        assert sinus.peak_bpm == pytest.approx(sinus.rate_bpm) == pytest.approx(75)

    @pytest.mark.parametrize(("gap", "n"), [(3.9, 1), (4.1, 2)])
    def test_it_is_followed_across_a_few_seconds(self, gap: float, n: int) -> None:
        beats = _regular("N" * 40, "C" * 40, [0.8] * 20 + [gap] + [0.8] * 19)
        hole = (int(beats[0][19]) + 100, int(beats[0][20]) - 100)
        found = _of(_track(beats, (hole,)), SINUS)
        assert len(found) == n
        assert all(e.rate_bpm == pytest.approx(75) for e in found)

    def test_it_is_not_followed_across_beats_in_ventricular_fibrillation(self) -> None:
        beats = _regular(
            "N" * 80, "C" * 30 + "?" * 20 + "C" * 30, [0.8] * 30 + [0.3] * 20 + [0.8] * 30
        )
        hole = (int(beats[0][29]) + 100, int(beats[0][50]) - 100)
        first, second = _of(_track(beats, (hole,)), SINUS)
        assert first.end == beats[0][29] / RATE
        assert second.onset >= beats[0][50] / RATE

    def test_it_is_told_where_half_of_the_p_waves_are_decided_or_more(self) -> None:
        [sinus] = _of(_track(_regular("N" * 200, "C?" * 100)), SINUS)
        assert sinus.n_beats == 199
        assert _of(_track(_regular("N" * 240, "C??" * 80)), SINUS) == []

    def test_it_ends_where_p_waves_are_no_longer_decided(self) -> None:
        [sinus] = _of(_track(_regular("N" * 300, "C" * 100 + "??C" * 60 + "?" * 20)), SINUS)
        assert 100 <= sinus.n_beats < 160

    def test_beats_without_p_waves_end_it(self) -> None:
        first, second = _of(_track(_regular("N" * 60, "C" * 20 + "N" * 20 + "C" * 20)), SINUS)
        assert (first.end, second.onset) == (16.0, pytest.approx(32.8))

    def test_the_basic_rhythm_of_a_holter_is_told_in_few_stretches(self) -> None:
        simulated = simulate_ecg(holter_scenario(seed=2))
        beats, rate = simulated.beats, simulated.recording.channels[0].rate
        [(onset, end)] = [(onset, end) for onset, end, kind in simulated.episodes if kind is AF]
        times = beats.samples / rate
        fibrillating = (times >= onset) & (times <= end)
        conducted = (beats.classes == BeatClass.N) & ~fibrillating
        p = np.where(conducted, PWave.CONDUCTED, PWave.NONE).astype(np.int8)
        atria = replace(PWaves.unknown(len(p)), p=p)
        tracker = RhythmTracker(rate)
        episodes = tracker.push(beats.samples, beats.classes, (), atria)
        before, after = _of(episodes + tracker.finish(int(beats.samples[-1]) + 1), SINUS)
        assert (before.onset, before.end) == (times[0], pytest.approx(onset, abs=3))
        assert (after.onset, after.end) == (pytest.approx(end, abs=3), times[-1])

    def test_a_p_wave_now_and_then_is_not_enough(self) -> None:
        assert _track(_regular("N" * 200, "CNNNCNNCNN" * 20)) == []

    def test_three_beats_of_five_are_not_enough_to_begin(self) -> None:
        assert _track(_regular("N" * 40, "CNCNC" * 8)) == []

    def test_two_beats_of_five_are_not_enough_to_go_on(self) -> None:
        [sinus] = _track(_regular("N" * 70, "C" * 20 + "CNCNN" * 10))
        assert 20 <= sinus.n_beats <= 40

    def test_p_waves_that_are_not_seen_for_a_while_do_not_end_it(self) -> None:
        [sinus] = _track(_regular("N" * 40, "C" * 15 + "N" * 9 + "C" * 16))
        assert sinus.n_beats == 40

    @pytest.mark.parametrize(("n_beats", "found"), [(5, 0), (6, 1)])
    def test_it_lasts_four_seconds_or_more(self, n_beats: int, found: int) -> None:
        p = "N" * 10 + "C" * n_beats + "N" * 10
        assert len(_track(_regular("N" * len(p), p))) == found

    def test_beats_with_a_break_between_any_two_have_no_rhythm(self) -> None:
        beats = _regular("N" * 12, "C" * 12)
        breaks = tuple((s + 300, s + 400) for s in beats[0].tolist())
        assert _track(beats, breaks) == []


class TestFirstDegreeBlock:
    @pytest.mark.parametrize(("pr", "n"), [(0.2, 0), (0.201, 1), (0.32, 1)])
    def test_pr_over_200_ms(self, pr: float, n: int) -> None:
        found = _of(_track(_steady([pr] * 20)), RhythmKind.FIRST_DEGREE_BLOCK)
        assert [e.n_beats for e in found] == [20] * n
        assert {e.rule for e in found} <= {"PR over 200 ms in most beats for 4 s or more"}

    @pytest.mark.parametrize(
        ("then", "n_beats"), [([0.19, 0.21] * 10, [60]), ([0.2] * 20, [20, 20])]
    )
    def test_it_goes_on_while_every_other_pr_is_long(
        self, then: list[float], n_beats: list[int]
    ) -> None:
        beats = _steady([0.21] * 20 + then + [0.21] * 20)
        found = _of(_track(beats), RhythmKind.FIRST_DEGREE_BLOCK)
        assert [e.n_beats for e in found] == n_beats

    def test_single_long_pr_intervals_are_none(self) -> None:
        found = _track(_steady([0.16, 0.16, 0.24] * 20))
        assert _of(found, RhythmKind.FIRST_DEGREE_BLOCK) == []


class TestSecondDegreeBlock:
    def _only(self, beats: Beats, breaks: tuple[tuple[int, int], ...] = ()) -> list[Episode]:
        return _of(_track(beats, breaks), *_SECOND_DEGREE)

    def test_wenckebach_periods_are_type_1(self) -> None:
        pr = [0.16] * 10 + [0.16, 0.24, 0.28, None] * 5 + [0.16] * 10
        [block] = self._only(_steady(pr))
        assert block.kind is RhythmKind.TYPE_1_BLOCK
        assert block.onset == pytest.approx(0.5 + 12 * 0.8 + 0.28)
        assert block.end == pytest.approx(0.5 + 30 * 0.8 + 0.16)
        assert block.peak_bpm == pytest.approx(60 / 0.84)
        assert block.rule == "P wave blocked, PR 20 ms or more shorter after it"

    def test_a_blocked_p_wave_at_a_steady_pr_is_type_2(self) -> None:
        [block] = self._only(_steady([0.18] * 10 + [None] + [0.18] * 10))
        assert (block.kind, block.n_beats) == (RhythmKind.TYPE_2_BLOCK, 2)
        assert block.rate_bpm == pytest.approx(60 / 1.6)
        assert block.rule == "P wave blocked, PR changing less than 20 ms"

    def test_one_in_three_blocked_at_a_steady_pr_is_one_episode_of_type_2(self) -> None:
        [block] = self._only(_steady([0.18] * 5 + [0.18, 0.18, None] * 6 + [0.18]))
        assert (block.kind, block.n_beats) == (RhythmKind.TYPE_2_BLOCK, 12)

    def test_every_other_p_wave_blocked_is_2_to_1(self) -> None:
        [block] = self._only(_steady([0.2] * 5 + [None, 0.2] * 6, pp=0.7))
        assert (block.kind, block.n_beats) == (RhythmKind.TWO_TO_ONE_BLOCK, 7)
        assert (block.rate_bpm, block.peak_bpm) == pytest.approx((60 / 1.4, 60 / 1.4))
        assert block.rule == "every other P wave blocked, 2 or more times"

    def test_two_blocked_in_a_row_are_advanced(self) -> None:
        [block] = self._only(_steady([0.2] * 5 + [None, None] + [0.2] * 5))
        assert (block.kind, block.n_beats) == (RhythmKind.ADVANCED_BLOCK, 2)
        assert block.rule == "2 or more P waves blocked in a row"

    def test_blocks_of_one_kind_far_apart_are_two_episodes(self) -> None:
        found = self._only(_steady(([0.18] * 50 + [None]) * 2 + [0.18] * 5))
        assert [e.kind for e in found] == [RhythmKind.TYPE_2_BLOCK] * 2

    def test_a_blocked_atrial_ectopic_beat_is_no_block(self) -> None:
        p_times = np.concatenate([0.5 + 0.8 * np.arange(10), [8.2], 9.1 + 0.8 * np.arange(10)])
        assert self._only(_conducted(p_times, [0.18] * 10 + [None] + [0.18] * 10)) == []

    def test_flutter_waves_are_no_block(self) -> None:
        assert self._only(_steady([0.2, None] * 20, pp=0.3)) == []

    def test_a_blocked_p_wave_tells_its_type_only_after_two_conducted_ones_on_time(self) -> None:
        late = np.concatenate([0.5 + 0.8 * np.arange(9), 8.2 + 0.8 * np.arange(12)])
        assert self._only(_conducted(late, [0.18] * 10 + [None] + [0.18] * 10)) == []
        samples, classes, atria = _steady([0.18] * 10 + [None] + [0.18] * 10)
        classes[8] = BeatClass.S
        assert self._only((samples, classes, atria)) == []

    def test_a_pr_that_varies_before_the_blocked_p_wave_fits_no_definition(self) -> None:
        assert self._only(_steady([0.16] * 9 + [0.21, None] + [0.2] * 10)) == []

    def test_a_pr_that_grows_after_the_blocked_p_wave_fits_no_definition(self) -> None:
        assert self._only(_steady([0.16] * 10 + [None] + [0.24] * 10)) == []

    def test_what_is_not_decided_is_no_block(self) -> None:
        samples, classes, atria = _steady([0.18] * 10 + [None] + [0.18] * 10)
        for p in (PWave.NONE, PWave.UNRELATED, PWave.UNREADABLE):
            doubtful = atria.p.copy()
            doubtful[10] = p
            assert self._only((samples, classes, replace(atria, p=doubtful))) == []
        ectopic = classes.copy()
        ectopic[10] = BeatClass.V
        assert self._only((samples, ectopic, atria)) == []

    def test_no_block_is_read_across_a_break(self) -> None:
        beats = _steady([0.18] * 10 + [None] + [0.18] * 10)
        assert self._only(beats, ((int(beats[0][9]) + 100, int(beats[0][9]) + 200),)) == []


class TestDissociation:
    def _escaping(self, rr: np.ndarray, kind: BeatClass) -> Beats:
        samples = np.rint(np.cumsum(rr) * RATE).astype(np.int64)
        lone = np.arange(300, int(samples[-1]), 750)
        n = len(samples)
        p_waves = PWaves(
            np.full(n, 0.2, np.float32), np.full(n, PWave.UNRELATED, np.int8), lone.astype(np.int64)
        )
        return samples, np.full(n, kind, np.int8), p_waves

    @pytest.mark.parametrize("kind", [BeatClass.N, BeatClass.V])
    def test_unrelated_p_waves_over_a_slow_even_escape(self, kind: BeatClass) -> None:
        found = _track(self._escaping(np.full(20, 1.6), kind))
        [episode] = _of(found, RhythmKind.DISSOCIATION)
        assert (episode.n_beats, episode.rate_bpm) == (18, pytest.approx(37.5))
        assert episode.rule == "P waves unrelated to an even rhythm under 60 bpm for 4 s or more"
        assert _of(found, SINUS, *_SECOND_DEGREE) == []

    def test_not_where_each_qrs_has_its_own_p_wave(self) -> None:
        samples, classes, atria = self._escaping(np.full(20, 1.6), BeatClass.N)
        paired = replace(atria, lone_p=atria.lone_p[:1])
        assert _of(_track((samples, classes, paired)), RhythmKind.DISSOCIATION) == []

    def test_not_when_fast_or_uneven(self) -> None:
        uneven = np.where(np.arange(30) % 2, 1.2, 1.6)
        for rr in (np.full(30, 0.9), uneven):
            found = _track(self._escaping(rr, BeatClass.N))
            assert _of(found, RhythmKind.DISSOCIATION) == []


class TestFibrillation:
    def _irregular(self, p: str) -> Beats:
        spread = np.random.default_rng(0).standard_normal(200)
        return _regular("N" * 200, p, np.clip(0.6 * np.exp(0.2 * spread), 0.33, 1.2).tolist())

    @pytest.mark.parametrize("p", ["N" * 200, "?" * 200, "NNC?" * 50])
    def test_irregular_beats_with_few_p_waves(self, p: str) -> None:
        assert len(_of(_track(self._irregular(p)), AF)) == 1

    def test_irregular_beats_after_p_waves_of_their_own_are_not_in_fibrillation(self) -> None:
        found = _track(self._irregular("CCCN" * 50))
        assert [e.kind for e in found if e.kind in (AF, SINUS)] == [SINUS]

    def test_p_waves_before_a_gap_say_nothing_of_what_comes_after_it(self) -> None:
        samples, classes, atria = self._irregular("C" * 100 + "N" * 100)
        samples[100:] += round(60 * RATE)
        hole = (int(samples[99]) + 100, int(samples[100]) - 100)
        [fibrillation] = _of(_track((samples, classes, atria), (hole,)), AF)
        assert fibrillation.onset == samples[100] / RATE

    def test_it_begins_where_the_p_waves_end(self) -> None:
        found = _of(_track(self._irregular("C" * 100 + "N" * 100)), AF, SINUS)
        sinus, fibrillation = found
        assert (sinus.kind, fibrillation.kind) == (SINUS, AF)
        assert abs(fibrillation.onset - sinus.end) < 3


@settings(max_examples=50, deadline=None)
@given(
    pieces=st.lists(
        st.tuples(
            st.sampled_from(["s", "s", "d", "d2", "w", "a", "n", "u", "v"]), st.integers(1, 12)
        ),
        min_size=1,
        max_size=10,
    ),
    limits=st.sampled_from([RhythmThresholds(), RhythmThresholds.for_strip(60.0)]),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_blocks_do_not_matter(
    pieces: list[tuple[str, int]], limits: RhythmThresholds, seed: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    drops = {"d": [None, 0.18], "d2": [0.18, None, 0.18], "w": [0.16, 0.2, 0.24, None]}
    drops |= {"a": [0.18, None, None]}
    pr = [delay for name, times in pieces for delay in drops.get(name, [0.18, 0.21]) * times] + [
        0.18
    ]
    samples, classes, atria = _steady(pr, pp=float(rng.uniform(0.5, 1.2)))
    p = atria.p.copy()
    odd = rng.random(len(p)) < 0.1
    p[odd] = rng.integers(0, 4, np.count_nonzero(odd))
    classes[rng.random(len(p)) < 0.05] = BeatClass.V
    atria = replace(atria, p=p)
    end = int(samples[-1]) + 6000
    breaks = [(int(s), int(s) + 1500) for s in np.sort(rng.integers(0, end, rng.integers(0, 4)))]

    whole = RhythmTracker(RATE, limits)
    expected = whole.push(samples, classes, breaks, atria) + whole.finish(end)

    cuts = data.draw(st.lists(st.integers(0, len(samples)), max_size=6).map(sorted))
    tracker = RhythmTracker(RATE, limits)
    found = []
    for start, stop in zip([0, *cuts], [*cuts, len(samples)], strict=True):
        after, upto = (samples[i - 1] if i else -1 for i in (start, stop))
        due = [b for b in breaks if b[0] <= upto]
        breaks = breaks[len(due) :]
        lone = atria.lone_p[(atria.lone_p > after) & (atria.lone_p <= upto)]
        part = PWaves(atria.pr[start:stop], p[start:stop], lone)
        found += tracker.push(samples[start:stop], classes[start:stop], due, part)
    found += tracker.push(samples[:0], classes[:0], breaks) + tracker.finish(end)
    assert found == expected
