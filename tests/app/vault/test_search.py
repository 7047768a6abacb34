"""app.vault: recordings are found by words, by those who may read them, and gone when erased."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.vault import Vault
from app.vault._search import condition
from signals.recording import Patient
from tests.app.vault.samples import MARKER, Filled, make_recording, make_report


@pytest.fixture
def vault(filled: Filled, tmp_path: Path) -> Iterator[Vault]:
    with filled.open(filled.copy(tmp_path)) as vault:
        yield vault


def names(vault: Vault, text: str, most: int = 50) -> list[str]:
    return [one.name for one in vault.search(text, most)]


def test_words_of_patient_and_recording_find_it_newest_first(vault: Vault) -> None:
    both = [one.name for one in vault.recordings()]
    assert len(both) == 2
    assert names(vault, MARKER) == both
    assert names(vault, "xanth QUARZ") == both, "words are cut short, and case does not matter"
    assert names(vault, "xanthippe nobody") == []
    assert names(vault, both[1]) == [both[1]]
    assert names(vault, MARKER, 1) == both[:1]
    assert names(vault, "") == names(vault, "-- '\" *") == []


def test_accents_do_not_matter(vault: Vault) -> None:
    recording = make_recording(7)
    recording.patient = Patient("Zoë Müller-Lüdenscheidt", "P-77", "F", "1961-05-04", "")
    vault.commit(vault.intake().store(recording, make_report(recording)))
    for text in ("zoe", "ZOË", "muller", "ludensch zo", "p 77", "1961-05"):
        assert names(vault, text) == [recording.name], text


def test_what_was_found_is_found(vault: Vault) -> None:
    recording = make_recording(8)
    report = make_report(recording)
    vault.commit(vault.intake().store(recording, report))
    (stored,) = [one for one in vault.recordings() if one.name == recording.name]
    for kind in stored.headline["findings"]:
        assert recording.name in names(vault, kind.replace("_", " "))


def test_an_erased_patient_is_found_no_more(vault: Vault) -> None:
    first, *_ = vault.recordings()
    vault.erase(first.id, whole_patient=False)
    assert first.name not in names(vault, MARKER)
    assert names(vault, first.name) == []


@given(st.text())
def test_any_text_is_a_search_or_none(text: str) -> None:
    asked = condition(text)
    if asked is not None:
        assert asked.count('"') % 2 == 0
