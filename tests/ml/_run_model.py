"""Run a model in another environment: ``python _run_model.py ROOT MODEL INPUTS OUTPUT``.

Imports nothing of the project but ml.runtime, which needs numpy and a TFLite runtime alone.
"""

import sys
from pathlib import Path

import numpy as np

root, model_path, inputs_path, output_path = sys.argv[1:]
sys.path.insert(0, root)

from ml.runtime import Model  # noqa: E402 (the path is set first)

model = Model(Path(model_path).read_bytes())
with np.load(inputs_path) as inputs:
    results = model.run(*(inputs[name] for name in sorted(inputs.files)))
np.savez(output_path, *results)
print(model.runtime)
