"""Many recordings at once: one after the other, or spread over processes.

Only tasks and results travel between the processes, through pipes: nothing is mapped to temporary
files, where it would lie in plain text. ``docs/adr/0003-worker-processes.md`` says why these are
plain processes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker
from typing import TYPE_CHECKING, Generic, TypeVar

from app.faults import UnexpectedError, explain, is_expected, show_trace
from app.offline import forbid_network

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from multiprocessing.process import BaseProcess

T = TypeVar("T")
R = TypeVar("R")

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_SPAWN = multiprocessing.get_context("spawn")  # a fork would inherit the open vault and its key
_SAFE_PATH = "PYTHONSAFEPATH"
_ENVIRONMENT = threading.Lock()  # while it is changed for a process to be started


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
    An unexpected exception arrives as :class:`app.faults.UnexpectedError`, the death of a process
    as :class:`WorkerDiedError` of the task it was at; the others go on. Closing the generator
    kills the processes.
    """
    if jobs == 1:
        for task in tasks:
            yield task, _outcome(work, task)
        return
    busy: dict[connection.Connection, _Worker[T, R]] = {}
    idle: list[_Worker[T, R]] = []
    try:
        for task in tasks:
            worker = idle.pop() if idle else _Worker(work)
            busy[worker.pipe] = worker
            worker.give(task)
            if len(busy) == jobs:
                yield from _next_results(busy, idle)
        while busy:
            yield from _next_results(busy, idle)
    finally:
        for worker in (*busy.values(), *idle):
            worker.kill()


def start_shielded(process: BaseProcess) -> None:
    """Start a process that Ctrl-C never reaches: it is for this one, which ends the other.

    A terminal sends it to all processes, and one that has yet to import what it works with would
    answer with a trace. Its modules are those of this process, whatever lies in the folder that
    the user is in.
    """
    with _no_modules_from_here():
        resource_tracker.ensure_running()  # it would be started within, and lift the block
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _no_modules_from_here() -> Iterator[None]:
    """Let Python processes that are started meanwhile not import from the working folder.

    They are started with ``-c``, which puts that folder first: a file on a recorder's card would
    be run. Only meanwhile, since what the user starts from here is the user's.
    """
    with _ENVIRONMENT:
        before = os.environ.get(_SAFE_PATH)
        os.environ[_SAFE_PATH] = "1"
        try:
            yield
        finally:
            if before is None:
                del os.environ[_SAFE_PATH]
            else:
                os.environ[_SAFE_PATH] = before


def _next_results(
    busy: dict[connection.Connection, _Worker[T, R]], idle: list[_Worker[T, R]]
) -> Generator[tuple[T, R | Exception]]:
    """Wait until at least one is done; yield what is."""
    for pipe in connection.wait(list(busy)):
        worker = busy[pipe]  # type: ignore[index] # wait() gives back what it was given
        result = worker.result()
        del busy[worker.pipe]
        if not isinstance(result, WorkerDiedError):
            idle.append(worker)
        yield worker.task, result


class _Worker(Generic[T, R]):
    """A process, and the task it is at."""

    task: T

    def __init__(self, work: Callable[[T], R]) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, work), daemon=True)
        start_shielded(self._process)
        theirs.close()  # so that the pipe ends when the process does

    def give(self, task: T) -> None:
        self.task = task
        with suppress(BrokenPipeError):  # it died while it was idle; result() says so
            self.pipe.send(task)

    def result(self) -> R | Exception:
        try:
            result: R | Exception = self.pipe.recv()
        except (EOFError, OSError):
            self.kill()
            return WorkerDiedError(
                "the process that worked on it was killed; often that means too little memory"
            )
        return result

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._process.close()
        self.pipe.close()


def _serve(pipe: connection.Connection, work: Callable[[T], R]) -> None:
    """Work on tasks until there are no more. This is what a process does."""
    from app.vault import forbid_dumps

    forbid_dumps()  # a task may come with the key of a recording
    forbid_network()
    warnings.simplefilter("ignore")
    os.environ.update(_ONE_THREAD)  # before the first task brings numpy in
    with suppress(EOFError, ConnectionError):  # the parent is gone: nobody is left to tell
        while True:
            pipe.send(_outcome(work, pipe.recv()))


def _outcome(work: Callable[[T], R], task: T) -> R | Exception:
    try:
        return work(task)
    except Exception as error:  # noqa: BLE001 (whatever one task does, the others go on)
        show_trace(error)
        return error if is_expected(error) else UnexpectedError(explain(error))
