from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import wfdb

from app.cli.annotate import plan_files
from app.cli.inputs import find_inputs
from tests.app.cli.helpers import Run


def _record(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"{path.stem} 1 250 0\n")
    return path


def _names(paths: list[Path], out: Path) -> dict[str, str]:
    plan = plan_files(find_inputs(paths), out)
    return {job.source.as_posix(): job.target.relative_to(out).as_posix() for job in plan}


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_annotation_file_can_be_read_by_others(
    tracekeep: Run, two_patients: Path, tmp_path: Path, jobs: int
) -> None:
    done = tracekeep("annotate", two_patients, "--out", tmp_path / "out", "--jobs", jobs)
    assert done.exit_code == 0, done.output
    for record in ("a", "below/b"):
        read = wfdb.rdann(str(tmp_path / "out" / record), "tk")
        assert read.fs == 250
        assert (read.symbol[0], read.aux_note[0].rstrip("\0")) == ("+", "(N")
        assert set(read.symbol) <= set("+NSVFQ")
        assert read.symbol.count("V") >= 4
        assert (read.sample[1:] >= read.sample[:-1]).all()
        assert len(read.sample) > 60


def test_no_vault_and_no_passphrase_is_needed(
    tracekeep: Run, two_patients: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEKEEP_VAULT", str(tmp_path / "no vault"))
    assert tracekeep("annotate", two_patients, "--out", tmp_path / "out").exit_code == 0


def test_json_tells_what_was_written_and_what_failed(
    tracekeep: Run, two_patients: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.edf"
    bad.write_bytes(b"")
    done = tracekeep("annotate", two_patients, bad, "--out", tmp_path / "out", "--json")
    assert (done.exit_code, done.stderr) == (1, "")
    told = json.loads(done.stdout)
    assert [Path(w["annotations"]).exists() for w in told["written"]] == [True, True]
    assert [f["path"] for f in told["failed"]] == [str(bad)]


def test_a_place_that_cannot_be_written_is_one_line(
    tracekeep: Run, two_patients: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    done = tracekeep("annotate", two_patients, "--out", tmp_path / "file")
    assert done.exit_code == 1
    assert f"{tmp_path / 'file'}: it is not a folder" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_without_recordings_is_named(
    tracekeep: Run, two_patients: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    done = tracekeep("annotate", tmp_path / "empty", two_patients, "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert done.stderr == f"{tmp_path / 'empty'}: there is no recording in it\n"


def test_folders_below_the_named_one_are_kept(tmp_path: Path) -> None:
    a, b = _record(tmp_path / "in", "a.hea"), _record(tmp_path / "in/below", "b.hea")
    out = tmp_path / "out"
    assert _names([tmp_path / "in"], out) == {str(a): "a.tk", str(b): "below/b.tk"}


def test_named_files_go_side_by_side(tmp_path: Path) -> None:
    a, b = _record(tmp_path / "x", "a.hea"), _record(tmp_path / "y", "b.hea")
    assert _names([a, b], tmp_path / "out") == {str(a): "a.tk", str(b): "b.tk"}


def test_the_same_name_in_two_folders_goes_to_two_folders(tmp_path: Path) -> None:
    a, b = _record(tmp_path / "x", "100.hea"), _record(tmp_path / "y/z", "100.hea")
    wanted = {str(a): "x/100.tk", str(b): "y/z/100.tk"}
    assert _names([a, b], tmp_path / "out") == wanted
    assert _names([tmp_path / "x", tmp_path / "y/z"], tmp_path / "out") == wanted


def test_the_same_name_in_one_folder_is_told_apart_by_its_ending(tmp_path: Path) -> None:
    a, b = _record(tmp_path / "x", "100.hea"), _record(tmp_path / "x", "100.edf")
    c = _record(tmp_path / "x", "101.hea")
    assert _names([tmp_path / "x"], tmp_path / "out") == {
        str(a): "100.hea.tk",
        str(b): "100.edf.tk",
        str(c): "101.tk",
    }


def test_names_that_wfdb_cannot_have_are_changed_and_stay_apart(tmp_path: Path) -> None:
    a, b = _record(tmp_path, "two words.edf"), _record(tmp_path, "two_words.edf")
    targets = set(_names([a, b], tmp_path / "out").values())
    assert targets == {"two_words.edf.tk", "two_words.edf-2.tk"}


@pytest.mark.realdata
def test_a_real_record_is_scored_by_its_reference(
    tracekeep: Run, recordings: Path, tmp_path: Path
) -> None:
    for ending in ("hea", "dat", "atr"):
        shutil.copy(recordings / f"mitdb/101.{ending}", tmp_path)
    done = tracekeep("annotate", tmp_path / "101.hea", "--out", tmp_path)
    assert done.exit_code == 0
    ours = wfdb.rdann(str(tmp_path / "101"), "tk")
    reference = wfdb.rdann(str(tmp_path / "101"), "atr")
    beats = ours.sample[[symbol != "+" for symbol in ours.symbol]]
    true_beats = reference.sample[[symbol in "NAVQ" for symbol in reference.symbol]]
    assert abs(len(beats) - len(true_beats)) < 10
    distance = np.abs(beats[:, np.newaxis] - true_beats).min(axis=1)
    assert (distance < 0.15 * ours.fs).mean() > 0.99
