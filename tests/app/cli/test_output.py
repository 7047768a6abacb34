from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.output import printable, say, say_json, say_table


@given(st.text())
def test_what_is_printable_is_safe_on_any_terminal(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode("utf-8")


def test_a_name_that_would_command_the_terminal_is_shown() -> None:
    assert printable("a\x1b[31m\udcff\u202eb.edf") == r"a\x1b[31m\udcff\u202eb.edf"


@pytest.mark.parametrize(
    "mark", "\n\r\t\x7f\x85\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"
)
def test_a_name_stays_on_one_line_and_in_order(mark: str) -> None:
    assert printable(f"a{mark}b") == f"a{mark.encode('unicode_escape').decode()}b"


def test_a_name_takes_one_line_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    say_table(["NAME"], [["a\nb"]])
    assert capsys.readouterr().out == "NAME\na\\nb\n"


def test_a_text_of_several_lines_keeps_them(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b\nb")
    assert capsys.readouterr().out == "a\\x1b\nb\n"


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
