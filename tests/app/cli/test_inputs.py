from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.exits import CommandError
from app.cli.inputs import each_once, find_inputs, with_option, without_recordings


def test_a_recording_goes_by_the_name_that_came_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.edf").touch()
    (tmp_path / "b.edf").symlink_to("in/a.edf")
    (tmp_path / "empty").mkdir()
    found = find_inputs([Path("in"), tmp_path, Path("empty")])
    assert each_once(found) == [Path("in/a.edf")]
    assert without_recordings(found) == ["empty: there is no recording in it"]
    with pytest.raises(CommandError, match="there is no recording in empty"):
        find_inputs([Path("empty")])


def test_only_what_the_option_mends_is_told_with_it() -> None:
    assert with_option("a.edf: it holds no samples") == "a.edf: it holds no samples"
    told = with_option("a.edf: name it as a lead (same content as b.edf)")
    assert told == 'a.edf: name it as a lead (--leads "LABEL") (same content as b.edf)'
