"""Power lost at any moment of a day with a vault: what was acknowledged is there and whole."""

from __future__ import annotations

import shutil
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.app.vault.campaign import (
    Day,
    Moment,
    N,
    Tally,
    assert_day_survived,
    cheap_guesses,
    quick_place,
)
from tests.app.vault.power import Recorder
from tests.app.vault.samples import fill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.vault.samples import Filled

__all__ = ["cheap_guesses", "quick_place"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill(tmp_path_factory.mktemp("small") / "small.vault", N)


def recorded(filled: Filled, root: Path, *, pages: int) -> Recorder:
    """Live through the day below `root`, and return all that was done to the disk."""
    root.mkdir()
    path = shutil.copytree(filled.path, root / "day.vault")
    recorder = Recorder(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(root / "state"))
        recorder.install(patch)
        day = Day(filled, path, root / "backup", recorder.note, pages)
        recorder.note(Moment(day.wanted, day.wanted, ""))
        day.live()
    return recorder


def lose_power(filled: Filled, root: Path, points: int, seed: int) -> Tally:
    """Lose the power at drawn moments of the day; count what is lost."""
    random = Random(seed)
    tally = Tally("power lost")
    recorder = recorded(filled, root, pages=random.choice((10, 1000)))
    for _ in range(points):
        at = random.randrange(1, len(recorder.steps) + 1)
        moment = [step[1] for step in recorder.steps[:at] if step[0] == "mark"][-1]
        shutil.rmtree(root)
        recorder.image(at, root, random)
        tally.judge(
            f"power lost at step {at} of {len(recorder.steps)}, in “{moment.step}”, seed {seed}",
            lambda moment=moment: assert_day_survived(
                filled, root / "day.vault", root / "backup", moment
            ),
        )
    return tally


@pytest.mark.usefixtures("cheap_guesses")
def test_nothing_is_lost_with_the_power(
    small: Filled, quick_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = quick_place / "disk"
    monkeypatch.setenv("XDG_STATE_HOME", str(root / "state"))
    tally = lose_power(small, root, 200, 1)
    assert tally.failures == []
    assert tally.injected == 200


@pytest.mark.usefixtures("cheap_guesses")
@pytest.mark.parametrize("forgotten", ["files", "folders"])
def test_the_attack_notices_a_vault_that_does_not_sync(
    small: Filled, quick_place: Path, monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    """As if files were not synced, and as if folders were not."""
    root = quick_place / "disk"
    monkeypatch.setenv("XDG_STATE_HOME", str(root / "state"))
    real = Recorder.synced

    def synced(recorder: Recorder, number: int) -> None:
        if (number in recorder.folders) == (forgotten == "files"):
            real(recorder, number)

    monkeypatch.setattr(Recorder, "synced", synced)
    assert lose_power(small, root, 20, 1).failures
