"""The threads that run handlers."""

from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import Thread

from ectojob_py.attempt import Report
from ectojob_py.bell import Bell
from ectojob_py.job import Job


class Hands:
    """Up to ``size`` threads, each started when there is a job for it; a job given is taken at once.

    The threads are daemons: a handler that outlives the worker's grace period doesn't keep the process alive.
    """

    def __init__(self, size: int, run: Callable[[Job], Report], bell: Bell) -> None:
        """Take what runs a job without ever raising, and the bell to ring when a hand is free again."""
        self._size = size
        self._run = run
        self._bell = bell
        self._threads = 0
        self._busy = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._reports: SimpleQueue[Report] = SimpleQueue()

    @property
    def free(self) -> int:
        """How many more jobs can be given."""
        return self._size - self._busy

    def give(self, job: Job) -> None:
        """Run a job on a free hand."""
        self._busy += 1
        if self._threads < self._busy:
            self._threads += 1
            Thread(target=self._work, name=f"ectojob-hand-{self._threads}", daemon=True).start()
        self._jobs.put(job)

    def reports(self) -> Iterator[Report]:
        """Yield what has ended since the last call; the hands that report are free again."""
        while True:
            try:
                report = self._reports.get_nowait()
            except Empty:
                return
            self._busy -= 1
            yield report

    def close(self) -> None:
        """Let the threads that are free end."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._reports.put(self._run(job))
            self._bell.ring()
