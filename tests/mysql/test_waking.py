"""Sleeping in wait_for_job, and being woken by those who make jobs AVAILABLE."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pymysql
import pytest
from contract.harness import HOUR, Db, Row

from ectojob_py import Jobs
from ectojob_py.calls import calls_on
from ectojob_py.migrate import migrate
from ectojob_py.mysql import listener

from .conftest import Ask, Connect, Connection

INTERRUPTED = 1317
ASLEEP = "select count(*) from information_schema.processlist where id = %s and state like 'User%%sleep%%'"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for sessions that sleep."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


def sleeping(conn: Connection, seconds: float, queue: str = "default") -> float:
    began = time.monotonic()
    try:
        calls_on(conn, "jobs").value("wait_for_job", queue, seconds)
    except pymysql.OperationalError as error:
        if error.args[0] != INTERRUPTED:
            raise
    return time.monotonic() - began


def fall_asleep(pool: ThreadPoolExecutor, conn: Connection, ask: Ask, queue: str = "default") -> "Future[float]":
    slept = pool.submit(sleeping, conn, 20, queue)
    while ask(ASLEEP, conn.thread_id()) != [(1,)]:
        assert not slept.done()
    return slept


WAKES: dict[str, Callable[[Db, Row, Row], object]] = {
    "enqueue": lambda db, held, failed: db.jobs.enqueue("default"),
    "enqueue_many": lambda db, held, failed: db.jobs.enqueue_many("default", [{}]),
    "enqueue, for later": lambda db, held, failed: db.jobs.enqueue("default", schedule=db.now() + HOUR),
    "fail": lambda db, held, failed: db.jobs.fail("default", held["id"], 1),
    "release": lambda db, held, failed: db.jobs.release("default", held["id"], 1),
    "requeue": lambda db, held, failed: db.jobs.requeue("default", failed["id"]),
    "resume_queue": lambda db, held, failed: db.jobs.resume_queue("default"),
    "wake": lambda db, held, failed: db.raw.value("wake", "default"),
}


@pytest.mark.parametrize("name", WAKES)
def test_a_call_under_autocommit_wakes(db: Db, connect: Connect, pool: ThreadPoolExecutor, ask: Ask, name: str) -> None:
    held, failed = db.a_job("IN_PROGRESS"), db.a_job("FAILED")
    slept = fall_asleep(pool, connect(), ask)
    WAKES[name](db, held, failed)
    assert slept.result() < 15


def test_a_job_that_failed_for_good_wakes_nobody(db: Db, connect: Connect, pool: ThreadPoolExecutor, ask: Ask) -> None:
    last, other = db.a_job("IN_PROGRESS", max_attempts=1), db.a_job("IN_PROGRESS")
    waiter = connect()
    slept = fall_asleep(pool, waiter, ask)
    db.jobs.fail("default", last["id"], 1)
    db.jobs.fail("default", last["id"], 1)
    assert ask(ASLEEP, waiter.thread_id()) == [(1,)]
    db.jobs.fail("default", other["id"], 1)
    assert slept.result() < 15


def test_in_a_transaction_the_caller_wakes_after_it(
    db: Db, connect: Connect, pool: ThreadPoolExecutor, ask: Ask
) -> None:
    waiter, producer = connect(), connect(autocommit=False)
    slept = fall_asleep(pool, waiter, ask)
    Jobs(producer).enqueue("default")
    producer.commit()
    assert ask(ASLEEP, waiter.thread_id()) == [(1,)]
    calls_on(producer, "jobs").value("wake", "default")
    assert slept.result() < 15


def test_whoever_looks_while_a_job_is_there_does_not_sleep(db: Db, conn: Connection) -> None:
    db.jobs.enqueue("default")
    assert sleeping(conn, 20) < 15


def test_a_job_of_a_paused_queue_lets_sleep(db: Db, conn: Connection) -> None:
    db.jobs.enqueue("default")
    db.jobs.pause_queue("default")
    assert sleeping(conn, 0.2) >= 0.19


def test_all_who_wait_for_that_queue_wake_and_no_other(
    db: Db, connect: Connect, pool: ThreadPoolExecutor, ask: Ask
) -> None:
    db.a_queue("other")
    waiters, stranger = [connect(), connect()], connect()
    slept = [fall_asleep(pool, waiter, ask) for waiter in waiters]
    undisturbed = fall_asleep(pool, stranger, ask, "other")
    db.jobs.enqueue("default")
    assert all(duration.result() < 15 for duration in slept)
    assert ask(ASLEEP, stranger.thread_id()) == [(1,)]
    db.jobs.enqueue("other")
    undisturbed.result()


def test_whoever_waited_before_is_not_interrupted_in_what_it_does_now(
    db: Db, connect: Connect, pool: ThreadPoolExecutor, ask: Ask
) -> None:
    conn = connect()
    sleeping(conn, 0)
    busy = pool.submit(ask, "select sleep(1)", on=conn)
    while ask(ASLEEP, conn.thread_id()) != [(1,)]:
        assert not busy.done()
    db.jobs.enqueue("default")
    assert busy.result() == [(0,)]


@pytest.fixture
def woken(db: Db, connect: Connect, pool: ThreadPoolExecutor, ask: Ask) -> Connection:
    """A session that was interrupted in its sleep, and so has its place still."""
    conn = connect()
    slept = fall_asleep(pool, conn, ask)
    db.raw.value("wake", "default")
    slept.result()
    return conn


def test_a_wake_up_that_finds_nobody_asleep_at_most_cuts_the_next_sleep_short(db: Db, woken: Connection) -> None:
    db.raw.value("wake", "default")
    assert sleeping(woken, 0.2) < 15
    assert sleeping(woken, 0.2) < 15


def test_whoever_waited_before_does_not_interrupt_itself(db: Db, woken: Connection) -> None:
    id = Jobs(woken).enqueue("default")
    calls_on(woken, "jobs").value("wake", "default")
    assert db.job(id)["state"] == "AVAILABLE"


def test_whoever_waits_again_has_its_own_place_and_leaves_it(
    db: Db, connect: Connect, pool: ThreadPoolExecutor, ask: Ask
) -> None:
    first, second = connect(), connect()
    ask("call waiter_lock('default', 1, @place)", on=first)
    ask("do get_lock(@place, 0)", on=first)
    slept = fall_asleep(pool, second, ask)
    ask("select release_lock(@place)", on=first)
    db.raw.value("wake", "default")
    slept.result()
    sleeping(second, 0)
    for place in (1, 2):
        ask("call waiter_lock('default', %s, @place)", place, on=first)
        assert ask("select is_used_lock(@place)", on=first) == [(None,)]


def test_the_ear_of_a_worker_that_was_woken_has_no_place(
    db: Db, dsn: str, connect: Connect, pool: ThreadPoolExecutor, ask: Ask
) -> None:
    conn = connect()
    woken = pool.submit(listener._Ear(dsn, "jobs", "default")._job_within, conn, 20)
    while ask(ASLEEP, conn.thread_id()) != [(1,)]:
        assert not woken.done()
    db.raw.value("wake", "default")
    assert woken.result()
    ask("call waiter_lock('default', 1, @place)", on=conn)
    assert ask("select is_used_lock(@place)", on=conn) == [(None,)]


def test_no_wake_up_is_lost(db: Db, connect: Connect, pool: ThreadPoolExecutor) -> None:
    waiter = connect()
    for _ in range(50):
        slept = pool.submit(sleeping, waiter, 20)
        db.jobs.enqueue("default")  # at whatever moment of falling asleep this comes
        assert slept.result() < 15
        db.jobs.claim_batch("default", 1)


def test_a_waiter_leaves_its_place_with_its_connection(db: Db, woken: Connection, ask: Ask) -> None:
    thread = woken.thread_id()
    woken.close()
    while ask("select id from information_schema.processlist where id = %s", thread):
        pass
    db.raw.value("wake", "default")


def test_an_owner_without_rights_over_others_wakes_them_for_they_sleep_as_the_owner(
    dsn: str, connect: Connect, ask: Ask
) -> None:
    ask("create user little identified by 'x'")
    ask("grant all on `short lived`.* to little")
    [(port,)] = ask("select @@port")
    try:
        migrate(f"mysql://little:x@127.0.0.1:{port}/?ssl_verify_cert=false", "short lived")
        idle, sleeper = connect(), connect()
        ask("call `short lived`.waiter_lock('default', 1, @place)", on=idle)
        ask("do get_lock(@place, 0)", on=idle)  # has a place, and may not be interrupted
        with ThreadPoolExecutor(1) as pool:
            slept = pool.submit(ask, "call `short lived`.wait_for_job('default', 60)", on=sleeper)
            while ask(ASLEEP, sleeper.thread_id()) != [(1,)]:
                assert not slept.done()
            ask("call `short lived`.wake('default')")
            error = slept.exception(20)  # an interrupted sleep() returns 1, or is told as an error
            assert error.args[0] == INTERRUPTED if error else slept.result() == [(1,)]
    finally:
        ask("drop database if exists `short lived`")
        ask("drop user little")
