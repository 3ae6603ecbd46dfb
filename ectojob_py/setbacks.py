"""What did not succeed, until the database has been told."""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from math import inf
from time import monotonic

from ectojob_py.engine import Listener
from ectojob_py.errors import Locked, UnknownQueue
from ectojob_py.handler import Outcome, Report
from ectojob_py.job import Job
from ectojob_py.limits import LONGEST_RETRY
from ectojob_py.wording import brief

_AGAIN = 1.0
"""Seconds before a job that was locked is tried again."""


class Setbacks:
    """Attempts that failed, and jobs that were not run."""

    def __init__(self, retry_timeout: timedelta | None, log: logging.Logger) -> None:
        """Take the wait before a second attempt, ``None``: the queue's; there are none yet."""
        self._retry_timeout = retry_timeout
        self._log = log
        self._reports: deque[Report] = deque()
        self._locked: deque[Report] = deque()
        self._again_at = inf

    def add(self, report: Report) -> None:
        """Keep it for ``tell``."""
        self._reports.append(report)

    @property
    def due_at(self) -> float:
        """When there is something to tell, in ``monotonic`` seconds; infinity: nothing."""
        return 0.0 if self._reports else self._again_at

    def tell(self, listener: Listener) -> Iterator[Report]:
        """Yield each when it is told. The fence makes it safe to tell again after a lost connection.

        It waits for no row that somebody has locked, in psql, say: the leases of other jobs are to be kept meanwhile.
        After one the loop has its turn.
        """
        if self._again_at <= monotonic():
            self._reports += self._locked
            self._locked.clear()
            self._again_at = inf
        while self._reports:
            report = self._reports[0]
            try:
                if report.outcome is Outcome.NOT_RUN:
                    self._release(listener, report)
                else:
                    self._fail(listener, report)
            except Locked:
                self._log.info("%s is locked by somebody, trying again", report.job)
                self._locked.append(self._reports.popleft())
                self._again_at = monotonic() + _AGAIN
                break
            yield self._reports.popleft()

    def _release(self, listener: Listener, report: Report) -> None:
        job = report.job
        with suppress(UnknownQueue):
            listener.release(job)
        self._log.warning("%s not run, released: %s", job, brief(report.error or ""))

    def _fail(self, listener: Listener, report: Report) -> None:
        job, wait = report.job, report.retry_in
        if wait is None and self._retry_timeout is not None:
            wait = min(self._retry_timeout * job.attempt, LONGEST_RETRY)
        failed = None
        with suppress(UnknownQueue):
            failed = _failed(listener, report, wait)
        self._log.warning(
            "%s failed in %.1f ms, attempt %d of %d, %s: %s",
            job,
            report.seconds * 1000,
            job.attempt,
            job.max_attempts,
            "someone else has it by now" if failed is None else f"now {failed.state}",
            brief(report.error or ""),
        )


def _failed(listener: Listener, report: Report, wait: timedelta | None) -> Job | None:
    """Say why an attempt failed; in ASCII if the connection, or the database, has no code for some of it."""
    job, error = report.job, report.error or ""
    try:
        return listener.fail(job, error, wait)
    except Locked:
        raise
    except Exception:
        if error.isascii():
            raise
        return listener.fail(job, error.encode("ascii", "backslashreplace").decode(), wait)
