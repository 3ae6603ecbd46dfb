"""Hands for handlers that block: threads."""

from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread, current_thread
from time import monotonic

from ectojob_py.bell import Bell
from ectojob_py.handler import Outcome, Performance, Report, failed
from ectojob_py.hands import Hands
from ectojob_py.job import Job

_SHORT = 1.0
"""Seconds before one more thread is asked for, when the system had none to give."""


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
            jobs = [first]
            try:
                self._at_work.add(current_thread())
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
