"""The beats of a stored recording as the beat model sees them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.leads import AnalysisError, choose_leads, in_millivolts
from ml.personal import ReadBeats
from ml.tasks.beat_features import BeatFeatures
from ml.tasks.beats import BeatClassifier, ClassifiedBeats
from signals.ecg.qrs import QrsDetector
from signals.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ml.bundle import Bundle
    from ml.tasks.beat_features import BeatInputs

_BLOCK_S = 300.0  # beats that are read together cost less each


def read_beats(
    recording: Recording,
    bundle: Bundle,
    *,
    leads: Sequence[str] | None = None,
    progress: Callable[[float], None] | None = None,
) -> ReadBeats:
    """Return the beats of a recording, the ones that its analysis finds, as the model sees them.

    All are read in full, those that the analysis skipped too: what a reader teaches may concern any
    of them. Where the analysis had not read a beat in full, the beat has logits that say what the
    analysis said, so that nothing changes before a reader changes it.

    Parameters
    ----------
    recording : Recording
        Open for reading.
    bundle : Bundle
        Of the beat model. A graph does not keep the order of its outputs: the logits are as many
        as there are classes, and the other output is the embedding.
    leads : sequence of str, optional
        Labels of the ECG leads, where the file's labels do not tell.
    progress : callable, optional
        Called with the share done, 0 to 1.

    Raises
    ------
    AnalysisError
        If there is no ECG lead.
    RecordingError
        If the file cannot be read to its end.
    """
    chosen = choose_leads(recording, leads)
    channels = [recording.channels[index] for index in chosen]
    rate = channels[0].rate
    scales = in_millivolts(recording, chosen)
    detector, features = QrsDetector(rate, scales.rails), BeatFeatures(rate, len(chosen))
    network, analysis = _Network(bundle), BeatClassifier(bundle, rate, len(chosen))
    said = []
    for block in recording.blocks(chosen, _BLOCK_S):
        samples = block.samples * scales.factors
        found = detector.push(samples).peaks
        network.take(features.push(samples, found))
        said.append(analysis.push(samples, found))
        if progress is not None:
            progress((block.start + samples.shape[1]) / channels[0].n_samples)
    nothing = np.empty((len(chosen), 0), np.float32)
    found = detector.finish().peaks
    network.take(features.push(nothing, found))
    network.take(features.finish())
    reported = ClassifiedBeats.joined([*said, analysis.push(nothing, found), analysis.finish()])
    peaks, ids, embeddings, logits = network.columns()
    other = (bundle.decision.probabilities(logits) != reported.probabilities).any(axis=1)
    logits[other] = bundle.decision.logits(reported.probabilities[other])
    families = features.family_table().settled(peaks, ids)
    return ReadBeats(recording.sha256(), bundle.sha256, rate, peaks, embeddings, logits, families)


class _Network:
    """Runs the beat model and keeps what a pattern is learned on."""

    def __init__(self, bundle: Bundle) -> None:
        self._model = bundle.ready()
        # a graph does not keep the order of its outputs; the other one is the last hidden layer
        widths = [spec.shape[-1] for spec in self._model.outputs]
        self._logits = widths.index(len(bundle.labels))
        self._embedding = 1 - self._logits
        self._rows: list[tuple[NDArray[Any], ...]] = [
            (
                np.zeros(0, np.int64),
                np.zeros(0, np.int16),
                np.zeros((0, widths[self._embedding]), np.float32),
                np.zeros((0, len(bundle.labels)), np.float32),
            )
        ]

    def take(self, inputs: BeatInputs) -> None:
        if len(inputs.samples):
            found = self._model.run(inputs.features, inputs.shapes)
            self._rows.append(
                (inputs.samples, inputs.families, found[self._embedding], found[self._logits])
            )

    def columns(self) -> tuple[NDArray[Any], ...]:
        """Return R peaks, families, embeddings and logits of all beats."""
        return tuple(np.concatenate(column) for column in zip(*self._rows, strict=True))


def unusual_leads(labels: list[str], recording: Recording) -> list[str] | None:
    """Return the labels of the leads that were analysed, if a user had to name them."""
    with suppress(AnalysisError):
        if labels == [recording.channels[index].label for index in choose_leads(recording)]:
            return None
    return labels
