"""Many recordings at once: one after the other, or spread over processes.

Only arguments and results travel between the processes, through pipes: nothing is mapped to
temporary files, where it would lie in plain text.
"""

from __future__ import annotations

import signal
import warnings
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from app.faults import UnexpectedError, explain, is_expected, show_trace
from app.offline import forbid_network

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class WorkerDiedError(Exception):
    """The process that worked on a task was killed, or crashed."""


def run_tasks(
    work: Callable[[T], R], tasks: Iterable[T], jobs: int
) -> Generator[tuple[T, R | Exception]]:
    """Yield each task with its result, or with the exception that it ended with.

    Parameters
    ----------
    work : callable
        What is done with a task. For several jobs it, the tasks and the results are pickled.
    tasks : iterable
        Taken as they are needed, in this process.
    jobs : int
        How many at a time. 1: here, in order; more: in processes, in the order of completion.

    Notes
    -----
    An unexpected exception arrives as :class:`app.faults.UnexpectedError`. A task whose process
    dies is tried once more, alone, so that it does not take others with it. Closing the iterator
    kills the processes.
    """
    if jobs == 1:
        for task in tasks:
            yield task, _outcome(work, task)
        return
    remaining = iter(tasks)
    while True:
        suspects: list[T] = []
        yield from _run_pool(work, remaining, jobs, suspects)
        if not suspects:
            return
        for task in suspects:
            yield from _run_alone(work, task)


def _run_pool(
    work: Callable[[T], R], tasks: Iterator[T], jobs: int, suspects: list[T]
) -> Iterator[tuple[T, R | Exception]]:
    """Work until the tasks are done, or a process died: then `suspects` were under way."""
    pool = _new_pool(jobs)
    running: dict[Future[R | Exception], T] = {}
    try:
        while True:
            # One more than there are processes, so that none waits for this one.
            for task in islice(tasks, jobs + 1 - len(running)):
                running[pool.submit(_outcome, work, task)] = task
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    suspects.append(task)
                else:
                    yield task, result
            if suspects:
                suspects.extend(running.values())
                return
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def _run_alone(work: Callable[[T], R], task: T) -> Iterator[tuple[T, R | Exception]]:
    suspects: list[T] = []
    yield from _run_pool(work, iter([task]), 1, suspects)
    if suspects:
        died = "the process that worked on it was killed; often that means too little memory"
        yield task, WorkerDiedError(died)


def _new_pool(jobs: int) -> Any:  # noqa: ANN401 (joblib ships no types)
    from joblib.externals.loky import ProcessPoolExecutor

    return ProcessPoolExecutor(max_workers=jobs, initializer=_start_worker, env=_ONE_THREAD)


def _start_worker() -> None:
    forbid_network()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this one
    warnings.simplefilter("ignore")


def _outcome(work: Callable[[T], R], task: T) -> R | Exception:
    try:
        return work(task)
    except Exception as error:  # noqa: BLE001 (whatever one task does, the others go on)
        show_trace(error)
        return error if is_expected(error) else UnexpectedError(explain(error))
