"""What did not succeed, until the database has been told."""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from ectojob_py.client import Jobs
from ectojob_py.errors import UnknownQueue
from ectojob_py.handler import Outcome, Report
from ectojob_py.job import Job
from ectojob_py.limits import LONGEST_RETRY
from ectojob_py.wording import brief


class Setbacks:
    """Attempts that failed, and jobs that were not run."""

    def __init__(self, retry_timeout: timedelta | None, log: logging.Logger) -> None:
        """Take the wait before a second attempt, ``None``: the queue's; there are none yet."""
        self._retry_timeout = retry_timeout
        self._log = log
        self._reports: deque[Report] = deque()

    def add(self, report: Report) -> None:
        """Keep it for ``tell``."""
        self._reports.append(report)

    def tell(self, jobs: Jobs) -> Iterator[Report]:
        """Yield each when it is told. The fence makes it safe to tell again after a lost connection."""
        while self._reports:
            report = self._reports[0]
            if report.outcome is Outcome.NOT_RUN:
                self._release(jobs, report)
            else:
                self._fail(jobs, report)
            yield self._reports.popleft()

    def _release(self, jobs: Jobs, report: Report) -> None:
        job = report.job
        with suppress(UnknownQueue):
            jobs.release(job.queue, job.id, job.attempt)
        self._log.warning("%s not run, released: %s", job, brief(report.error or ""))

    def _fail(self, jobs: Jobs, report: Report) -> None:
        job, wait = report.job, report.retry_in
        if wait is None and self._retry_timeout is not None:
            wait = min(self._retry_timeout * job.attempt, LONGEST_RETRY)
        failed = None
        with suppress(UnknownQueue):
            failed = _failed(jobs, report, wait)
        self._log.warning(
            "%s failed in %.1f ms, attempt %d of %d, %s: %s",
            job,
            report.seconds * 1000,
            job.attempt,
            job.max_attempts,
            "someone else has it by now" if failed is None else f"now {failed.state}",
            brief(report.error or ""),
        )


def _failed(jobs: Jobs, report: Report, wait: timedelta | None) -> Job | None:
    """Say why an attempt failed; in ASCII if the connection, or the database, has no code for some of it."""
    job, error = report.job, report.error or ""
    try:
        return jobs.fail(job.queue, job.id, job.attempt, error, wait)
    except Exception:
        if error.isascii():
            raise
        return jobs.fail(job.queue, job.id, job.attempt, error.encode("ascii", "backslashreplace").decode(), wait)
