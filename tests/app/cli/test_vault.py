from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.settings import state_folder
from app.vault import Vault
from tests.app.cli.helpers import Place, Run

if TYPE_CHECKING:
    from collections.abc import Callable


def test_create_shows_the_recovery_key_once_and_it_opens_the_vault(
    tracekeep: Run, tmp_path: Path
) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\nsecond line\n")
    done = tracekeep("vault", "create", tmp_path / "v", "--passphrase-file", passphrase)
    assert done.exit_code == 0
    key = re.search(r"^    (\S+)$", done.stdout, re.MULTILINE)
    assert key
    Vault.open_with_recovery_key(tmp_path / "v", key[1]).close()
    Vault.open(tmp_path / "v", "correct horse").close()

    key_file = tmp_path / "key"
    key_file.write_text(key[1])
    opened = tracekeep("vault", "info", "--vault", tmp_path / "v", "--recovery-key-file", key_file)
    assert opened.exit_code == 0
    assert key[1] not in opened.output


def test_create_as_json(tracekeep: Run, tmp_path: Path) -> None:
    done = tracekeep(
        "vault", "create", tmp_path / "v", "--passphrase-command", "echo 'correct horse'", "--json"
    )
    assert done.exit_code == 0
    facts = json.loads(done.stdout)
    assert set(facts) == {"path", "vault_id", "recovery_key"}
    Vault.open(tmp_path / "v", "correct horse").close()


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_vault_whose_recovery_key_cannot_be_shown_is_not_made(
    tmp_path: Path, more: list[str]
) -> None:
    (tmp_path / "passphrase").write_text("correct horse")
    options = ["--passphrase-file", str(tmp_path / "passphrase"), *more]
    main = "from app.cli import main; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", main, "vault", "create", str(tmp_path / "v"), *options],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "removed again" in done.stderr
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["passphrase"]


def test_create_refuses_a_folder_with_something_in_it(tracekeep: Run, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("x")
    done = tracekeep("vault", "create", tmp_path, "--passphrase-file", tmp_path / "passphrase")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "not empty" in done.stderr
    assert done.stderr.count("\n") == 1


def _type_into(arguments: list[str], answers: list[str | Callable[[str], str]]) -> tuple[int, str]:
    """Run the command on a terminal of its own and type an answer to each question.

    An answer may depend on what is shown before it.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        program = "from app.cli import main; main()"
        os.execv(sys.executable, [sys.executable, "-c", program, *arguments])
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 1)
        try:
            shown += os.read(terminal, 4096) if ready else b""
        except OSError:  # the other side is closed
            break
        if answers and shown.rstrip(b" ").endswith(b":"):
            answer = answers.pop(0)
            typed = answer if isinstance(answer, str) else answer(shown.decode())
            os.write(terminal, typed.encode() + b"\n")
            shown += b"\n"
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_the_passphrase_is_asked_for_twice_unseen(tmp_path: Path) -> None:
    place = tmp_path / "v"
    code, shown = _type_into(
        ["vault", "create", str(place)], ["correct horse", "correct horse", _key_in]
    )
    assert code == 0, shown
    assert "horse" not in shown
    Vault.open(place, "correct horse").close()


def _key_in(shown: str) -> str:
    key = re.search(r"^    (\S{71})\s*$", shown, re.MULTILINE)
    assert key
    return key[1]


def _mistyped(shown: str) -> str:
    groups = _key_in(shown).split("-")
    groups[2] = groups[2][:-1] + ("0" if groups[2][-1] != "0" else "1")
    return " ".join(groups).lower()


def test_the_recovery_key_is_typed_back_and_a_slip_is_named(tmp_path: Path) -> None:
    place = tmp_path / "v"
    answers = ["correct horse", "correct horse", "ABC", _mistyped, lambda s: _key_in(s).lower()]
    code, shown = _type_into(["vault", "create", str(place)], answers)
    assert code == 0, shown
    assert "64 letters and digits; these are 3" in shown
    assert "Group 3 is not what is shown" in shown
    Vault.open_with_recovery_key(place, _key_in(shown)).close()


def test_a_vault_whose_recovery_key_is_not_typed_back_is_not_made(tmp_path: Path) -> None:
    answers = ["correct horse", "correct horse", "\x04"]
    code, shown = _type_into(["vault", "create", str(tmp_path / "v")], [*answers])
    assert code == 1
    assert "removed again" in shown
    assert list(tmp_path.iterdir()) == []


def test_a_weak_passphrase_is_asked_for_again(tmp_path: Path) -> None:
    answers = ["x", "password1", "correct horse", "correct horse", _key_in]
    code, shown = _type_into(["vault", "create", str(tmp_path / "v"), "--user", "Zoë"], answers)
    assert code == 0, shown
    assert "too short" in shown
    assert "too easy to guess" in shown
    with Vault.open(tmp_path / "v", "correct horse") as vault:
        assert vault.session.user == "Zoë"


def test_rotate_shows_a_new_recovery_key_and_the_old_is_of_no_use(
    tracekeep: Run, vault: Place, tmp_path: Path
) -> None:
    done = tracekeep("vault", "rotate", *vault.options)
    assert done.exit_code == 0
    key = _key_in(done.stdout)
    with vault.open() as opened:
        assert opened.log_entries()[-2].action == "rotate"
    Vault.open_with_recovery_key(vault.path, key).close()
    (tmp_path / "old").write_text(vault.recovery_key)
    refused = tracekeep(
        "vault", "info", "--vault", vault.path, "--recovery-key-file", tmp_path / "old"
    )
    assert refused.exit_code == 3
    assert "no longer" in refused.stderr
    as_json = json.loads(tracekeep("vault", "rotate", *vault.options, "--json").stdout)
    assert set(as_json) == {"path", "vault_id", "recovery_key"}
    Vault.open_with_recovery_key(vault.path, as_json["recovery_key"]).close()


def test_rotate_changes_nothing_before_the_new_key_is_typed_back(vault: Place) -> None:
    options = ["vault", "rotate", "--vault", str(vault.path)]
    code, shown = _type_into(options, ["correct horse", "\x04"])
    assert code == 1
    assert "not typed back" in shown
    Vault.open_with_recovery_key(vault.path, vault.recovery_key).close()
    code, shown = _type_into(options, ["correct horse", _key_in])
    assert code == 0, shown
    Vault.open_with_recovery_key(vault.path, _key_in(shown)).close()


def test_rotate_waits_for_nobody(tracekeep: Run, vault: Place) -> None:
    with vault.open():
        done = tracekeep("vault", "rotate", *vault.options)
    assert done.exit_code == 1
    assert "another program has the vault open" in done.stderr


def test_too_many_guesses_are_told_at_once(
    tracekeep: Run, vault: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    wrong = ["--vault", vault.path, "--passphrase-command", "echo wrong"]
    for _ in range(3):
        assert "passphrase is wrong" in tracekeep("list", *wrong).stderr
    done = tracekeep("list", *wrong)
    assert (done.exit_code, done.stdout) == (3, "")
    assert "too many wrong guesses: wait" in done.stderr
    assert done.stderr.count("\n") == 1
    (counts,) = (state_folder() / "guesses").glob("*.json")
    (user,) = json.loads(counts.read_bytes())
    counts.write_text(json.dumps({user: [10, time.time()]}))  # a wait of two minutes
    code, shown = _type_into(["list", "--vault", str(vault.path)], ["correct horse"] * 3)
    assert code == 3
    assert shown.count("Passphrase of") == 1


def test_two_different_passphrases_make_nothing(tmp_path: Path) -> None:
    answers = ["correct horse", "horse correct"]
    code, shown = _type_into(["vault", "create", str(tmp_path / "v")], [*answers])
    assert code == 1
    assert "differ" in shown
    assert not (tmp_path / "v").exists()


def test_a_passphrase_mistyped_at_the_prompt_may_be_typed_again(vault: Place) -> None:
    code, shown = _type_into(["list", "--vault", str(vault.path)], ["wrong", "correct horse"])
    assert code == 0, shown
    assert "not the passphrase" in shown


def test_a_passphrase_is_asked_for_three_times_at_most(vault: Place) -> None:
    code, shown = _type_into(["list", "--vault", str(vault.path)], ["wrong"] * 4)
    assert code == 3
    assert shown.count("not the passphrase") == 2


def test_info(tracekeep: Run, vault: Place) -> None:
    told = tracekeep("vault", "info", *vault.options)
    assert told.exit_code == 0
    assert re.search(r"Recordings +0$", told.stdout, re.MULTILINE)
    facts = json.loads(tracekeep("vault", "info", *vault.options, "--json").stdout)
    assert facts["recordings"] == 0
    assert facts["users"] == ["owner"]


def test_the_vault_can_come_from_the_environment(
    tracekeep: Run, vault: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEKEEP_VAULT", str(vault.path))
    assert tracekeep("vault", "info", *vault.options[2:]).exit_code == 0


def test_the_vault_is_in_the_data_folder_of_the_user(
    tracekeep: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    done = tracekeep("list", "--passphrase-command", "echo x")
    assert done.exit_code == 1
    assert str(tmp_path / "tracekeep" / "vault") in done.stderr
    assert "tracekeep vault create" in done.stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--passphrase-command", "false"], "exit code 1"),
        (["--passphrase-command", "true"], "printed nothing"),
        (["--passphrase-command", "/no/such/program"], "cannot be run"),
        (["--passphrase-command", "un'balanced"], "cannot be run"),
        (["--passphrase-file", "/no/such/file"], "/no/such/file"),
        (["--passphrase-file", "/dev/null"], "empty"),
        (["--passphrase-command", r"printf 'geheim\377'"], "printed is no text in UTF-8\n"),
    ],
)
def test_what_gives_no_passphrase_is_code_2_and_one_line(
    tracekeep: Run, vault: Place, options: list[str], problem: str
) -> None:
    done = tracekeep("list", "--vault", vault.path, *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--passphrase-command", "echo wrong"], "passphrase is wrong"),
        (["--recovery-key-file", "/etc/passwd"], "recovery key"),
    ],
)
def test_what_does_not_unlock_is_code_3_and_one_line(
    tracekeep: Run, vault: Place, options: list[str], problem: str
) -> None:
    done = tracekeep("list", "--vault", vault.path, *options)
    assert (done.exit_code, done.stdout) == (3, "")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_terminal_nothing_is_asked(
    tracekeep: Run, vault: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_terminal(_question: str) -> str:
        import getpass
        import warnings

        warnings.warn("would show what is typed", getpass.GetPassWarning, stacklevel=2)
        return "shown"

    monkeypatch.setattr("getpass.getpass", no_terminal)
    done = tracekeep("list", "--vault", vault.path)
    assert done.exit_code == 2
    assert "--passphrase-file" in done.stderr


def test_two_ways_to_unlock_are_wrong_usage(tracekeep: Run, vault: Place) -> None:
    done = tracekeep("list", *vault.options, "--passphrase-command", "echo x")
    assert done.exit_code == 2


def test_check(tracekeep: Run, vault: Place) -> None:
    done = tracekeep("vault", "check", *vault.options, "--read-data", "100%")
    assert done.exit_code == 0
    assert "all is well" in done.stdout


def test_check_does_not_vouch_for_what_it_did_not_read(
    tracekeep: Run, vault: Place, two_patients: Path
) -> None:
    tracekeep("analyze", two_patients / "a.edf", *vault.options)
    some = tracekeep("vault", "check", *vault.options)
    assert "no damage seen; the contents of 3 files were not read" in some.stdout
    every = tracekeep("vault", "check", *vault.options, "--read-data", "100%")
    assert "all is well" in every.stdout


@pytest.mark.parametrize("share", ["-1", "101%", "half", "nan"])
def test_check_refuses_a_share_that_is_none(tracekeep: Run, vault: Place, share: str) -> None:
    assert tracekeep("vault", "check", *vault.options, "--read-data", share).exit_code == 2


def test_a_damaged_vault_is_code_4(tracekeep: Run, vault: Place) -> None:
    header = vault.path / "vault.json"
    header.write_bytes(header.read_bytes()[:-20])
    done = tracekeep("vault", "info", *vault.options)
    assert (done.exit_code, done.stdout) == (4, "")
    assert "vault.json" in done.stderr


def test_a_vault_of_a_newer_version_is_refused_in_words(tracekeep: Run, vault: Place) -> None:
    header = vault.path / "vault.json"
    facts = json.loads(header.read_text())
    version = next(name for name in facts if "version" in name)
    header.write_text(json.dumps({**facts, version: facts[version] + 1}))
    done = tracekeep("list", *vault.options)
    assert done.exit_code == 1
    assert "newer" in done.stderr
