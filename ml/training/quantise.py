"""From a Keras network to a ``.tflite`` file: as it is, or full int8."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from tensorflow.lite.tools import flatbuffer_utils

from ml.runtime_graph import read_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from ml.training.task import Part


class ConversionError(Exception):
    """A converted model did not pass a gate."""


def converted(part: Part, bits: str) -> bytes:
    """Return a part of a trained network as a ``.tflite`` file with its static batch.

    Parameters
    ----------
    part : Part
    bits : str
        ``float32``; ``int8``: post-training quantisation of everything, input and output too; or
        ``int16x8``: 8-bit weights, 16-bit activations, float32 input and output.

    Raises
    ------
    ConversionError
        If a tensor of an int8 model is not int8.
    """
    if bits == "float32":
        return to_float_tflite(part.network, part.batch)

    def representative() -> Iterator[dict[str, NDArray[Any]]]:
        n = len(next(iter(part.inputs.values())))
        for start in range(0, n - part.batch + 1, part.batch):
            yield {name: array[start : start + part.batch] for name, array in part.inputs.items()}

    if bits == "int8":
        return to_full_int8(part.network, representative, part.batch)
    converter = _converter(part.network, part.batch)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    ]
    return _convert(converter)


def to_float_tflite(network: keras.Model, batch: int) -> bytes:
    """Return the network as a float32 model with a static batch."""
    return _convert(_converter(network, batch))


def to_full_int8(
    network: keras.Model,
    representative: Callable[[], Iterator[Mapping[str, NDArray[Any]]]],
    batch: int,
) -> bytes:
    """Return the network after post-training quantisation to full int8, input and output too.

    Parameters
    ----------
    network : keras.Model
        Trained.
    representative : callable
        Gives batches of what it will be asked, of training patients, inputs by name: the graph's
        order of inputs is not that of the Keras model.
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
    if strange := read_graph(tflite).tensors_not_int8():
        raise ConversionError(f"not full int8: {', '.join(strange)}")
    return tflite


def slim(models: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return converted models as they ship: without the names of tensors inside of the graph.

    Nothing that runs a model needs them, and they take up to a twelfth of a small one.
    """
    return {name: _slim(model) for name, model in models.items()}


def _slim(tflite: bytes) -> bytes:
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(tflite))
    for graph in model.subgraphs:
        outside = {*graph.inputs.tolist(), *graph.outputs.tolist()}
        for index, tensor in enumerate(graph.tensors):
            if index not in outside:
                tensor.name = b""
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


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
