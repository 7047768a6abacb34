"""``correct``: what a reader says is taught, told, refused as a whole, and taken back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.correct import _numbers
from app.cli.corrected import in_short
from app.cli.words import parse_clock
from app.corrections import Change, Corrections
from app.report import Report
from app.vault import Vault
from app.wording import exact_clock
from ml.personal import Correction
from signals.ecg.beat import BeatClass
from signals.simulate import holter_scenario, simulate_ecg
from signals.writers.edf import write_edf
from tests.app.cli.helpers import PASSPHRASE, Place, Run


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Report]:
    """A vault with ten simulated minutes, its recording's id and the report."""
    from app.analysis import analyze_recording
    from signals.readers import open_recording

    folder = tmp_path_factory.mktemp("taught")
    write_edf(folder / "a.edf", simulate_ecg(holter_scenario(duration=600.0, seed=1)).recording)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("app.vault._people.stretch", lambda *_: bytes(32))
        vault, _ = Vault.create(folder / "vault", PASSPHRASE)
    with vault, open_recording(folder / "a.edf") as recording:
        report = analyze_recording(recording)
        stored = vault.commit(vault.intake().store(recording, report))
    return folder / "vault", stored.id, report


class Reader:
    """Types the command at a vault of its own."""

    def __init__(self, run: Run, place: Place, recording_id: str, report: Report) -> None:
        self._run, self.place, self.id, self.report = run, place, recording_id, report

    def says(self, *arguments: object, code: int = 0) -> str:
        """Run ``correct`` and return what it writes: the result, or what went wrong."""
        done = self._run("correct", self.id[:8], *arguments, *self.place.options)
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        if code == 0:
            return done.stdout
        assert done.stdout == ""
        return done.stderr

    def json(self, *arguments: object) -> dict[str, Any]:
        values = json.loads(self.says(*arguments, "--json"))
        assert values["recording"] == self.id
        return dict(values)

    def shows(self, *arguments: object) -> str:
        return self._run("show", self.id, *arguments, *self.place.options).stdout

    def time_of(self, label: BeatClass, number: int = 0) -> str:
        """Return when a beat that the report takes for this class is, as the command writes it."""
        beats = self.report.beats
        return exact_clock(float(beats.times[np.flatnonzero(beats.classes == label)[number]]))


@pytest.fixture
def reader(
    tracekeep: Run,
    tmp_path: Path,
    analysed: tuple[Path, str, Report],
    monkeypatch: pytest.MonkeyPatch,
) -> Reader:
    monkeypatch.setattr("app.vault._people.stretch", lambda *_: bytes(32))
    vault, recording_id, report = analysed
    shutil.copytree(vault, tmp_path / "vault")
    passphrase_file = tmp_path / "passphrase"
    passphrase_file.write_text(PASSPHRASE)
    return Reader(tracekeep, Place(tmp_path / "vault", passphrase_file, ""), recording_id, report)


def test_a_beat_is_corrected_told_and_taken_back(reader: Reader) -> None:
    time = reader.time_of(BeatClass.V, 3)
    told = reader.says("--beat", f"{time}=n", "--all")
    assert "1 correction kept; now 1 correction of this recording" in told
    assert f"beat at {time}: N" in told
    assert f"{time}  V → N  because you marked it N" in told
    assert f"tracekeep correct {reader.id[:8]} --undo 1\n" in told

    assert f"beat at {time}: N" in reader.says("--list")
    state = reader.json()
    assert (state["of_recording"], state["of_patient"], state["kept"]) == (1, 1, False)
    (mark,) = reader.json("--list")["corrections"]
    assert (mark["number"], mark["class"], mark["family"]) == (1, "N", None)

    back = reader.json("--undo", "1")
    assert (back["kept"], back["of_patient"]) == (True, 0)
    assert back["before"] == state["after"]
    assert back["after"] == state["before"]
    assert [beat["time_s"] for beat in back["changed"]] == [
        beat["time_s"] for beat in state["changed"]
    ]
    assert reader.json("--list")["corrections"] == []
    assert "no corrections of this recording" in reader.says()


def test_a_family_has_the_number_that_show_gives_it(reader: Reader) -> None:
    beats = reader.report.beats
    assert beats.families is not None
    ventricular = int(np.bincount(beats.families[beats.classes == BeatClass.V]).argmax())
    assert f"\n  {ventricular}, mostly ventricular ectopic " in reader.shows()
    own = (beats.families == ventricular) & (beats.classes == BeatClass.V)
    told = reader.json("--family", f"{ventricular}=F", "--only", "V")
    changed = {round(beat["time_s"] * beats.rate) for beat in told["changed"]}
    assert set(beats.samples[own].tolist()) <= changed
    assert told["after"]["F"] >= told["before"]["F"] + int(own.sum())
    assert told["corrections"][0]["only"] == "V"
    assert f"family {ventricular}, what the model takes for V: F" in reader.says("--list")
    every = reader.says("--all").count(" → ")
    assert every == len(reader.json()["changed"]) > 10


def test_the_first_minutes_are_confirmed_as_one_row(reader: Reader) -> None:
    told = reader.says("--confirm-first", "1")
    n = int((reader.report.beats.times < 60).sum())
    assert f"{n} corrections kept" in told
    assert f"--undo 1-{n}\n" in told
    (row,) = [line for line in reader.says("--list").splitlines() if " beats from " in line]
    assert row.startswith(f"  1-{n} ")
    assert len(reader.json("--list")["corrections"]) == n
    left = reader.json("--undo", f"1-{n - 2}, {n}")
    assert left["of_recording"] == 1
    assert "there is no correction 2 of this" in reader.says("--undo", "1-2", code=1)
    assert reader.json("--list")["corrections"] != []


def test_the_beats_that_would_teach_most_are_asked_and_can_be_answered(reader: Reader) -> None:
    asked = reader.json("--ask", "3")["beats"]
    assert len(asked) == 3
    told = reader.says("--ask", "3")
    assert "tracekeep strip" in told
    for beat in asked:
        assert exact_clock(beat["time_s"]) in told
    answers = [f"--beat={exact_clock(beat['time_s'])}=S" for beat in asked]
    taught = reader.json(*answers)
    assert {mark["time_s"] for mark in taught["corrections"]} == {beat["time_s"] for beat in asked}
    again = reader.json("--ask", "3")["beats"]
    assert not {beat["time_s"] for beat in again} & {beat["time_s"] for beat in asked}


def test_a_dry_run_tells_the_same_and_keeps_nothing(reader: Reader) -> None:
    mark = ["--beat", f"{reader.time_of(BeatClass.V)}=N"]
    tried = reader.json(*mark, "--dry-run")
    assert (tried["kept"], tried["of_patient"]) == (False, 0)
    assert "nothing is changed (--dry-run)" in reader.says(*mark, "--dry-run")
    assert reader.json("--list")["corrections"] == []
    kept = reader.json(*mark)
    assert [tried[key] for key in ("before", "after", "changed")] == [
        kept[key] for key in ("before", "after", "changed")
    ]
    reader.says("--undo", "all", "--dry-run")
    reader.says("--forget", "--dry-run")
    assert len(reader.json("--list")["corrections"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--beat", "9:00:00=V"], 1, "no beat was found at 9:00:00.00; the nearest: 0:09:"),
        (["--family", "99=V"], 1, "there is no family 99 of beats; there are 1, "),
        (["--undo", "all"], 1, "no correction of this recording to take back"),
        (["--beat", "soon=V"], 2, "'soon' is no time such as 1:02:03"),
        (["--beat", "3.5"], 2, "'3.5' is not like 0:01:02.5=V"),
        (["--beat", "3.5=W"], 2, "'W' is no class of beats: N, S, V, F or Q"),
        (["--family", "one=V"], 2, "'one' is not the number of a family"),
        (["--family", "1=V", "--family", "1=N"], 2, "1 is given two classes"),
        (["--only", "V"], 2, "--family"),
        (["--undo", "8-3"], 2, "is not like 3 or 2,5-8 or all"),
        (["--undo", "1", "--list"], 2, "exclude each other"),
        (["--confirm-first", "0"], 2, "above 0"),
        (["--confirm-first", "1000"], 2, "60"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_kept(
    reader: Reader, arguments: list[str], code: int, words: str
) -> None:
    assert words in " ".join(reader.says(*arguments, code=code).split())
    with reader.place.open() as vault:
        assert vault.pattern_of(reader.id) is None


def test_all_that_is_named_is_kept_or_nothing(reader: Reader) -> None:
    time = reader.time_of(BeatClass.V)
    assert "no beat" in reader.says("--beat", f"{time}=N", "--beat", "9:00:00=V", code=1)
    assert "two classes" in reader.says("--beat", f"{time}=N", "--beat", f"{time}=S", code=1)
    assert reader.json("--list")["corrections"] == []


def test_no_such_recording(tracekeep: Run, reader: Reader) -> None:
    done = tracekeep("correct", "zzz", "--list", *reader.place.options)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1


def test_what_another_program_teaches_meanwhile_is_kept(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, other = Corrections.teach, [reader.time_of(BeatClass.V, 5)]

    def teach(self: Corrections, corrections: list[Correction], *, keep: bool) -> Change:
        if other:
            reader.says("--beat", f"{other.pop()}=F")
        return real(self, corrections, keep=keep)

    monkeypatch.setattr(Corrections, "teach", teach)
    told = reader.json("--beat", f"{reader.time_of(BeatClass.V, 6)}=N")
    assert (told["of_recording"], len(told["corrections"])) == (2, 1)
    (ours,) = told["corrections"]
    assert ours == reader.json("--list")["corrections"][ours["number"] - 1]
    assert {one["class"] for one in reader.json("--list")["corrections"]} == {"F", "N"}


def test_show_tells_of_corrections_without_reading_the_signal(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Corrections" not in reader.shows()
    assert json.loads(reader.shows("--json"))["corrections"] is None
    first, second = (reader.time_of(BeatClass.V, number) for number in (0, 1))
    reader.says("--beat", f"{first}=N", "--beat", f"{second}=V")
    monkeypatch.setattr("app.vault.Vault.waveform", None)
    told = reader.shows()
    assert "2 of this recording: 1 marked beat has another class than below" in told
    assert f"tracekeep correct {reader.id[:8]} --undo all\n" in told
    assert json.loads(reader.shows("--json"))["corrections"] == {
        "of_recording": 2,
        "of_patient": 2,
        "marked_otherwise": 1,
    }


def test_a_report_follows_the_corrections_where_that_is_asked(
    reader: Reader, tracekeep: Run
) -> None:
    def exported(*arguments: str) -> Report:
        done = tracekeep("export", reader.id, *arguments, *reader.place.options)
        assert done.exit_code == 0, done.output
        return Report.from_json(done.stdout)

    assert exported("--corrected") == reader.report
    first, second = (reader.time_of(BeatClass.V, number) for number in (0, 1))
    told = reader.json("--beat", f"{first}=N", "--beat", f"{second}=F")
    made = exported("--corrected")
    assert made.headline()["beats"] == told["after"] != told["before"]
    assert made.provenance.corrections == 2
    assert made.subject == reader.report.subject
    assert exported() == reader.report
    words = reader.shows("--corrected")
    assert "What is below follows 2 corrections of this patient" in words
    assert "does not follow" not in words
    assert "does not follow" in reader.shows()


def test_damaged_corrections_are_told_and_can_be_dropped(reader: Reader) -> None:
    reader.says("--beat", f"{reader.time_of(BeatClass.V)}=N")
    with reader.place.open() as vault, vault._index._writing() as connection:
        connection.execute("UPDATE pattern SET text = '{}'")
    for arguments in (["--list"], ["--ask", "1"], ["--undo", "all"], ["--beat", "1=N"], []):
        words = reader.says(*arguments, code=4)
        assert f"to drop it: tracekeep correct {reader.id[:8]} --forget\n" in words
        assert words.count("\n") == 1
    assert "Heart rate and rhythm" in reader.shows()
    assert "Corrections" not in reader.shows()
    assert reader.json("--forget")["kept"]
    assert reader.json("--list")["corrections"] == []


@given(st.integers(0, 10**7))
def test_a_time_that_is_written_is_read_as_itself(hundredths: int) -> None:
    assert parse_clock(exact_clock(hundredths / 100)) == pytest.approx(hundredths / 100, abs=1e-6)


@given(st.sets(st.integers(1, 999), min_size=1, max_size=40))
def test_numbers_that_are_written_are_read_as_themselves(numbers: set[int]) -> None:
    assert _numbers(in_short(numbers)) == numbers
