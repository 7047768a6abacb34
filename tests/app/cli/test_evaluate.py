from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import wfdb

from signals.simulate import EcgScenario
from tests.app.cli.helpers import Run
from tests.app.wfdb_records import write_record


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two records and, below, a third."""
    folder = tmp_path_factory.mktemp("sim")
    (folder / "below").mkdir()
    for name, seed in (("9", 1), ("10", 2), ("below/c", 3)):
        path = folder / name
        write_record(path.parent, path.name, EcgScenario(duration=30, pvc_per_hour=400, seed=seed))
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_database_is_scored(tracekeep: Run, database: Path, jobs: int) -> None:
    done = tracekeep("evaluate", database, "--jobs", jobs)
    assert done.exit_code == 0, done.output
    assert "Beat by beat, 150 ms: QRS Se" in done.stdout
    out = Path(f"evaluation-{database.name}")
    assert {path.name for path in out.iterdir()} == {
        "index.html",
        "report.json",
        "records.csv",
        "failures.csv",
    }
    document = json.loads((out / "report.json").read_text())
    assert [record["name"] for record in document["records"]] == ["9", "10", "below/c"]
    assert document["gross"]["figures"]["150ms.qrs_se"] > 97
    assert document["leads"] == "all that are ECG"


def test_json_prints_the_document(tracekeep: Run, database: Path, tmp_path: Path) -> None:
    done = tracekeep("evaluate", database, "--channels", "0", "--json", "--out", tmp_path / "out")
    assert (done.exit_code, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "out/report.json").read_text())
    assert {lead for record in told["records"] for lead in record["leads"]} == {"MLII"}


def test_a_record_that_cannot_be_scored_is_named_and_the_rest_goes_on(
    tracekeep: Run, database: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(database, copy)
    (copy / "10.atr").unlink()
    (copy / "9.dat").unlink()
    done = tracekeep("evaluate", copy)
    assert done.exit_code == 1
    assert f"failed: {copy / '10.hea'}: it has no reference annotations" in done.stderr
    document = json.loads((tmp_path / "evaluation-copy/report.json").read_text())
    assert [failed["name"] for failed in document["failed"]] == ["9", "10"]
    assert [record["name"] for record in document["records"]] == ["below/c"]


def test_nothing_is_written_over_what_is_no_evaluation(
    tracekeep: Run, database: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/report.json").write_text("precious")
    done = tracekeep("evaluate", database, "--out", tmp_path / "mine")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "it holds something else" in done.stderr
    assert (tmp_path / "mine/report.json").read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--annotator", "qrs"], 1, "no WFDB record in it has annotations called .qrs"),
        (["--annotator", "../atr"], 2, "--annotator"),
        (["--channels", "one"], 2, "--channels"),
        (["--channels", "0", "--leads", "MLII"], 2, "exclude each other"),
        (["--channels", "7"], 1, "there is no channel 7"),
        (["--leads", "aVR"], 1, "no channel is called 'aVR'"),
    ],
)
def test_wrong_usage_says_what_is_wrong(
    tracekeep: Run, database: Path, arguments: list[str], code: int, says: str
) -> None:
    done = tracekeep("evaluate", database, *arguments)
    assert done.exit_code == code
    assert says in done.stderr
    assert not list(Path().iterdir())


def test_a_folder_that_is_not_there_is_one_line(tracekeep: Run, tmp_path: Path) -> None:
    done = tracekeep("evaluate", tmp_path / "nowhere")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)


@pytest.mark.realdata
def test_two_real_records(tracekeep: Run, recordings: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mitdb"
    folder.mkdir()
    for record in ("101", "207"):
        for ending in ("hea", "dat", "atr"):
            shutil.copy(recordings / f"mitdb/{record}.{ending}", folder)
    done = tracekeep("evaluate", folder)
    assert done.exit_code == 0, done.output
    out = tmp_path / "evaluation-mitdb"
    document = json.loads((out / "report.json").read_text())
    figures = document["gross"]["figures"]
    assert figures["150ms.qrs_se"] > 99
    assert figures["150ms.qrs_pp"] > 99
    assert document["records"][1]["counts"]["vf.episode_se"][1] == 1  # five more came before
    reference = wfdb.rdann(str(folder / "101"), "atr")
    scored = [symbol in "NAQ" for symbol in reference.symbol] & (reference.sample >= 300 * 360)
    assert document["records"][0]["counts"]["150ms.qrs_se"][1] == scored.sum()
    with (out / "failures.csv").open(newline="") as file:
        assert {row["record"] for row in csv.DictReader(file)} == {"101", "207"}
