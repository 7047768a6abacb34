"""What the wave network learns from: marks of readers, laid on strips."""

from __future__ import annotations

import numpy as np
import pytest

from ml.tasks.wave_strips import GRID_RATE, MARGIN_POINTS
from ml.training.wave_data import Extent, Source, examples_of, parse, patient_of, split

RATE = 500.0


def _marks(text: str) -> list[tuple[int, str, str]]:
    return [(100 * tick, symbol, "") for tick, symbol in enumerate(text, 1)]


def test_brackets_bound_the_wave_between_them() -> None:
    waves = parse(_marks("(p)(N)(t)"))
    assert waves == (
        Extent(0, 100, 200, 300),
        Extent(1, 400, 500, 600),
        Extent(2, 700, 800, 900),
    )


def test_an_onset_that_was_not_marked_is_not_known() -> None:
    (qrs, t_wave) = parse(_marks("(N)t)"))
    assert qrs == Extent(1, 100, 200, 300)
    assert np.isnan(t_wave.onset)
    assert (t_wave.peak, t_wave.offset) == (400, 500)


def test_u_waves_are_nobodys_end() -> None:
    waves = parse(_marks("(N)(t)u)(p)(V)"))
    assert [wave.kind for wave in waves] == [1, 2, 0, 1]
    assert waves[1].offset == 600
    assert waves[2] == Extent(0, 900, 1000, 1100)


def _source(waves: tuple[Extent, ...], **known: object) -> Source:
    rng = np.random.default_rng(0)
    peaks = np.arange(500, 4600, 400)
    samples = 0.01 * rng.standard_normal((1, 5000))
    for peak in peaks:
        samples[0, peak - 10 : peak + 10] += np.hanning(20)
    return Source("ludb/1", RATE, samples.astype(np.float32), peaks, (waves,), **known)  # type: ignore[arg-type]


def test_strips_know_what_was_marked_and_no_more() -> None:
    examples = examples_of(
        _source(
            (Extent(1, 880, 900, 920), Extent(2, np.nan, 1050, 1100), Extent(1, 1280, 1300, 1320))
        )
    )
    assert len(examples.level) == 1
    at = (np.array([880, 900, 920, 1040, 1060, 1100, 1200]) / RATE * GRID_RATE).astype(int)
    onset, inner, offset, before_peak, after_peak, t_offset, between = at + MARGIN_POINTS
    inside, known = examples.inside[0] / 200, examples.known[0]
    assert inside[inner, 1] == 1
    assert inside[onset, 1] == pytest.approx(0.5)
    assert inside[offset, 1] == pytest.approx(0.5)
    assert inside[after_peak, 2] == 1
    assert inside[t_offset + 1, 2] == 0
    assert not known[before_peak, 2], "nobody said where this T began"
    assert known[[after_peak, between], 2].all()
    assert not known[: onset - 1].any()
    assert not examples.sinus.any()


def test_fibrillation_knows_of_p_waves_only() -> None:
    examples = examples_of(_source((), no_p=((1000, 3000),)))
    known = examples.known[0]
    assert known[:, 0].sum() == pytest.approx(2000 / RATE * GRID_RATE, abs=2)
    assert not known[:, 1:].any()
    assert not examples.inside.any()


def test_sinus_rhythm_knows_that_a_p_wave_is_somewhere() -> None:
    examples = examples_of(_source((), sinus=(900, 1300)))
    assert examples.sinus.sum() == 2
    assert not examples.known.any()


def test_excerpts_of_a_patient_go_together() -> None:
    assert patient_of("qtdb/sel102") == patient_of("mitdb/102")
    assert patient_of("qtdb/sele0104") == "qtdb/sele0104"
    names = [f"ludb/{n}" for n in range(1, 21)]
    names += ["mitdb/102", "mitdb/114", "qtdb/sel102", "qtdb/sel114", "qtdb/sel30"]
    folds = split(names, 4, 0)
    assert sorted(name for fold in folds for name in fold) == sorted(names)
    for one, other in (("mitdb/102", "qtdb/sel102"), ("mitdb/114", "qtdb/sel114")):
        assert any(one in fold and other in fold for fold in folds)
    assert {sum(name.startswith("ludb") for name in fold) for fold in folds} == {5}
