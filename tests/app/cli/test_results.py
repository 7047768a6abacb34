"""``list``, ``show``, ``export``: looking at what is in the vault."""

from __future__ import annotations

import csv
import io
import json
import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from app.cli.list import _quality
from app.cli.show import _findings, _lines, _table
from app.report import NOTICE, Finding, Report
from app.tables import Table
from app.vault import StoredRecording
from app.wording import describe, weightiest
from tests.app.cli.helpers import Place, Run


@pytest.fixture
def stored(tracekeep: Run, vault: Place, two_patients: Path) -> StoredRecording:
    """A recording in the vault."""
    assert tracekeep("analyze", two_patients / "a.edf", *vault.options).exit_code == 0
    with vault.open() as opened:
        return opened.recordings()[0]


def test_an_empty_vault_is_said_to_be_empty(tracekeep: Run, vault: Place) -> None:
    done = tracekeep("list", *vault.options)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "empty" in done.stderr


def test_list_of_what_is_searched(tracekeep: Run, vault: Place, stored: StoredRecording) -> None:
    def found(*arguments: str) -> list[str]:
        done = tracekeep("list", "--json", *arguments, *vault.options)
        return [one["id"] for one in json.loads(done.stdout)]

    assert found("--search", stored.name) == [stored.id]
    assert found("--search", f"{stored.name} nobody") == []
    assert found("--newest", "1") == [stored.id]
    none = tracekeep("list", "--search", "nobody", *vault.options)
    assert (none.exit_code, none.stdout) == (0, "")
    assert "No recording in the vault has all these words" in none.stderr


def test_list(tracekeep: Run, vault: Place, stored: StoredRecording) -> None:
    titles, row = tracekeep("list", *vault.options).stdout.splitlines()
    assert titles.split() == [
        *("ID", "RECORDING", "PATIENT", "RECORDED", "LENGTH", "BEATS", "QUALITY"),
        *("WEIGHTIEST", "FINDINGS"),
    ]
    quality = _quality(stored.headline)
    assert "readable" in quality
    assert row.index(quality) == titles.index("QUALITY")
    assert row.startswith(f"{stored.id[:8]}  a ")
    assert weightiest(stored.headline, most=3) in row
    (facts,) = json.loads(tracekeep("list", *vault.options, "--json").stdout)
    assert facts["id"] == stored.id
    assert facts["headline"] == stored.headline


def test_show_is_in_plain_words(tracekeep: Run, vault: Place, stored: StoredRecording) -> None:
    done = tracekeep("show", stored.id[:6], *vault.options)
    assert done.exit_code == 0
    for words in (
        "Mean heart rate",
        "Ventricular ectopic (V)",
        stored.id,
        stored.input_sha256,
        "MLII (250 Hz)",
        NOTICE,
    ):
        assert words in done.stdout
    with vault.open() as opened:
        findings = opened.report(stored.id).findings
    assert findings
    for finding in findings:
        assert describe(finding) in done.stdout
        assert finding.rule not in done.stdout
    for title in ("Intervals", "Ectopic beats", "Strips to look at", "ST segment"):
        assert f"\n{title}\n" in done.stdout
    rules = tracekeep("show", stored.id, *vault.options, "--all").stdout
    assert re.search(r"Beats read +[\d,]+ in full, [\d,]+ by the quick model", rules)
    assert "Beats read" not in done.stdout
    for finding in findings:
        assert f"{describe(finding)}: {finding.rule}\n" in rules
    values = json.loads(tracekeep("show", stored.id, *vault.options, "--json").stdout)
    assert values["recording"]["id"] == stored.id
    assert values["report"]["provenance"]["input_sha256"] == stored.input_sha256


def test_what_was_wrong_with_the_file_stands_at_the_top(
    vault: Place, stored: StoredRecording
) -> None:
    with vault.open() as opened:
        report = opened.report(stored.id)
    damaged = replace(report, subject=replace(report.subject, repairs=("2 s were missing",)))
    lines = _lines(stored, damaged, every=False)
    at = lines.index("The file was not in order")
    assert lines[at + 1] == "  2 s were missing"
    assert at < lines.index("Heart rate and rhythm")
    assert "The file was not in order" not in _lines(stored, report, every=False)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "all readable"),
        (0.01, "1 % unreadable"),
        (90.4, "90 % unreadable"),
        (100.0, "100 % unreadable"),
        (None, "not known"),
    ],
)
def test_quality_in_words(share: float | None, words: str) -> None:
    assert _quality({"measurements": {"unreadable": share}}) == words


@pytest.mark.parametrize("command", ["show", "export"])
def test_an_unknown_id_is_named(tracekeep: Run, vault: Place, command: str) -> None:
    done = tracekeep(command, "abc", *vault.options)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "abc" in done.stderr


@pytest.mark.parametrize("more", [[], ["--json"], ["--format", "json"]])
def test_export_is_the_report(
    tracekeep: Run, vault: Place, stored: StoredRecording, more: list[str]
) -> None:
    done = tracekeep("export", stored.id, *vault.options, *more)
    assert (done.exit_code, done.stderr) == (0, "")
    with vault.open() as opened:
        assert Report.from_json(done.stdout) == opened.report(stored.id)


def test_export_to_a_file_for_its_owner_alone(
    tracekeep: Run, vault: Place, stored: StoredRecording, tmp_path: Path
) -> None:
    out = tmp_path / "beats.csv"
    done = tracekeep("export", stored.id, *vault.options, "--format", "csv", "--out", out)
    assert (done.exit_code, done.stdout) == (0, "")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert sum(row["row"] == "beat" for row in rows) == sum(stored.headline["beats"].values())
    told = tracekeep("export", stored.id, *vault.options, "--out", tmp_path / "r.json", "--json")
    assert json.loads(told.stdout)["out"] == str(tmp_path / "r.json")
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["beats.csv", "r.json"]


def test_export_that_cannot_be_written_leaves_what_was_there(
    tracekeep: Run, vault: Place, stored: StoredRecording, tmp_path: Path
) -> None:
    out = tmp_path / "no" / "r.json"
    done = tracekeep("export", stored.id, *vault.options, "--out", out)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"tracekeep: {out}: No such file" in done.stderr
    assert done.stderr.count("\n") == 1


def test_export_of_csv_to_stdout_is_no_json(
    tracekeep: Run, vault: Place, stored: StoredRecording
) -> None:
    done = tracekeep("export", stored.id, *vault.options, "--format", "csv", "--json")
    assert done.exit_code == 2
    assert tracekeep("export", stored.id, *vault.options, "--format", "xml").exit_code == 2


def test_of_many_findings_the_longest_of_each_kind_are_shown() -> None:
    runs = [
        Finding("ventricular couplet", float(k), k + 0.3 + k / 100, 2, 150.0) for k in range(40)
    ]
    lines = _findings([*runs, Finding("pause", 50.0, 53.0, 2, 20.0)], every=False)
    assert "41" in lines[0]
    assert lines[1:3] == ["  Pause ×1", "     0:00:50  Pause, 3.0 s"]
    assert lines[3] == "  Ventricular couplet ×40"
    assert [line.split()[0] for line in lines[4:]] == ["0:00:39", "0:00:38", "0:00:37"]
    assert len(_findings(runs, every=True)) == 41


def test_of_a_wide_table_the_columns_that_matter_most_are_shown() -> None:
    table = Table(
        "Hours",
        ("From", "Beats", "PR", "V"),
        (("0:00:00", "4,211", "150", "–"), ("1:00:00", "98", "–", "1,205")),
        "What it is.",
        brief=("From", "Beats", "V"),
    )
    assert _table(table, every=False) == [
        "Hours",
        "  From     Beats      V",
        "  0:00:00  4,211      –",
        "  1:00:00     98  1,205",
        "  What it is. --all shows PR too.",
        "",
    ]
    assert _table(table, every=True)[1:3] == [
        "  From     Beats   PR      V",
        "  0:00:00  4,211  150      –",
    ]


def test_names_in_a_table_cannot_command_the_terminal() -> None:
    lines = _table(Table("ST", ("Lead", "J"), (("\x1b[2J", "0.1"),)), every=False)
    assert lines[2] == "  \\x1b[2J  0.1"
