from __future__ import annotations

import errno

import pytest

from app.faults import explain, is_expected, show_trace
from signals.recording import RecordingError, Unit


def _fail() -> None:
    raise ValueError("enaJ"[::-1])


def _fault() -> ValueError:
    try:
        _fail()
    except ValueError as error:
        return error
    raise AssertionError


def test_our_own_errors_speak_for_themselves() -> None:
    error = RecordingError("a.edf", "it is cut short at byte 100")
    assert is_expected(error)
    assert explain(error) == "a.edf: it is cut short at byte 100"


def test_the_system_is_quoted_with_the_file() -> None:
    error = PermissionError(errno.EACCES, "Permission denied", "/x/y")
    assert explain(error) == "/x/y: Permission denied"


def test_a_fault_of_ours_is_owned_and_quotes_nothing() -> None:
    error = _fault()
    assert not is_expected(error)
    assert "fault of ours" in explain(error)
    assert "ValueError" in explain(error)
    assert "Jane" not in explain(error)


def test_a_fault_names_the_last_line_of_our_own_code() -> None:
    with pytest.raises(AttributeError) as caught:
        Unit.named(None)  # type: ignore[arg-type]
    assert "signals/recording.py:" in explain(caught.value)


def test_a_trace_is_written_only_when_asked_for_and_quotes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACEKEEP_DEBUG", raising=False)
    show_trace(_fault())
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("TRACEKEEP_DEBUG", "1")
    show_trace(_fault())
    err = capsys.readouterr().err
    assert "_fail()" in err
    assert err.endswith("builtins.ValueError\n")
    assert "Jane" not in err
