"""A worker's loop: hear its hands, keep leases, report, sweep, claim, and sleep until something happens."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from math import inf
from time import monotonic
from typing import Any

from ectojob_py.attempt import Errands, Transactions
from ectojob_py.attempt_async import AsyncErrands, AsyncTransactions
from ectojob_py.bell import Bell
from ectojob_py.client import Jobs
from ectojob_py.completions import Completions
from ectojob_py.engine import Engine, Listener
from ectojob_py.errors import Locked, UnknownQueue
from ectojob_py.handler import Outcome, Report, is_async
from ectojob_py.hands import Hands
from ectojob_py.job import Job
from ectojob_py.leases import Leases
from ectojob_py.options import Options
from ectojob_py.setbacks import Setbacks
from ectojob_py.stock import Stock
from ectojob_py.sweeps import Sweeps
from ectojob_py.tasks import Tasks
from ectojob_py.threads import Threads

_BREATH = 1.0
"""Seconds before a worker looks again at a queue with a job that it could not run."""

_ABSENCE = 5.0
"""Seconds before a worker looks whether a queue that was dropped is there again."""


class Shift:
    """One run of a worker. It holds its jobs across lost connections: ``serve`` goes on with the next listener."""

    def __init__(self, options: Options, engine: Engine) -> None:
        """Open what the hands need; nothing is claimed before ``serve``."""
        self._options = options
        self._log = options.log
        self._bell = Bell()
        self._pool, self._hands = self._open(engine)
        self._completions = Completions(options.log)
        self._leases = Leases()
        self._turns = deque(options.queues)
        self._setbacks = Setbacks(options.retry_timeout, options.log)
        self._sweeps = Sweeps(options.queues, min(options.poll_interval, engine.attention_span))
        self._unbegun: deque[Job] = deque()  # to be released
        self._looking: set[str] = set()
        self._absent: set[str] = set()  # queues that were dropped
        self._stopping = False
        self._stop_at = inf  # when the grace period ends; infinity: never

    def stop(self, deadline: float) -> None:
        """Claim no more; give back what still runs at ``deadline``, in ``monotonic`` seconds. From any thread."""
        self._stop_at = deadline
        self._stopping = True
        self._bell.ring()

    @property
    def held(self) -> int:
        """How many jobs it holds."""
        return len(self._leases)

    @property
    def over(self) -> bool:
        """Whether a stopped shift has nothing left to do, or no time left to do it."""
        return self._stopping and (not self._leases or monotonic() >= self._stop_at)

    def serve(self, listener: Listener) -> int:
        """Work until stopped; return how many jobs had to be given back. Raises when the connection is lost."""
        self._pool.distrust()
        self._sweeps.all_now()  # wake-ups may have been missed
        while True:
            self._hear_hands()
            self._leases.extend(listener)
            self._complete(listener.jobs)
            self._report(listener)
            self._unbegun += self._hands.unbegun() if self._stopping else self._hands.stalled()
            self._release(listener)
            if self.over:
                return self._give_back(listener)
            if not self._stopping:
                self._sweep(listener)
                self._claim(listener.claim)
                if self._options.until_empty:
                    self._stop_if_empty(listener)
            was_patient, self._hands.patient = self._hands.patient, self._completions.due_at < inf
            if was_patient and not self._hands.patient:
                continue  # a hand that has ended something meanwhile has not rung
            awake, rescheduled = listener.wait(
                self._idle_for(), self._bell, set(self._turns) - self._looking - self._absent
            )
            self._looking |= awake
            for queue in rescheduled:
                self._reschedule(listener, queue)

    def _open(self, engine: Engine) -> tuple[Stock[Any], Hands]:
        options = self._options
        perform, how = options.perform, (engine, options.schema, options.log)
        size = (options.hands, options.max_demand, options.batch_size)
        if isinstance(perform, AsyncErrands) or (not isinstance(perform, Errands) and is_async(perform)):
            stock = engine.open_async_pool(options.dsn)
            awaited = perform if isinstance(perform, AsyncErrands) else AsyncTransactions(perform, stock, *how)
            return stock, Tasks(*size, awaited, self._bell)
        pool = engine.open_pool(options.dsn)
        called = perform if isinstance(perform, Errands) else Transactions(perform, pool, *how)
        return pool, Threads(*size, called, self._bell)

    def pause(self, seconds: float) -> None:
        """Sleep while there is no connection, unless the shift is over before that."""
        until = monotonic() + seconds
        while (left := min(until, self._stop_at) - monotonic()) > 0 and not self.over:
            self._bell.wait(left)
            self._hear_hands()

    def close(self) -> None:
        """Let the hands go, with nothing to begin; a connection whose handler still runs is closed when that ends."""
        self._hands.unbegun()
        self._hands.close()
        self._pool.close()
        self._bell.close()

    def _idle_for(self) -> float:
        """How many seconds there is nothing to do, unless something happens."""
        next_event = min(self._leases.due_at, self._completions.due_at, self._setbacks.due_at)
        if self._stopping:
            next_event = min(next_event, self._stop_at)
        elif self._looking and self._hands.demand:
            return 0
        else:
            next_event = min(next_event, self._hands.stalled_at, self._sweeps.next_at)
        return max(0.0, next_event - monotonic())

    def _sweep(self, listener: Listener) -> None:
        for queue in self._sweeps.due():
            try:
                listener.jobs.activate_scheduled(queue)
                listener.jobs.reactivate_expired(queue)
                self._sweeps.done(queue, listener.due_in(queue))
            except UnknownQueue as error:
                self._miss(queue, error)
                continue
            self._absent.discard(queue)
            self._looking.add(queue)

    def _reschedule(self, listener: Listener, queue: str) -> None:
        if self._sweeps.asks(queue):
            with suppress(UnknownQueue):  # the next sweep says so
                self._sweeps.learn(queue, listener.due_in(queue))

    def _miss(self, queue: str, error: UnknownQueue) -> None:
        """Go on without a queue that was dropped, and look now and then whether it is there again."""
        if queue not in self._absent:
            self._log.warning("going on without a queue: %s", str(error).splitlines()[0])
        self._absent.add(queue)
        self._looking.discard(queue)
        self._sweeps.put_off(queue, _ABSENCE)

    def _claim(self, claim: Callable[[str, int, timedelta | None], list[Job]]) -> None:
        self._turns.rotate(1)  # no queue is always first
        for queue in [queue for queue in self._turns if queue in self._looking]:
            demand = self._hands.demand
            if not demand:
                break
            try:
                claimed = claim(queue, demand, self._options.execution_timeout)
            except UnknownQueue as error:
                self._miss(queue, error)
                continue
            self._leases.add(claimed)
            self._hands.give(claimed)
            if len(claimed) < demand:
                self._looking.discard(queue)

    def _stop_if_empty(self, listener: Listener) -> None:
        """Stop when nothing runs, and a look at all there is, in every queue, finds nothing to run."""
        if not self._leases and not self._looking:
            self._sweeps.all_now()
            self._sweep(listener)
            self._claim(listener.jobs.claim_batch)
            if not self._leases and not self._looking:
                self.stop(inf)

    def _hear_hands(self) -> None:
        for report in self._hands.reports():
            match report.outcome:
                case Outcome.DONE:
                    self._ended(report)
                case Outcome.RAN:
                    self._completions.add(report)
                case Outcome.FAILED | Outcome.NOT_RUN:
                    self._setbacks.add(report)

    def _ended(self, report: Report) -> None:
        self._leases.drop(report.job)
        if report.outcome is Outcome.DONE and self._log.isEnabledFor(self._options.log_level):
            self._log.log(self._options.log_level, "%s done in %.1f ms", report.job, report.seconds * 1000)

    def _complete(self, jobs: Jobs) -> None:
        if self._completions.due_at <= (inf if self._stopping else monotonic()):
            for report in self._completions.flush(jobs):
                self._ended(report)

    def _release(self, listener: Listener) -> None:
        while self._unbegun:
            job = self._unbegun[0]
            try:
                listener.release(job)
            except Locked:
                self._setbacks.add(Report(self._unbegun.popleft(), Outcome.NOT_RUN, 0.0, "not begun, and locked"))
                break
            except UnknownQueue:
                pass
            self._leases.drop(job)
            self._unbegun.popleft()
            self._looking.add(job.queue)  # releasing wakes others, not this worker
            self._log.info("%s not begun, released", job)

    def _report(self, listener: Listener) -> None:
        for report in self._setbacks.tell(listener):
            queue = report.job.queue
            self._leases.drop(report.job)
            if report.outcome is Outcome.NOT_RUN:
                self._sweeps.within(queue, _BREATH)
            else:
                self._reschedule(listener, queue)  # it is due again, and whoever says so isn't told itself

    def _give_back(self, listener: Listener) -> int:
        """Release what still runs; a handler that ends after all finds its lease lost, and rolls back.

        Where its transaction has locked the job's row, nobody waits for that: then the job ends, or its lease does.
        """
        for job in self._leases:
            job.lease_lost.set()
            done = "released"
            try:
                listener.release(job)
            except Locked:
                done = "locked until its lease ends"
            except UnknownQueue:
                pass
            self._log.warning("%s outlived the grace period, %s", job, done)
        return len(self._leases)
