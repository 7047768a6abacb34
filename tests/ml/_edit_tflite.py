"""Changes a .tflite file by the schema that comes with LiteRT."""

from __future__ import annotations

from collections.abc import Callable

import flatbuffers
from ai_edge_litert import schema_py_generated as schema


def edited(tflite: bytes, change: Callable[[schema.ModelT], None]) -> bytes:
    """Return the model after `change` has had its ``ModelT``."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite))
    change(model)
    builder = flatbuffers.Builder(2 * len(tflite))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
