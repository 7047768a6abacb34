"""The files of an evaluation."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.evaluation import (
    Evaluation,
    EvaluationError,
    Failed,
    Task,
    check_folder,
    evaluate_record,
    trained_on,
    write_evaluation,
)
from app.evaluation.page import clock
from signals.ecg.ec57.confusion import MATRIX_LABELS
from signals.simulate import EcgScenario
from tests.app.wfdb_records import write_record


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("db")
    records = []
    for name, seed in (("a", 1), ("b", 2)):
        scenario = EcgScenario(duration=40, pvc_per_hour=200 * seed, seed=seed)
        records.append(
            evaluate_record(Task(write_record(folder, name, scenario), name), annotator="atr")
        )
    return Evaluation(
        database="db<&>",
        annotator="atr",
        chosen="all that are ECG",
        evaluated_at="2026-01-02T03:04:05+00:00",
        records=tuple(records),
        failed=(Failed("c", "c.hea: <nothing> & no more"),),
        trained_on=("b",),
    )


class _Page(HTMLParser):
    """The text of a page, by tag; every tag that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        assert not {name for name, _ in attrs} & {"src", "href"}  # nothing from elsewhere
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


def test_the_page_is_whole_and_tells_all_tables(evaluation: Evaluation, tmp_path: Path) -> None:
    write_evaluation(evaluation, tmp_path / "out")
    page = _Page()
    page.feed((tmp_path / "out/index.html").read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    assert page.texts["h1"] == ["Evaluation on db<&>"]
    titles = page.texts["h2"]
    for title in ("Beat by beat, 150 ms", "Run by run, ventricular", "Heart rate", "Shutdown"):
        assert title in titles
    assert "c.hea: <nothing> & no more" in page.texts["td"]
    assert {record.provenance.input_sha256 for record in evaluation.records} <= set(
        page.texts["td"]
    )
    assert "1 of the 2 records are, by their names, among" in " ".join(page.texts["dd"])
    assert "–" in page.texts["td"]  # atrial fibrillation, which there was none of
    assert "nan" not in " ".join(page.texts["td"])


@pytest.mark.parametrize(
    ("folder", "known"),
    [
        ("mitdb", ("101", "below/203")),
        ("mit-bih-arrhythmia-database-1.0.0", ("101", "below/203")),
        ("files/MITDB/1.0.0", ("101", "below/203")),
        ("ours", ()),
        ("ludb", ("101",)),
    ],
)
def test_records_that_the_models_learnt_from_are_known_by_their_names(
    evaluation: Evaluation, folder: str, known: tuple[str, ...]
) -> None:
    names = ("101", "below/203", "x")
    records = [replace(evaluation.records[0], name=name) for name in names]
    assert trained_on(Path("/data", folder), records) == known
    assert replace(evaluation, trained_on=()).caution == ""


def test_the_document_is_json_with_null_for_what_is_not_defined(evaluation: Evaluation) -> None:
    document = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert document["schema"] == "tracekeep-evaluation"
    assert document["gross"]["figures"]["af.episode_se"] is None
    assert document["gross"]["counts"]["af.episode_se"] == [0, 0]
    assert [record["name"] for record in document["records"]] == ["a", "b"]
    (made_with,) = document["made_with"]  # by one software, however much it computed for each
    assert made_with["models"][0]["sha256"]
    for name, (part, whole) in document["gross"]["counts"].items():
        records = [record["counts"][name] for record in document["records"]]
        assert [sum(column) for column in zip(*records, strict=True)] == pytest.approx(
            [part, whole]
        )


def test_the_lists_can_be_read_by_others(evaluation: Evaluation, tmp_path: Path) -> None:
    write_evaluation(evaluation, tmp_path)
    with (tmp_path / "records.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["record"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["a", "b", "gross", "average"]
    assert rows["gross"]["af.episode_se"] == ""
    cells = [f"150ms.{truth}{ours.lower()}" for truth in "NSVFQ" for ours in MATRIX_LABELS]
    n_reference = sum(int(rows["gross"][name]) for name in cells)
    assert n_reference == evaluation.gross.shares["150ms.qrs_se"].whole
    with (tmp_path / "failures.csv").open(encoding="utf-8", newline="") as file:
        failures = list(csv.DictReader(file))
    assert len(failures) == sum(len(record.failures) for record in evaluation.records)


def test_an_evaluation_is_written_anew_but_nothing_else_is_written_over(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    check_folder(out)
    write_evaluation(evaluation, out)
    check_folder(out)
    (tmp_path / "empty").mkdir()
    check_folder(tmp_path / "empty")
    for content in ("{}", "[]", "no JSON", '{"schema": "tracekeep-report"}'):
        (out / "report.json").write_text(content)
        with pytest.raises(EvaluationError, match="it holds something else"):
            check_folder(out)
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="it is not a folder"):
        check_folder(tmp_path / "file")


def test_times_are_told_as_a_clock_does() -> None:
    assert [clock(s) for s in (0, 59.99, 60, 3661.5, 90_000)] == [
        "0:00:00",
        "0:00:59",
        "0:01:00",
        "1:01:01",
        "25:00:00",
    ]
