"""The files of an evaluation: JSON, CSV and a page to read."""

from __future__ import annotations

import csv
import json
from math import isnan
from typing import TYPE_CHECKING

from app.evaluation.document import SCHEMA
from app.evaluation.page import clock, page
from app.evaluation.record import EvaluationError
from signals.ecg.ec57.confusion import MATRIX_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from app.evaluation.document import Evaluation

_REPORT = "report.json"


def check_folder(folder: Path) -> None:
    """Make sure that an evaluation can be written to `folder`, which may not exist yet.

    Raises
    ------
    EvaluationError
        If it holds something that is no evaluation.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: it is not a folder; --out names the folder to write to")
    if any(folder.iterdir()) and not _is_evaluation(folder):
        raise EvaluationError(
            f"{folder}: it holds something else; --out names a new folder, or that of an "
            "evaluation to write anew"
        )


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write report.json, records.csv, failures.csv and index.html into `folder`.

    The folder is made if need be; an evaluation that lies there is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = json.dumps(evaluation.to_dict(), indent=1, allow_nan=False)
    (folder / _REPORT).write_text(f"{document}\n", encoding="utf-8")
    _write_csv(folder / "records.csv", _record_rows(evaluation))
    _write_csv(folder / "failures.csv", _failure_rows(evaluation))
    (folder / "index.html").write_text(page(evaluation), encoding="utf-8")


def _is_evaluation(folder: Path) -> bool:
    try:
        document = json.loads((folder / _REPORT).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("schema") == SCHEMA


def _write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def _record_rows(evaluation: Evaluation) -> Iterable[Sequence[object]]:
    gross = evaluation.gross
    names = list(gross.values())
    cells = {
        f"{window}.{truth}{found.lower()}": (window, row, column)
        for window in gross.matrices
        if window in {"150ms", "50ms"}
        for row, truth in enumerate(MATRIX_LABELS)
        for column, found in enumerate(MATRIX_LABELS)
    }
    yield ["record", "duration_s", "scored_from_s", "leads", "input_sha256", *names, *cells]
    for record in evaluation.records:
        matrices = record.score.matrices
        yield [
            record.name,
            record.duration_s,
            record.scored_from_s,
            " ".join(record.leads),
            record.provenance.input_sha256,
            *_rounded(record.score.values(), names),
            *(
                int(matrices[window][row, column]) if window in matrices else ""
                for window, row, column in cells.values()
            ),
        ]
    yield [
        "gross",
        *[""] * 4,
        *_rounded(gross.values(), names),
        *(int(gross.matrices[window][row, column]) for window, row, column in cells.values()),
    ]
    yield ["average", *[""] * 4, *_rounded(evaluation.average, names), *[""] * len(cells)]


def _rounded(values: Mapping[str, float], names: Iterable[str]) -> list[object]:
    """Return the figures by name, an empty cell where one is not defined."""
    figures = (values.get(name, float("nan")) for name in names)
    return ["" if isnan(figure) else round(figure, 4) for figure in figures]


def _failure_rows(evaluation: Evaluation) -> Iterable[Sequence[object]]:
    yield ["record", "time_s", "time", "kind", "reference", "ours"]
    for record in evaluation.records:
        for failure in record.failures:
            time, *facts = failure
            yield [record.name, f"{time:.3f}", clock(time), *facts]
