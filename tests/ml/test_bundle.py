"""ml.bundle: whole bundles load, any other is refused in plain words."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.bundle import (
    CARD,
    CARD_TEXT,
    FORMAT,
    MANIFEST,
    MODEL,
    BundleError,
    load_bundle,
    write_bundle,
)
from ml.decision import Decision
from ml.registry import SHIPPED, bundle_for

DECISION = Decision(("N", "V"), offsets=(0.0, -0.5))
CARD_VALUES = {"decision": DECISION.as_json()}
MODELS = {"model": b"the model", "gate": b"a smaller one"}
GATE = "gate.tflite"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "b", "beats", (1, 2, 3), MODELS, CARD_VALUES, "# Card\n")
    return tmp_path / "b"


def _edit(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | changes))


def test_what_is_written_is_read(folder: Path) -> None:
    bundle = load_bundle(folder, "beats")
    assert bundle.id == "beats-1.2.3"
    assert bundle.version == (1, 2, 3)
    assert bundle.model == b"the model"
    assert dict(bundle.models) == MODELS
    assert bundle.decision == DECISION
    assert bundle.labels == ("N", "V")
    assert bundle.card == CARD_VALUES
    assert "the model" not in repr(bundle)


def test_the_shipped_bundle() -> None:
    bundle = bundle_for("beats")
    assert bundle is bundle_for("beats")
    assert bundle.labels == ("N", "S", "V", "F", "Q")
    assert len(bundle.model) < 150_000
    assert bundle.card["model"]["tflite_bytes"] == sum(map(len, bundle.models.values()))
    text = (SHIPPED / "beats" / CARD_TEXT).read_text()
    for phrase in ("ODC-By 1.0", "Moody", "Greenwald", "Goldberger", "Research use only"):
        assert phrase in text


def test_the_identity_follows_the_content(folder: Path) -> None:
    before = load_bundle(folder, "beats").sha256
    write_bundle(folder, "beats", (1, 2, 3), {"model": b"another"}, CARD_VALUES, "# Card\n")
    assert load_bundle(folder, "beats").sha256 != before


@pytest.mark.parametrize("name", [MANIFEST, MODEL, GATE, CARD, CARD_TEXT])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        load_bundle(folder, "beats")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.sampled_from([MODEL, GATE, CARD, CARD_TEXT]), data=st.data())
def test_any_changed_or_missing_byte_is_noticed(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    folder = tmp_path / "b"
    shutil.rmtree(folder, ignore_errors=True)
    write_bundle(folder, "beats", (1, 2, 3), MODELS, CARD_VALUES, "# Card\n")
    content = bytearray((folder / name).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
        problem = "was altered"
    else:
        del content[at:]
        problem = "bytes where the manifest says"
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=problem):
        load_bundle(folder, "beats")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_manifest_never_gives_another_bundle(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "b"
    whole = write_bundle(folder, "beats", (1, 2, 3), MODELS, CARD_VALUES, "# Card\n")
    content = bytearray((folder / MANIFEST).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / MANIFEST).write_bytes(content)
    try:
        bundle = load_bundle(folder, "beats")
    except BundleError:
        return
    assert (bundle.model, bundle.id) == (whole.model, whole.id)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": FORMAT + 1}, "newer than this program reads"),
        ({"format": FORMAT - 1}, "older than this program reads"),
        ({"format": None}, "does not say which format"),
        ({"format": True}, "does not say which format"),
        ({"task": "sleep"}, "for the task 'sleep', not 'beats'"),
        ({"version": [1, 2]}, "three whole numbers"),
        ({"version": [1, 2, -3]}, "three whole numbers"),
        ({"id": "beats-9.9.9"}, "has the id 'beats-9.9.9', not 'beats-1.2.3'"),
        ({"files": {}}, "is to list"),
        ({"files": []}, "is to list"),
        ({"files": {GATE: 1, CARD: 1, CARD_TEXT: 1}}, "is to list"),
        ({"files": {MODEL: 1, "../x.tflite": 1, CARD: 1, CARD_TEXT: 1}}, "is to list"),
        ({"files": {MODEL: 1, CARD: 1, CARD_TEXT: 1, "notes.txt": 1}}, "is to list"),
        ({"files": {MODEL: 1, CARD: 1, CARD_TEXT: 1}}, "sha256 and bytes"),
    ],
)
def test_a_manifest_that_is_not_ours(
    folder: Path, changes: dict[str, object], problem: str
) -> None:
    _edit(folder, **changes)
    with pytest.raises(BundleError, match=problem):
        load_bundle(folder, "beats")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_manifest_that_is_no_json_object(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=MANIFEST):
        load_bundle(folder, "beats")


def test_a_card_without_a_decision(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="the decision cannot be used: it is"):
        write_bundle(tmp_path, "beats", (1, 0, 0), {"model": b"m"}, {}, "")


def test_a_model_that_is_no_longer_part_of_it_goes(folder: Path) -> None:
    bundle = write_bundle(folder, "beats", (1, 3, 0), {"model": b"m"}, CARD_VALUES, "")
    assert dict(bundle.models) == {"model": b"m"}
    assert not (folder / GATE).exists()


def test_the_error_survives_a_worker_process(tmp_path: Path) -> None:
    error = BundleError(tmp_path, "is missing")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
