"""The worker: claims jobs for its free hands, keeps their leases, sweeps, and sleeps until there is work."""

import logging
import random
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic

import psycopg

from ectojob_py.attempt import Attempt, Outcome, Perform, Report
from ectojob_py.bell import Bell
from ectojob_py.client import Jobs
from ectojob_py.errors import SetupError, UnknownQueue
from ectojob_py.hands import Hands
from ectojob_py.leases import Leases
from ectojob_py.postgres.connection import open_pool
from ectojob_py.postgres.listener import Listener

_OVERDUE_PAUSE = 0.05
"""Seconds before the sweep looks again at what was due and locked by someone else."""


class Worker:
    """Runs the jobs of one or more queues until it is stopped. The options and defaults are EctoJob's; in seconds."""

    def __init__(
        self,
        dsn: str,
        queue: str | Sequence[str] = "default",
        *,
        perform: Perform,
        max_demand: int = 100,
        connections: int | None = None,
        poll_interval: float = 60.0,
        execution_timeout: float | None = None,
        retry_timeout: float | None = None,
        grace: float = 30.0,
        log: bool = True,
        log_level: str = "info",
        schema: str = "jobs",
    ) -> None:
        """Prepare a worker; ``run`` starts it.

        ``perform``: ``perform(conn, job)``, or a mapping of such by ``params["type"]``; it may use ``conn`` for
        everything but ending the transaction, and fails the job by raising. ``max_demand``: how many jobs run at once.
        ``connections``: how many of them may, each on a connection and thread of its own; ``None``: ``max_demand``, at
        most 20. ``poll_interval``: how often to look without being woken. ``execution_timeout``, ``retry_timeout``:
        ``None``: the queue's. ``grace``: how long running handlers may go on after a stop. ``log_level``: of the line
        that each job logs when done.
        """
        self._dsn = dsn
        self._schema = schema
        self._queues = (queue,) if isinstance(queue, str) else tuple(queue)
        self._turns = deque(self._queues)
        self._poll_interval = poll_interval
        self._execution_timeout = None if execution_timeout is None else timedelta(seconds=execution_timeout)
        self._retry_timeout = None if retry_timeout is None else timedelta(seconds=retry_timeout)
        self._grace = grace
        self._log = logging.getLogger("ectojob") if log else _silent()
        self._level = logging.getLevelNamesMapping()[log_level.upper()]
        self._bell = Bell()
        self._pool = open_pool(dsn, min(max_demand, 20) if connections is None else min(max_demand, connections))
        self._hands = Hands(self._pool.max_size, Attempt(perform, self._pool, schema, self._log).run, self._bell)
        self._leases = Leases()
        self._unreported: list[Report] = []
        self._sweep_at = dict.fromkeys(self._queues, 0.0)
        self._looking = set(self._queues)
        self._deadline: float | None = None

    def stop(self, grace: float | None = None) -> None:
        """Claim nothing more, and let ``run`` return when the running handlers have ended or ``grace`` is over."""
        self._deadline = monotonic() + (self._grace if grace is None else grace)
        self._bell.ring()

    def run(self) -> int:
        """Work until ``stop``, SIGTERM or SIGINT (a second one ends the grace period at once).

        Returns how many jobs were still running when the grace period ended; they were released for others. Raises
        ``SetupError`` when it can't start: no such database, ectojob not installed, unknown queue. Once it runs, it
        outlives whatever happens to the database, connecting again with back-off.
        """
        self._check()
        released = 0
        with self._signals():
            failures = 0
            while True:
                try:
                    with Listener(self._dsn, self._schema, self._queues) as listener:
                        if failures:
                            self._log.warning("connected again")
                            self._pool.check()
                        failures = 0
                        self._catch_up()
                        released = self._serve(listener)
                        break
                except psycopg.Error as error:
                    if self._deadline is not None and (not self._leases or monotonic() >= self._deadline):
                        break
                    self._log.warning("lost the database, trying again: %s", str(error).strip())
                    self._pause(min(5.0, 0.1 * 2**failures) * random.uniform(0.5, 1))
                    failures += 1
        self._hands.close()
        self._pool.close(timeout=0 if released else 5)
        return released

    def _check(self) -> None:
        try:
            with Listener(self._dsn, self._schema, self._queues) as listener:
                listener.jobs.version()
                for queue in self._queues:
                    listener.due_in(queue)
        except (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName) as error:
            msg = f"ectojob is not installed in schema {self._schema}"
            raise SetupError(msg, "Run: ectojob migrate") from error
        except UnknownQueue as error:
            raise SetupError(error.diag.message_primary or "unknown queue", error.diag.message_hint or "") from error
        except psycopg.OperationalError as error:
            raise SetupError(str(error).strip(), "Check the dsn, and that the server runs.") from error

    def _serve(self, listener: Listener) -> int:
        while True:
            self._hear_hands()
            self._leases.extend(listener.jobs)
            self._report(listener.jobs)
            if self._deadline is None:
                self._sweep(listener)
                self._claim(listener.jobs)
            elif not self._leases:
                return 0
            elif monotonic() >= self._deadline:
                return self._release(listener.jobs)
            awake, rescheduled = listener.wait(self._idle_for(), self._bell)
            self._looking |= awake
            self._sweep_at.update(dict.fromkeys(rescheduled, 0.0))

    def _idle_for(self) -> float:
        """How many seconds there is nothing to do, unless something happens."""
        if self._deadline is not None:
            next_event = min(self._deadline, self._leases.next_due())
        elif self._looking and self._hands.free:
            return 0
        else:
            next_event = min(self._leases.next_due(), *self._sweep_at.values())
        return max(0.0, next_event - monotonic())

    def _catch_up(self) -> None:
        """Look at everything, for wake-ups may have been missed."""
        self._looking.update(self._queues)
        self._sweep_at.update(dict.fromkeys(self._queues, 0.0))

    def _sweep(self, listener: Listener) -> None:
        for queue, at in self._sweep_at.items():
            if at <= monotonic():
                listener.jobs.activate_scheduled(queue)
                listener.jobs.reactivate_expired(queue)
                due_in = listener.due_in(queue)
                idle = self._poll_interval * random.uniform(0.9, 1)
                self._sweep_at[queue] = monotonic() + min(idle, idle if due_in is None else max(_OVERDUE_PAUSE, due_in))
                self._looking.add(queue)

    def _claim(self, jobs: Jobs) -> None:
        self._turns.rotate(1)  # no queue is always first
        for queue in [queue for queue in self._turns if queue in self._looking]:
            demand = self._hands.free
            if not demand:
                break
            claimed = jobs.claim_batch(queue, demand, self._execution_timeout)
            for job in claimed:
                self._leases.add(job)
                self._hands.give(job)
            if len(claimed) < demand:
                self._looking.discard(queue)

    def _hear_hands(self) -> None:
        for report in self._hands.reports():
            milliseconds = report.seconds * 1000
            match report.outcome:
                case Outcome.DONE:
                    self._log.log(self._level, "%s done in %.1f ms", report.job, milliseconds)
                    self._leases.drop(report.job)
                case Outcome.LOST:
                    self._log.warning("%s lost its lease, rolled back after %.1f ms", report.job, milliseconds)
                    self._leases.drop(report.job)
                case Outcome.FAILED | Outcome.NOT_RUN:
                    self._unreported.append(report)

    def _report(self, jobs: Jobs) -> None:
        """Tell the database what did not succeed. The fence makes it safe to tell again after a lost connection."""
        while self._unreported:
            report = self._unreported[0]
            job = report.job
            if report.outcome is Outcome.NOT_RUN:
                self._log.warning("%s not run, released: %s", job, report.error)
                jobs.release(job.queue, job.id, job.attempt)
            else:
                wait = None if self._retry_timeout is None else self._retry_timeout * job.attempt
                failed = jobs.fail(job.queue, job.id, job.attempt, report.error, wait)
                self._log.warning(
                    "%s failed in %.1f ms, attempt %d of %d, %s: %s",
                    job, report.seconds * 1000, job.attempt, job.max_attempts,
                    "someone else has it by now" if failed is None else f"now {failed.state}", report.error,
                )  # fmt: skip
            self._leases.drop(job)
            self._unreported.pop(0)

    def _release(self, jobs: Jobs) -> int:
        """Give back what still runs; a handler that ends after all finds its lease lost, and rolls back."""
        for job in self._leases:
            job.lease_lost.set()
            jobs.release(job.queue, job.id, job.attempt)
            self._log.warning("%s outlived the grace period, released", job)
        return len(self._leases)

    def _pause(self, seconds: float) -> None:
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            self._bell.wait(left)
            self._hear_hands()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT, where this is the main thread; as before when done."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, _frame: object) -> None:
            self._log.warning("%s: stopping", signal.Signals(number).name)
            self.stop(None if self._deadline is None else 0.0)

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _silent() -> logging.Logger:
    logger = logging.Logger("ectojob")  # not registered, so that no one's configuration reaches it
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
