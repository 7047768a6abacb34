"""What ``docs/vault-format.md`` says is so: a reader written from it opens what the vault wrote."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from app.settings import state_folder
from app.vault import _keys
from app.vault._keys import Purpose
from tests.app.vault import decoder
from tests.app.vault.decoder import Decoder
from tests.app.vault.samples import PASSPHRASE, make_pattern, make_report

if TYPE_CHECKING:
    from tests.app.vault.samples import Filled

_ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("by", ["passphrase", "recovery key"])
def test_the_second_reader_reads_everything(filled: Filled, by: str) -> None:
    if by == "passphrase":
        reader = Decoder(filled.path, passphrase=PASSPHRASE)
    else:
        reader = Decoder(filled.path, recovery_key=filled.recovery_key)
    ids = dict(reader.rows("SELECT name, id FROM recording"))
    assert set(reader.keys) == set(ids.values())
    patients = reader.rows("SELECT code, name FROM patient ORDER BY code")
    assert patients == [(o.patient.code, o.patient.name) for o in filled.recordings]
    for original in filled.recordings:
        header, samples = reader.waveform(ids[original.name])
        for index, channel in enumerate(original.channels):
            expected = original.read_digital([index], 0, channel.n_samples)[0]
            np.testing.assert_array_equal(samples[index], expected)
            assert header["channels"][index]["label"] == channel.label
            assert header["channels"][index]["unit"]["symbol"] == channel.unit.symbol
            least, greatest = reader.envelope(ids[original.name])[index]
            assert len(least) == len(greatest) == -(-channel.n_samples // 64)
            assert least[10] == expected[640:704].min()
            assert greatest[10] == expected[640:704].max()
        assert header["start"] == original.start.isoformat()
        report = json.loads(reader.blob(ids[original.name], "report-1"))
        assert report == json.loads(make_report(original).to_json())


def test_the_second_reader_reads_a_pattern(filled: Filled, tmp_path: Path) -> None:
    path = filled.copy(tmp_path)
    pattern = make_pattern(filled.recordings[0])
    with filled.open(path) as vault:
        vault.keep_pattern(vault.recordings()[1].id, pattern)
    reader = Decoder(path, recovery_key=filled.recovery_key)
    ((patient,),) = reader.rows("SELECT id FROM patient WHERE code = 'code-1'")
    lessons = reader.lessons(patient)
    for lesson, kept in zip(lessons, pattern.lessons, strict=True):
        correction = kept.correction
        assert lesson["correction"] == {
            "recording": filled.recordings[0].sha256(),
            "sample": correction.sample,
            "given": int(correction.given),
            "made": "2031-05-18T12:00:00Z",
            "family": correction.family,
            "answered": None,
        }
        assert lesson["samples"] == list(kept.samples)
        assert lesson["embeddings"].tobytes() == kept.embeddings
        assert lesson["logits"].shape == (len(kept.samples), 5)
    assert [len(lesson["samples"]) for lesson in lessons] == [16, 1]


def test_the_second_reader_follows_the_log_and_sums_up_the_rows(
    filled: Filled, tmp_path: Path
) -> None:
    path = filled.copy(tmp_path)
    with filled.open(path) as vault:
        vault.report(vault.recordings()[0].id)
        vault.keep_pattern(vault.recordings()[1].id, make_pattern(filled.recordings[0]))
        vault._log.add("x", None, text='ä"\N{SNOWMAN}', number=7)
        entries = [entry.to_dict() for entry in vault.log_entries()]
    reader = Decoder(path, recovery_key=filled.recovery_key)
    read, signed = reader.log()
    assert read == [{name: e[name] for name in e if name != "hash"} for e in entries]
    assert signed == len(read)
    facts = dict(reader.rows("SELECT name, value FROM fact"))
    assert reader.digest() == facts["digest"]
    anchor = json.loads((state_folder() / "anchors" / f"{reader.vault_id}.json").read_text())
    (known,) = anchor["places"]
    assert known["place"] == str(path)
    assert known["head"] == reader.rows("SELECT hash FROM entry ORDER BY seq")[-1][0].hex()
    for name in ("generation", "digest", "keyring_generation", "header_revision"):
        assert known[name] == facts[name]


def test_the_second_reader_is_independent() -> None:
    tree = ast.parse(Path(decoder.__file__).read_text("utf-8"))
    imported = {
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    } | {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    assert not [
        name for name in imported if name.split(".")[0] in {"app", "signals", "ml", "tests"}
    ]


def test_the_document_has_the_table_of_keys() -> None:
    text = (_ROOT / "docs" / "vault-format.md").read_text("utf-8")
    table = re.findall(r"^\| `([a-z-]+)` \| .* \| .* \|$", text.split("## Keys")[1], re.MULTILINE)
    assert table == [purpose.value for purpose in Purpose]


def test_no_key_serves_two_purposes() -> None:
    secret, vault_id = bytes(32), "00" * 16
    keys = {_keys.derive(secret, purpose, vault_id) for purpose in Purpose}
    assert len(keys) == len(list(Purpose)) == len({purpose.value for purpose in Purpose})
    assert _keys.derive(secret, Purpose.INDEX, "00" * 15 + "01") not in keys


def test_only_one_function_opens_databases() -> None:
    calls = [
        (path.relative_to(_ROOT).as_posix(), line.strip())
        for package in ("app", "ml", "signals")
        for path in (_ROOT / package).rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"\b(apsw|sqlite3|sqlcipher3)\b.*\b(Connection|connect)\(", line)
        or re.search(r"import sqlite3|from apsw", line)
    ]
    assert [path for path, _ in calls] == ["app/vault/_index.py"]
