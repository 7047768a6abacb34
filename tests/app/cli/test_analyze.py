from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signals.recording import MILLIVOLT, ArrayRecording, Channel, ChannelKind
from signals.writers.edf import write_edf
from tests.app.cli.helpers import Place, Run

# A shell that runs the tests in the background has them ignore Ctrl-C, and so their children.
_MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from app.cli import main; main()"
)


def _lines(text: str, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line["event"] == event]


def _ecg(path: Path, rate: float, samples: np.ndarray, label: str = "II") -> Path:
    channel = Channel(
        label=label,
        kind=ChannelKind.ECG,
        rate=rate,
        n_samples=len(samples),
        unit=MILLIVOLT,
        scale=0.005,
        offset=0.0,
        digital_min=-2048,
        digital_max=2047,
    )
    write_edf(path, ArrayRecording([samples], format="made", name=path.stem, channels=(channel,)))
    return path


def test_a_folder_is_analysed_into_the_vault(
    tracekeep: Run, vault: Place, two_patients: Path
) -> None:
    done = tracekeep("analyze", two_patients, *vault.options)
    assert done.exit_code == 0, done.output
    assert re.search(r"^[0-9a-f]{8}  \S+a\.edf: \d+ beats, ", done.stdout, re.MULTILINE)
    assert "2 stored." in done.stderr
    with vault.open() as opened:
        assert sorted(r.name for r in opened.recordings()) == ["a", "b"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_json_lines_tell_all(
    tracekeep: Run, vault: Place, two_patients: Path, tmp_path: Path, jobs: int
) -> None:
    bad = tmp_path / "bad.edf"
    bad.write_bytes(b"")
    done = tracekeep("analyze", two_patients, bad, *vault.options, "--json", "--jobs", jobs)
    assert done.exit_code == 1
    assert done.stderr == ""
    results = _lines(done.stdout, "result")
    assert sorted(r["status"] for r in results) == ["failed", "stored", "stored"]
    with vault.open() as opened:
        assert {r.id for r in opened.recordings()} == {r["id"] for r in results if "id" in r}
    assert _lines(done.stdout, "summary") == [
        {
            "event": "summary",
            "stored": 2,
            "known": 0,
            "repeated": 0,
            "failed": 1,
            "complete": True,
        }
    ]
    shares = [line["share"] for line in _lines(done.stdout, "progress")]
    assert (1.0 in shares) == (jobs == 1)


def test_what_is_there_already_is_told_and_passed_over_in_silence_with_resume(
    tracekeep: Run, vault: Place, two_patients: Path
) -> None:
    tracekeep("analyze", two_patients, *vault.options)
    again = tracekeep("analyze", two_patients, *vault.options)
    assert (again.exit_code, again.stdout) == (0, "")
    assert again.stderr.count("already in the vault as") == 2
    resumed = tracekeep("analyze", two_patients, *vault.options, "--resume")
    assert (resumed.exit_code, resumed.stdout) == (0, "")
    assert resumed.stderr == "2 already in the vault.\n"
    with vault.open() as opened:
        assert len(opened.recordings()) == 2


def _lying(folder: Path) -> Path:
    path = folder / "lying.hea"
    path.write_text("lying 2 250 99999999999999\nlying.dat 212 200 16 0 0 0 0 II\n")
    (folder / "lying.dat").write_bytes(bytes(1000))
    return path


def _empty(folder: Path) -> Path:
    (folder / "empty.edf").write_bytes(b"")
    return folder / "empty.edf"


def _no_recording(folder: Path) -> Path:
    (folder / "letter.edf").write_text("Dear colleague")
    return folder / "letter.edf"


def _one_hertz(folder: Path) -> Path:
    return _ecg(folder / "slow.edf", 1.0, np.arange(600, dtype=np.int16))


def _no_samples_file(folder: Path) -> Path:
    path = folder / "alone.hea"
    path.write_text("alone 1 250 5000\nalone.dat 16 200 16 0 0 0 0 II\n")
    return path


@pytest.mark.parametrize("make", [_lying, _empty, _no_recording, _one_hertz, _no_samples_file])
def test_a_bad_file_is_one_line_and_code_1(
    tracekeep: Run, vault: Place, two_patients: Path, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    bad = make(folder)
    done = tracekeep("analyze", bad, two_patients / "a.edf", *vault.options)
    assert done.exit_code == 1
    problem, summary = done.stderr.splitlines()
    assert problem.startswith("failed: ")
    assert bad.stem in problem
    assert "fault of ours" not in problem
    assert summary == "1 stored, 1 failed."


def test_a_file_that_is_cut_short_is_read_as_far_as_it_goes_and_said(
    tracekeep: Run, vault: Place, tmp_path: Path
) -> None:
    (tmp_path / "cut.hea").write_text("cut 1 250 5000\ncut.dat 16 200 16 0 0 0 0 II\n")
    (tmp_path / "cut.dat").write_bytes(bytes(5000))
    done = tracekeep("analyze", tmp_path / "cut.hea", *vault.options)
    assert done.exit_code == 0
    assert "cut.hea: read all the same: " in done.stderr
    with vault.open() as opened:
        assert opened.recordings()[0].duration_s == 10


def test_odd_recordings_are_read(tracekeep: Run, vault: Place, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    flat = np.zeros(30 * 250, np.int16)
    _ecg(folder / "flat.edf", 250.0, flat)
    _ecg(folder / "saturated.edf", 250.0, flat + 2047)
    _ecg(folder / "fast.edf", 10_000.0, np.zeros(20 * 10_000, np.int16) + 1)
    missing = folder / "missing.hea"  # -32768 stands for "no sample" in format 16
    missing.write_text("missing 1 250 7500\nmissing.dat 16 200 16 0 0 0 0 II\n")
    (folder / "missing.dat").write_bytes(np.full(7500, -32768, "<i2").tobytes())
    done = tracekeep("analyze", folder, *vault.options, "--json")
    assert done.exit_code == 0, done.output
    for result in _lines(done.stdout, "result"):
        assert sum(result["headline"]["beats"].values()) == 0
        assert "unreadable" in result["headline"]["findings"]


def test_names_of_any_bytes_are_handled(
    tracekeep: Run, vault: Place, two_patients: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    names = ["two words.edf", "M\udcfcller.edf", "red\x1b[31m.edf", "-rf.edf"]
    for number, name in enumerate(names):
        _variant(two_patients / "a.edf", folder / name, number)
    done = tracekeep("analyze", folder, *vault.options)
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.stdout
    assert r"M\udcfcller.edf" in done.stdout
    listed = tracekeep("list", *vault.options)
    assert listed.exit_code == 0
    assert r"red\x1b[31m" in listed.stdout
    assert len(json.loads(tracekeep("list", *vault.options, "--json").stdout)) == 4


def test_leads_are_named_where_labels_do_not_tell(
    tracekeep: Run, vault: Place, two_patients: Path
) -> None:
    wrong = tracekeep("analyze", two_patients / "a.edf", *vault.options, "--leads", "C3, V5")
    assert wrong.exit_code == 1
    assert "C3" in wrong.stderr
    right = tracekeep("analyze", two_patients / "a.edf", *vault.options, "--leads", " V5 ")
    assert right.exit_code == 0


def test_leads_that_were_not_used_are_told(
    tracekeep: Run, vault: Place, two_patients: Path
) -> None:
    analyze = ["analyze", two_patients / "a.edf", *vault.options]
    tracekeep(*analyze)
    again = tracekeep(*analyze, "--resume", "--leads", "V5")
    assert again.exit_code == 0
    assert "read with MLII, V5; the leads named now were not used" in again.stderr
    (line,) = _lines(tracekeep(*analyze, "--json", "--leads", "V5").stdout, "result")
    assert line["read_with"] == ["MLII", "V5"]
    for none in ("", " , "):
        assert tracekeep(*analyze, "--leads", none).exit_code == 2


def test_how_to_name_a_lead_is_told(tracekeep: Run, vault: Place, tmp_path: Path) -> None:
    path = _ecg(tmp_path / "a.edf", 250.0, np.arange(7500, dtype=np.int16), label="C3")
    done = tracekeep("analyze", path, *vault.options)
    assert 'name it as a lead (--leads "LABEL")' in done.stderr
    json_lines = tracekeep("analyze", path, *vault.options, "--json").stdout
    assert '(--leads "LABEL")' in _lines(json_lines, "result")[0]["problem"]


def test_a_folder_without_recordings_among_others_is_named(
    tracekeep: Run, vault: Place, two_patients: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "letter.txt").write_text("Dear colleague")
    done = tracekeep("analyze", two_patients, folder, *vault.options)
    assert done.exit_code == 0
    assert f"{folder}: there is no recording in it" in done.stderr
    (line,) = _lines(
        tracekeep("analyze", folder, two_patients, *vault.options, "--json").stdout, "note"
    )
    assert str(folder) in line["text"]


def test_nothing_to_do_is_said(tracekeep: Run, vault: Place, tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    done = tracekeep("analyze", folder, *vault.options)
    assert done.exit_code == 1
    assert "no recording" in done.stderr
    assert tracekeep("analyze", folder / "absent.edf", *vault.options).exit_code == 1


def _as_anyone() -> None:
    """Give up the right of root to read everything (PR_CAPBSET_DROP of both CAP_DAC_...)."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):
        libc.prctl(24, capability, 0, 0, 0)


def test_a_folder_without_permission_is_named(
    vault: Place, two_patients: Path, tmp_path: Path
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(0o000)
    with _start(vault, "analyze", two_patients, locked, preexec_fn=_as_anyone) as process:
        _, errors = process.communicate(timeout=120)
    locked.chmod(0o700)
    assert process.returncode == 1
    assert f"failed: {locked}: " in errors
    assert "2 stored, 1 failed." in errors


def _variant(source: Path, target: Path, number: int) -> Path:
    """Copy an EDF file with another technician, so that its content is another."""
    content = bytearray(source.read_bytes())
    content[8:88] = f"X X X X variant_{number}".ljust(80).encode()
    target.write_bytes(content)
    return target


@pytest.fixture
def many(two_patients: Path, tmp_path: Path) -> Path:
    """A folder of recordings, enough to stop in the middle of."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(40):
        _variant(two_patients / "a.edf", folder / f"{number:02}.edf", number)
    return folder


def _start(
    vault: Place, *arguments: str | Path, preexec_fn: Callable[[], None] | None = None
) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _MAIN, *map(str, arguments), *vault.options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, start_new_session=True, preexec_fn=preexec_fn, **pipes)


def _until_stored(process: subprocess.Popen[str], count: int) -> list[str]:
    """Read the output until `count` recordings are stored; return their ids."""
    assert process.stdout
    ids: list[str] = []
    for line in process.stdout:
        facts = json.loads(line)
        if facts["event"] == "result":
            assert facts["status"] == "stored"
            ids.append(facts["id"])
            if len(ids) == count:
                break
    return ids


@pytest.mark.parametrize(
    ("kind", "jobs"), [(signal.SIGINT, "1"), (signal.SIGINT, "2"), (signal.SIGTERM, "1")]
)
def test_ctrl_c_keeps_what_is_stored_and_says_so(
    tracekeep: Run, vault: Place, many: Path, kind: signal.Signals, jobs: str
) -> None:
    with _start(vault, "analyze", many, "--json", "--jobs", jobs) as process:
        ids = _until_stored(process, 2)
        os.killpg(process.pid, kind)  # as a terminal does: to the workers too
        rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == ""
    ids += [line["id"] for line in _lines(rest, "result")]
    (summary,) = _lines(rest, "summary")
    assert (summary["stored"], summary["complete"]) == (len(ids), False)
    with vault.open() as opened:
        assert {r.id for r in opened.recordings()} == set(ids)
    assert not list((vault.path / "pending").iterdir())
    assert tracekeep("vault", "check", *vault.options, "--read-data", "100%").exit_code == 0


def test_a_killed_run_is_resumed_where_it_stopped(tracekeep: Run, vault: Place, many: Path) -> None:
    for late in sorted(many.iterdir())[6:]:
        late.unlink()
    with _start(vault, "analyze", many, "--json") as process:
        _until_stored(process, 2)
        process.kill()
        process.communicate(timeout=60)
    assert tracekeep("vault", "check", *vault.options, "--read-data", "100%").exit_code == 0
    done = tracekeep("analyze", many, *vault.options, "--resume", "--json")
    assert done.exit_code == 0
    (summary,) = _lines(done.stdout, "summary")
    assert summary["known"] >= 2
    assert summary["known"] + summary["stored"] == 6
    assert len(json.loads(tracekeep("list", *vault.options, "--json").stdout)) == 6
    assert tracekeep("vault", "check", *vault.options, "--read-data", "100%").exit_code == 0


def test_the_workers_of_a_killed_run_end_in_silence(vault: Place, many: Path) -> None:
    with _start(vault, "analyze", many, "--json", "--jobs", "2") as process:
        _until_stored(process, 2)
        process.kill()
        _, errors = process.communicate(timeout=60)  # until the workers have closed stderr too
    assert errors == ""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_full_disk_is_said_once_and_what_is_stored_stays(
    tracekeep: Run, vault: Place, two_patients: Path, tmp_path: Path, jobs: str
) -> None:
    tracekeep("analyze", two_patients / "a.edf", *vault.options)
    noise = np.random.default_rng(1).integers(-9, 9, 400_000, np.int16)
    large = _ecg(tmp_path / "large.edf", 1000.0, noise)

    def almost_full() -> None:  # no file can grow beyond 400 kB: the index fits, the waveform not
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    paths = [shutil.copy(large, tmp_path / "large too.edf"), two_patients]
    options = ["--jobs", jobs]
    with _start(vault, "analyze", large, *paths, *options, preexec_fn=almost_full) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    told = [line for line in errors.splitlines() if line.startswith("tracekeep: ")]
    assert len(told) == 1
    assert "larger than the system allows" in told[0]
    assert "What is stored is kept" in errors
    assert not list((vault.path / "pending").iterdir())
    assert tracekeep("vault", "check", *vault.options, "--read-data", "100%").exit_code == 0


def test_two_programs_share_a_vault(tracekeep: Run, vault: Place, many: Path) -> None:
    for late in sorted(many.iterdir())[6:]:
        late.unlink()
    with _start(vault, "analyze", many, "--json") as one, _start(vault, "analyze", many) as other:
        one.communicate(timeout=120)
        other.communicate(timeout=120)
    assert (one.returncode, other.returncode) == (0, 0)
    assert len(json.loads(tracekeep("list", *vault.options, "--json").stdout)) == 6
