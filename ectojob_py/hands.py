"""The hands that run handlers: threads, or tasks of one event loop."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from contextvars import copy_context
from math import inf
from queue import Empty, SimpleQueue
from threading import Thread, current_thread
from time import monotonic

from ectojob_py.bell import Bell
from ectojob_py.handler import AsyncPerformance, Outcome, Performance, Report, failed
from ectojob_py.job import Job

_AHEAD = 0.05
"""Seconds of work that lie ready for the hands, so that quick ones don't wait for a claim. It is what a job may wait
here while a hand of another worker is free."""

_STALLED = 1.0
"""Seconds after which jobs that lie ready are given back, because no hand has taken one."""

_SHORT = 1.0
"""Seconds before one more thread is asked for, when the system had none to give."""

_BLOCKED = 0.1
"""Seconds after which an event loop that doesn't begin what it is given has a handler that blocks it."""

_LAST_WORDS = 1.0
"""Seconds that async handlers which are cancelled have to tidy up."""

_WORTH_RINGING = 100
"""How many reports are worth waking the worker for, when it is going to look within milliseconds anyway."""


class Hands(ABC):
    """Up to ``size`` hands; a free one takes what is given at once.

    Their threads are daemons: a handler that outlives the worker's grace period doesn't keep the process alive.
    """

    def __init__(self, size: int, most: int, batch: int, bell: Bell) -> None:
        """Take how many hands, how many jobs they hold at most, how many of them a hand takes at once."""
        self._size = size
        self._most = most
        self._batch = batch
        self._bell = bell
        self._held = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._reports: deque[Report] = deque()
        self._at_work: set[object] = set()  # the hands that are
        self._seconds: float | None = None  # what a job takes, lately
        self._ahead = 0  # how many are to lie ready, so
        self._taken_at = 0.0  # when a hand last took a job, or there was none to take
        self.patient = False
        """Whether the worker is going to hear the hands within milliseconds, so that they need not ring for one job."""

    @property
    def demand(self) -> int:
        """How many jobs to claim now: for hands that are free, and for those that will be before the next claim."""
        ready = self._jobs.qsize()
        at_once = max(0, self._room - self._busy) * self._batch
        if ready > self._ahead // 2 and ready >= at_once:
            return 0  # no hand is free: what lies ready will have one
        return max(0, min(self._most - self._held, at_once + self._ahead - ready))

    @property
    def stalled_at(self) -> float:
        """When ``stalled`` has jobs to take back, in ``monotonic`` seconds; infinity: none lies ready."""
        return self._taken_at + _STALLED if self._jobs.qsize() else inf

    @property
    def _room(self) -> int:
        """How many hands there can be now."""
        return self._size

    @property
    def _busy(self) -> int:
        """How many hands have jobs, be it one where a batch has room for many; or had, which nobody has heard yet."""
        return max(len(self._at_work), -((self._jobs.qsize() - self._held) // self._batch))

    def give(self, jobs: list[Job]) -> None:
        """Run each job on the next free hand."""
        if not self._jobs.qsize():
            self._taken_at = monotonic()
        self._held += len(jobs)
        for job in jobs:
            self._jobs.put(job)
        self._call()

    def reports(self) -> Iterator[Report]:
        """Yield what has ended since the last call."""
        while self._reports:
            report = self._reports.popleft()
            self._held -= 1
            if report.outcome is not Outcome.NOT_RUN:
                known = report.seconds if self._seconds is None else self._seconds
                self._seconds = known + (report.seconds - known) / 16
            yield report
        self._look_ahead()

    def stalled(self) -> list[Job]:
        """Take back the jobs that lie ready while all hands are busy for long: they are not so quick after all."""
        if monotonic() > self.stalled_at:
            self._seconds = max(self._seconds or 0, _STALLED)
            self._look_ahead()
            return self.unbegun()
        return []

    def unbegun(self) -> list[Job]:
        """Take back the jobs that no hand has begun."""
        jobs = []
        while (job := self._next()) is not None:
            jobs.append(job)
        self._held -= len(jobs)
        return jobs

    @abstractmethod
    def close(self) -> None:
        """Let the hands that are free end."""

    @abstractmethod
    def _call(self) -> None:
        """See to it that free hands take what lies ready."""

    def _look_ahead(self) -> None:
        if self._seconds is not None:
            quick = int(self._room * _AHEAD / max(self._seconds, 1e-6))
            self._ahead = max(0, min(quick, self._most - self._room * self._batch))

    def _next(self) -> Job | None:
        try:
            return self._jobs.get_nowait()
        except Empty:
            return None

    def _batch_of(self, first: Job | None) -> list[Job]:
        """Return what a hand takes at once, beginning with ``first``; ``None``: with nothing."""
        self._taken_at = monotonic()
        jobs = [] if first is None else [first]
        while len(jobs) < self._batch and (job := self._next()) is not None:
            jobs.append(job)
        return jobs

    def _tell(self, reports: list[Report]) -> None:
        """Leave reports for the worker, and ring when it should hear of them now."""
        self._reports.extend(reports)
        if self._wanted(reports):
            self._bell.ring()

    def _wanted(self, reports: list[Report]) -> bool:
        """Tell whether the worker should hear of it now: it has to claim, or to tell the database."""
        if self._jobs.qsize() <= self._ahead // 2:
            return not self.patient or not self._jobs.qsize() or len(self._reports) >= _WORTH_RINGING
        return any(report.outcome is not Outcome.DONE for report in reports) and not self.patient


class Threads(Hands):
    """Hands for handlers that block, each a thread that is started when there is a job for it."""

    def __init__(self, size: int, most: int, batch: int, performance: Performance, bell: Bell) -> None:
        """Take what ``Hands`` takes, and what they do."""
        super().__init__(size, most, batch, bell)
        self._performance = performance
        self._threads = 0
        self._short_until: float | None = None  # when to ask the system for one more; ``None``: it has enough

    def close(self) -> None:
        """Let the threads that are free end."""
        for _ in range(self._threads):
            self._jobs.put(None)

    @property
    def _room(self) -> int:
        if self._short_until is None:
            return self._size
        return min(self._size, self._threads + (monotonic() >= self._short_until))

    def _call(self) -> None:
        while self._threads < self._room and (self._threads - self._busy) * self._batch < self._jobs.qsize():
            self._start()
        while not self._threads and (job := self._next()) is not None:
            self._tell([Report(job, Outcome.NOT_RUN, 0.0, "the system has no thread for it")])

    def _start(self) -> None:
        """Start a thread; when the system has none to give, go on with those there are."""
        try:
            Thread(target=self._work, name=f"ectojob-hand-{self._threads + 1}", daemon=True).start()
        except RuntimeError:
            self._short_until = monotonic() + _SHORT
        else:
            self._threads += 1
            self._short_until = None

    def _work(self) -> None:
        while (first := self._wait()) is not None:
            self._at_work.add(current_thread())
            jobs = [first]
            try:
                jobs = self._batch_of(first)
                reports = copy_context().run(self._performance.run, jobs)
            except BaseException as error:  # noqa: BLE001 - a time limit thrown into this thread may come too late
                reports = [failed(job, error, 0.0) for job in jobs]
            self._at_work.discard(current_thread())
            self._tell(reports)

    def _wait(self) -> Job | None:
        taken: list[Job | None] = []
        while not taken:
            with suppress(BaseException):  # likewise; so it is taken and kept in one call, into which nothing is thrown
                taken.extend(map(SimpleQueue.get, [self._jobs]))
        return taken[0]


class Tasks(Hands):
    """Hands for handlers that are async: tasks on one event loop, which has a thread of its own.

    A handler that outlives the worker's grace period is cancelled.
    """

    def __init__(self, size: int, most: int, batch: int, performance: AsyncPerformance, bell: Bell) -> None:
        """Take what ``Hands`` takes, and what they do."""
        super().__init__(size, most, batch, bell)
        self._performance = performance
        self._context = copy_context()
        self._called_at = inf  # when the loop was called, unless it has looked since
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = Thread(target=self._work, name="ectojob-loop", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cancel what runs, and let the loop end; not at once if a handler has to tidy up, or started a thread."""
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(_LAST_WORDS)

    @property
    def _room(self) -> int:
        return len(self._at_work) if monotonic() > self._called_at + _BLOCKED else self._size

    def _call(self) -> None:
        self._called_at = min(self._called_at, monotonic())
        self._loop.call_soon_threadsafe(self._look)

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            while not self._closing.is_set():
                with suppress(BaseException):  # such as SystemExit in a task that a handler began: it ends that alone
                    runner.run(self._closing.wait())

    def _look(self) -> None:
        """Begin a task for whatever waits, on the loop."""
        self._called_at = inf
        while len(self._at_work) < self._size and (jobs := self._batch_of(None)):
            self._at_work.add(self._loop.create_task(self._run(jobs), context=self._context.copy()))

    async def _run(self, jobs: list[Job]) -> None:
        try:
            reports = await self._performance.run(jobs)
        except BaseException as error:  # noqa: BLE001 - a handler may have its own task cancelled at any moment
            reports = [failed(job, error, 0.0) for job in jobs]
        self._at_work.discard(asyncio.current_task())
        self._tell(reports)
        if not self._closing.is_set():
            self._look()
