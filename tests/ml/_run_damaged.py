"""Load and run damaged models: ``python _run_damaged.py ROOT MODEL``; prints how many ran."""

import random
import sys
from pathlib import Path

import numpy as np

root, model_path = sys.argv[1:]
sys.path.insert(0, root)

from ml.runtime import Model, ModelError  # noqa: E402 (the path is set first)

raw = Path(model_path).read_bytes()
rng = random.Random(0)
ran = 0

for _ in range(120):
    damaged = bytearray(raw)
    for _ in range(rng.choice((1, 2, 8))):
        damaged[rng.randrange(len(raw))] = rng.randrange(256)
    try:
        model = Model(bytes(damaged))
        model.run(*(np.zeros(spec.shape, np.float32) for spec in model.inputs))
        ran += 1
    except (ModelError, RuntimeError):
        pass
print(ran)
