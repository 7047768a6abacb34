"""Which records of a database the shipped models were trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.registry import bundle_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.evaluation.record import RecordResult

_ARCHIVES = {
    "mitdb": "mit-bih-arrhythmia-database",
    "svdb": "mit-bih-supraventricular-arrhythmia-database",
    "qtdb": "qt-database",
    "ludb": "lobachevsky-university-electrocardiography-database",
    "vfdb": "mit-bih-malignant-ventricular-ectopy-database",
    "nstdb": "mit-bih-noise-stress-test-database",
    "cinc2017": "af-classification-from-a-short-single-lead-ecg-recording",
}
"""How the folders in PhysioNet's archives begin, by what the model cards call the databases."""


def trained_on(folder: Path, records: Sequence[RecordResult]) -> tuple[str, ...]:
    """Return the names of the records that a model which read them was trained on.

    The model cards tell them by database and name; the database is known by a folder's name, as it
    is in a download of PhysioNet.

    Parameters
    ----------
    folder : pathlib.Path
        Of the database, in full.
    records : sequence of RecordResult
        Named as below it.
    """
    tasks = {model.id.partition("-")[0] for r in records for model in r.provenance.models}
    learnt = {name for task in tasks for name in bundle_for(task).trained_on}

    def is_learnt(name: str) -> bool:
        path = folder / name
        places = [part.casefold() for part in path.parts[:-1]]
        return any(
            f"{database}/{path.name}" in learnt
            for database, archive in _ARCHIVES.items()
            if any(place == database or place.startswith(archive) for place in places)
        )

    return tuple(record.name for record in records if is_learnt(record.name))
