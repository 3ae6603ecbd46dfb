"""Hands for handlers that are async: tasks on one event loop."""

import asyncio
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from math import inf
from threading import Thread
from time import monotonic

from ectojob_py.bell import Bell
from ectojob_py.handler import AsyncPerformance, Report, failed
from ectojob_py.hands import Hands
from ectojob_py.job import Job

_BLOCKED = 0.1
"""Seconds after which an event loop that doesn't begin what it is given has a handler that blocks it."""

_LAST_WORDS = 1.0
"""Seconds that async handlers which are cancelled have to tidy up."""


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
        called_at, self._called_at = self._called_at, inf
        if monotonic() > called_at + _BLOCKED:
            self._bell.ring()  # there are hands again
        while len(self._at_work) < self._size and (jobs := self._batch_of(None)):
            reports: list[Report] = []
            task = self._context.copy().run(self._loop.create_task, self._run(jobs, reports))
            self._at_work.add(task)
            task.add_done_callback(partial(self._ended, jobs, reports))

    async def _run(self, jobs: list[Job], reports: list[Report]) -> None:
        reports += await self._performance.run(jobs)

    def _ended(self, jobs: list[Job], reports: list[Report], task: asyncio.Task[None]) -> None:
        """Report on what a task did; a handler may have any task cancelled, also one that has not begun."""
        self._at_work.discard(task)
        if not reports:
            error = None if task.cancelled() else task.exception()
            reports = [failed(job, error or asyncio.CancelledError(), 0.0) for job in jobs]
        self._tell(reports)
        if not self._closing.is_set():
            self._look()
