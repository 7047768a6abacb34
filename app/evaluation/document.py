"""The result of an evaluation as one document."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

from app.evaluation.protocol import PROTOCOL
from app.evaluation.score import Score, averages
from app.report import NOTICE
from signals.ecg.ec57.confusion import MATRIX_LABELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.evaluation.record import RecordResult
    from app.report import ModelUsed

SCHEMA = "tracekeep-evaluation"
SCHEMA_VERSION = 1


class Failed(NamedTuple):
    """A record that could not be scored, and why."""

    name: str
    problem: str


class Origin(NamedTuple):
    """What reports were made with, as :class:`app.report.Provenance` has it."""

    software: str
    models: tuple[ModelUsed, ...]
    runtime: str


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Parameters
    ----------
    database : str
        Name of the folder.
    annotator : str
        Whose annotations are the reference.
    chosen : str
        Which leads were analysed, in words.
    evaluated_at : str
        ISO 8601, UTC.
    records : tuple of RecordResult
        At least one, in the order to show them in.
    failed : tuple of Failed
        The others.
    trained_on : tuple of str
        Names of the records that the models were trained on.
    """

    database: str
    annotator: str
    chosen: str
    evaluated_at: str
    records: tuple[RecordResult, ...]
    failed: tuple[Failed, ...]
    trained_on: tuple[str, ...]

    @cached_property
    def gross(self) -> Score:
        """All records together."""
        return sum((record.score for record in self.records), Score())

    @cached_property
    def average(self) -> dict[str, float]:
        """The mean of each figure over the records."""
        return averages([record.score for record in self.records])

    @property
    def origins(self) -> list[Origin]:
        """What the reports were made with, each once."""
        by = [record.provenance for record in self.records]
        return list(dict.fromkeys(Origin(one.software, one.models, one.runtime) for one in by))

    @property
    def caution(self) -> str:
        """What to know before the figures are believed; empty where there is nothing."""
        if not self.trained_on:
            return ""
        return (
            f"{len(self.trained_on)} of the {len(self.records)} records are, by their names, among "
            "those that the models were trained on: the figures are not those of new patients."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the document as JSON values; what is not defined is null."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "notice": NOTICE,
            "database": self.database,
            "annotator": self.annotator,
            "leads": self.chosen,
            "evaluated_at": self.evaluated_at,
            "made_with": [
                {
                    "software": made.software,
                    "models": [asdict(model) for model in made.models],
                    "runtime": made.runtime,
                }
                for made in self.origins
            ],
            "trained_on": list(self.trained_on),
            "protocol": list(PROTOCOL),
            "matrix_labels": list(MATRIX_LABELS),
            "gross": _score_dict(self.gross),
            "average": _defined(self.average),
            "records": [_record_dict(record) for record in self.records],
            "failed": [failed._asdict() for failed in self.failed],
        }


def _record_dict(record: RecordResult) -> dict[str, Any]:
    return {
        "name": record.name,
        "duration_s": record.duration_s,
        "scored_from_s": record.scored_from_s,
        "leads": list(record.leads),
        "provenance": asdict(record.provenance),
        "repairs": list(record.repairs),
        "disagreements": len(record.failures),
        **_score_dict(record.score),
    }


def _score_dict(score: Score) -> dict[str, Any]:
    return {
        "figures": _defined(score.values()),
        "counts": {name: [share.part, share.whole] for name, share in score.shares.items()},
        "matrices": {name: matrix.tolist() for name, matrix in score.matrices.items()},
    }


def _defined(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if isnan(value) else round(value, 4) for name, value in values.items()}
