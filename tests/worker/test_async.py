"""Handlers that are async: the same promises, on one event loop."""

import asyncio
import threading
from collections import Counter
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from time import sleep
from typing import Any

import psycopg
import pytest

from ectojob_py import AsyncJobs, Job, Jobs, SetupError, Worker
from ectojob_py.handler import is_async

from .conftest import StartWorker
from .waiting import until

Conn = psycopg.Connection[Any]
AsyncConn = psycopg.AsyncConnection[Any]

pytestmark = pytest.mark.usefixtures("one_server")


@pytest.fixture
def receipts(conn: Conn) -> Conn:
    """A table for effects, without a key that would hide a duplicate."""
    conn.execute("create table receipt (job bigint)")
    return conn


async def write(conn: AsyncConn, job: Job) -> None:
    await conn.execute("insert into receipt values (%s)", [job.id])


async def write_all(conn: AsyncConn, jobs: list[Job]) -> None:
    for job in jobs:
        await write(conn, job)


def written(conn: Conn) -> Counter[int]:
    return Counter(id for (id,) in conn.execute("select job from receipt"))


def states(conn: Conn) -> dict[int, str]:
    return dict(conn.execute("select id, state from jobs.job").fetchall())


def error_of(conn: Conn, id: int) -> str:
    [(error,)] = conn.execute("select last_error from jobs.job where id = %s", [id]).fetchall()
    return str(error)


def test_they_run_at_once_on_one_loop(receipts: Conn, start_worker: StartWorker) -> None:
    together = asyncio.Barrier(5)
    loops: set[int] = set()

    async def perform(conn: AsyncConn, job: Job) -> None:
        loops.add(threading.get_ident())
        await write(conn, job)
        await together.wait()

    ids = Jobs(receipts).enqueue_many("default", [{}] * 5)
    start_worker(perform=perform)
    until(lambda: states(receipts) == {})
    assert written(receipts) == Counter(ids)
    assert len(loops) == 1


def test_many_jobs_have_one_effect_each(receipts: Conn, start_worker: StartWorker) -> None:
    ids = Jobs(receipts).enqueue_many("default", [{}] * 500)
    start_worker(perform=write)
    until(lambda: states(receipts) == {})
    assert written(receipts) == Counter(ids)


def test_never_more_at_once_than_connections(receipts: Conn, start_worker: StartWorker) -> None:
    now, most = 0, 0

    async def perform(conn: AsyncConn, job: Job) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await write(conn, job)
        now -= 1

    Jobs(receipts).enqueue_many("default", [{}] * 100)
    start_worker(perform=perform, connections=3)
    until(lambda: states(receipts) == {})
    assert most == 3


def test_a_failure_rolls_back_and_is_tried_again(receipts: Conn, start_worker: StartWorker) -> None:
    async def perform(conn: AsyncConn, job: Job) -> None:
        await write(conn, job)
        if job.attempt == 1:
            raise SystemExit

    id = Jobs(receipts).enqueue("default")
    start_worker(perform=perform, retry_timeout=0.05)
    until(lambda: states(receipts) == {})
    assert written(receipts) == Counter([id])


def test_follow_up_jobs_commit_with_the_completion(receipts: Conn, start_worker: StartWorker) -> None:
    Jobs(receipts).create_queue("next")

    async def perform(conn: AsyncConn, job: Job) -> None:
        conn.cursor_factory = psycopg.AsyncRawCursor
        await AsyncJobs(conn).enqueue("next", {"of": job.id})
        if job.params:
            raise ValueError

    good = Jobs(receipts).enqueue("default")
    bad = Jobs(receipts).enqueue("default", {"bad": True}, max_attempts=1)
    start_worker(perform=perform)
    until(lambda: states(receipts).get(bad) == "FAILED" and good not in states(receipts))
    assert receipts.execute("select params from jobs.job where queue = 'next'").fetchall() == [({"of": good},)]


async def commit(conn: AsyncConn) -> None:
    await conn.commit()


async def rollback(conn: AsyncConn) -> None:
    await conn.rollback()


async def close(conn: AsyncConn) -> None:
    await conn.close()


async def autocommit(conn: AsyncConn) -> None:
    await conn.set_autocommit(True)


async def leave(conn: AsyncConn) -> None:
    async with conn:
        pass


async def commit_as_text(conn: AsyncConn) -> None:
    await conn.execute("commit")


async def commit_on_a_cursor(conn: AsyncConn) -> None:
    async with conn.cursor() as cursor:
        await cursor.execute("commit")


async def commit_on_a_client_cursor(conn: AsyncConn) -> None:
    await psycopg.AsyncClientCursor(conn).execute("insert into receipt values (%s); commit", [-1])


async def commit_by_a_factory(conn: AsyncConn) -> None:
    conn.cursor_factory = psycopg.AsyncRawCursor
    await conn.execute("commit")


async def aborted(conn: AsyncConn) -> None:
    with suppress(psycopg.Error):
        await conn.execute("select 1/0")


@pytest.mark.parametrize("before", ["first", "after a statement"])
@pytest.mark.parametrize(
    "misuse",
    [
        commit, rollback, close, autocommit, leave, commit_as_text, commit_on_a_cursor, commit_on_a_client_cursor,
        commit_by_a_factory, aborted,
    ],
)  # fmt: skip
def test_misuse_of_the_connection_fails_the_job(
    receipts: Conn, start_worker: StartWorker, misuse: Any, before: str
) -> None:
    async def perform(conn: AsyncConn, job: Job) -> None:
        if not job.params:
            if before != "first":
                await conn.execute("select")
            try:
                await misuse(conn)
            except Exception:  # noqa: BLE001 - a handler may catch what it was told
                return
        else:
            await write(conn, job)

    bad = Jobs(receipts).enqueue("default", max_attempts=1)
    start_worker(perform=perform, connections=1)
    until(lambda: states(receipts) == {bad: "FAILED"})
    assert "HandlerError: the handler " in error_of(receipts, bad)
    good = Jobs(receipts).enqueue("default", {"good": True})
    until(lambda: states(receipts) == {bad: "FAILED"})
    until(lambda: written(receipts) - Counter([-1]) == Counter([good]))


def test_a_transaction_block_is_a_savepoint(receipts: Conn, start_worker: StartWorker) -> None:
    async def perform(conn: AsyncConn, job: Job) -> None:
        async with conn.transaction():
            await write(conn, job)
        with suppress(psycopg.Error):
            async with conn.transaction():
                await write(conn, job)
                await conn.execute("select 1/0")
        if job.attempt == 1:
            raise LookupError

    id = Jobs(receipts).enqueue("default")
    start_worker(perform=perform, retry_timeout=0.05)
    until(lambda: states(receipts) == {})
    assert written(receipts) == Counter([id])


def test_a_timeout_cancels_the_statement_alone(receipts: Conn, start_worker: StartWorker) -> None:
    async def perform(conn: AsyncConn, job: Job) -> None:
        await write(conn, job)
        try:
            async with conn.transaction(), asyncio.timeout(0.1):
                await conn.execute("select pg_sleep(60)")
        except TimeoutError:
            await write(conn, job)

    id = Jobs(receipts).enqueue("default")
    start_worker(perform=perform)
    until(lambda: states(receipts) == {})
    assert written(receipts) == Counter({id: 2})


@pytest.mark.parametrize("is_async", [True, False])
def test_what_a_handler_sets_in_its_context_no_other_sees(
    conn: Conn, start_worker: StartWorker, is_async: bool
) -> None:
    tenant: ContextVar[int | None] = ContextVar("tenant", default=None)
    seen: list[int | None] = []

    def perform(_conn: Conn, job: Job) -> None:
        seen.append(tenant.get())
        tenant.set(job.id)

    async def awaited(conn: Any, job: Job) -> None:
        perform(conn, job)
        await asyncio.sleep(0)

    Jobs(conn).enqueue_many("default", [{}] * 10)
    start_worker(perform=awaited if is_async else perform, connections=1)
    until(lambda: states(conn) == {})
    assert seen == [None] * 10


def test_jobs_are_not_claimed_again_and_again_for_a_loop_that_a_handler_blocks(
    conn: Conn, start_worker: StartWorker
) -> None:
    async def perform(_conn: AsyncConn, job: Job) -> None:
        if job.params:
            sleep(3.5)

    jobs = Jobs(conn)
    start_worker(perform=perform)
    jobs.enqueue("default", {"blocks": True})
    until(lambda: set(states(conn).values()) == {"IN_PROGRESS"})
    waiting = jobs.enqueue("default")
    sleep(3)
    [(attempt,)] = conn.execute("select attempt from jobs.job where id = %s", [waiting]).fetchall()
    assert attempt <= 1
    until(lambda: states(conn) == {})


def test_once_a_loop_is_free_again_it_is_given_what_waits(conn: Conn, start_worker: StartWorker) -> None:
    ran: list[int] = []

    async def perform(_conn: AsyncConn, job: Job) -> None:
        ran.append(job.id)
        if job.params:
            sleep(1.5)
            await asyncio.sleep(60)

    jobs = Jobs(conn)
    first = jobs.enqueue("default", {"blocks": True})
    start_worker(perform=perform, grace=0)
    until(lambda: ran == [first])
    second = jobs.enqueue("default")
    until(lambda: ran == [first, second])


def test_no_job_is_forgotten_when_a_handler_has_tasks_made_its_own_way(conn: Conn, start_worker: StartWorker) -> None:
    async def perform(_conn: AsyncConn, _job: Job) -> None:
        asyncio.get_running_loop().set_task_factory(lambda loop, coro: asyncio.Task(coro, loop=loop))

    Jobs(conn).enqueue_many("default", [{}] * 3)
    start_worker(perform=perform, max_demand=1)
    until(lambda: states(conn) == {})


def test_a_handler_that_leaves_a_statement_running_harms_no_other(receipts: Conn, start_worker: StartWorker) -> None:
    async def fail() -> None:
        await asyncio.sleep(0.05)
        raise ValueError

    async def perform(conn: AsyncConn, job: Job) -> None:
        await write(conn, job)
        if job.params:
            await asyncio.gather(fail(), conn.execute("select pg_sleep(0.5)"))
        await conn.execute("select pg_sleep(0.1)")

    ids = Jobs(receipts).enqueue_many("default", [{"bad": True}, {}, {}, {}] * 8, max_attempts=1)
    bad, good = ids[::4], [id for place, id in enumerate(ids) if place % 4]
    start_worker(perform=perform, connections=4)
    until(lambda: states(receipts) == dict.fromkeys(bad, "FAILED"))
    assert written(receipts) == Counter(good)


def test_a_conflict_is_tried_anew(receipts: Conn, start_worker: StartWorker) -> None:
    tries: list[int] = []

    async def perform(conn: AsyncConn, job: Job) -> None:
        tries.append(job.attempt)
        await write(conn, job)
        if len(tries) == 1:
            await conn.execute("do $$ begin raise sqlstate '40001'; end $$")

    id = Jobs(receipts).enqueue("default", max_attempts=1)
    start_worker(perform=perform)
    until(lambda: states(receipts) == {})
    assert written(receipts) == Counter([id])
    assert tries == [1, 1]


def test_a_lease_is_kept_and_its_loss_is_told(receipts: Conn, start_worker: StartWorker) -> None:
    kept, told = threading.Event(), threading.Event()

    async def perform(conn: AsyncConn, job: Job) -> None:
        await write(conn, job)
        while not job.lease_lost.is_set():
            [(now,)] = receipts.execute("select expires from jobs.job where id = %s", [job.id]).fetchall()
            if job.expires and now > job.expires:
                kept.set()
            await asyncio.sleep(0.01)
        told.set()

    id = Jobs(receipts).enqueue("default")
    start_worker(perform=perform, execution_timeout=0.3)
    assert kept.wait(20)
    receipts.execute(
        "update jobs.job set attempt = attempt + 1, expires = now() + interval '1 day' where id = %s", [id]
    )
    assert told.wait(20)
    until(lambda: states(receipts) == {id: "IN_PROGRESS"})
    assert written(receipts) == Counter()


def test_what_outlives_the_grace_period_is_cancelled_and_given_back(receipts: Conn, start_worker: StartWorker) -> None:
    began, cancelled = threading.Event(), threading.Event()

    async def perform(conn: AsyncConn, job: Job) -> None:
        await write(conn, job)
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    id = Jobs(receipts).enqueue("default", max_attempts=1)
    worker = start_worker(perform=perform)
    assert began.wait(20)
    worker.stop(grace=0)
    assert cancelled.wait(20)
    until(lambda: states(receipts) == {id: "AVAILABLE"})
    assert written(receipts) == Counter()


def test_within_the_grace_period_it_ends(receipts: Conn, start_worker: StartWorker) -> None:
    began, go_on = threading.Event(), threading.Event()

    async def perform(conn: AsyncConn, job: Job) -> None:
        await write(conn, job)
        began.set()
        await asyncio.to_thread(go_on.wait, 20)

    id = Jobs(receipts).enqueue("default")
    worker = start_worker(perform=perform)
    assert began.wait(20)
    worker.stop(grace=20)
    go_on.set()
    until(lambda: states(receipts) == {})
    assert written(receipts) == Counter([id])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_a_handlers_own_task_raises_stops_no_other_job(receipts: Conn, start_worker: StartWorker) -> None:
    async def leave() -> None:
        raise SystemExit

    async def perform(conn: AsyncConn, job: Job) -> None:
        if job.params:
            await asyncio.create_task(leave())
        await write(conn, job)

    bad = Jobs(receipts).enqueue("default", {"bad": True}, max_attempts=1)
    good = Jobs(receipts).enqueue("default")
    start_worker(perform=perform)
    until(lambda: states(receipts) == {bad: "FAILED"})
    assert written(receipts) == Counter([good])


def test_a_handler_that_cancels_its_own_task_has_failed(receipts: Conn, start_worker: StartWorker) -> None:
    async def perform(conn: AsyncConn, job: Job) -> None:
        await write(conn, job)
        task = asyncio.current_task()
        assert task
        asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.sleep(3600)

    id = Jobs(receipts).enqueue("default", max_attempts=1)
    start_worker(perform=perform)
    until(lambda: states(receipts) == {id: "FAILED"})
    assert "CancelledError" in error_of(receipts, id)
    assert written(receipts) == Counter()


@pytest.mark.parametrize("transaction", [True, False])
def test_no_job_is_forgotten_when_a_handler_cancels_all_tasks(
    conn: Conn, start_worker: StartWorker, transaction: bool
) -> None:
    async def perform(*_: Any) -> None:  # without a transaction, the first one begins and ends before the others begin
        for task in asyncio.all_tasks():
            task.cancel()

    ids = Jobs(conn).enqueue_many("default", [{}] * 5, max_attempts=1)
    start_worker(perform=perform, max_demand=5, transaction=transaction)
    until(lambda: states(conn) in (dict.fromkeys(ids, "FAILED"), dict.fromkeys(ids[1:], "FAILED")))
    assert all("CancelledError" in error_of(conn, id) for id in states(conn))


def test_a_stream_left_in_the_middle_fails_the_job_alone(receipts: Conn, start_worker: StartWorker) -> None:
    async def perform(conn: AsyncConn, job: Job) -> None:
        await write(conn, job)
        if job.params:
            async for _ in conn.cursor().stream("select generate_series(1, 3)"):
                break

    bad = Jobs(receipts).enqueue("default", {"bad": True}, max_attempts=1)
    good = Jobs(receipts).enqueue("default")
    start_worker(perform=perform, max_demand=1)
    until(lambda: states(receipts) == {bad: "FAILED"})
    assert "left a statement of which" in error_of(receipts, bad)
    assert written(receipts) == Counter([good])


def test_a_lost_connection_fails_the_job_alone(receipts: Conn, start_worker: StartWorker) -> None:
    async def perform(conn: AsyncConn, job: Job) -> None:
        await write(conn, job)
        if job.attempt == 1:
            receipts.execute("select pg_terminate_backend(%s)", [conn.info.backend_pid])
            await conn.execute("select")

    id = Jobs(receipts).enqueue("default")
    start_worker(perform=perform, retry_timeout=0.05)
    until(lambda: states(receipts) == {})
    assert written(receipts) == Counter([id])


# Batches, errands, mappings


def test_a_batch_is_one_transaction_or_runs_one_by_one(receipts: Conn, start_worker: StartWorker) -> None:
    sizes: list[int] = []

    async def perform(conn: AsyncConn, jobs: list[Job]) -> None:
        sizes.append(len(jobs))
        await write_all(conn, jobs)
        if any(job.params for job in jobs):
            raise ValueError

    ids = Jobs(receipts).enqueue_many("default", [{}, {}, {"bad": True}, {}], max_attempts=1)
    start_worker(perform_batch=perform, batch_size=4, connections=1)
    until(lambda: states(receipts) == {ids[2]: "FAILED"})
    assert written(receipts) == Counter([*ids[:2], ids[3]])
    assert sum(sizes) >= len(ids)


def test_errands_need_no_connection(conn: Conn, start_worker: StartWorker) -> None:
    together = asyncio.Barrier(50)

    async def perform(job: Job) -> None:
        await together.wait()

    Jobs(conn).enqueue_many("default", [{}] * 50)
    start_worker(perform=perform, transaction=False)
    until(lambda: states(conn) == {})
    sessions = (
        "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'ectojob%'"
    )
    assert conn.execute(sessions).fetchall() == [(1,)]


def test_an_errand_that_fails_is_tried_again(conn: Conn, start_worker: StartWorker) -> None:
    ran: list[int] = []

    async def perform(job: Job) -> None:
        ran.append(job.attempt)
        if job.attempt == 1:
            raise SystemExit

    Jobs(conn).enqueue("default")
    start_worker(perform=perform, transaction=False, retry_timeout=0.05)
    until(lambda: states(conn) == {})
    assert ran == [1, 2]


def test_a_mapping(receipts: Conn, start_worker: StartWorker) -> None:
    id = Jobs(receipts).enqueue("default", {"type": "a"})
    other = Jobs(receipts).enqueue("default", {"type": "b"}, max_attempts=1)
    start_worker(perform={"a": write})
    until(lambda: states(receipts) == {other: "FAILED"})
    assert written(receipts) == Counter([id])


@pytest.mark.parametrize("transaction", [True, False])
def test_what_nobody_awaits_has_failed(conn: Conn, start_worker: StartWorker, transaction: bool) -> None:
    id = Jobs(conn).enqueue("default", max_attempts=1)
    start_worker(perform=lambda *_: asyncio.sleep(0), transaction=transaction)
    until(lambda: states(conn) == {id: "FAILED"})
    assert "write it with async def" in error_of(conn, id)


# What is async, and where it can't be


class Callable:
    async def __call__(self, conn: AsyncConn, job: Job) -> None: ...


def test_what_is_async_is_seen() -> None:
    for perform in (write, partial(write), Callable(), partial(Callable()), Callable().__call__, {"a": write}):
        assert is_async(perform)
    for other in (print, partial(print), Worker, {"a": print}, {}):
        assert not is_async(other)


def test_a_mixed_mapping_is_refused() -> None:
    with pytest.raises(ValueError, match="some of the handlers are async and some are not"):
        Worker("host=nowhere", perform={"a": write, "b": print})


def test_mysql_has_nothing_to_await() -> None:
    with pytest.raises(SetupError, match="async handlers need PostgreSQL"):
        Worker("mysql://nowhere/", perform=write)
