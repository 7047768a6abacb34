"""ml.training.keeping: what a name follows from, and files that are whole or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml.training import keeping
from ml.training.keeping import as_array, code_digest, digest_of, kept


def test_a_digest_follows_the_content() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 4)).astype(np.float32)
    parts = [
        values,
        values.T,
        values.astype(np.float64),
        values + 1,
        {"a": values},
        {"b": values},
        [1, 2],
        [1, 3],
        b"12",
        "12",
        np.array(["a", "b"]),
        np.array(["ab", ""]),
    ]
    digests = [digest_of(part) for part in parts]
    assert len(set(digests)) == len(parts)
    assert digests == [digest_of(part) for part in parts]
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_what_was_made_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep/one.npz"

    def stopped() -> keeping.Arrays:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(path, stopped)
    assert not path.exists()
    made = kept(path, lambda: {"a": np.arange(3), "m": as_array(b"model")})
    again = kept(path, stopped)
    assert made["a"].tolist() == again["a"].tolist() == [0, 1, 2]
    assert again["m"].tobytes() == b"model"


def test_the_name_of_code_follows_what_it_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "inside/__init__.py": "",
        "inside/used.py": "import inside.deeper\n",
        "inside/deeper.py": "import outside.other\n",
        "inside/typed.py": "",
        "inside/unused.py": "",
        "outside/__init__.py": "",
        "outside/other.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    source = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from inside.typed import x\n"
        "CONSTANT = 1\n"
        "def function():\n    from inside import used\n    return used, CONSTANT\n"
    )

    def digest(text: str = source) -> str:
        path = tmp_path / f"module{len(text)}{text.count('2')}.py"
        path.write_text(text)
        space: dict[str, object] = {"__name__": "module"}
        exec(compile(text, str(path), "exec"), space)
        keeping._sources_digest.cache_clear()
        return code_digest([space["function"]], ("inside",))

    monkeypatch.setattr(keeping, "ROOT", tmp_path)
    before = digest()
    for name in ("inside/unused.py", "inside/typed.py", "outside/other.py"):
        (tmp_path / name).write_text("changed = 1")
        assert digest() == before, name
    found = {before}
    for name in ("inside/used.py", "inside/deeper.py"):
        with (tmp_path / name).open("a") as file:
            file.write("\nchanged = 1")
        found.add(digest())
    found.add(digest(source.replace("CONSTANT = 1", "CONSTANT = 2")))
    found.add(digest(source.replace("return used,", "return [used],")))
    assert len(found) == 5
