"""Folds by patient: who is tested is never learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def deal(
    records: Iterable[str],
    patient: Callable[[str], str],
    stratum: Callable[[str], str],
    folds: int,
    seed: int,
) -> list[list[str]]:
    """Deal records into folds, each stratum evenly; records of one patient go together.

    Parameters
    ----------
    records : iterable of str
        Their names; the order does not matter.
    patient, stratum : callable
        Give a name to whom a record is of, and one to what is to be spread evenly (a database,
        say). A patient's stratum is that of the first record by name.
    folds : int
        How many.
    seed : int
        Of the shuffle.
    """
    patients: dict[str, list[str]] = {}
    for name in sorted(records):
        patients.setdefault(patient(name), []).append(name)
    strata: dict[str, list[str]] = {}
    for who in sorted(patients):
        strata.setdefault(stratum(patients[who][0]), []).append(who)
    rng = np.random.default_rng(seed)
    dealt: list[list[str]] = [[] for _ in range(folds)]
    position = 0
    for members in (strata[name] for name in sorted(strata)):
        for index in rng.permutation(len(members)):
            dealt[position % folds] += patients[members[index]]
            position += 1
    return [sorted(fold) for fold in dealt]
