"""Sessions whose calls may block, so that an interleaving reads as words: ``first.reserves(3); second.reserves(3)``."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from ectojob_py import Jobs

from .harness import Dialect

PATIENCE = 60
"""Seconds after which a call that is neither done nor blocked is a defect of the test."""


class Step:
    """A call that was made: done, or blocked by another session's locks."""

    def __init__(self, future: Future[Any], blocked: bool) -> None:
        self._future = future
        self.blocked = blocked

    @property
    def done(self) -> bool:
        """Whether it has returned or raised by now."""
        return self._future.done()

    @property
    def result(self) -> Any:
        """What it returned, once nothing blocks it; what it raised is raised."""
        return self._future.result(PATIENCE)


class Session:
    """One connection in a transaction that begins with its first call, and a thread to make its calls."""

    def __init__(self, conn: Any, dialect: Dialect, observer: Any, queue: str = "default") -> None:
        """Take a connection of its own, and one that looks into the catalog."""
        self.conn = conn
        self._jobs = Jobs(conn)
        self._dialect = dialect
        self._observer = observer
        self._queue = queue
        self._hand = ThreadPoolExecutor(1)

    def close(self) -> None:
        """Give up whatever still goes on."""
        self._dialect.cancel(self._observer, self.conn)
        self._hand.shutdown()
        self.conn.rollback()

    def does(self, call: Callable[[], Any]) -> Step:
        """Make a call, and return when it is done or the catalog shows who blocks it."""
        future = self._hand.submit(call)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if wait([future], timeout=0.002).done:
                return Step(future, blocked=False)
            if self.waits():
                return Step(future, blocked=True)
        pytest.fail("neither done nor blocked")

    def waits(self) -> bool:
        """Tell whether another session's lock is in the way now."""
        return self._dialect.blocked(self._observer, self.conn)

    def calls(self, function: str, *args: object) -> Step:
        """Call one of our functions by its name."""
        return self.does(lambda: getattr(self._jobs, function)(*args))

    def executes(self, statement: str, *parameters: object) -> Step:
        """Execute a statement of the caller's own."""
        return self.does(lambda: self.conn.execute(statement.encode(), parameters or None))

    def commits(self) -> None:
        """End the transaction."""
        step = self.does(self.conn.commit)
        assert not step.blocked
        assert step.result is None

    def rolls_back(self) -> None:
        """Undo the transaction."""
        step = self.does(self.conn.rollback)
        assert not step.blocked
        assert step.result is None

    # The transitions, of this session's queue

    def reserves(self, demand: int) -> Step:
        """Reserve; the result is ids."""
        return self.does(lambda: [job.id for job in self._jobs.reserve_batch(self._queue, demand)])

    def claims(self, demand: int) -> Step:
        """Claim; the result is ids."""
        return self.does(lambda: [job.id for job in self._jobs.claim_batch(self._queue, demand)])

    def begins(self, id: int, attempt: int = 0) -> Step:
        """Begin a reserved job."""
        return self.calls("begin_attempt", self._queue, id, attempt)

    def completes(self, id: int, attempt: int = 1) -> Step:
        """Complete."""
        return self.calls("complete", self._queue, id, attempt)

    def fails(self, id: int, attempt: int = 1) -> Step:
        """Fail."""
        return self.calls("fail", self._queue, id, attempt)

    def extends(self, id: int, attempt: int = 1) -> Step:
        """Extend by null: a whole lease."""
        return self.calls("extend", self._queue, id, attempt)

    def releases(self, id: int, attempt: int = 1) -> Step:
        """Release."""
        return self.calls("release", self._queue, id, attempt)

    def reactivates(self) -> Step:
        """Sweep for leases that ended."""
        return self.calls("reactivate_expired", self._queue)

    def activates(self) -> Step:
        """Sweep for schedules that came."""
        return self.calls("activate_scheduled", self._queue)

    def requeues(self, id: int) -> Step:
        """Requeue."""
        return self.calls("requeue", self._queue, id)

    def removes(self, id: int) -> Step:
        """Remove."""
        return self.calls("remove", self._queue, id)
