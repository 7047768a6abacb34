"""The window after it was locked: a new process, in the place of the one that held the keys."""

import sys
from pathlib import Path

from app.desktop import run

sys.exit(run(Path(sys.argv[1]) if sys.argv[1] else None, []))
