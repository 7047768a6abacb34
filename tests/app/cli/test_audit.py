"""``tracekeep audit``, ``vault accept`` and ``vault emergency``."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.program import program
from app.vault import Role, Vault
from tests.app.cli.helpers import Place, Run


@pytest.fixture(autouse=True)
def _new_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_show(tracekeep: Run, vault: Place, two_patients: Path) -> None:
    tracekeep("analyze", two_patients / "a.edf", *vault.options)
    shown = tracekeep("audit", "show", *vault.options)
    assert shown.exit_code == 0
    assert re.search(
        r"^ *\d+ +2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d +owner +add +[0-9a-f]{8} ", shown.stdout, re.M
    )
    entries = json.loads(tracekeep("audit", "show", *vault.options, "--json").stdout)["entries"]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert {"seq", "at", "user", "program", "action", "recording_id", "detail", "hash"} == set(
        entries[0]
    )
    newest = tracekeep("audit", "show", *vault.options, "--json", "--newest", "1")
    (last,) = json.loads(newest.stdout)["entries"]
    assert (last["action"], last["user"], last["detail"]) == (
        "unlock", "owner", {"by": "passphrase"},
    )  # fmt: skip
    key_file = vault.path.with_name("key")
    key_file.write_text(vault.recovery_key)
    shown = tracekeep("audit", "show", "--vault", vault.path, "--recovery-key-file", key_file)
    assert "recovery key" in shown.stdout


def test_verify_the_log_of_a_vault(tracekeep: Run, vault: Place) -> None:
    tracekeep("list", *vault.options)
    found = tracekeep("audit", "verify", *vault.options)
    assert found.exit_code == 0
    assert re.search(
        r"^\d+ entries, signed up to entry \d+: all is as it was written$", found.stdout
    )
    with vault.open() as opened, opened._index._use() as connection:
        connection.execute("DELETE FROM entry WHERE seq = 2")
    found = tracekeep("audit", "verify", *vault.options)
    assert found.exit_code == 4
    assert "entry 2: entry 2 is missing" in found.stdout
    flaws = json.loads(tracekeep("audit", "verify", *vault.options, "--json").stdout)["flaws"]
    assert {"seq": 2, "problem": "entry 2 is missing"} in flaws


def test_export_and_verify_without_the_vault(tracekeep: Run, vault: Place, tmp_path: Path) -> None:
    out = tmp_path / "log.jsonl"
    done = tracekeep("audit", "export", out, *vault.options)
    assert done.exit_code == 0
    key = re.search(r"^    ([0-9a-f]{64})$", done.stdout, re.MULTILINE)
    assert key
    assert out.stat().st_mode & 0o777 == 0o600
    shutil.rmtree(vault.path)
    options = ["--file", out, "--public-key", key[1]]
    assert tracekeep("audit", "verify", *options).exit_code == 0
    lines = out.read_text().splitlines(keepends=True)
    for wrong in (lines[:-1], [*lines[:2], *lines[3:]]):
        out.write_text("".join(wrong))
        found = tracekeep("audit", "verify", *options)
        assert found.exit_code == 4
        assert "missing" in found.stdout
        assert json.loads(tracekeep("audit", "verify", *options, "--json").stdout)["flaws"]


@pytest.mark.usefixtures("qapp")
def test_what_leaves_the_vault_is_noted(
    tracekeep: Run, vault: Place, two_patients: Path, tmp_path: Path
) -> None:
    tracekeep("analyze", two_patients / "a.edf", *vault.options)
    (one,) = json.loads(tracekeep("list", *vault.options, "--json").stdout)
    assert tracekeep("export", one["id"], "--format", "csv", *vault.options).exit_code == 0
    strip = tracekeep("strip", one["id"], "--out", tmp_path / "a.png", *vault.options)
    assert strip.exit_code == 0, strip.stderr
    entries = json.loads(tracekeep("audit", "show", *vault.options, "--json").stdout)["entries"]
    assert [
        (entry["action"], entry["recording_id"], entry["detail"].get("form"))
        for entry in entries
        if entry["action"] in {"add", "read", "export"}
    ] == [
        ("add", one["id"], None),
        ("read", one["id"], None),
        ("export", one["id"], "csv"),
        ("read", one["id"], None),
        ("export", one["id"], "png"),
    ]


def test_export_overwrites_nothing(tracekeep: Run, vault: Place, tmp_path: Path) -> None:
    out = tmp_path / "log.jsonl"
    out.write_text("mine")
    done = tracekeep("audit", "export", out, *vault.options)
    assert done.exit_code == 1
    assert "name a new one" in done.stderr
    assert out.read_text() == "mine"
    done = tracekeep("audit", "export", tmp_path / "none" / "log", *vault.options)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    facts = json.loads(
        tracekeep("audit", "export", tmp_path / "b", *vault.options, "--json").stdout
    )
    assert set(facts) == {"path", "public_key", "entries", "head"}
    log = json.loads(tracekeep("audit", "show", *vault.options, "--json").stdout)["entries"]
    assert log[facts["entries"] - 1]["hash"] == facts["head"]


@pytest.mark.parametrize("content", [b"", b"\xff\n", b"{}\n", b"x"])
def test_a_file_that_is_no_log_is_one_line(tracekeep: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    options = ["--file", tmp_path / "file", "--public-key"]
    done = tracekeep("audit", "verify", *options, "ab" * 32)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "not the exported log" in done.stderr
    assert "64 hexadecimal" in tracekeep("audit", "verify", *options, "x").stderr
    assert tracekeep("audit", "verify", *options[:2]).exit_code == 2
    done = tracekeep("audit", "verify", "--file", "/no/such", "--public-key", "ab" * 32)
    assert "/no/such" in done.stderr


def test_a_vault_put_back_is_told_at_every_command_until_it_is_accepted(
    tracekeep: Run, vault: Place, two_patients: Path, tmp_path: Path
) -> None:
    assert "older state" not in tracekeep("list", *vault.options).stderr
    old = shutil.copytree(vault.path, tmp_path / "old")
    tracekeep("analyze", two_patients / "a.edf", *vault.options)
    shutil.rmtree(vault.path)
    shutil.copytree(old, vault.path)
    for command in ("list", "vault info", "audit show"):
        done = tracekeep(*command.split(), *vault.options)
        assert done.exit_code == 0
        assert "put back to an older state" in done.stderr
        assert "tracekeep vault accept" in done.stderr
    checked = tracekeep("vault", "check", *vault.options)
    assert checked.exit_code == 4
    assert "put back" in checked.stdout
    assert "not all is of one time" in checked.stdout
    done = tracekeep("vault", "check", *vault.options, "--json")
    assert json.loads(done.stdout)["warnings"]
    accepted = tracekeep("vault", "accept", *vault.options)
    assert accepted.exit_code == 0
    assert "accepted as it is (older index.db" in accepted.stdout
    assert "older state" not in tracekeep("list", *vault.options).stderr
    assert tracekeep("vault", "check", *vault.options).exit_code == 0
    assert "nothing to accept" in tracekeep("vault", "accept", *vault.options).stdout


def test_an_emergency_from_opening_to_review(
    tracekeep: Run, vault: Place, two_patients: Path, tmp_path: Path
) -> None:
    tracekeep("analyze", two_patients, *vault.options)
    first, second = json.loads(tracekeep("list", *vault.options, "--json").stdout)
    theirs = tmp_path / "theirs"
    theirs.write_text("the words of Tom the technician\n")
    with vault.open() as opened:
        opened.people.add("Tom", Role.TECHNICIAN, "the words of Tom the technicians")
    with Vault.open(vault.path, "the words of Tom the technicians", user="Tom") as opened:
        opened.people.change_passphrase(
            "the words of Tom the technicians", "the words of Tom the technician"
        )
    options = ["--vault", vault.path, "--passphrase-file", theirs]
    assert tracekeep("show", first["id"], *options).exit_code == 1
    command = ["vault", "emergency", "open", first["id"][:8], *map(str, options)]
    assert CliRunner().invoke(program, command).exit_code == 1  # nobody says why
    opened_ = CliRunner().invoke(program, command, input="asystole\n")
    assert opened_.exit_code == 0, opened_.stderr
    assert "can be read by you" in opened_.stdout
    assert tracekeep("show", first["id"], *options).exit_code == 0
    assert tracekeep("show", second["id"], *options).exit_code == 1
    assert tracekeep("vault", "emergency", "list", *options).exit_code == 1
    listed = tracekeep("vault", "emergency", "list", *vault.options)
    assert "asystole" in listed.stdout
    (one,) = json.loads(tracekeep("vault", "emergency", "list", *vault.options, "--json").stdout)[
        "emergencies"
    ]
    done = tracekeep(
        "vault", "emergency", "review", one["id"][:6], "--remark", "right so", *vault.options
    )
    assert done.exit_code == 0
    assert tracekeep("show", first["id"], *options).exit_code == 1
    listed = tracekeep("vault", "emergency", "list", *vault.options)
    assert "owner" in listed.stdout
    assert "right so" in listed.stdout
    log = tracekeep("audit", "show", *vault.options)
    assert f"emergency {one['id']}" in log.stdout


def test_an_emergency_of_who_may_read_is_refused(
    tracekeep: Run, vault: Place, two_patients: Path
) -> None:
    tracekeep("analyze", two_patients / "a.edf", *vault.options)
    done = tracekeep("vault", "emergency", "open", "x", "--reason", "y", *vault.options)
    assert done.exit_code == 1
    assert "may read it all anyway" in done.stderr
