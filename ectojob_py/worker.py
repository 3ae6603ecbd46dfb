"""The worker: runs the jobs of some queues until it is stopped, or they are empty, whatever becomes of the database."""

import logging
import random
import threading
from collections.abc import Sequence
from itertools import chain, repeat
from math import inf
from signal import Signals
from time import monotonic

from ectojob_py.attempt_async import AsyncErrands
from ectojob_py.engine import Listener, NotNow, engine_of
from ectojob_py.errors import SetupError
from ectojob_py.handler import AsyncPerform, AsyncPerformBatch, Perform, PerformBatch, is_async
from ectojob_py.options import Options, check_grace, check_numbers, duration_of, handlers_of, level_of, silent
from ectojob_py.release import check_release, release
from ectojob_py.shift import Shift
from ectojob_py.signals import heard
from ectojob_py.wording import brief

_FEW = 20
"""Connections that a worker opens at most when it isn't told: a server has 100 by default, and others want some."""

_FEW_BATCHES = 2
"""One is run while the next is claimed."""

_STEADY = 10.0
"""Seconds after which a connection that is lost was a good one: the next is tried at once."""


class Worker:
    """Runs the jobs of one or more queues. The options and their defaults are EctoJob's; times are in seconds."""

    def __init__(
        self,
        dsn: str,
        queue: str | Sequence[str] = "default",
        *,
        perform: Perform | AsyncPerform | None = None,
        perform_batch: PerformBatch | AsyncPerformBatch | None = None,
        transaction: bool = True,
        max_demand: int = 100,
        batch_size: int | None = None,
        connections: int | None = None,
        poll_interval: float = 60.0,
        execution_timeout: float | None = None,
        retry_timeout: float | None = None,
        until_empty: bool = False,
        grace: float = 30.0,
        log: bool = True,
        log_level: str | int = "info",
        schema: str = "jobs",
    ) -> None:
        """Prepare a worker; ``run`` starts it.

        Args:
            dsn: ``postgresql://...``, a conninfo string, or ``mysql://...``.
            queue: The queue to work on, or several.
            perform: ``perform(conn, job)``, or a mapping of such by ``params["type"]``; it may use ``conn`` for
                everything but ending the transaction, and fails the job by raising. On PostgreSQL any handler may be
                ``async def``: it runs on one event loop, ``conn`` is a ``psycopg.AsyncConnection``, and what outlives
                the grace period is cancelled.
            perform_batch: ``perform_batch(conn, jobs)``, instead: up to ``batch_size`` jobs complete in one
                transaction, or run one by one when that fails.
            transaction: False: ``perform(job)``, which writes nothing here. Its jobs are completed many at a time, at
                most 10 ms later, at least once.
            max_demand: How many jobs are held at once: those that run, and, when they are quick, those that are next.
            batch_size: Jobs in a batch, at most; ``None``: half of ``max_demand``.
            connections: How many handlers run at once, each on a thread (if not async) and connection of its own;
                ``None``: ``max_demand``, at most 20; 2 for batches; all of ``max_demand`` for async ones that need no
                connection.
            poll_interval: How often to look without being woken.
            execution_timeout: A job's lease; ``None``: the queue's.
            retry_timeout: The wait after a first failure; ``None``: the queue's.
            until_empty: Stop once no job of the queues can run; it waits for none that is scheduled, to be retried
                later, or held by others.
            grace: How long running handlers may go on after a stop, 0 or more; infinity: until they end.
            log: Whether to log, as ``ectojob``.
            log_level: Of the line that each job logs when done: ``"info"``, or ``logging.INFO``.
            schema: Where ectojob is.

        Raises:
            ValueError: A number that isn't positive, other than ``grace``; a count that isn't whole; a timeout of more
                than 30 days; a level that logging doesn't know; what is no handler, or can't be called so; handlers
                that don't go together.
            SetupError: Async handlers on MySQL or MariaDB.
        """
        counts = {"max_demand": max_demand, "batch_size": batch_size, "connections": connections}
        seconds = {"execution_timeout": execution_timeout, "retry_timeout": retry_timeout}
        check_numbers(counts, {"poll_interval": poll_interval, **seconds})
        if not queue:
            raise ValueError("pass the queue to work on, or several")
        if perform is not None and perform_batch is not None:
            raise ValueError("pass either perform or perform_batch")
        self._log = logging.getLogger("ectojob") if log else silent()
        performed = handlers_of(perform, perform_batch, transaction, self._log)
        few = _FEW if perform_batch is None else _FEW_BATCHES
        if isinstance(performed, AsyncErrands):
            few = max_demand
        self._options = Options(
            dsn=dsn,
            schema=schema,
            queues=(queue,) if isinstance(queue, str) else tuple(queue),
            perform=performed,
            hands=min(max_demand, connections or few),
            max_demand=max_demand,
            batch_size=1 if perform_batch is None else batch_size or max(1, max_demand // 2),
            poll_interval=poll_interval,
            execution_timeout=duration_of("execution_timeout", execution_timeout),
            retry_timeout=duration_of("retry_timeout", retry_timeout),
            until_empty=until_empty,
            log=self._log,
            log_level=level_of(log_level),
        )
        self._engine = engine_of(dsn)
        given = perform_batch if perform is None else perform
        if given is not None and is_async(given):
            self._engine.open_async_pool(dsn)  # it opens nothing yet, and raises where there is nothing to await
        self._grace = check_grace(grace)
        self._running = threading.Lock()
        self._shift: Shift | None = None
        self._deadline: float | None = None  # ``None``: nobody has said stop
        self._refused: SetupError | None = None

    def stop(self, grace: float | None = None) -> None:
        """Claim nothing more, and let ``run`` return when the running handlers have ended or ``grace`` is over.

        From any thread, and for good: a ``run`` that comes later returns at once. ``None``: the worker's own ``grace``.
        Called again, the earlier deadline holds. Raises ``ValueError`` for a ``grace`` below 0.
        """
        deadline = monotonic() + (self._grace if grace is None else check_grace(grace))
        self._deadline = deadline if self._deadline is None else min(self._deadline, deadline)
        if self._shift is not None:
            self._shift.stop(self._deadline)

    def run(self) -> int:
        """Work until ``stop``, or a signal (a second one ends the grace period at once), or ``until_empty``.

        The signals are SIGTERM, SIGINT and, unless somebody else has a use for it, SIGHUP; in the main thread only.
        Returns how many jobs were still running when the grace period ended; they were released for others, or, where
        the database was away just then or the handler had the job's row locked, are when their leases end. Raises
        ``SetupError`` when it can't start: no such database, ectojob not installed, unknown queue, a release that does
        not serve this one. Once it runs, it outlives whatever happens to the database, connecting again with back-off;
        unless such a release was deployed, which lets it stop as ``stop`` does and then raise ``SetupError``. Raises
        ``RuntimeError`` when it runs already.
        """
        if not self._running.acquire(blocking=False):
            raise RuntimeError("this worker runs already; make another one for another thread")
        graces = chain([None], repeat(0.0))  # a signal may come in the middle of the handler of the one before

        def stop(number: Signals) -> None:
            self.stop(next(graces))
            self._log.warning("%s: stopping", number.name)

        try:
            with heard(stop):
                return self._run()
        finally:
            self._running.release()

    def _run(self) -> int:
        try:
            self.check()
        except NotNow:
            if self._deadline is None:
                raise
            return 0
        self._shift = Shift(self._options, self._engine)
        if self._deadline is not None:
            self._shift.stop(self._deadline)
        try:
            released = self._serve(self._shift)
        finally:
            shift, self._shift = self._shift, None
            shift.close()
        if self._refused is not None:
            raise self._refused
        return released

    def _serve(self, shift: Shift) -> int:
        failures = 0
        while True:
            connected_at = inf
            try:
                with self._listener() as listener:
                    self._say_where(listener, again=failures > 0)
                    connected_at = monotonic()
                    self._go_on(listener)
                    return shift.serve(listener)
            except self._engine.Error as error:
                said = brief(str(error))
                if shift.over:
                    if shift.held:
                        self._log.warning("%d jobs are left behind until their leases end: %s", shift.held, said)
                    return shift.held
                if monotonic() > connected_at + _STEADY:
                    failures = 0
                what = "lost the database" if self._engine.is_lost(error) else "a call failed"
                self._log.warning("%s, trying again: %s", what, said)
                shift.pause(min(5.0, 0.1 * 2 ** min(failures, 6)) * random.uniform(0.5, 1))
                failures += 1

    def _say_where(self, listener: Listener, again: bool) -> None:
        self._log.log(
            logging.WARNING if again else logging.INFO,
            "%sworking on %s in %s, ectojob %s, %d hands",
            "connected again, " if again else "",
            ", ".join(self._options.queues),
            listener.where,
            release(),
            self._options.hands,
        )

    def _listener(self) -> Listener:
        return self._engine.Listener(self._options.dsn, self._options.schema, self._options.queues, self._is_late)

    def _is_late(self) -> bool:
        """Tell whether it was told to stop, and the grace period is over."""
        return self._deadline is not None and monotonic() >= self._deadline

    def check(self) -> None:
        """Raise ``SetupError`` for what would keep this worker from ever running a job.

        To begin a job that can't be there changes nothing, and takes a worker's rights and a queue.
        """
        try:
            with self._listener() as listener:
                check_release(listener.jobs.version(), self._options.schema)
                for queue in self._options.queues:
                    listener.jobs.begin_attempt(queue, 0, -1)
        except self._engine.Error as error:
            raise self._engine.setup_error(error, self._options.schema) from error

    def _go_on(self, listener: Listener) -> None:
        """Stop, in good order, when the functions were replaced meanwhile by ones that don't serve this worker."""
        try:
            check_release(listener.jobs.version(), self._options.schema)
        except SetupError as error:
            self._refused = error
            self._log.error("stopping: %s", error)
            self.stop()
