"""Whatever the bytes: a recording that can be read, or one RecordingError."""

from __future__ import annotations

import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signals.readers import find_recordings, open_recording
from signals.recording import RecordingError

CORPUS = Path(__file__).parents[2] / "corpus"
MOST_MEMORY = 64 << 20

edits = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 1 << 16), st.integers(1, 255)),
        st.tuples(st.just("cut"), st.integers(0, 1 << 16), st.just(0)),
        st.tuples(st.just("splice"), st.integers(0, 1 << 16), st.integers(0, 1 << 16)),
        st.tuples(
            st.just("put"),
            st.integers(0, 1 << 16),
            st.sampled_from(
                [
                    b"\0" * 8,
                    b"\xff" * 8,
                    b"99999999",
                    b"-1      ",
                    b"nan",
                    b"1e308",
                    b" ",
                    b"\n",
                    b"~ 0",
                    b"/9",
                    b"x99999",
                    b":9999999",
                    b"+999999",
                ]
            ),
        ),
    ),
    min_size=1,
    max_size=6,
)


def edited(data: bytes, changes: list[tuple[str, int, int | bytes]]) -> bytes:
    for kind, place, value in changes:
        if not data:
            break
        at = place % len(data)
        if isinstance(value, bytes):
            data = data[:at] + value + data[at + len(value) :]
        elif kind == "flip":
            data = data[:at] + bytes([data[at] ^ value]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at]
        else:
            other = value % len(data)
            data = data[:at] + data[other : other + 16] + data[at:]
    return data


def use(path: Path) -> None:
    """Open `path` and read from it as a program does; a RecordingError is a fair answer."""
    tracemalloc.start()
    try:
        with open_recording(path) as recording:
            assert recording.duration >= 0
            assert len({channel.label for channel in recording.channels}) == len(recording.channels)
            onsets = [annotation.onset for annotation in recording.annotations]
            assert onsets == sorted(onsets)
            for index, channel in enumerate(recording.channels[:20]):
                assert channel.rate > 0
                assert channel.n_samples > 0
                assert channel.digital_min < channel.digital_max
                for start in {0, channel.n_samples // 2, max(0, channel.n_samples - 50)}:
                    stop = min(start + 50, channel.n_samples)
                    values = recording.read([index], start, stop)
                    assert values.shape == (1, stop - start)
                    assert values.dtype == np.float32
                    assert not np.isinf(values).any()
    except RecordingError as error:
        message = str(error)
        assert path.parent.name in message
        assert "\n" not in message
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MOST_MEMORY


@pytest.mark.parametrize("path", sorted((CORPUS / "edf").iterdir()), ids=lambda path: path.name)
def test_edf_corpus(path: Path) -> None:
    assert path.stat().st_size < 5000
    use(path)


@pytest.mark.parametrize(
    "path", sorted((CORPUS / "wfdb").glob("*.hea")), ids=lambda path: path.name
)
def test_wfdb_corpus(path: Path) -> None:
    use(path)


def test_corpus_is_found() -> None:
    assert len(list(find_recordings([CORPUS / "edf"]))) > 5
    assert len(list(find_recordings([CORPUS / "wfdb"]))) > 5


@settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(changes=edits, plus=st.booleans(), bdf=st.booleans())
def test_edited_edf(
    make_edf: Callable[..., bytes],
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[str, int, int | bytes]],
    plus: bool,  # noqa: FBT001
    bdf: bool,  # noqa: FBT001
) -> None:
    family = "BDF" if bdf else "EDF"
    tals = (b"+0\x14\x14\0+0.5\x142\x14x\x14\0", b"+1\x14\x14\0", b"+7\x14\x14\0")
    kind = {"tals": tals, "kind": f"{family}+D"} if plus else {}
    data = make_edf(records=3, bdf=bdf, **kind)
    path = tmp_path_factory.getbasetemp() / "edited.edf"
    path.write_bytes(edited(data, changes))
    use(path)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good record of each kind: 212, FLAC, several segments, annotations."""
    folder = tmp_path_factory.mktemp("good")
    rng = np.random.default_rng(0)
    for name, form in [("a", "212"), ("b", "212"), ("f", "516"), ("w", "24")]:
        wfdb.wrsamp(
            name,
            fs=100,
            units=["mV", "uV"],
            sig_name=["II", "V"],
            d_signal=rng.integers(-900, 900, (60, 2)),
            fmt=[form] * 2,
            adc_gain=[200.0, 0.1],
            baseline=[0, 5],
            write_dir=str(folder),
        )
    wfdb.wrann(
        "a",
        "atr",
        np.array([5, 2000, 4000]),
        list("N+V"),
        aux_note=["", "(AFIB", ""],
        write_dir=str(folder),
    )
    (folder / "s.hea").write_text(
        "s 2 100 100\na.dat 8x1:2 100 0 0 5 0 0 A\na.dat 8x2 1 0 0 0 0 0 B\n"
    )
    (folder / "m.hea").write_text("m/4 2 100 140\na 60\n~ 10\nb 60\na 10\n")
    return folder


@settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=edits,
    name=st.sampled_from(["a.hea", "a.dat", "a.atr", "f.hea", "f.dat", "w.hea", "s.hea", "m.hea"]),
)
def test_edited_wfdb(
    records: Path,
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[str, int, int | bytes]],
    name: str,
) -> None:
    folder = tmp_path_factory.getbasetemp() / "edited"
    shutil.copytree(records, folder, dirs_exist_ok=True)
    target = folder / name
    target.write_bytes(edited(target.read_bytes(), changes))
    use(folder / f"{target.stem}.hea")
    if target.stem == "a":
        use(folder / "m.hea")


@settings(max_examples=200, deadline=2000)
@given(st.binary(max_size=600))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    for name in ("x.edf", "y.hea"):
        (folder / name).write_bytes(data)
        use(folder / name)


def test_a_header_that_promises_the_world_allocates_nothing(tmp_path: Path) -> None:
    (tmp_path / "r.dat").write_bytes(struct.pack("<100h", *range(100)))
    (tmp_path / "r.hea").write_text("r 1 100 99999999999\nr.dat 16\n")
    use(tmp_path / "r.hea")
    (tmp_path / "m.hea").write_text("m/3 1 100 99999999999\nr 100\n~ 99999999899\nr 0\n")
    use(tmp_path / "m.hea")
    assert open_recording(tmp_path / "m.hea").channels[0].n_samples == 99999999999
