"""``ectojob work --processes N``: workers that are processes, and the process that watches over them."""

import logging
import multiprocessing
import os
import random
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from time import monotonic
from typing import NoReturn, cast

from ectojob_py.bell import Bell
from ectojob_py.cli.failures import REFUSED, explain
from ectojob_py.engine import NotNow
from ectojob_py.errors import BadUsage, SetupError
from ectojob_py.signals import heard

LEFT_BEHIND = 3
"""The exit code when jobs outlived the grace period and were released."""

_FOR_GOOD = 78
"""What a worker exits with that would be refused again, for example by the functions of another release."""

_MERCY = 30.0
"""Seconds after the grace period in which a process that can still end by itself has done so: it waits for the database
no longer than that. One that can't is frozen, or in code that holds Python's lock."""

_LONG = 60.0
"""Seconds after which a worker has lived long enough to be started again at once, nearly."""


@dataclass
class _Place:
    name: str
    process: SpawnProcess | None = None
    start_at: float = 0.0
    failures: int = 0


def supervise(
    run: Callable[[], int], number: int, log: logging.Logger, may_end: bool = False, grace: float = inf
) -> int:
    """Keep ``number`` processes that ``run`` until a signal, which they get as SIGTERM; return the exit code.

    ``run`` can be pickled; each process is a new interpreter, so that nothing is shared. One that ends is started
    again, also when it could not start for now, as while the database is away; but not when it is refused for good,
    nor, if it ``may_end``, when it returns 0. One that doesn't end when ``grace`` is over, its worker's grace period in
    seconds, or at a second signal, is killed half a minute later. Exit code: 1 if a worker was refused; else 3 if one
    of them left jobs behind, or died while it stopped; else 0.
    """
    return _Supervisor(run, number, log, may_end, grace).watch()


def leave(code: int) -> NoReturn:
    """End here and now: Python would wait for the threads that a handler has started, for ever if need be."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # it may be closed
            stream.flush()
    os._exit(code)


class _Supervisor:
    def __init__(self, run: Callable[[], int], number: int, log: logging.Logger, may_end: bool, grace: float) -> None:
        self._run = run
        self._log = log
        self._may_end = may_end
        self._grace = grace
        self._kill_at = inf
        self._places = [_Place(f"worker-{index + 1}") for index in range(number)]
        self._signals: deque[signal.Signals] = deque()
        self._bell = Bell()
        self._stopping = False
        self._code = 0

    def watch(self) -> int:
        with heard(self._hear):
            while self._running() or not (self._stopping or self._done()):
                self._start_what_is_due()
                pause = (self._kill_at if self._stopping else min(self._due(), default=inf)) - monotonic()
                wait([*(process.sentinel for _, process in self._running()), self._bell.fileno()], _timeout(pause))
                self._bell.silence()
                while self._signals:
                    self._log.warning("%s: stopping", self._signals.popleft().name)
                    self._stop()
                for place, process in self._running():
                    if process.exitcode is not None:
                        self._ended(place, process.exitcode)
                    elif self._kill_at <= monotonic():
                        self._log.warning("%s doesn't end: killing it", place.name)
                        process.kill()
                        process.join()
        self._bell.close()
        return self._code

    def _running(self) -> list[tuple[_Place, SpawnProcess]]:
        return [(place, place.process) for place in self._places if place.process is not None]

    def _done(self) -> bool:
        return all(due == inf for due in self._due())

    def _due(self) -> Iterator[float]:
        return (place.start_at for place in self._places if place.process is None)

    def _start_what_is_due(self) -> None:
        for place in self._places:
            if place.process is None and place.start_at <= monotonic() and not self._stopping:
                process = multiprocessing.get_context("spawn").Process(target=_work, args=(self._run,), name=place.name)
                place.start_at = monotonic()
                # Ctrl-C reaches every process of the terminal's group. A worker inherits that it is blocked, and undoes
                # that once it has left the group; here it is heard a moment later.
                before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
                try:
                    resource_tracker.ensure_running()  # else the start does, which unblocks it
                    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
                    process.start()
                except OSError as error:  # no more processes, or descriptors, for now
                    self._start_later(place, f"can't be started: {error}")
                else:
                    place.process = process
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _stop(self) -> None:
        self._kill_at = min(self._kill_at, monotonic() + (0 if self._stopping else self._grace) + _MERCY)
        self._stopping = True
        for _, process in self._running():
            process.terminate()

    def _ended(self, place: _Place, code: int) -> None:
        place.process = None
        if code == _FOR_GOOD:
            self._code = REFUSED
            if not self._stopping:
                self._stop()
        elif self._stopping:  # one that has begun to work hears SIGTERM, and doesn't end by it
            self._code = self._code or (LEFT_BEHIND if code not in (0, -signal.SIGTERM) else 0)
        elif self._may_end and code == 0:
            place.start_at = inf
        else:
            how = f"was killed by {_name(-code)}" if code < 0 else f"ended with exit code {code}"
            self._start_later(place, how)

    def _start_later(self, place: _Place, why: str) -> None:
        place.failures = 0 if monotonic() - place.start_at > _LONG else place.failures + 1
        pause = min(30.0, 0.1 * 2 ** min(place.failures, 9)) * random.uniform(0.5, 1)
        place.start_at = monotonic() + pause
        self._log.warning("%s %s, starting it again in %.1f s", place.name, why, pause)

    def _hear(self, number: signal.Signals) -> None:
        self._signals.append(number)
        self._bell.ring()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have none
        return f"signal {number}"


def _timeout(seconds: float) -> float | None:
    return None if seconds == inf else max(0.0, min(seconds, 86400.0))  # poll takes 24 days at most


def _work(run: Callable[[], int]) -> None:
    """Run a worker in this process, and stop it when the process that watches over it is gone."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # also what has arrived so far
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    threading.Thread(target=_follow, daemon=True).start()
    try:
        sys.exit(run())
    except SetupError as error:
        print(*explain(error)[0], sep="\n", file=sys.stderr)
        # What could be imported and reached when the first were started may be so again.
        leave(REFUSED if isinstance(error, (BadUsage, NotNow)) else _FOR_GOOD)


def _follow() -> None:
    cast("multiprocessing.process.BaseProcess", multiprocessing.parent_process()).join()
    os.kill(os.getpid(), signal.SIGTERM)
