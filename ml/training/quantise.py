"""From a Keras network to a ``.tflite`` file: as it is, or full int8, and the gates it passes."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from ml.runtime import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from ml.training.data import Beats

STATIC_BATCH = 32
LEAST_AGREEMENT = 0.98
_REPRESENTATIVE = 4096


class ConversionError(Exception):
    """A converted model did not pass a gate."""


def to_float_tflite(network: keras.Model, batch: int = STATIC_BATCH) -> bytes:
    """Return the network as a float32 model with a static batch."""
    return _convert(_converter(network, batch))


def to_full_int8(
    network: keras.Model,
    representative: Callable[[], Iterator[dict[str, NDArray[np.float32]]]],
    batch: int = STATIC_BATCH,
) -> bytes:
    """Return the network after post-training quantisation to full int8, input and output too.

    Parameters
    ----------
    network : keras.Model
        Trained.
    representative : callable
        Gives batches of what it will be asked, of the training patients, inputs by name: the
        graph's order of inputs is not that of the Keras model.
    batch : int
        Static.

    Raises
    ------
    ConversionError
        If a tensor of the result is not int8.
    """
    converter = _converter(network, batch)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    tflite = _convert(converter)
    if strange := Model(tflite).tensors_not_int8():
        raise ConversionError(f"not full int8: {', '.join(strange)}")
    return tflite


def to_int8_tflite(
    network: keras.Model, beats: Beats, weights: NDArray[np.float64], seed: int
) -> bytes:
    """Return the network after post-training quantisation to full int8.

    Parameters
    ----------
    network : keras.Model
        Trained.
    beats : Beats
        Of the training patients, from which the representative set is drawn.
    weights : numpy.ndarray, shape (beats,)
        How likely each is drawn.
    seed : int
        Of the draw.

    Raises
    ------
    ConversionError
        If a tensor of the result is not int8.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(weights), _REPRESENTATIVE, p=weights / weights.sum())
    features = beats.features[chosen].astype(np.float32)
    shapes = beats.shapes[chosen].astype(np.float32)

    def representative() -> Iterator[dict[str, NDArray[np.float32]]]:
        for start in range(0, _REPRESENTATIVE, STATIC_BATCH):
            part = slice(start, start + STATIC_BATCH)
            yield {"features": features[part], "shapes": shapes[part]}

    return to_full_int8(network, representative)


def agreement(one: bytes, other: bytes, beats: Beats) -> float:
    """Return the share of `beats` for which two networks have the same greatest logit.

    A gate on the conversion: `beats` are all views that were trained on, and no thresholds are
    added. How often the decisions that ship agree is found by the test on whole recordings.

    Raises
    ------
    ConversionError
        If it is below LEAST_AGREEMENT, or an output is not finite.
    """
    outputs = [
        Model(tflite).run(beats.features.astype(np.float32), beats.shapes.astype(np.float32))[0]
        for tflite in (one, other)
    ]
    if not all(np.isfinite(output).all() for output in outputs):
        raise ConversionError("a model answers with numbers that are not finite")
    share = float((outputs[0].argmax(axis=1) == outputs[1].argmax(axis=1)).mean())
    if share < LEAST_AGREEMENT:
        raise ConversionError(
            f"the int8 model agrees with the float model on {share:.1%} of beats only; "
            f"{LEAST_AGREEMENT:.0%} are asked"
        )
    return share


def _converter(network: keras.Model, batch: int) -> Any:  # noqa: ANN401 (TensorFlow ships no types)
    inputs = [
        keras.Input(batch_shape=(batch, *tensor.shape[1:]), name=tensor.name)
        for tensor in network.inputs
    ]
    static = keras.Model(inputs, network(inputs, training=False), name=network.name)
    return tf.lite.TFLiteConverter.from_keras_model(static)


def _convert(converter: Any) -> bytes:  # noqa: ANN401 (TensorFlow ships no types)
    # Keras prints every variable that it exports
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return bytes(converter.convert())
