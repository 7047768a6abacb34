"""ml.training.waves.data: how the marks of readers are read, and whose recordings go together."""

from __future__ import annotations

import numpy as np

from ml.training.folds import deal
from ml.training.waves.data import Extent, parse
from ml.training.waves.task import TASK


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


def test_excerpts_of_a_patient_go_together() -> None:
    assert TASK.patient("qtdb/sel102") == TASK.patient("mitdb/102")
    assert TASK.patient("qtdb/sele0104") == "qtdb/sele0104"
    names = [f"ludb/{n}" for n in range(1, 21)]
    names += ["mitdb/102", "mitdb/114", "qtdb/sel102", "qtdb/sel114", "qtdb/sel30"]
    folds = deal(names, TASK.patient, TASK.stratum, 4, 0)
    assert sorted(name for fold in folds for name in fold) == sorted(names)
    for one, other in (("mitdb/102", "qtdb/sel102"), ("mitdb/114", "qtdb/sel114")):
        assert any(one in fold and other in fold for fold in folds)
    assert {sum(name.startswith("ludb") for name in fold) for fold in folds} == {5}
