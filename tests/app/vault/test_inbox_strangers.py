"""What strangers put into an inbox: refused and named, or harmless, whatever it is."""

from __future__ import annotations

import copy
import json
import os
import signal
import struct
import tracemalloc
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from app.analysis import analyze_recording
from app.cli.list import facts as facts_of
from app.cli.program import program
from app.cli.show import _lines
from app.vault import Vault, _chunked, _inbox
from app.vault._sealed import HEAD, TAIL, Facts, Frame, PatientFacts
from app.vault._waveform import write_waveform
from app.vault.dropbox import Address, seal
from signals.recording import ArrayRecording
from signals.simulate import EcgScenario, simulate_ecg
from tests.app.vault.samples import (
    Filled,
    fill,
    make_recording,
    make_report,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from signals.recording import DigitalArray

_ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("small") / "small.vault", 500)


@pytest.fixture(scope="module")
def address(small: Filled) -> Address:
    with small.open(small.path) as vault:
        return vault.inbox_address


def _drop(path: Path, address: Address, seed: int = 7, n: int = 2000) -> Path:
    recording = make_recording(seed, n)
    return seal(path / "inbox", address, recording, make_report(recording))


def _left(filled: Filled, path: Path) -> dict[str, str]:
    with filled.open(path) as vault:
        assert {one.name for one in vault.recordings()} == {"record-1", "record-2"}
        assert vault.check(1.0).damages == ()
        left = {left.name: left.problem for left in vault.take_in_inbox().left}
        assert len(vault.warnings) == len(left)
    assert list((path / "pending").iterdir()) == []
    return left


def test_files_of_strangers_stay_and_are_named(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    path = small.copy(tmp_path)
    inbox = path / "inbox"
    other, _ = Vault.create(tmp_path / "other", "Grundlos 17 Zwiebeln")
    with other:
        foreign = _drop(path, other.inbox_address)
    (inbox / "holiday.jpg").write_bytes(b"x" * 100)
    (inbox / ("ab" * 16 + ".sealed")).write_bytes(b"x" * 3000)
    (inbox / ("cd" * 16 + ".sealed")).write_bytes(b"")
    (inbox / ("ef" * 16 + ".sealed")).mkdir()
    (inbox / ("01" * 16 + ".sealed")).symlink_to("/etc/passwd")
    (inbox / ("." + "23" * 16 + ".tmp")).write_bytes(b"x")
    renamed = _drop(path, address)
    renamed.rename(inbox / ("45" * 16 + ".sealed"))
    before = {file.name for file in inbox.iterdir()}
    left = _left(small, path)
    assert left == {
        foreign.name: "this recording was sealed for another vault",
        "holiday.jpg": "this is not a sealed recording",
        "ab" * 16 + ".sealed": "this is not a sealed recording",
        "cd" * 16 + ".sealed": "this is not a sealed recording",
        "ef" * 16 + ".sealed": "this is no file",
        "01" * 16 + ".sealed": "this is no file",
        "." + "23" * 16 + ".tmp": "the program that sealed it did not come to the end",
        "45" * 16 + ".sealed": "it was given another name",
    }
    assert {file.name for file in inbox.iterdir()} == before


def test_a_file_that_is_being_written_is_left_in_peace(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    path = small.copy(tmp_path)

    class Slow(ArrayRecording):
        def read_digital(self, channels: Sequence[int], start: int, stop: int) -> DigitalArray:
            with small.open(path) as vault:
                assert vault.take_in_inbox() == _inbox.Taken((), ())
            return super().read_digital(channels, start, stop)

    made = make_recording(7, 500)
    slow = Slow(made._samples, format="EDF", name="slow", channels=made.channels)
    seal(path / "inbox", address, slow, make_report(slow))
    with small.open(path) as vault:
        assert vault.recordings()[0].name == "slow"


_quick = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def opened(small: Filled, tmp_path_factory: pytest.TempPathFactory) -> Vault:
    return small.open(small.copy(tmp_path_factory.mktemp("opened")))


@pytest.fixture(scope="module")
def sealed(address: Address, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed")
    recording = make_recording(7, 500)
    return seal(folder, address, recording, make_report(recording))


def _refused(vault: Vault, name: str, data: bytes) -> None:
    file = vault.path / "inbox" / name
    file.write_bytes(data)
    (left,) = vault.take_in_inbox().left
    assert left.name == name
    assert file.read_bytes() == data
    file.unlink()
    assert len(vault.recordings()) == 2
    assert list((vault.path / "pending").iterdir()) == []


@_quick
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_of_a_sealed_recording_is_found(
    opened: Vault, sealed: Path, place: float, bit: int
) -> None:
    data = bytearray(sealed.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    _refused(opened, sealed.name, bytes(data))


@_quick
@given(keep=st.floats(0, 1, exclude_max=True))
def test_any_cut_sealed_recording_is_found(opened: Vault, sealed: Path, keep: float) -> None:
    data = sealed.read_bytes()
    _refused(opened, sealed.name, data[: int(keep * len(data))])


@_quick
@given(data=st.binary(max_size=2000))
def test_anything_is_refused(opened: Vault, sealed: Path, data: bytes) -> None:
    _refused(opened, sealed.name, data)
    _refused(opened, sealed.name, sealed.read_bytes()[: HEAD.size] + data)


def _content(change: Callable[[dict[str, object]], None]) -> tuple[bytes, bytes, bytes]:
    """Return waveform, report and facts of a recording, with a header that was changed."""
    recording = make_recording(7, 500)

    class Buffer:
        def __init__(self) -> None:
            self.data = bytearray()

        def write(self, data: bytes) -> None:
            self.data += data

    buffer = Buffer()
    write_waveform(buffer, recording, lambda _share: None, wide=False)  # type: ignore[arg-type]
    (length,) = struct.unpack_from("<I", buffer.data)
    header = json.loads(buffer.data[4 : 4 + length])
    change(header)
    text = json.dumps(header).encode()
    waveform = struct.pack("<I", len(text)) + text + bytes(buffer.data[4 + length :])
    report = make_report(recording).to_json().encode()
    return waveform, report, _facts(waveform, report)


def _facts(waveform: bytes, report: bytes) -> bytes:
    patient = PatientFacts("", "", "", "", "")
    return msgspec.json.encode(Facts(len(waveform), len(report), patient))


def _sealed_by_a_stranger(address: Address, *parts: bytes) -> tuple[str, bytes]:
    """Seal any content as somebody would who has the address and writes a program of their own."""
    frame = Frame(address.kem, address.vault_id, os.urandom(16).hex())
    key = os.urandom(32)
    sealed = address.kem.seal(address.public, frame.info, key)
    content = _chunked.seal(key, frame.context, b"".join(parts))
    return f"{frame.item_id}.sealed", frame.to_bytes() + sealed + content


def _set(path: str, value: object) -> Callable[[dict[str, object]], None]:
    def change(header: dict[str, object]) -> None:
        *way, last = path.split(".")
        place: object = header
        for name in way:
            place = place[int(name)] if isinstance(place, list) else place[name]  # type: ignore[index]
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value  # type: ignore[index]

    return change


def test_a_stranger_who_seals_what_is_right_is_believed(
    opened: Vault, address: Address, small: Filled, tmp_path: Path
) -> None:
    """So that what is refused below is refused for what is changed in it."""
    path = small.copy(tmp_path)
    waveform, report, facts = _content(lambda _header: None)
    name, data = _sealed_by_a_stranger(address, waveform, report, facts, TAIL.pack(len(facts)))
    (path / "inbox" / name).write_bytes(data)
    with small.open(path) as vault:
        assert vault.recordings()[0].name == "record-7"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("channels", []),
        ("channels.0.rate", 0),
        ("channels.0.rate", -250.0),
        ("channels.0.rate", float("nan")),
        ("channels.0.rate", float("inf")),
        ("channels.0.n_samples", 10**15),
        ("channels.0.n_samples", -1),
        ("channels.0.scale", 0),
        ("channels.0.scale", float("nan")),
        ("channels.0.label", 5),
        ("channels.0.label", "V5"),
        ("channels.0.kind", "virus"),
        ("channels.0.digital_min", 3000),
        ("channels.0.digital_max", 10**30),
        ("channels.0.missing", 10**30),
        ("channels.0.unit", None),
        ("channels.0.more", 1),
        ("groups", []),
        ("groups.0.block", 1),
        ("groups.0.block", 0),
        ("groups.0.sample", "<f8"),
        ("groups.0.sample", "|O8"),
        ("groups.0.n_samples", 499),
        ("groups.0.channels", [0, 0]),
        ("groups.0.channels", [0, 99]),
        ("groups.0.channels", [-1, 0]),
        ("groups.0.channels", []),
        ("start", "yesterday"),
        ("start", 7),
        ("annotations", [[float("inf"), 0, "N", "", ""]]),
        ("annotations", [[1, 2]]),
        ("repairs", "none"),
        ("name", None),
    ],
)
def test_a_header_that_no_program_of_ours_writes_is_refused(
    opened: Vault, address: Address, path: str, value: object
) -> None:
    waveform, report, facts = _content(_set(path, value))
    tail = TAIL.pack(len(facts))
    _refused(opened, *_sealed_by_a_stranger(address, waveform, report, facts, tail))


def test_lengths_that_do_not_fit_are_refused(opened: Vault, address: Address) -> None:
    waveform, report, facts = _content(lambda _header: None)
    tail = TAIL.pack(len(facts))
    for parts in (
        (waveform, report, facts, TAIL.pack(len(facts) + 1)),
        (waveform, report, facts, TAIL.pack(2**32 - 1)),
        (waveform, report, facts, TAIL.pack(0)),
        (waveform + b"x", report, facts, tail),
        (waveform, b"{}", _facts(waveform, b"{}"), TAIL.pack(len(_facts(waveform, b"{}")))),
        (b"", report, _facts(b"", report), TAIL.pack(len(_facts(b"", report)))),
        (b"\xff" * 4, report, _facts(b"\0" * 4, report), tail),
        (tail,),
        (b"",),
    ):
        _refused(opened, *_sealed_by_a_stranger(address, *parts))


@_quick
@given(data=st.binary(max_size=300) | st.text().map(lambda text: text.encode()))
@example(b"[" * 100_000)
def test_a_sealed_header_report_or_facts_of_anything_are_refused(
    opened: Vault, address: Address, data: bytes
) -> None:
    waveform, report, _ = _content(lambda _header: None)
    bad = struct.pack("<I", len(data)) + data
    for parts in (
        (bad, report, _facts(bad, report)),
        (waveform, data, _facts(waveform, data)),
        (waveform, report, data),
    ):
        tail = TAIL.pack(len(parts[2]))
        _refused(opened, *_sealed_by_a_stranger(address, *parts, tail))


def _leaves(value: object, way: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [way, *(leaf for k, v in value.items() for leaf in _leaves(v, (*way, k)))]
    if isinstance(value, list):
        return [way, *(leaf for k, v in enumerate(value) for leaf in _leaves(v, (*way, k)))]
    return [way]


_HOSTILE = [None, -1, 0, 5, 99, 10**30, 1e308, -0.5, "", "x", "\ud800", [], {}, [[]], True]


def test_a_report_with_any_hostile_value_keeps_nobody_from_opening(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    """It is refused, or harmless; the vault opens, and what is listed can be read."""
    path = small.copy(tmp_path)
    waveform, report, _ = _content(lambda _header: None)
    values = json.loads(report)
    vault = small.open(path)
    taken = 0
    for n, way in enumerate(_leaves(values)[1:]):
        for k, hostile in enumerate(_HOSTILE):
            changed = json.loads(report)
            changed["provenance"]["input_sha256"] = f"{n:032x}{k:032x}"
            place = changed
            for step in way[:-1]:
                place = place[step]
            place[way[-1]] = hostile
            text = json.dumps(changed).encode()
            facts = _facts(waveform, text)
            name, data = _sealed_by_a_stranger(
                address, waveform, text, facts, TAIL.pack(len(facts))
            )
            (path / "inbox" / name).write_bytes(data)
            result = vault.take_in_inbox()
            taken += len(result.recordings)
            for one in result.recordings:
                vault.report(one.id)
            for left in result.left:
                (path / "inbox" / left.name).unlink()
    assert taken < 400
    assert vault.check(1.0).damages == ()
    assert len(vault.recordings()) == taken + 2
    vault.close()


def test_another_recording_with_the_same_origin_is_not_thrown_away(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    """A stranger claims the origin of a recording, to have the true one deleted as known."""
    path = small.copy(tmp_path)
    waveform, report, facts = _content(lambda header: header.update(name="forged"))
    name, data = _sealed_by_a_stranger(address, waveform, report, facts, TAIL.pack(len(facts)))
    (path / "inbox" / name).write_bytes(data)
    small.open(path).close()
    true = _drop(path, address, n=500)
    with small.open(path) as vault:
        (warning,) = vault.warnings
        assert true.name in warning
        assert "another recording from the same file is stored already" in warning
    assert true.exists()


_WORST: list[Any] = [1e-310, 1e300, -1, "\u202e\x1b[2J\n", "9999-12-31T23:59:59", []]


def _first_leaves(value: object, way: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return where all values lie; of a list only those of its first element."""
    if isinstance(value, dict):
        return [way, *(leaf for k, v in value.items() for leaf in _first_leaves(v, (*way, k)))]
    if isinstance(value, list) and value:
        return [way, *_first_leaves(value[0], (*way, 0))]
    return [way]


def _put(values: Any, way: tuple[str | int, ...], value: object) -> None:  # noqa: ANN401 (JSON)
    for step in way[:-1]:
        values = values[step]
    values[way[-1]] = value


def test_no_value_in_header_or_report_keeps_anybody_from_listing_and_showing(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    """Every member of a sealed header and of a whole report, one after the other, as bad as can be.

    What is taken in is listed by the command and shown by it; the rest is refused and named.
    """
    path = small.copy(tmp_path)
    analysed = analyze_recording(simulate_ecg(EcgScenario(seed=1)).recording)
    report = json.loads(analysed.to_json())
    attacks: list[tuple[bytes, bytes]] = []

    def attack(header_way: tuple[str | int, ...], report_way: tuple[str | int, ...]) -> None:
        for hostile in _WORST:
            changed = copy.deepcopy(report)
            changed["provenance"]["input_sha256"] = os.urandom(32).hex()
            if report_way:
                _put(changed, report_way, hostile)
            spoil = partial(_put, way=header_way, value=hostile) if header_way else dict.copy
            attacks.append((_content(spoil)[0], json.dumps(changed).encode()))

    header: dict[str, object] = {}
    _content(header.update)
    for way in _first_leaves(header)[1:]:
        attack(way, ())
    for way in {way[-2:]: way for way in _first_leaves(report)[1:]}.values():
        attack((), way)
    with small.open(path) as vault:
        for waveform, text in attacks:
            facts = _facts(waveform, text)
            tail = TAIL.pack(len(facts))
            name, data = _sealed_by_a_stranger(address, waveform, text, facts, tail)
            file = path / "inbox" / name
            file.write_bytes(data)
        taken_in = vault.take_in_inbox().recordings
        assert 10 < len(taken_in) < len(attacks) / 2
        for one in vault.recordings():
            for every in (False, True):
                "\n".join(_lines(one, vault.report(one.id), every))
            json.dumps(facts_of(one), allow_nan=False)
    key = tmp_path / "key"
    key.write_text(small.recovery_key)
    options = ["--vault", str(path), "--recovery-key-file", str(key)]
    for command in (["list"], ["list", "--json"], ["show", taken_in[0].id]):
        done = CliRunner().invoke(program, [*command, *options])
        assert done.exit_code == 0, (command, done.output[-200:], done.exception)


def test_a_header_that_is_all_lists_takes_little_memory(opened: Vault, address: Address) -> None:
    text = b"[" + b"[]," * (20 << 20) + b"[]]"
    waveform = struct.pack("<I", len(text)) + text
    _, report, _ = _content(lambda _header: None)
    facts = _facts(waveform, report)
    name, data = _sealed_by_a_stranger(address, waveform, report, facts, TAIL.pack(len(facts)))
    tracemalloc.start()
    try:
        _refused(opened, name, data)
        assert tracemalloc.get_traced_memory()[1] < 100e6  # 63 MB of which the comparison reads
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("error", [MemoryError, RuntimeError, RecursionError])
def test_whatever_goes_wrong_at_taking_in_the_vault_opens(
    small: Filled,
    address: Address,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    path = small.copy(tmp_path)
    file, good = sorted([_drop(path, address, n=500), _drop(path, address, 8, 500)])

    class Failing(_inbox._Sealed):
        def _facts(self) -> Any:  # noqa: ANN401
            if self._path == file:
                raise error
            return super()._facts()

    monkeypatch.setattr(_inbox, "_Sealed", Failing)
    with small.open(path) as vault:
        assert file.name in vault.warnings[0]
        assert len(vault.recordings()) == 3
    assert (file.exists(), good.exists()) == (True, False)


def test_a_pipe_in_place_of_a_file_lets_nobody_wait(
    small: Filled, address: Address, tmp_path: Path
) -> None:
    path = small.copy(tmp_path)
    for place in (
        path / "pending" / ("ab" * 16),
        path / "inbox" / ("cd" * 16 + ".sealed"),
        path / "inbox" / f".{'ef' * 16}.tmp",
    ):
        os.mkfifo(place)
    _drop(path, address)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(20)
    try:
        with small.open(path) as vault:
            assert len(vault.recordings()) == 3
            assert {left.problem for left in vault.inbox.left} == {"this is no file"}
            assert vault.check(1.0).damages == ()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
