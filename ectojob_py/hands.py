"""What the hands that run handlers have in common: what they hold, how much more they want, and what they report."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from math import ceil, inf
from queue import Empty, SimpleQueue
from time import monotonic

from ectojob_py.bell import Bell
from ectojob_py.handler import Outcome, Report
from ectojob_py.job import Job

_AHEAD = 0.05
"""Seconds of work that lie ready for the hands, so that quick ones don't wait for a claim. It is what a job may wait
here while a hand of another worker is free."""

_STALLED = 1.0
"""Seconds after which jobs that lie ready are given back, because no hand has taken one."""

_WORTH_RINGING = 100
"""How many reports are worth waking the worker for, when it is going to look within milliseconds anyway."""


class Hands(ABC):
    """Up to ``size`` hands, of ``threads`` or ``tasks``; a free one takes what is given at once.

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
        return max(len(self._at_work), ceil((self._held - self._jobs.qsize()) / self._batch))

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
            self._seconds = max(self._seconds or 0, 2 * self._size * _AHEAD)  # so that none is to lie ready
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
