"""ml.training.folds: whoever is tested is not learnt from."""

from __future__ import annotations

import pytest

from ml.training.folds import deal

NAMES = [*(f"mitdb/{200 + i}" for i in range(24)), *(f"svdb/{800 + i}" for i in range(52))]


def _database(record: str) -> str:
    return record.partition("/")[0]


@pytest.mark.parametrize("folds", [5, 7])
def test_each_record_is_in_one_fold_and_each_fold_has_both_databases(folds: int) -> None:
    dealt = deal(NAMES, str, _database, folds, seed=3)
    assert sorted(name for fold in dealt for name in fold) == sorted(NAMES)
    for database, n in (("mitdb", 24), ("svdb", 52)):
        counts = [sum(name.startswith(database) for name in fold) for fold in dealt]
        assert max(counts) - min(counts) <= 1, f"{n} records are dealt evenly"
    assert dealt == deal(reversed(NAMES), str, _database, folds, seed=3)
    assert dealt != deal(NAMES, str, _database, folds, seed=4)


def test_records_of_a_patient_go_together() -> None:
    dealt = deal(NAMES, lambda name: name[-2:-1], _database, 4, seed=0)
    for fold in dealt:
        others = {name for one in dealt if one is not fold for name in one}
        assert not {name[-2:-1] for name in fold} & {name[-2:-1] for name in others}
