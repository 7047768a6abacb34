"""Tasks in this process and in others. `eval` is work that every process can do."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.faults import UnexpectedError
from app.workers import WorkerDiedError, run_tasks

_PID = "__import__('os').getpid()"
_DIE = "__import__('os')._exit(1)"
_OFFLINE = "__import__('socket').socket()"


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_comes_back_with_its_result(jobs: int) -> None:
    results = dict(run_tasks(math.sqrt, [1.0, 4.0, 9.0, 16.0, 25.0], jobs))
    assert results == {1.0: 1.0, 4.0: 2.0, 9.0: 3.0, 16.0: 4.0, 25.0: 5.0}


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_task_is_no_result(jobs: int) -> None:
    assert list(run_tasks(math.sqrt, [], jobs)) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_fault_of_one_leaves_the_others_alone(jobs: int) -> None:
    results = dict(run_tasks(math.sqrt, [4.0, -1.0, 9.0], jobs))
    assert (results[4.0], results[9.0]) == (2.0, 3.0)
    assert isinstance(results[-1.0], UnexpectedError)
    assert "math domain error" not in str(results[-1.0]), "messages may quote a patient's file"


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_the_system_refuses_comes_back_as_it_was(jobs: int) -> None:
    ((_, result),) = run_tasks(eval, ["open('/no/such/file')"], jobs)
    assert isinstance(result, FileNotFoundError)


def test_a_process_that_dies_costs_only_its_own_task() -> None:
    tasks = ["1 + 1", _DIE, "2 + 2", "3 + 3", _DIE, "4 + 4"]
    results = list(run_tasks(eval, tasks, 2))
    dead = [task for task, result in results if isinstance(result, WorkerDiedError)]
    assert dead == [_DIE, _DIE]
    assert sorted(r for _, r in results if isinstance(r, int)) == [2, 4, 6, 8]


def test_tasks_are_taken_only_as_they_are_needed() -> None:
    taken = []

    def tasks() -> object:
        for n in range(10):
            taken.append(n)
            yield float(n)

    running = run_tasks(math.sqrt, tasks(), 2)  # type: ignore[arg-type]
    next(running)
    assert len(taken) <= 3
    running.close()


def test_processes_are_kept_for_the_next_task() -> None:
    results = [pid for _, pid in run_tasks(eval, [_PID] * 6, 2)]
    assert len(set(results)) <= 2


def test_processes_refuse_the_network() -> None:
    ((_, result),) = run_tasks(eval, [_OFFLINE], 2)
    assert "without a network" in str(result)


class _CtrlCWhileItArrives:
    """Work that is `abs`; whoever unpickles it is sent what Ctrl-C sends."""

    def __call__(self, number: int) -> int:
        raise NotImplementedError

    def __reduce__(self) -> tuple[object, ...]:
        return eval, ("__import__('os').kill(__import__('os').getpid(), 2) or abs",)


def test_ctrl_c_never_reaches_a_process_even_while_it_starts() -> None:
    assert dict(run_tasks(_CtrlCWhileItArrives(), [-1, -2, -3], 2)) == {-1: 1, -2: 2, -3: 3}


def test_closing_kills_what_is_under_way() -> None:
    began = time.monotonic()
    running = run_tasks(eval, ["1", "__import__('time').sleep(60)", "2"], 2)
    next(running)
    running.close()
    assert time.monotonic() - began < 30


_PROGRAM = """
import os, sys
sys.path.insert(0, {root!r})
from app.workers import run_tasks

if __name__ == "__main__":
    tasks = ["__import__('app.workers').__file__", "__import__('multiprocessing').__file__"]
    for _, result in run_tasks(eval, tasks, 2):
        print(result)
    print(os.environ.get("PYTHONSAFEPATH"))
"""


@pytest.mark.parametrize("set_by_the_user", [None, "", "yes"])
def test_nothing_is_imported_from_the_folder_that_the_user_is_in(
    tmp_path: Path, set_by_the_user: str | None
) -> None:
    """A card from a recorder may hold files that are called like modules."""
    root = Path(__file__).parents[2]
    card, program = tmp_path / "card", tmp_path / "program" / "run.py"
    program.parent.mkdir()
    program.write_text(_PROGRAM.format(root=str(root)), "utf-8")
    run = f"import pathlib; pathlib.Path({str(tmp_path / 'was-run')!r}).touch()\n"
    for name in ("multiprocessing", "app", "warnings", "sitecustomize", "socket"):
        (card / name).mkdir(parents=True)
        (card / name / "__init__.py").write_text(run, "utf-8")
        (card / f"{name}.py").write_text(run, "utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    if set_by_the_user is not None:
        environment["PYTHONSAFEPATH"] = set_by_the_user
    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=card,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not (tmp_path / "was-run").exists()
    *files, after = done.stdout.splitlines()
    assert len(files) == 2
    assert str(root / "app" / "__init__.py") in files
    assert not any(file.startswith(str(card)) for file in files)
    assert after == str(set_by_the_user), "what the user starts from here is as it was"
