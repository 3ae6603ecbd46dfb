"""The worker on MySQL and MariaDB: what tests/worker shows of PostgreSQL, where the engine differs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Any

import pymysql
import pytest
from proxy import Proxy
from pymysql.constants import ER
from pymysql.cursors import SSCursor
from worker.waiting import until

from ectojob_py import HandlerError, Job, Jobs, Retry, SetupError, Worker, attempt
from ectojob_py.engine import NotNow
from ectojob_py.errors import Locked
from ectojob_py.identity import session_name
from ectojob_py.mysql import connection, listener
from ectojob_py.mysql.connection import connect as open_connection
from ectojob_py.mysql.engine import is_lost
from ectojob_py.mysql.handler_connection import HandlerConnection

from .conftest import Ask, Connect, socket_of
from .servers import MYSQL, PrivateServer


@pytest.fixture
def jobs(connect: Connect, ask: Ask) -> Iterator[Jobs]:
    """The client, beside a table for effects without a key that would hide a duplicate."""
    ask("create or replace table receipt (job bigint)" if "MariaDB" in version(ask) else "drop table if exists receipt")
    ask("create table if not exists receipt (job bigint)")
    yield Jobs(connect())
    ask("drop table receipt")


def version(ask: Ask) -> str:
    return str(ask("select version()")[0][0])


@pytest.fixture
def start(dsn: str) -> Iterator[Any]:
    """Start workers in threads; they are stopped when the test ends, and must end by themselves."""
    running: list[tuple[Worker, threading.Thread]] = []

    def start(**options: Any) -> Worker:
        worker = Worker(options.pop("dsn", dsn), **options)
        thread = threading.Thread(target=worker.run)
        thread.start()
        running.append((worker, thread))
        return worker

    yield start
    for worker, _ in running:
        worker.stop(grace=2)
    for _, thread in running:
        thread.join(timeout=10)
        assert not thread.is_alive()


def writes_a_receipt(conn: Any, job: Job) -> None:
    with conn.cursor() as cursor:
        cursor.execute("insert into jobs.receipt values (%s)", [job.id])


def receipts(ask: Ask) -> list[int]:
    return [id for (id,) in ask("select job from receipt order by job")]


def row(ask: Ask, id: int) -> tuple[Any, ...]:
    [found] = ask("select state, attempt, last_error from job where id = %s", id) or [("gone", None, None)]
    return found


def test_the_handlers_writes_commit_with_the_completion(jobs: Jobs, ask: Ask, start: Any) -> None:
    start(perform=writes_a_receipt)
    ids = jobs.enqueue_many("default", [{}] * 50)
    until(lambda: ask("select count(*) from job") == [(0,)])
    assert receipts(ask) == ids


def test_a_failing_handler_leaves_nothing_but_its_error(jobs: Jobs, ask: Ask, start: Any) -> None:
    def perform(conn: Any, job: Job) -> None:
        writes_a_receipt(conn, job)
        raise RuntimeError("the printer is on fire")

    start(perform=perform)
    id = jobs.enqueue("default", max_attempts=1)
    until(lambda: row(ask, id)[0] == "FAILED")
    assert "RuntimeError: the printer is on fire" in row(ask, id)[2]
    assert receipts(ask) == []


ENDINGS = [
    "commit", "rollback", "create table if not exists jobs.sneaky (id int)",
    "begin", " Start  transaction read only", "commit and chain", "rollback work and chain",
    "/* a trace */ begin", "-- a trace\nstart/**/transaction",
]  # fmt: skip


@pytest.mark.parametrize("statement", ENDINGS)
def test_a_handler_that_ends_its_transaction_fails(jobs: Jobs, ask: Ask, start: Any, statement: str) -> None:
    def perform(conn: Any, job: Job) -> None:
        with conn.cursor() as cursor:
            cursor.execute("insert into jobs.receipt values (%s)", [job.id])
            cursor.execute(statement)

    start(perform=perform)
    id = jobs.enqueue("default", max_attempts=1)
    until(lambda: row(ask, id)[0] == "FAILED")
    assert "leave that to the worker" in row(ask, id)[2]
    assert receipts(ask) == ([id] if statement[:6] in ("commit", "create") and "chain" not in statement else [])
    ask("drop table if exists sneaky")


def test_a_block_of_statements_begins_no_transaction(jobs: Jobs, ask: Ask, start: Any) -> None:
    if "MariaDB" not in version(ask):
        pytest.skip("MySQL has no blocks outside of procedures")
    block = "begin not atomic insert into jobs.receipt values (%s); end"
    start(perform=lambda conn, job: conn.cursor().execute(block, [job.id]))
    id = jobs.enqueue("default", max_attempts=1)
    until(lambda: row(ask, id)[0] == "gone")
    assert receipts(ask) == [id]


def reads_all(conn: Any, job: Job) -> None:
    with conn.cursor() as cursor:
        cursor.execute("call jobs.sneaky(%s)", [job.id])


def reads_none(conn: Any, job: Job) -> None:
    conn.query(f"call jobs.sneaky({job.id})")


def streams(conn: Any, job: Job) -> None:
    with conn.cursor(SSCursor) as cursor:
        cursor.execute("call jobs.sneaky(%s)", [job.id])


@pytest.mark.parametrize("call", [reads_all, reads_none, streams])
def test_a_procedure_that_commits_after_rows_fails_its_job(jobs: Jobs, ask: Ask, start: Any, call: Any) -> None:
    ask("create procedure sneaky(p bigint) begin select 1; insert into receipt values (p); commit; end")

    def perform(conn: Any, job: Job) -> None:
        writes_a_receipt(conn, job)
        call(conn, job)

    start(perform=perform)
    id = jobs.enqueue("default", max_attempts=1)
    try:
        until(lambda: row(ask, id)[0] == "FAILED")
        assert "ended the transaction with a statement" in row(ask, id)[2]
    finally:
        ask("drop procedure sneaky")


@pytest.mark.parametrize("last", ["commit", "do 0", "insert into jobs.receipt values (-1)", None])
@pytest.mark.parametrize("wrong", ["create table jobs.receipt (job bigint)", "wrong"])
def test_a_swallowed_error_hides_no_commit(jobs: Jobs, ask: Ask, start: Any, wrong: str, last: str | None) -> None:
    def perform(conn: Any, job: Job) -> None:
        writes_a_receipt(conn, job)
        with conn.cursor() as cursor:
            with suppress(pymysql.MySQLError):
                cursor.execute(wrong)  # commits first, if it is DDL
            if last:
                cursor.execute(last)

    start(perform=perform)
    id = jobs.enqueue("default", max_attempts=1)
    until(lambda: row(ask, id)[0] in ("FAILED", "gone"))
    if wrong == "wrong" and last != "commit":
        assert row(ask, id)[0] == "gone"
        assert sorted(receipts(ask)) == ([-1, id] if last and "insert" in last else [id])
    else:
        assert "ended the transaction with a statement" in row(ask, id)[2]
        assert receipts(ask) == [id]


@pytest.mark.parametrize("statement", ["set autocommit = 1", "set @@session.autocommit = on"])
def test_a_handler_that_sets_autocommit_fails_and_the_next_job_has_its_transaction(
    jobs: Jobs, ask: Ask, start: Any, statement: str
) -> None:
    sessions = []

    def perform(conn: Any, job: Job) -> None:
        sessions.append(conn.thread_id())
        if not job.params["sets"]:
            writes_a_receipt(conn, job)
            raise RuntimeError("rolled back")
        with conn.cursor() as cursor, suppress(HandlerError):
            cursor.execute(statement)

    start(perform=perform, connections=1)
    ids = jobs.enqueue_many("default", [{"sets": True}, {"sets": False}], max_attempts=1)
    until(lambda: row(ask, ids[1])[0] == "FAILED")
    assert "the handler set autocommit; its writes commit" in row(ask, ids[0])[2]
    assert "rolled back" in row(ask, ids[1])[2]
    assert receipts(ask) == []
    assert len(set(sessions)) == 1


@pytest.mark.parametrize("deed", ["commit", "rollback", "close", "begin"])
def test_a_handler_may_not_call_what_ends_its_transaction(jobs: Jobs, ask: Ask, start: Any, deed: str) -> None:
    def perform(conn: Any, job: Job) -> None:
        writes_a_receipt(conn, job)
        getattr(conn, deed)()

    start(perform=perform)
    id = jobs.enqueue("default", max_attempts=1)
    until(lambda: row(ask, id)[0] == "FAILED")
    assert f"called {deed}()" in row(ask, id)[2]
    assert receipts(ask) == []


@pytest.mark.parametrize("code", [1213, 1205, 1020])
def test_a_transaction_that_had_to_yield_is_tried_anew(jobs: Jobs, ask: Ask, start: Any, code: int) -> None:
    attempts = []

    def perform(conn: Any, job: Job) -> None:
        attempts.append(job.attempt)
        writes_a_receipt(conn, job)
        if len(attempts) < 3:
            with conn.cursor() as cursor:
                cursor.execute("signal sqlstate '40001' set mysql_errno = %s", [code])

    start(perform=perform)
    id = jobs.enqueue("default", max_attempts=1)
    until(lambda: ask("select count(*) from job") == [(0,)])
    assert (attempts, receipts(ask)) == ([1, 1, 1], [id])


@pytest.mark.parametrize("swallowed", [False, True])
def test_of_two_handlers_that_deadlock_both_are_done_once(
    jobs: Jobs, ask: Ask, start: Any, caplog: pytest.LogCaptureFixture, swallowed: bool
) -> None:
    both = threading.Barrier(2)
    first_tries = {0, 1}
    ask("insert into receipt values (-1), (-2)")
    ask("create unique index job on receipt (job)")

    def perform(conn: Any, job: Job) -> None:
        mine = job.params["n"]
        with conn.cursor() as cursor:
            writes_a_receipt(conn, job)
            cursor.execute("update jobs.receipt set job = job where job = %s", [-1 - mine])
            if mine in first_tries:
                first_tries.remove(mine)
                both.wait(20)
            with suppress(pymysql.OperationalError) if swallowed else nullcontext():
                cursor.execute("update jobs.receipt set job = job where job = %s", [mine - 2])

    caplog.set_level("INFO", "ectojob")
    start(perform=perform, max_demand=2)
    ids = jobs.enqueue_many("default", [{"n": 0}, {"n": 1}], max_attempts=1)
    until(lambda: ask("select count(*) from job") == [(0,)])
    assert receipts(ask) == [-2, -1, *ids]
    assert "met a conflict, try 1 of 25: (1213" in caplog.text


def waits_for_nobody(conn: Any) -> None:
    with conn.cursor() as cursor:
        cursor.execute("select job from jobs.receipt where job = -1 for update nowait")


@pytest.mark.parametrize("last", [True, False])
def test_a_handler_that_does_without_a_lock_runs_once_and_keeps_what_it_wrote(
    jobs: Jobs, ask: Ask, connect: Connect, start: Any, last: bool
) -> None:
    ask("insert into receipt values (-1)")
    ask("create unique index job on receipt (job)")
    attempts = []

    def perform(conn: Any, job: Job) -> None:
        attempts.append(job.attempt)
        writes_a_receipt(conn, job)
        with suppress(pymysql.MySQLError):
            waits_for_nobody(conn)
        if not last:
            with conn.cursor() as cursor:
                cursor.execute("insert into jobs.receipt values (-2)")

    with connect(autocommit=False, init_command=connection.READ_COMMITTED) as holder:
        ask("select job from receipt where job = -1 for update", on=holder)
        start(perform=perform)
        id = jobs.enqueue("default", max_attempts=1)
        until(lambda: ask("select count(*) from job where state <> 'FAILED'") == [(0,)])
    assert (attempts, receipts(ask)) == ([1], [-1, id] if last else [-2, -1, id])


@pytest.mark.parametrize("committed", [True, False])
def test_nor_does_it_go_unseen_that_it_ends_its_transaction_then_or_fails(
    jobs: Jobs, ask: Ask, start: Any, committed: bool
) -> None:
    attempts = []

    def perform(conn: Any, job: Job) -> None:
        attempts.append(job.attempt)
        with conn.cursor() as cursor:
            writes_a_receipt(conn, job)
            with suppress(pymysql.MySQLError):
                cursor.execute("signal sqlstate 'HY000' set mysql_errno = 1205")
            cursor.execute("commit" if committed else "wrong")

    start(perform=perform)
    id = jobs.enqueue("default", max_attempts=1)
    until(lambda: row(ask, id)[0] == "FAILED")
    assert ("leave that to the worker" if committed else "wrong") in row(ask, id)[2]
    assert attempts == [1]


@pytest.mark.skipif("mariadb" not in MYSQL, reason="needs a MariaDB")
def test_a_lock_of_mariadb_that_costs_the_transaction_is_not_done_without() -> None:
    server = PrivateServer("mariadb", "--innodb-rollback-on-timeout")
    try:
        with closing(open_connection(server.dsn)) as holder, closing(HandlerConnection.opened(server.dsn)) as conn:
            holder.query("create database jobs")
            holder.query("create table jobs.receipt (job bigint primary key)")
            holder.query("insert into jobs.receipt values (-1)")
            handed_out = conn.handed_out()
            with pytest.raises(pymysql.OperationalError) as raised, handed_out, suppress(pymysql.OperationalError):
                waits_for_nobody(conn)
            assert raised.value.args[0] == ER.LOCK_WAIT_TIMEOUT
            assert conn.gave_way(ValueError("something else"))
    finally:
        server.remove()


def test_a_handler_that_always_conflicts_fails_in_the_end(
    jobs: Jobs, ask: Ask, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "_TRIES", 5)
    tries = []

    def perform(conn: Any, job: Job) -> None:
        tries.append(job.attempt)
        with conn.cursor() as cursor:
            cursor.execute("signal sqlstate '40001' set mysql_errno = 1213, message_text = 'a deadlock'")

    start(perform=perform)
    id = jobs.enqueue("default", max_attempts=1)
    until(lambda: row(ask, id)[0] == "FAILED")
    assert "a deadlock" in row(ask, id)[2]
    assert len(tries) == 5


def test_it_says_where_it_works_and_who_it_is(
    jobs: Jobs, dsn: str, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "ectojob")
    start(perform=writes_a_receipt)
    until(lambda: "working on default in database jobs at" in caplog.text)
    with listener.Listener(dsn, "jobs", ("default",)) as ours:
        assert f"working on default in {ours.where}, ectojob " in caplog.text
    with closing(open_connection(dsn)) as conn:
        assert conn._connect_attrs["program_name"] == session_name()


def test_a_sleeping_worker_is_woken(jobs: Jobs, ask: Ask, start: Any) -> None:
    began = threading.Event()
    start(perform=lambda _conn, _job: began.set(), poll_interval=3600)
    asleep = "select count(*) from information_schema.processlist where info like '%%sleep(%%' and state = 'User sleep'"
    for _ in range(5):
        until(lambda: ask(asleep) == [(1,)])
        began.clear()
        jobs.enqueue("default")
        assert began.wait(20)


def test_a_job_enqueued_inside_a_transaction_is_found(jobs: Jobs, connect: Connect, ask: Ask, start: Any) -> None:
    start(perform=writes_a_receipt, poll_interval=3600)
    conn = connect(autocommit=False)
    id = Jobs(conn).enqueue("default")
    conn.commit()
    until(lambda: receipts(ask) == [id])


def test_a_scheduled_job_starts_at_its_moment_and_not_before(jobs: Jobs, ask: Ask, start: Any) -> None:
    began: list[float] = []
    start(perform=lambda _conn, _job: began.append(monotonic()), poll_interval=3600)
    asked = monotonic()
    jobs.enqueue("default", schedule=datetime.now(UTC) + timedelta(seconds=0.5))
    until(lambda: began)
    assert began[0] - asked >= 0.4


def test_a_listener_knows_how_long_to_sleep_whatever_the_zone_of_its_session(jobs: Jobs, dsn: str) -> None:
    jobs.enqueue("default", schedule=datetime.now(UTC) + timedelta(hours=1))
    with listener.Listener(dsn, "jobs", ("default",)) as ours:
        due = ours.due_in("default")
    assert due is not None
    assert 3500 < due <= 3600


def test_an_error_of_a_call_is_no_lost_connection(jobs: Jobs, ask: Ask, connect: Connect) -> None:
    conn = connect()
    with pytest.raises(pymysql.MySQLError) as refused:
        ask("select from", on=conn)
    with suppress(pymysql.MySQLError):
        ask("kill connection_id()", on=conn)
    with pytest.raises(pymysql.MySQLError) as killed:
        ask("select 1", on=conn)
    with pytest.raises(pymysql.MySQLError) as closed:
        ask("select 1", on=conn)
    assert [is_lost(error.value) for error in (refused, killed, closed)] == [False, True, True]


def test_a_healthy_long_job_outlives_its_lease_and_runs_once(jobs: Jobs, ask: Ask, start: Any) -> None:
    runs = []

    def perform(conn: Any, job: Job) -> None:
        runs.append(job.attempt)
        assert not job.lease_lost.wait(1.5)
        writes_a_receipt(conn, job)

    start(perform=perform, execution_timeout=0.5)
    start(perform=perform, execution_timeout=0.5)
    id = jobs.enqueue("default")
    until(lambda: receipts(ask) == [id])
    assert runs == [1]


def test_a_lost_lease_rolls_the_handlers_writes_back(jobs: Jobs, ask: Ask, start: Any) -> None:
    began = threading.Event()

    def perform(conn: Any, job: Job) -> None:
        writes_a_receipt(conn, job)
        began.set()
        if job.attempt == 1:
            assert job.lease_lost.wait(20)

    start(perform=perform, execution_timeout=0.5)
    id = jobs.enqueue("default")
    assert began.wait(20)
    jobs.release("default", id, 1)
    until(lambda: receipts(ask) == [id])


def test_a_row_that_somebody_has_locked_is_not_waited_for(jobs: Jobs, connect: Connect, dsn: str) -> None:
    jobs.enqueue_many("default", [{}, {}])
    held = jobs.claim_batch("default", 2)
    moves: list[Callable[[], Job | None]] = [
        lambda: ours.extend(held[0], timedelta(seconds=1)),
        lambda: ours.release(held[0]),
        lambda: ours.fail(held[1], "it failed", None),
    ]
    timeout = "select @@innodb_lock_wait_timeout = @@global.innodb_lock_wait_timeout"
    with listener.Listener(dsn, "jobs", ("default",)) as ours, connect(autocommit=False) as holder:
        for job in held:
            Jobs(holder).extend("default", job.id, 1)
        for move in moves:
            before = monotonic()
            with pytest.raises(Locked):
                move()
            assert monotonic() - before < 4
        holder.rollback()
        assert all(move() is not None for move in moves)
        with ours._conn.cursor() as cursor:
            cursor.execute(timeout)
            assert cursor.fetchone() == (1,)


def test_a_sweep_takes_as_long_as_it_takes(jobs: Jobs, ask: Ask, dsn: str) -> None:
    limited = "MariaDB" in version(ask)
    if limited:
        ask("set global max_statement_time = 0.1")
    try:
        with listener.Listener(dsn, "jobs", ("default",)) as ours, ours._conn.cursor() as cursor:
            cursor.execute("select sleep(0.3)")
            assert cursor.fetchone() == (0,)
    finally:
        if limited:
            ask("set global max_statement_time = 0")


def test_a_worker_may_be_idle_for_longer_than_the_server_allows(
    jobs: Jobs, ask: Ask, start: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def perform(conn: Any, job: Job) -> None:
        sleep(2)  # asking another service, say
        writes_a_receipt(conn, job)

    settings = {"wait_timeout": (1, 28800)} | ({"max_statement_time": (0.1, 0)} if "MariaDB" in version(ask) else {})
    for name, (short, _) in settings.items():
        ask(f"set global {name} = {short}")
    try:
        start(perform=perform, connections=1)
        sleep(2)
        id = jobs.enqueue("default", max_attempts=1)
        until(lambda: receipts(ask) == [id])
    finally:
        for name, (_, default) in settings.items():
            ask(f"set global {name} = {default}")
    assert "trying again" not in caplog.text


def test_a_job_that_somebody_has_locked_is_not_looked_for_all_the_time(
    jobs: Jobs, ask: Ask, connect: Connect, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    class Spied(listener.Listener):
        def claim(self, queue: str, *args: Any) -> list[Job]:
            looks.append(queue)
            return super().claim(queue, *args)

    monkeypatch.setattr("ectojob_py.mysql.engine.Listener", Spied)
    id = jobs.enqueue("default")
    holder = connect(autocommit=False)
    ask("select id from jobs.job where id = %s for update", id, on=holder)
    start(perform=writes_a_receipt, poll_interval=3600)
    sleep(1)
    before = len(looks)
    sleep(1)
    assert len(looks) - before < 80
    holder.rollback()
    until(lambda: receipts(ask) == [id])


def test_a_dead_workers_jobs_are_taken_over(jobs: Jobs, ask: Ask, start: Any) -> None:
    id = jobs.enqueue("default")
    jobs.claim_batch("default", 1, timedelta(seconds=0.3))  # and is never heard of again
    start(perform=writes_a_receipt, poll_interval=3600)
    until(lambda: receipts(ask) == [id])


def test_it_survives_the_loss_of_every_connection(jobs: Jobs, ask: Ask, start: Any) -> None:
    sessions = "select id from information_schema.processlist where user = substring_index(current_user(), '@', 1)"
    ours = {id for (id,) in ask(sessions)}
    start(perform=writes_a_receipt, poll_interval=3600, retry_timeout=0.1)
    ids = [jobs.enqueue("default")]
    until(lambda: receipts(ask) == ids)
    for _ in range(2):
        for id in {id for (id,) in ask(sessions)} - ours:
            with suppress(pymysql.MySQLError):  # it may have gone by itself
                ask(f"kill {id}")
        ids.append(jobs.enqueue("default"))
        until(lambda: receipts(ask) == ids)


def test_what_cannot_start_says_what_to_do(dsn: str, jobs: Jobs) -> None:
    refused: list[tuple[dict[str, Any], str, bool]] = [
        ({"queue": "nope"}, "unknown queue", True),
        ({"schema": "elsewhere"}, "not installed", True),
        ({"dsn": "mysql://root@localhost/?unix_socket=/nowhere"}, "No such file", False),
    ]
    for options, message, for_good in refused:
        with pytest.raises(SetupError, match=message) as error:
            Worker(**{"dsn": dsn, "perform": print, **options}).run()
        assert error.value.hint
        assert isinstance(error.value, NotNow) is not for_good


def test_workers_beside_producers_lose_nothing_and_double_nothing(jobs: Jobs, dsn: str, ask: Ask, start: Any) -> None:
    """Eight producers and four workers; deadlocks and lock timeouts are retried, not raised."""
    enqueued: list[int] = []

    def produce() -> None:
        with closing(open_connection(dsn, autocommit=True)) as conn:
            enqueued.extend(Jobs(conn).enqueue("default", {"n": n}) for n in range(100))

    for _ in range(4):
        start(perform=writes_a_receipt, max_demand=2, retry_timeout=0.1)
    producers = [threading.Thread(target=produce) for _ in range(8)]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join(60)
    until(lambda: ask("select count(*) from job") == [(0,)], seconds=60)
    assert receipts(ask) == sorted(enqueued)
    assert len(enqueued) == 800


def test_an_idle_worker_notices_a_black_hole(
    dsn: str, jobs: Jobs, ask: Ask, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 1.5)  # an ear's nap is one second
    socket = socket_of(dsn)
    with Proxy(lambda: socket) as proxy:
        start(
            dsn=f"mysql://root@127.0.0.1:{proxy.port}",
            perform=writes_a_receipt,
            poll_interval=3600,
            execution_timeout=1,
        )
        ids = [jobs.enqueue("default")]
        until(lambda: ask("select count(*) from job") == [(0,)])
        proxy.swallow()
        ids.append(jobs.enqueue("default"))
        until(lambda: ask("select count(*) from job") == [(0,)])
    assert receipts(ask) == ids


@pytest.mark.parametrize("last", ["do 0", "wrong"])  # after an error it asks what became of the transaction
@pytest.mark.parametrize("limit", ["", "?read_timeout=3600"])
def test_a_hand_that_waits_for_the_answer_to_its_completion_does_so_too(
    dsn: str, jobs: Jobs, ask: Ask, start: Any, monkeypatch: pytest.MonkeyPatch, last: str, limit: str
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 1.5)
    began, go_on = threading.Event(), threading.Event()

    def perform(conn: Any, job: Job) -> None:
        writes_a_receipt(conn, job)
        with conn.cursor() as cursor, suppress(pymysql.ProgrammingError):
            cursor.execute(last)
        began.set()
        assert go_on.wait(20)

    socket = socket_of(dsn)
    with Proxy(lambda: socket) as proxy:
        through = f"mysql://root@127.0.0.1:{proxy.port}/{limit}"
        start(dsn=through, perform=perform, execution_timeout=1, retry_timeout=0.05, max_demand=1)
        ids = jobs.enqueue_many("default", [{}, {}])
        assert began.wait(20)
        proxy.swallow()
        go_on.set()
        until(lambda: ask("select count(*) from job") == [(0,)])
    assert receipts(ask) == ids


def test_a_completion_waits_for_a_row_as_long_as_the_server_lets_it(
    jobs: Jobs, ask: Ask, connect: Connect, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 1.5)
    holder = connect(autocommit=False)
    attempts = []

    def perform(conn: Any, job: Job) -> None:
        attempts.append(job.attempt)
        writes_a_receipt(conn, job)
        ask("select id from jobs.job where id = %s for update", job.id, on=holder)

    start(perform=perform)
    id = jobs.enqueue("default")
    until(lambda: attempts)
    sleep(2 * connection.PATIENCE)
    holder.rollback()
    until(lambda: row(ask, id)[0] == "gone")
    assert (attempts, receipts(ask)) == ([1], [id])


def test_what_the_server_is_at_takes_as_long_as_it_takes_or_the_dsn_says(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 1)
    with closing(HandlerConnection.opened(dsn)) as conn, conn.cursor() as cursor:
        assert cursor.execute("select sleep(2.5)") == 1
        with conn.handed_out():
            assert cursor.execute("select sleep(2.5)") == 1
    for patience in (5, 0.7):
        monkeypatch.setattr(connection, "PATIENCE", patience)
        limited = f"{dsn}{'&' if '?' in dsn else '?'}read_timeout=1"
        for lent in (nullcontext, HandlerConnection.handed_out):
            with closing(HandlerConnection.opened(limited)) as conn:
                with pytest.raises(pymysql.OperationalError, match="Lost connection"), lent(conn):
                    conn.cursor().execute("select sleep(20)")
                assert conn.closed


def test_a_completion_outlasts_a_backups_global_lock(
    jobs: Jobs, ask: Ask, connect: Connect, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 1)
    backup = connect()
    began, go_on = threading.Event(), threading.Event()

    def perform(conn: Any, job: Job) -> None:
        writes_a_receipt(conn, job)
        began.set()
        assert go_on.wait(20)

    start(perform=perform)
    id = jobs.enqueue("default", max_attempts=1)
    assert began.wait(20)
    ask("flush tables with read lock", on=backup)
    go_on.set()
    sleep(2.5)
    ask("unlock tables", on=backup)
    until(lambda: row(ask, id)[0] == "gone")
    assert receipts(ask) == [id]


def test_results_that_a_handler_left_take_as_long_as_they_take(
    jobs: Jobs, ask: Ask, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 1)
    ask(
        "create procedure jobs.slow(id bigint) begin select 1; do sleep(2.5); insert into jobs.receipt values (id); end"
    )

    def perform(conn: Any, job: Job) -> None:
        conn.cursor().execute("call jobs.slow(%s)", [job.id])

    start(perform=perform)
    id = jobs.enqueue("default", max_attempts=1)
    until(lambda: row(ask, id)[0] == "gone")
    ask("drop procedure jobs.slow")
    assert receipts(ask) == [id]


def test_ddl_that_waits_for_its_table_in_vain_is_no_conflict_as_it_has_committed(
    jobs: Jobs, ask: Ask, connect: Connect, start: Any
) -> None:
    holder = connect(autocommit=False)
    ask("create table jobs.altered (n int)")
    ask("select * from jobs.altered", on=holder)

    def perform(conn: Any, job: Job) -> None:
        with conn.cursor() as cursor:
            cursor.execute("set lock_wait_timeout = 1")
            cursor.execute("insert into jobs.receipt values (%s)", [job.id])
            cursor.execute("alter table jobs.altered add column m int")

    start(perform=perform)
    id = jobs.enqueue("default", max_attempts=1)
    until(lambda: row(ask, id)[0] == "FAILED")
    holder.rollback()
    ask("drop table jobs.altered")
    assert receipts(ask) == [id]


def test_a_retry_that_a_handler_asks_for_after_a_conflict_is_one(
    jobs: Jobs, ask: Ask, connect: Connect, start: Any
) -> None:
    holder = connect(autocommit=False)
    calls = []

    def perform(conn: Any, job: Job) -> None:
        calls.append(job.attempt)
        with conn.cursor() as cursor:
            cursor.execute("set innodb_lock_wait_timeout = 1")
            try:
                cursor.execute("select * from jobs.receipt for update")
            except pymysql.OperationalError as error:
                raise Retry("somebody has it", after=3600) from error

    ask("insert into jobs.receipt values (0)", on=holder)
    start(perform=perform)
    id = jobs.enqueue("default")
    until(lambda: row(ask, id)[0] == "RETRY")
    holder.rollback()
    assert calls == [1]


def test_a_handler_that_meets_a_read_only_server_makes_the_worker_drop_its_connections(
    jobs: Jobs, ask: Ask, start: Any
) -> None:
    sessions = []

    def perform(conn: Any, job: Job) -> None:
        sessions.append(conn.thread_id())
        with conn.cursor() as cursor:
            cursor.execute("insert into jobs.receipt values (%s)", [job.id])
            if job.attempt == 1:
                cursor.execute("signal sqlstate 'HY000' set mysql_errno = 1290, message_text = 'it is --read-only'")

    start(perform=perform, retry_timeout=0.05, max_demand=1)
    id = jobs.enqueue("default")
    until(lambda: ask("select count(*) from job") == [(0,)])
    assert (receipts(ask), len(set(sessions))) == ([id], 2)
