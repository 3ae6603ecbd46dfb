"""Each call is all or nothing: under autocommit by a transaction of its own, in the caller's by a savepoint."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pymysql
import pytest
from contract.harness import STATES, Db
from pymysql.constants import SERVER_STATUS

from ectojob_py import Jobs, LeaseLost, UnknownQueue
from ectojob_py.calls import calls_on

from .conftest import Ask, Connect, Connection


def in_transaction(conn: Connection) -> bool:
    """Tell what the server says: its table of transactions is a copy, up to 0.1 s old."""
    conn.ping(reconnect=False)
    return bool(conn.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)


@pytest.mark.parametrize("level", ["read committed", "repeatable read"])
def test_a_call_in_a_transaction_goes_with_it(db: Db, connect: Connect, level: str) -> None:
    conn = connect(autocommit=False, init_command=f"set session transaction isolation level {level}")
    jobs = Jobs(conn)
    with db.changes_nothing():
        jobs.enqueue("default")
        [job] = jobs.claim_batch("default", 1)
        jobs.complete("default", job.id, job.attempt)
        jobs.enqueue_many("default", [{}, {}])
        jobs.create_queue("other")
        jobs.drop_queue("other")
        conn.rollback()
    jobs.enqueue("default")
    conn.commit()
    assert len(db.all_jobs()) == 1


def test_a_call_begun_by_text_goes_with_that_transaction(db: Db, conn: Connection, ask: Ask) -> None:
    with db.changes_nothing():
        ask("start transaction", on=conn)
        Jobs(conn).enqueue("default")
        ask("rollback", on=conn)


@pytest.mark.parametrize("state", STATES)
def test_no_call_leaves_a_transaction_open(db: Db, conn: Connection, state: str) -> None:
    job = db.a_job(state)
    calls = calls_on(conn, "jobs")
    key = ("default", job["id"], job["attempt"])
    for name, args in {
        "begin_attempt": key,
        "extend": key,
        "fail": key,
        "release": key,
        "complete": key,
        "complete_batch": ("default", [job["id"]], [job["attempt"]]),
        "requeue": key[:2],
        "remove": key[:2],
        "reserve_batch": ("default", 1),
        "claim_batch": ("default", 0),
        "activate_scheduled": (),
        "reactivate_expired": ("no such queue",),
        "enqueue_many": ("default", None),
        "drop_queue": ("no such queue",),
    }.items():
        with suppress(psycopg.Error):  # our refusals, and no error of the server
            calls.values(name, *args)
        assert not in_transaction(conn), name


def test_a_call_that_raises_in_a_transaction_changes_nothing_and_the_rest_stays(db: Db, connect: Connect) -> None:
    conn = connect(autocommit=False)
    jobs = Jobs(conn)
    first, second = jobs.enqueue_many("default", [{}, {}])
    jobs.claim_batch("default", 2)
    with pytest.raises(LeaseLost, match=f"job {second} "):
        jobs.complete_batch("default", [first, second], [1, 2])
    with pytest.raises(UnknownQueue):
        jobs.enqueue("no such queue")
    conn.commit()
    assert [(job["id"], job["state"]) for job in db.all_jobs()] == [(first, "IN_PROGRESS"), (second, "IN_PROGRESS")]


def test_completing_a_batch_reads_each_of_its_jobs_once_or_twice(db: Db, connect: Connect, ask: Ask) -> None:
    conn = connect()
    jobs = Jobs(conn)
    jobs.enqueue_many("default", [{}] * 300)
    batch = jobs.claim_batch("default", 300)
    ask("flush status", on=conn)
    jobs.complete_batch("default", [job.id for job in batch], [job.attempt for job in batch])
    assert sum(int(count) for _, count in ask("show session status like 'Handler_read%%'", on=conn)) < 10 * 300


def test_an_interrupted_completion_does_not_say_that_someone_else_has_the_job(
    db: Db, connect: Connect, ask: Ask
) -> None:
    [id] = db.jobs.enqueue_many("default", [{}])
    db.jobs.claim_batch("default", 1)
    conn, ended = connect(autocommit=False), threading.Event()
    [(session,)] = ask("select connection_id()", on=conn)

    def interrupt() -> None:
        killer = connect()
        while not ended.is_set():
            ask("kill query %s", session, on=killer)
            time.sleep(random.uniform(0, 0.002))

    killing = threading.Thread(target=interrupt)
    killing.start()
    interrupted = 0
    deadline = time.monotonic() + 20
    while interrupted < 300 and time.monotonic() < deadline:
        try:
            Jobs(conn).complete("default", id, 1)
        except pymysql.MySQLError as error:
            interrupted += error.args[0] == 1317
        while in_transaction(conn):
            with suppress(pymysql.MySQLError):
                conn.rollback()
    ended.set()
    killing.join()
    assert interrupted > 10


def test_a_refusal_does_not_undo_what_came_before_it_in_the_transaction(db: Db, connect: Connect) -> None:
    conn = connect(autocommit=False)
    jobs = Jobs(conn)
    jobs.reserve_batch("default", 1)
    kept = jobs.enqueue("default")
    for refused in (lambda: jobs.reserve_batch("default", 0), lambda: jobs.reactivate_expired("no such queue")):
        with pytest.raises(Exception, match=r"demand|unknown"):
            refused()
    conn.commit()
    assert [job["id"] for job in db.all_jobs()] == [kept]


@pytest.mark.parametrize("completion", ["no_chain", "chain"])
def test_a_killed_call_leaves_no_transaction_that_later_calls_would_fall_into(
    db: Db, connect: Connect, ask: Ask, blocked: Callable[[Connection], None], completion: str
) -> None:
    job = db.a_job("RESERVED")
    holder, victim = connect(autocommit=False), connect()
    ask("set completion_type = %s", completion, on=victim)
    Jobs(holder).release("default", job["id"], 0)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(Jobs(victim).begin_attempt, "default", job["id"], 0)
        blocked(victim)
        ask(f"kill query {victim.thread_id()}")
        with pytest.raises(pymysql.MySQLError):
            call.result(20)
    holder.rollback()
    assert not in_transaction(victim)
    id = Jobs(victim).enqueue("default")
    assert db.job(id)


@pytest.fixture
def interrupted(db: Db, connect: Connect, ask: Ask, blocked: Callable[[Connection], None]) -> Connection:
    """An autocommit session whose call ended where the server runs no handler, and so left its transaction open."""
    session, holder = connect(), connect(autocommit=False)
    job = db.a_job("RESERVED")
    db.jobs.enqueue_many("default", [{}, {}])
    if "MariaDB" in ask("select version()")[0][0]:
        ask("set sort_buffer_size = 1024", on=session)
        with pytest.raises(pymysql.MySQLError, match="sort memory"):
            ask("call claim_batch('default', 2, null)", on=session)
        return session
    Jobs(holder).release("default", job["id"], 0)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, "call begin_attempt('default', %s, 0)", job["id"], on=session)
        blocked(session)
        ask(f"kill query {session.thread_id()}")
        with pytest.raises(pymysql.MySQLError, match="interrupted"):
            call.result(20)
    holder.rollback()
    return session


CALLS = [
    "enqueue('default', '{}', null, null, null, null)", "enqueue_many('default', '[{}]', null, null, null, null)",
    "enqueue_payload('default', 'x', null, null, null, null)", "reserve_batch('default', 1, null)",
    "claim_batch('default', 1, null)", "begin_attempt('default', 1, 0)", "complete('default', 1, 1)",
    "complete_batch('default', '[1]', '[1]')", "fail('default', 1, 1, null, null)", "extend('default', 1, 1, null)",
    "`release`('default', 1, 1)", "activate_scheduled(null)", "reactivate_expired('default')", "requeue('default', 1)",
    "remove('default', 1)", "create_queue('default', null, null, null, null)", "drop_queue('default', true)",
    "pause_queue('default')", "resume_queue('default')",
]  # fmt: skip


def test_no_call_falls_into_the_transaction_that_an_interrupted_one_left(
    db: Db, interrupted: Connection, ask: Ask
) -> None:
    """Whatever it did would be lost with the connection, though it returned."""
    assert in_transaction(interrupted)
    for call in CALLS:
        with db.changes_nothing(), pytest.raises(pymysql.MySQLError, match="still open HINT: ROLLBACK") as caught:
            ask(f"call {call}", on=interrupted)
        assert caught.value.args[0] == 31025
    with pytest.raises(psycopg.errors.InvalidTransactionState):
        Jobs(interrupted).enqueue("default")
    ask("rollback", on=interrupted)
    for call in CALLS[:1] * 2:
        [(id,)] = ask(f"call {call}", on=interrupted)
        assert db.job(id)


def test_the_client_ends_such_a_transaction_by_itself(db: Db, interrupted: Connection) -> None:
    jobs = Jobs(interrupted)
    id = jobs.enqueue("default")
    assert not in_transaction(interrupted)
    interrupted.close()
    assert db.job(id)


@pytest.mark.parametrize("end", ["rollback", "commit"])
def test_after_an_interrupted_call_has_been_rolled_back_the_caller_has_transactions(
    db: Db, interrupted: Connection, ask: Ask, end: str
) -> None:
    ask("rollback", on=interrupted)
    before = len(db.all_jobs())
    ask("start transaction", on=interrupted)
    for _ in range(2):
        ask(f"call {CALLS[0]}", on=interrupted)
    ask(end, on=interrupted)
    assert len(db.all_jobs()) - before == (2 if end == "commit" else 0)


def test_after_a_refusal_the_caller_has_transactions(db: Db, conn: Connection, ask: Ask) -> None:
    job = db.a_job("IN_PROGRESS")
    with pytest.raises(pymysql.MySQLError, match="unknown queue"):
        ask("call claim_batch('no such queue', 1, null)", on=conn)
    with db.changes_nothing():
        ask("start transaction", on=conn)
        ask("call complete('default', %s, 1)", job["id"], on=conn)
        for _ in range(2):
            ask(f"call {CALLS[0]}", on=conn)
        ask("rollback", on=conn)


@pytest.mark.parametrize("completion", ["chain", "release"])
def test_a_call_ends_its_own_transaction_whatever_the_session_does_after_a_commit(
    db: Db, connect: Connect, ask: Ask, completion: str
) -> None:
    conn = connect()
    ask("set completion_type = %s", completion, on=conn)
    call = "call enqueue(%s, '{}', null, null, null, null)"
    [(first,)] = ask(call, "default", on=conn)
    with pytest.raises(pymysql.MySQLError, match="unknown queue"):
        ask(call, "no such queue", on=conn)
    [(second,)] = ask(call, "default", on=conn)
    assert not in_transaction(conn)
    conn.close()
    assert [job["id"] for job in db.all_jobs()] == [first, second]


def test_a_deadlock_is_told_as_what_it_is(db: Db, connect: Connect, blocked: Callable[[Connection], None]) -> None:
    one, two = (db.a_job("IN_PROGRESS")["id"] for _ in range(2))
    first, second = connect(autocommit=False), connect(autocommit=False)
    Jobs(first).extend("default", one, 1)
    Jobs(second).extend("default", two, 1)
    with ThreadPoolExecutor(1) as pool:
        crossing = pool.submit(Jobs(first).extend, "default", two, 1)
        blocked(first)
        codes = []
        try:
            Jobs(second).extend("default", one, 1)
        except pymysql.OperationalError as error:
            codes.append(error.args[0])
        second.rollback()
        try:
            crossing.result(20)
        except pymysql.OperationalError as error:
            codes.append(error.args[0])
    assert codes == [1213]


def test_a_stopped_clock_ends_nobodys_lease(db: Db, conn: Connection, ask: Ask) -> None:
    held = [db.a_job("IN_PROGRESS"), db.a_job("RESERVED"), db.a_job("SCHEDULED")]
    for call in ("reactivate_expired", "activate_scheduled"):
        ask("set timestamp = 2000000000", on=conn)
        assert calls_on(conn, "jobs").value(call) == 0
    assert db.all_jobs() == held


@pytest.mark.parametrize("moment", [1_000_000_000, 2_000_000_000])
@pytest.mark.parametrize("zone", ["+00:00", "+13:00", "-11:30"])
def test_a_lease_is_granted_by_the_servers_clock(db: Db, conn: Connection, ask: Ask, moment: int, zone: str) -> None:
    db.jobs.enqueue("default")
    ask("set time_zone = %s", zone, on=conn)
    ask("set timestamp = %s", moment, on=conn)
    [job] = Jobs(conn).claim_batch("default", 1)
    assert job.expires
    assert abs(job.expires - timedelta(minutes=5) - datetime.now(UTC)) < timedelta(seconds=10)


@pytest.mark.parametrize(("call", "column"), [("create_queue", "inserted_at"), ("pause_queue", "paused_at")])
def test_a_queue_is_settled_by_the_servers_clock(db: Db, conn: Connection, ask: Ask, call: str, column: str) -> None:
    if call == "pause_queue":
        db.a_queue("other")
    ask("set timestamp = 1000000000", on=conn)
    calls_on(conn, "jobs").value(call, "other")
    [(late,)] = ask(f"select timestampdiff(second, {column}, utc_timestamp(6)) from queue where name = 'other'")
    assert abs(late) < 10


def test_a_reservation_that_ends_while_begin_waits_is_gone(
    db: Db, connect: Connect, ask: Ask, blocked: Callable[[Connection], None]
) -> None:
    job = db.a_job("RESERVED")
    holder, beginner = connect(autocommit=False), connect()
    ask("select id from job for update", on=holder)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(Jobs(beginner).begin_attempt, "default", job["id"], 0)
        blocked(beginner)
        ask("update job set expires = utc_timestamp(6)", on=holder)
        holder.commit()
        assert call.result(20) is None


@pytest.mark.parametrize("mode", ["", "ANSI_QUOTES,PIPES_AS_CONCAT", "NO_BACKSLASH_ESCAPES", "TRADITIONAL"])
def test_the_callers_sql_mode_changes_nothing(db: Db, conn: Connection, ask: Ask, mode: str) -> None:
    ask("set sql_mode = %s", mode, on=conn)
    jobs = Jobs(conn)
    id = jobs.enqueue("default", {"quote": 'it\'s "so" \\ and so'})
    [job] = jobs.claim_batch("default", 1)
    assert job.params == {"quote": 'it\'s "so" \\ and so'}
    jobs.complete("default", id, 1)


@pytest.mark.parametrize(("call", "depth"), [("enqueue", 100), ("enqueue", 9999), ("enqueue_many", 99)])
def test_what_is_nested_deeper_than_the_server_reads_is_a_bad_argument(db: Db, call: str, depth: int) -> None:
    document = f'{{"a": {"[" * depth}{"]" * depth}}}'
    with db.refuses("22023"):
        db.raw.value(call, "default", document if call == "enqueue" else f"[{document}]")


def test_a_select_and_a_trigger_can_enqueue(db: Db, conn: Connection, ask: Ask) -> None:
    [(id,)] = ask("select jobs.enqueue_id('default', '{}', null, null, null, null)", on=conn)
    assert db.job(id)["state"] == "AVAILABLE"
    ask("create database shop")
    ask("create table shop.orders (id integer)")
    ask(
        "create trigger shop.receipt after insert on shop.orders for each row "
        "set @job = jobs.enqueue_id('default', json_object('order', new.id), null, null, null, null)"
    )
    with db.changes_nothing():
        ask("start transaction", on=conn)
        ask("insert into shop.orders values (1), (2)", on=conn)
        ask("rollback", on=conn)
    ask("insert into shop.orders values (3), (4)", on=conn)
    ask("drop database shop")
    assert [job["params"] for job in db.all_jobs()] == [{}, {"order": 3}, {"order": 4}]


@pytest.mark.parametrize("cursorclass", [pymysql.cursors.DictCursor, pymysql.cursors.SSCursor])
def test_any_cursor_class_will_do(db: Db, connect: Connect, cursorclass: Any) -> None:
    jobs = Jobs(connect(cursorclass=cursorclass))
    ids = jobs.enqueue_many("default", [{}, {}])
    assert [job.id for job in jobs.reserve_batch("default", 5)] == ids
