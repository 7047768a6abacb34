"""Runs, on hand-made cases from the rules of ``rxr``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.ecg.ec57.reading import Reading, reading_of
from signals.ecg.ec57.runs import RunKind, RunMatrices, compare_runs

RATE = 1000.0
STEP = 600


def reading(beats: str, rhythms: dict[int, str] | None = None) -> Reading:
    """Return a reading with a beat each 600 ms and rhythm changes 100 ms before some of them."""
    marks = [(i * STEP, symbol, "") for i, symbol in enumerate(beats) if symbol != "-"]
    marks += [(i * STEP - 100, "+", note) for i, note in (rhythms or {}).items()]
    return reading_of(marks, RATE, len(beats) * STEP)


def ventricular(truth: Reading, ours: Reading, start: float = 0.0) -> RunMatrices:
    return compare_runs(truth, ours, RunKind.VENTRICULAR, start=start)


def percents(runs: RunMatrices) -> dict[str, float]:
    return {name: share.percent for name, share in runs.shares().items()}


def test_runs_are_counted_by_their_length_in_the_reference_and_in_the_test() -> None:
    truth = "NVNVVNVVVNVVVVVVVVN"
    runs = ventricular(reading(truth), reading(truth))
    wanted = np.zeros((7, 7), np.int64)
    wanted[[1, 2, 3, 6], [1, 2, 3, 6]] = 1
    assert np.array_equal(runs.of_reference, wanted)
    assert np.array_equal(runs.of_test, wanted)


@pytest.mark.parametrize(
    ("truth", "ours", "name", "percent"),
    [
        ("NVVN", "NVVN", "couplet_se", 100),
        ("NVVN", "NVNN", "couplet_se", 0),
        ("NVVN", "N--N", "couplet_se", 0),
        ("NVVNN", "NVVVN", "couplet_se", 100),  # at least a couplet was found
        ("NVVNN", "NVVVN", "short_pp", 0),  # but it was no short run
        ("NVVVN", "NVVNN", "short_se", 0),
        ("NVVVN", "NVVNN", "couplet_pp", 100),
        ("NVVVVVN", "NVVVNNN", "short_se", 100),
        ("NVVVVVVN", "NVVVVVNN", "long_se", 0),
        ("NVVVVVVN", "NVVVVVNN", "short_pp", 100),
        ("NVVVVVVVVN", "NVVVNVVVVN", "long_se", 0),  # in two pieces
        ("NVVVVVVVVN", "NVVVVVVNVN", "long_se", 100),
        ("NVFN", "NVVN", "couplet_se", 100),  # fusion beats count as ventricular
        ("NNNN", "NVVN", "couplet_pp", 0),
        ("NVSN", "NVVN", "couplet_pp", 0),
        ("NVVSN", "NVVSN", "couplet_se", 100),  # an S ends a ventricular run
        ("NVVQN", "NVVVN", "couplet_se", 100),  # so does a Q
        ("NVV", "NVV", "couplet_se", 100),  # and the end of the record
    ],
)
def test_what_makes_a_run_found(truth: str, ours: str, name: str, percent: float) -> None:
    assert percents(ventricular(reading(truth), reading(ours)))[name] == percent


def test_without_runs_there_is_no_figure() -> None:
    assert np.isnan(list(percents(ventricular(reading("NVN"), reading("NVN"))).values())).all()


def test_only_what_lies_within_150_ms_of_a_run_is_looked_at() -> None:
    truth = reading("NVVNNN")
    runs = ventricular(truth, reading("NNVVVN"))
    assert runs.of_reference[2, 1] == 1  # one of ours lies in it
    assert runs.of_test[1, 3] == 1


def test_ventricular_fibrillation_is_a_long_run() -> None:
    fibrillation = reading("NNN---NNN", {3: "(VFL", 6: "(N"})
    assert percents(ventricular(fibrillation, fibrillation))["long_se"] == 100
    assert percents(ventricular(fibrillation, reading("NNNVVVNNN")))["long_se"] == 0
    assert percents(ventricular(reading("NVVVVVVVN"), fibrillation))["long_se"] == 100


def test_ectopic_beats_that_pass_into_fibrillation_are_one_long_run() -> None:
    fibrillation = reading("NVV----NN", {3: "(VFL", 7: "(N"})
    runs = ventricular(fibrillation, fibrillation)
    assert runs.of_reference.sum() == runs.of_reference[6, 6] == 1


def test_beats_of_atrial_fibrillation_are_a_supraventricular_run() -> None:
    truth = reading("NNNNNNNNN", {2: "(AFIB", 8: "(N"})
    runs = compare_runs(truth, truth, RunKind.SUPRAVENTRICULAR)
    assert runs.of_reference.sum() == runs.of_reference[6, 6] == 1
    found = compare_runs(truth, reading("NNSSSNNNN"), RunKind.SUPRAVENTRICULAR)
    assert percents(found)["long_se"] == 0
    assert percents(found)["short_pp"] == 100


def test_a_ventricular_beat_parts_supraventricular_runs() -> None:
    truth = reading("NSSVSSSN")
    runs = compare_runs(truth, truth, RunKind.SUPRAVENTRICULAR)
    assert runs.of_reference[2, 2] == runs.of_reference[3, 3] == 1


def test_runs_that_begin_in_the_learning_period_are_counted_from_its_end() -> None:
    truth = reading("NVVVVNN")
    runs = ventricular(truth, truth, start=1.7)  # two of the four beats are left
    assert runs.of_reference.sum() == 1
    assert runs.of_reference[2].sum() == 1


def test_fibrillation_that_began_in_the_learning_period_is_a_long_run() -> None:
    truth = reading("NV----NN", {2: "(VFL", 6: "(N"})
    assert percents(ventricular(truth, truth, start=2.0))["long_se"] == 100


def test_a_stretch_given_up_ends_a_run() -> None:
    marks = [(0, "N", ""), (600, "V", ""), (1200, "V", ""), (9000, "V", ""), (9600, "N", "")]
    broken = reading_of(marks, RATE, 10_000, [(1300, 8900)])
    runs = ventricular(broken, broken)
    assert runs.of_reference[2, 2] == runs.of_reference[1, 1] == 1


symbols = st.text(alphabet="NSVFQ-", max_size=40)


@given(symbols, st.sampled_from(RunKind))
def test_perfect_agreement_finds_every_run(truth: str, kind: RunKind) -> None:
    runs = compare_runs(reading(truth), reading(truth), kind)
    assert all(np.isnan(p) or p == 100 for p in percents(runs).values())
    assert np.array_equal(runs.of_reference, runs.of_test)


@given(symbols, symbols, st.sampled_from(RunKind))
def test_turned_round_sensitivity_is_predictivity(truth: str, ours: str, kind: RunKind) -> None:
    there = compare_runs(reading(truth), reading(ours), kind)
    back = compare_runs(reading(ours), reading(truth), kind)
    assert np.array_equal(there.of_reference, back.of_test.T)
