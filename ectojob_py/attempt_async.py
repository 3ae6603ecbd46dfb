"""Attempts at jobs: the handler, and the completion in the same transaction, or later without one."""

import logging
import random
from asyncio import sleep
from collections.abc import Callable, Iterable
from itertools import count, groupby
from operator import attrgetter
from time import perf_counter
from typing import Any

from ectojob_py.client_async import AsyncJobs
from ectojob_py.engine import Engine
from ectojob_py.errors import Retry
from ectojob_py.forks import EndingChildren
from ectojob_py.handler import (
    AsyncHandler,
    AsyncPerform,
    AsyncPerformBatch,
    Outcome,
    Report,
    failed,
    handler_for,
    log_raised,
    refuse_undone,
)
from ectojob_py.job import Job
from ectojob_py.pool_async import AsyncConnections, AsyncLent
from ectojob_py.wording import brief

_TRIES = 25
"""How often a transaction is begun that deadlocked, waited too long for a lock, or couldn't be serialized; for 10 s."""


class AsyncTransactions:
    """Runs a handler for one or several jobs in one transaction that completes them, on connections of a pool."""

    def __init__(
        self, perform: AsyncPerformBatch, pool: AsyncConnections[Any], engine: Engine, schema: str, log: logging.Logger
    ) -> None:
        """Take the handler of a batch; ``singly`` makes one of a handler of one job."""
        self._engine = engine
        self._perform = perform
        self._pool = pool
        self._schema = schema
        self._log = log

    async def run(self, jobs: list[Job]) -> list[Report]:
        """Run the handler and complete the jobs, committing all or nothing; then one by one. Never raises."""
        started = perf_counter()

        def seconds() -> float:
            return (perf_counter() - started) / len(jobs)

        try:
            conn = await self._pool.getconn()
        except self._engine.Error as error:
            return [Report(job, Outcome.NOT_RUN, seconds(), str(error)) for job in jobs]
        try:
            await self._perform_and_complete(conn, jobs)
        except BaseException as error:  # noqa: BLE001 - SystemExit in a handler is a failure like any other
            log_raised(self._log, jobs, error)
            failures = [failed(job, error, seconds()) for job in jobs]
        else:
            return [Report(job, Outcome.DONE, seconds()) for job in jobs]
        finally:
            await self._give_back(conn)
        if len(jobs) == 1:
            return failures
        self._log.warning(
            "a batch of %d failed, its jobs run one by one: %s", len(jobs), brief(failures[0].error or "")
        )
        reports = []
        for job, failure in zip(jobs, failures, strict=True):  # a lease may be lost while the others run
            reports += [failure] if job.lease_lost.is_set() else await self.run([job])
        return reports

    async def _perform_and_complete(self, conn: AsyncLent, jobs: list[Job]) -> None:
        """Do both in one transaction, and all of it again when it had to yield to another transaction."""
        for tries in count(1):
            for job in jobs:
                job.forget()
            try:
                with conn.handed_out(), EndingChildren():
                    refuse_undone(await self._perform(conn, jobs))
                if len(jobs) > 1 or not await conn.finish_one(self._schema, jobs[0]):
                    queues = len({job.queue for job in jobs})
                    await conn.finish(lambda: _complete(AsyncJobs(conn, self._schema), jobs), calls=queues)
            except Retry:  # the handler has decided, whatever it met
                raise
            except Exception as error:
                if not conn.gave_way(error) or tries == _TRIES or any(job.lease_lost.is_set() for job in jobs):
                    raise
                self._log.info("%s met a conflict, try %d of %d: %s", jobs[0], tries, _TRIES, brief(str(conn.conflict)))
                await conn.reset()
                await sleep(random.uniform(0, min(1, 0.01 * 2**tries)))
            else:
                return

    async def _give_back(self, conn: AsyncLent) -> None:
        try:
            await conn.reset()
        except BaseException as error:
            conn.discard()  # a broken connection is the pool's to replace
            if not isinstance(error, self._engine.Error):
                raise
        finally:
            self._pool.putconn(conn)


class AsyncErrands:
    """Runs a handler that writes nothing to this database: the worker completes its jobs, many at a time."""

    def __init__(self, perform: AsyncPerform, log: logging.Logger) -> None:
        """Take the handler, or a mapping that has one per ``params["type"]``."""
        self._handler = handler_for(perform)
        self._log = log

    async def run(self, jobs: list[Job]) -> list[Report]:
        """Run the handler for each job. Never raises."""
        return [await self._run(job) for job in jobs]

    async def _run(self, job: Job) -> Report:
        started = perf_counter()
        try:
            with EndingChildren():
                refuse_undone(await self._handler(job)(job))
        except BaseException as error:  # noqa: BLE001 - SystemExit in a handler is a failure like any other
            log_raised(self._log, [job], error)
            return failed(job, error, perf_counter() - started)
        return Report(job, Outcome.RAN, perf_counter() - started)


def async_singly(perform: AsyncPerform) -> AsyncPerformBatch:
    """Return the handler of a batch that has one job."""
    find: Callable[[Job], AsyncHandler] = handler_for(perform)

    async def perform_one(conn: Any, jobs: list[Job]) -> object:
        [job] = jobs
        return await find(job)(conn, job)

    return perform_one


async def _complete(jobs: AsyncJobs, done: Iterable[Job]) -> None:
    for queue, group in groupby(sorted(done, key=attrgetter("queue")), attrgetter("queue")):
        batch = list(group)
        if len(batch) == 1:
            await jobs.complete(queue, batch[0].id, batch[0].attempt)
        else:
            await jobs.complete_batch(queue, [job.id for job in batch], [job.attempt for job in batch])
