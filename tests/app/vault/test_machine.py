"""Several openings of one vault, and anything done with them in any order, beside a plain model."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.vault import (
    AlreadyStoredError,
    Role,
    UnknownRecordingError,
    UnknownUserError,
    Vault,
    VaultError,
    new_recovery_key,
    restore,
)
from app.vault.dropbox import seal
from tests.app.vault.campaign import N, cheap_guesses, id_of, quick_place
from tests.app.vault.samples import assert_whole, fill, make_pattern, make_recording, make_report

if TYPE_CHECKING:
    from app.vault import Intake, Receipt
    from tests.app.vault.samples import Filled

__all__ = ["cheap_guesses", "quick_place"]
_openings = st.integers(0, 1)
_seeds = st.integers(1, 6)
_names = st.sampled_from(["Zoë", "Ann"])


class VaultMachine(RuleBasedStateMachine):
    """Two programs that each may have the vault open, and what must be in it."""

    filled: Filled
    place: Path

    @initialize()
    def begin(self) -> None:
        self._root = Path(tempfile.mkdtemp(dir=self.place))
        os.environ["XDG_STATE_HOME"] = str(self._root / "state")
        self._path = self.filled.copy(self._root)
        self._key = self.filled.recovery_key
        self._vaults: list[Vault | None] = [None, None]
        self._intakes: list[tuple[int, int, Intake, Receipt]] = []
        self._stored = {1, 2}
        self._patterns: set[int] = set()
        self._users = {"owner"}
        self._sealed: set[int] = set()
        self._backed_up: set[int] = set()
        self._entries: list[str] = []

    def teardown(self) -> None:
        for vault in getattr(self, "_vaults", []):
            if vault:
                vault.close()
        if hasattr(self, "_root"):
            shutil.rmtree(self._root)

    def _vault(self, which: int) -> Vault:
        vault = self._vaults[which]
        if vault is None:
            vault = Vault.open_with_recovery_key(self._path, self._key)
            self._vaults[which] = vault
            self._stored |= self._sealed  # taken in by opening
            self._sealed = set()
        return vault

    @rule(which=_openings)
    def open(self, which: int) -> None:
        self._vault(which)

    @rule(which=_openings)
    def close(self, which: int) -> None:
        vault = self._vaults[which]
        if vault:
            vault.close()
            self._vaults[which] = None
            self._intakes = [one for one in self._intakes if one[0] != which]

    @rule(which=_openings, seed=_seeds)
    def store(self, which: int, seed: int) -> None:
        vault, recording = self._vault(which), make_recording(seed, N)
        intake = vault.intake()
        receipt = intake.store(recording, make_report(recording))
        self._intakes.append((which, seed, intake, receipt))

    @precondition(lambda self: self._intakes)
    @rule(number=st.integers(0, 100))
    def commit(self, number: int) -> None:
        which, seed, _, receipt = self._intakes.pop(number % len(self._intakes))
        if seed in self._stored:
            with pytest.raises(AlreadyStoredError):
                self._vault(which).commit(receipt)
        else:
            assert self._vault(which).commit(receipt).name == f"record-{seed}"
            self._stored.add(seed)

    @precondition(lambda self: self._intakes)
    @rule(number=st.integers(0, 100))
    def discard(self, number: int) -> None:
        which, _, intake, _ = self._intakes.pop(number % len(self._intakes))
        self._vault(which).discard(intake)

    @rule(which=_openings, seed=_seeds)
    def read(self, which: int, seed: int) -> None:
        vault = self._vault(which)
        if seed in self._stored:
            one = vault.recording(id_of(vault, f"record-{seed}"))
            assert_whole(vault, one, make_recording(seed, N))

    @rule(which=_openings, seed=_seeds, forget=st.booleans())
    def learn(self, which: int, seed: int, *, forget: bool) -> None:
        vault = self._vault(which)
        if seed in self._stored:
            pattern = None if forget else make_pattern(make_recording(seed, N))
            vault.keep_pattern(id_of(vault, f"record-{seed}"), pattern)
            (self._patterns.discard if forget else self._patterns.add)(seed)

    @rule(which=_openings, seed=_seeds)
    def erase(self, which: int, seed: int) -> None:
        vault = self._vault(which)
        if seed in self._stored:
            id_ = id_of(vault, f"record-{seed}")
            assert vault.erase(id_, whole_patient=True).remains == ""
            self._stored.discard(seed)
            self._patterns.discard(seed)
            for one in self._vaults:
                with pytest.raises(UnknownRecordingError):
                    (one or vault).report(id_)

    @rule(which=_openings, name=_names)
    def add_user(self, which: int, name: str) -> None:
        people = self._vault(which).people
        if name in self._users:
            with pytest.raises(VaultError, match="already"):
                people.add(name, Role.CLINICIAN, "nine fleas on a dog")
        else:
            people.add(name, Role.CLINICIAN, "nine fleas on a dog")
            self._users.add(name)

    @rule(which=_openings, name=_names)
    def remove_user(self, which: int, name: str) -> None:
        people = self._vault(which).people
        if name in self._users:
            people.remove(name)
            self._users.discard(name)
        else:
            with pytest.raises(UnknownUserError):
                people.remove(name)

    @rule(which=_openings, seed=_seeds)
    def seal(self, which: int, seed: int) -> None:
        if seed not in self._stored | self._sealed:
            recording = make_recording(seed, N)
            address = self._vault(which).inbox_address
            # Opening to learn the address may have taken others in, not this one.
            seal(self._path / "inbox", address, recording, make_report(recording))
            self._sealed.add(seed)

    @rule(which=_openings)
    def take_in(self, which: int) -> None:
        vault = self._vault(which)
        taken = {f"record-{seed}" for seed in self._sealed - self._stored}
        assert {one.name for one in vault.take_in_inbox().recordings} == taken
        self._stored |= self._sealed
        self._sealed = set()

    @rule(which=_openings)
    def back_up(self, which: int) -> None:
        assert self._vault(which).back_up(self._root / "backup").missing == ()
        self._backed_up = set(self._stored)

    @precondition(lambda self: self._backed_up)
    @rule()
    def restore(self) -> None:
        to = self._root / "restored"
        try:
            restore(self._root / "backup", to, lambda path: self._any_key(path))
            with self._any_key(to) as vault:
                names = {one.name for one in vault.recordings()}
                assert names >= {f"record-{seed}" for seed in self._backed_up}
                assert vault.check(1.0).damages == ()
        finally:
            shutil.rmtree(to, ignore_errors=True)

    def _any_key(self, path: Path) -> Vault:
        """Open a backup, which may be from before the key was replaced."""
        for key in self._keys():
            try:
                return Vault.open_with_recovery_key(path, key)
            except VaultError:
                continue
        raise AssertionError("no key opens the backup")

    def _keys(self) -> list[str]:
        return [self._key, *getattr(self, "_old_keys", [])]

    @rule(which=_openings)
    def rotate(self, which: int) -> None:
        vault, key = self._vault(which), new_recovery_key()
        if self._vaults[1 - which]:
            with pytest.raises(VaultError, match="another program has the vault open"):
                vault.rotate(key)
            return
        self._old_keys = [self._key, *getattr(self, "_old_keys", [])]
        vault.rotate(key)
        self._key = key

    @rule(which=_openings)
    def check(self, which: int) -> None:
        vault = self._vault(which)
        result = vault.check(1.0)
        assert (result.damages, result.warnings) == ((), ())
        assert vault.verify_log().flaws == ()

    @invariant()
    def all_see_the_same(self) -> None:
        for vault in getattr(self, "_vaults", []):
            if vault:
                stored = {one.name: one for one in vault.recordings()}
                assert set(stored) == {f"record-{seed}" for seed in self._stored}
                for seed in self._stored:
                    kept = vault.pattern_of(stored[f"record-{seed}"].id)
                    assert (kept is not None) == (seed in self._patterns)
                hashes = [entry.hash for entry in vault.log_entries()]
                assert hashes[: len(self._entries)] == self._entries
                self._entries = hashes
                # what was sealed before the key of the vault was replaced is told, and taken in
                assert all("an address of it that was replaced" in w for w in vault.warnings)


def run_machine(filled: Filled, place: Path, examples: int, steps: int) -> None:
    """Do so many times so many things."""
    machine = type("Machine", (VaultMachine,), {"filled": filled, "place": place})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.usefixtures("cheap_guesses")
def test_several_openings_agree_with_a_plain_model(
    quick_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(quick_place / "state"))
    run_machine(fill(quick_place / "small.vault", N), quick_place, 20, 30)
