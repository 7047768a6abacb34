from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.output import printable, say_json, say_table


@given(st.text())
def test_what_is_printable_is_safe_on_any_terminal(text: str) -> None:
    shown = printable(text)
    assert shown.replace("\n", "").isprintable()
    shown.encode("utf-8")


def test_a_name_that_would_command_the_terminal_is_shown() -> None:
    assert printable("a\x1b[31m\udcff\u202eb.edf") == r"a\x1b[31m\udcff\u202eb.edf"


def test_plain_names_stay_as_they_are() -> None:
    assert printable("Müller – µV ×2.edf") == "Müller – µV ×2.edf"


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"path": "Müller\udcff"})
    assert capsys.readouterr().out == '{"path": "M\\u00fcller\\udcff"}\n'


def test_a_table_in_a_pipe_is_neither_wrapped_nor_coloured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "/a/very/long/path/" + "x" * 300 + "[bold]"
    say_table(["ID", "PATH"], [["1", long], ["22", "b"]])
    assert capsys.readouterr().out == f"ID  PATH\n1   {long}\n22  b\n"
