"""Completing jobs whose handlers wrote nothing here: many at a time, and soon."""

import logging
from collections.abc import Iterator
from math import inf
from time import monotonic

from ectojob_py.client import Jobs
from ectojob_py.errors import LeaseLost, UnknownQueue
from ectojob_py.handler import Outcome, Report

LATEST = 0.01
"""Seconds after which a job is completed at the latest. A worker that dies before repeats it."""

FULL = 100
"""How many jobs are completed without waiting for more."""


class Completions:
    """Reports on jobs that ran and are to be completed; the fence makes it safe to try again after an outage."""

    def __init__(self, log: logging.Logger) -> None:
        """Have none."""
        self._log = log
        self._reports: dict[str, list[Report]] = {}
        self.due_at = inf
        """When to ``flush``, in ``monotonic`` seconds; infinity: there is nothing to complete."""

    def add(self, report: Report) -> None:
        """Complete this job soon."""
        reports = self._reports.setdefault(report.job.queue, [])
        reports.append(report)
        self.due_at = min(self.due_at, monotonic() + LATEST) if len(reports) < FULL else 0.0

    def flush(self, jobs: Jobs) -> Iterator[Report]:
        """Complete them all, yielding each; DONE, unless someone else had the job by then."""
        while self._reports:
            queue = next(iter(self._reports))
            self._complete(jobs, queue, self._reports[queue])
            yield from self._reports.pop(queue)
        self.due_at = inf

    def _complete(self, jobs: Jobs, queue: str, reports: list[Report]) -> None:
        """Complete jobs of one queue; when one of them is lost, one by one."""
        batch = [report.job for report in reports]
        try:
            jobs.complete_batch(queue, [job.id for job in batch], [job.attempt for job in batch])
        except (LeaseLost, UnknownQueue):
            if len(batch) == 1:
                self._log.warning("%s ran, and someone else has it by now, or its handler completed it", batch[0])
                return
            for report in reports:
                self._complete(jobs, queue, [report])
        else:
            for report in reports:
                report.outcome = Outcome.DONE
