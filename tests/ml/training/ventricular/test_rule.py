"""ml.training.ventricular.rule: nobody is judged by weights that were fitted to him."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ml.training.ventricular.data import patient_of
from ml.training.ventricular.rule import FITTED_WITHOUT, weights_without
from ml.training.ventricular.task import DATABASES
from signals.ecg.ventricular import WEIGHTS

if TYPE_CHECKING:
    from pathlib import Path


def test_each_patient_has_weights_of_one_fit() -> None:
    patients = [patient for row in FITTED_WITHOUT for patient in row.split()]
    assert len(set(patients)) == len(patients)
    assert all(weights_without(patient) != WEIGHTS for patient in patients)
    assert weights_without("vfdb/418") != weights_without("vfdb/421")
    assert weights_without(patient_of("vfdb/419")) == weights_without("vfdb/418")


def test_a_new_patient_is_judged_by_what_ships() -> None:
    assert weights_without("vfdb/1") == WEIGHTS


@pytest.mark.realdata
def test_every_development_record_is_judged_by_others(recordings: Path) -> None:
    for database in DATABASES:
        for header in (recordings / database).glob("*.hea"):
            patient = patient_of(f"{database}/{header.stem}")
            assert weights_without(patient) != WEIGHTS, patient
