from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from signals.readers import find_recordings, open_recording, read_annotations
from signals.recording import RecordingError

HEADER = "r 1 360 10\nr.dat 16 200 0 0 0 0 0 ECG\n"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A WFDB record ``r`` with a signal file and an annotation file."""
    (tmp_path / "r.hea").write_text(HEADER)
    (tmp_path / "r.dat").write_bytes(bytes(range(20)))
    (tmp_path / "r.atr").write_bytes(bytes([5, 1 << 2, 0, 0]))
    return tmp_path / "r.hea"


@pytest.mark.parametrize("name", ["r.hea", "r", "r.dat", "r.atr"])
def test_any_file_of_a_wfdb_record_opens_it(record: Path, name: str) -> None:
    recording = open_recording(record.with_name(name))
    assert (recording.format, recording.name) == ("WFDB", "r")
    assert len(recording.annotations) == 1


def test_annotations_are_read_by_their_ending(record: Path) -> None:
    record.with_suffix(".qrs").write_bytes(bytes([7, 1 << 2, 9, 5 << 2, 0, 0]))
    marks = read_annotations(record, "qrs")
    assert (marks.rate, marks.found) == (360, ((7, "N", ""), (16, "V", "")))
    assert marks.is_complete
    with pytest.raises(RecordingError, match=r"r\.ii.*No such file"):
        read_annotations(record, "ii")
    record.unlink()
    with pytest.raises(RecordingError):
        read_annotations(record, "qrs")


def test_a_relative_path(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(record.parent)
    recording = open_recording(Path("r"))
    monkeypatch.chdir("/")
    assert recording.read([0], 0, 10).shape == (1, 10)


@pytest.mark.parametrize("name", ["x", "x.dat", "x.hea", "x.txt"])
def test_edf_is_known_by_its_content(
    tmp_path: Path, make_edf: Callable[..., bytes], name: str
) -> None:
    (tmp_path / name).write_bytes(make_edf())
    assert open_recording(tmp_path / name).format == "EDF"


def test_wfdb_header_is_known_by_its_content(record: Path) -> None:
    record.rename(record.with_name("renamed.txt"))
    assert open_recording(record.with_name("renamed.txt")).format == "WFDB"


@pytest.mark.parametrize("name", ["x", "x.edf", "x.hea", "x.bdf", "x.dat"])
@pytest.mark.parametrize(
    "content",
    [
        random.Random(1).randbytes(3000),
        b"\x89PNG\r\n\x1a\n" + bytes(500),
        b"Dear reader,\n\nthis is a letter of 3 lines.\n",
        b"\n\n\n",
        b"%PDF-1.7\n",
        b"<?xml version='1.0'?><ecg/>",
    ],
)
def test_anything_else_is_one_message_that_names_the_file(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        open_recording(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_formats_are_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(RecordingError, match=r"WFDB, EDF, EDF\+ and BDF"):
        open_recording(tmp_path / "x")


@pytest.mark.parametrize("name", ["x.edf", "x.hea", "x"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(RecordingError, match="is empty"):
        open_recording(tmp_path / name)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"gone\.edf: there is no such file"):
        open_recording(tmp_path / "gone.edf")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="is a folder"):
        open_recording(tmp_path)


def test_name_with_a_null_byte(tmp_path: Path) -> None:
    with pytest.raises(RecordingError):
        open_recording(tmp_path / "a\0b")


def test_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="File name too long"):
        open_recording(tmp_path / ("a" * 300))


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.edf")
    with pytest.raises(RecordingError, match="no regular file"):
        open_recording(tmp_path / "x.edf")


def test_link_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.edf").symlink_to(tmp_path / "gone")
    with pytest.raises(RecordingError, match="no such file"):
        open_recording(tmp_path / "x.edf")


def test_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "x.edf").symlink_to(tmp_path / "x.edf")
    with pytest.raises(RecordingError):
        open_recording(tmp_path / "x.edf")


def denied(path: Path, *args: object, **rest: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_file_without_permission(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "open", denied)  # as root, a mode of 0 keeps nobody out
    with pytest.raises(RecordingError, match="permission is denied"):
        open_recording(record)


def names(root: Path, *paths: Path) -> list[str]:
    return [str(found.relative_to(root)) for found in find_recordings(paths or [root])]


def test_folders_are_searched(record: Path, make_edf: Callable[..., bytes]) -> None:
    root = record.parent
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "b.edf").write_bytes(b"broken")
    (root / "deep" / "er" / "a").write_bytes(make_edf())
    (root / "deep" / ".hidden.edf").write_bytes(make_edf())
    (root / ".git").mkdir()
    (root / ".git" / "x.edf").write_bytes(make_edf())
    (root / "notes.txt").write_text("nothing")
    (root / "z.BDF").write_bytes(make_edf(bdf=True))
    assert names(root) == ["deep/er/a", "deep/er/b.edf", "r.hea", "z.BDF"]


def test_segments_are_no_recordings_of_their_own(record: Path) -> None:
    (record.parent / "m.hea").write_text("m/2 1 360 20\nr 10\nr 10\n")
    assert names(record.parent) == ["m.hea"]
    assert names(record.parent, record) == ["r.hea"]


def test_each_is_found_once(record: Path) -> None:
    root = record.parent
    (root / "link.hea").symlink_to(record)
    paths = [root / "r.atr", root / "r.dat", root / "r", root, record]
    assert names(root, *paths) == ["r.hea"]


def test_what_is_named_is_yielded_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / ".hidden.txt").write_text("x")
    paths = [tmp_path / "gone", tmp_path / ".hidden.txt"]
    assert list(find_recordings(paths)) == paths


def test_a_named_edf_file_beside_a_header_of_its_name(
    record: Path, make_edf: Callable[..., bytes]
) -> None:
    (record.parent / "r.edf").write_bytes(make_edf())
    assert names(record.parent, record.parent / "r.edf") == ["r.edf"]
    assert names(record.parent) == ["r.edf", "r.hea"]


def test_links_in_a_circle_end(record: Path) -> None:
    (record.parent / "a").mkdir()
    (record.parent / "a" / "loop").symlink_to(record.parent)
    (record.parent / "a" / "self").symlink_to(record.parent / "a" / "self")
    assert names(record.parent) == ["r.hea"]


def test_folder_without_permission_is_yielded(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = record.parent / "locked"
    locked.mkdir()
    iterdir = Path.iterdir

    def guarded(self: Path) -> object:
        if self == locked:
            denied(self)
        return iterdir(self)

    monkeypatch.setattr(Path, "iterdir", guarded)
    assert names(record.parent) == ["locked", "r.hea"]
    with pytest.raises(RecordingError, match="permission is denied"):
        open_recording(locked)
