from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.writers.wfdb_annotations import write_annotations

SYMBOLS = 'NLRaVFJASEj/Q~|sT*D"=pB^t+u?![]en@xf()r'

annotations = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3), st.integers(0, 3000), st.integers(0, 1 << 34)),
        st.sampled_from(SYMBOLS),
        st.one_of(st.just(""), st.text("(ABFIN abc", min_size=1, max_size=255)),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(annotations)
def test_wfdb_reads_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str, str]]
) -> None:
    samples = np.cumsum([10, *(row[0] for row in rows)])[1:]
    symbols = [row[1] for row in rows]
    notes = [row[2] for row in rows]
    folder = tmp_path_factory.getbasetemp()
    path = write_annotations(folder, "r", "tk", 250, samples, symbols, notes)
    assert path == folder / "r.tk"
    read = wfdb.rdann(str(folder / "r"), "tk")
    assert read.sample.tolist() == samples.tolist()
    assert list(read.symbol) == symbols
    assert list(read.aux_note) == notes
    assert read.fs == 250 or not rows


@pytest.mark.parametrize("n", [1, 2, 500])
def test_bytes_are_those_of_wfdb(tmp_path: Path, n: int) -> None:
    samples = np.cumsum(np.random.default_rng(n).integers(1, 3000, n))
    symbols = ["NV+A"[index % 4] for index in range(n)]
    notes = ["(AFIB" if symbol == "+" else "" for symbol in symbols]
    ours = write_annotations(tmp_path, "r", "tk", 360.0, samples, symbols, notes).read_bytes()
    wfdb.wrann("r", "ref", samples, symbols, aux_note=notes, fs=360, write_dir=str(tmp_path))
    assert ours == (tmp_path / "r.ref").read_bytes()


def test_an_earlier_file_stays_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_annotations(tmp_path, "r", "tk", 360, [5], ["N"])
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_annotations(tmp_path, "r", "tk", 360, [5, 6], ["N", "V"])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("samples", "symbols", "notes", "message"),
    [
        ([5, 4], ["N", "N"], None, "4 follows 5"),
        ([-1], ["N"], None, "-1 follows 0"),
        ([5], ["X"], None, "'X' is no WFDB annotation symbol"),
        ([5], ["N"], ["é" * 128], "256 bytes"),
        ([5, 6], ["N"], None, "zip"),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, samples: list[int], symbols: list[str], notes: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_annotations(tmp_path, "r", "tk", 360, samples, symbols, notes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "extension"), [("../r", "tk"), ("r", "t/k"), ("", "tk")])
def test_names_that_lead_elsewhere(tmp_path: Path, name: str, extension: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        write_annotations(tmp_path, name, extension, 360, [], [])
