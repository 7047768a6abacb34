from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QColor, QImage

from app.drawing.strip import StripError, save_strip
from app.drawing.theme import LIGHT
from app.report import Beats
from signals.ecg.beat import BeatClass
from signals.recording import MILLIVOLT, ArrayRecording, Channel, ChannelKind
from signals.simulate import holter_scenario, simulate_ecg

SIMULATED = simulate_ecg(holter_scenario(600.0, seed=3))


def beats() -> Beats:
    true = SIMULATED.beats
    rate = SIMULATED.recording.channels[0].rate
    return Beats(rate, true.samples, true.classes, np.full(len(true.samples), 99, np.uint8))


def labels() -> list[str]:
    return [channel.label for channel in SIMULATED.recording.channels]


def test_a_strip_states_its_scale_and_holds_the_seconds_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "strip.png"
    save_strip(path, SIMULATED.recording, labels(), 30.0, 10.0, beats(), "Simulated")
    image = QImage(str(path))
    assert image.dotsPerMeterX() == image.dotsPerMeterY() == 8000
    assert image.width() == 10 * 25 * 8 + 152, "ten seconds at 25 mm/s and 8 px/mm, and the gutter"


def test_ectopic_beats_are_marked_in_their_colours(tmp_path: Path) -> None:
    path = tmp_path / "strip.png"
    true = beats()
    at = float(true.times[np.flatnonzero(true.classes == BeatClass.V)[0]])
    save_strip(path, SIMULATED.recording, labels()[:1], at - 3, 6.0, true, "A PVC")
    image = QImage(str(path))
    x = 152 + 3 * 200
    column = {image.pixelColor(x, y).name() for y in range(image.height())}
    assert QColor(LIGHT.beat(BeatClass.V)).name() in column


def test_a_tall_beat_is_not_cut(tmp_path: Path) -> None:
    """A spike of 4 mV needs 40 mm above its zero, more than the usual row has."""
    rate, n = 250.0, 1250
    samples = np.zeros(n, np.int16)
    samples[600:605] = 4000
    channel = Channel("II", ChannelKind.ECG, rate, n, MILLIVOLT, 1e-3, 0.0, -5000, 5000)
    tall = ArrayRecording([samples], format="test", name="tall", channels=(channel,))
    path = tmp_path / "strip.png"
    save_strip(path, tall, ["II"], 0.0, 5.0, None, "")
    image = QImage(str(path))
    x = round(152 + 602 / rate * 200)
    # Below the title, the ruler and the beats; above the bars and the line at the foot.
    paper = range(52 + 108, image.height() - 76 - 44)
    beat = range(x - 4, x + 5)
    dark = [y for y in paper if any(image.pixelColor(at, y).lightness() < 150 for at in beat)]
    assert dark[0] > paper.start + 8, "it ends a millimetre and more below the paper's edge"
    assert dark[-1] - dark[0] == pytest.approx(4 * 10 * 8, abs=4)


def test_a_lead_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(StripError, match=r"aVX; its channels are: "):
        save_strip(tmp_path / "x.png", SIMULATED.recording, ["aVX"], 0, 10, None, "")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "x.png"
    with pytest.raises(StripError, match="missing"):
        save_strip(path, SIMULATED.recording, labels(), 0, 10, None, "")


def test_a_command_without_a_window_draws_one_strip_after_the_other(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from app.drawing.strip import save_strip
from signals.recording import MILLIVOLT, ArrayRecording, Channel, ChannelKind
from signals.simulate import holter_scenario, simulate_ecg
recording = simulate_ecg(holter_scenario(600.0, seed=3)).recording
for index in range(3):
    path = Path({str(tmp_path)!r}) / f"{{index}}.png"
    save_strip(path, recording, [recording.channels[0].label], 0.0, 5.0, None, "x")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(list(tmp_path.glob("*.png"))) == 3
