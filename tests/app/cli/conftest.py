"""A vault, recordings and the command, for the tests of the command."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.program import program
from app.vault import Vault
from signals.simulate import EcgScenario, simulate_ecg
from signals.writers.edf import write_edf
from tests.app.cli.helpers import PASSPHRASE, Place, Run


@pytest.fixture
def tracekeep(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("TRACEKEEP_VAULT", raising=False)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(program, [str(a) for a in arguments], prog_name="tracekeep")

    return run


@pytest.fixture
def vault(tmp_path: Path) -> Place:
    """An empty vault."""
    passphrase_file = tmp_path / "passphrase"
    passphrase_file.write_text(f"{PASSPHRASE}\n")
    opened, recovery_key = Vault.create(tmp_path / "vault", PASSPHRASE)
    opened.close()
    return Place(tmp_path / "vault", passphrase_file, recovery_key)


@pytest.fixture(scope="session")
def two_patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one minute of each of two simulated patients: ``a.edf``, ``below/b.edf``."""
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "below").mkdir()
    for seed, name in enumerate(["a.edf", "below/b.edf"], start=1):
        scenario = EcgScenario(pvc_per_hour=300, pauses=((20.0, 3.5),), seed=seed)
        write_edf(folder / name, simulate_ecg(scenario).recording)
    return folder
