from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.cli.helpers import Place, Run

pytest.importorskip("PySide6", exc_type=ImportError)

# Without one, drawing makes an application of its own, which the tests of windows cannot share.
pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture
def recording_id(tracekeep: Run, vault: Place, two_patients: Path) -> str:
    assert tracekeep("analyze", two_patients / "a.edf", *vault.options).exit_code == 0
    with vault.open() as opened:
        return opened.recordings()[0].id


def test_a_strip_is_drawn_at_the_first_finding(
    tracekeep: Run, vault: Place, recording_id: str, tmp_path: Path
) -> None:
    out = tmp_path / "strip.png"
    done = tracekeep("strip", recording_id, "--out", out, "--json", *vault.options)
    assert done.exit_code == 0
    with vault.open() as opened:
        first = min(f.onset for f in opened.report(recording_id).findings)
    assert json.loads(done.stdout)["at_s"] == pytest.approx(max(0.0, first - 2))
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("at", "seconds"), [("0:00:10.5", 10.5), ("0:20", 20.0), ("7", 7.0), ("00:01", 1.0)]
)
def test_times_may_be_short(
    tracekeep: Run, vault: Place, recording_id: str, tmp_path: Path, at: str, seconds: float
) -> None:
    options = ["--at", at, "--out", tmp_path / "s.png", "--json", *vault.options]
    assert json.loads(tracekeep("strip", recording_id, *options).stdout)["at_s"] == seconds


@pytest.mark.parametrize("at", ["soon", "1:2:3:4", "-5", "0:02:00"])
def test_a_time_that_is_none_or_not_in_the_recording_is_wrong_usage(
    tracekeep: Run, vault: Place, recording_id: str, tmp_path: Path, at: str
) -> None:
    out = tmp_path / "s.png"
    done = tracekeep("strip", recording_id, f"--at={at}", "--out", out, *vault.options)
    assert done.exit_code == 2
    assert not out.exists()


def test_what_is_no_picture_is_wrong_usage(
    tracekeep: Run, vault: Place, recording_id: str, tmp_path: Path
) -> None:
    done = tracekeep("strip", recording_id, "--out", tmp_path / "s.jpg", *vault.options)
    assert done.exit_code == 2
    assert ".png" in done.stderr
    assert not (tmp_path / "s.jpg").exists()


def test_a_place_that_cannot_be_written_is_named(
    tracekeep: Run, vault: Place, recording_id: str, tmp_path: Path
) -> None:
    out = tmp_path / "no such folder" / "s.png"
    done = tracekeep("strip", recording_id, "--out", out, *vault.options)
    assert done.exit_code == 1
    assert str(out) in done.stderr
    assert "Traceback" not in done.stderr
