"""What a worker promises, each promise by name."""

import ctypes
import logging
import os
import re
import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf, nan
from socket import gethostname
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from clocks import Clocks
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ectojob_py import Job, Jobs, Retry, SetupError, Worker
from ectojob_py.bell import Bell
from ectojob_py.cli import main
from ectojob_py.engine import NotNow
from ectojob_py.identity import session_name
from ectojob_py.leases import Leases
from ectojob_py.migrate import migrate
from ectojob_py.postgres import frontier
from ectojob_py.postgres.connection import HandlerConnection
from ectojob_py.postgres.listener import Listener
from ectojob_py.release import release
from ectojob_py.shift import Shift

from .conftest import StartWorker
from .waiting import until

Conn = psycopg.Connection[Any]


def gone(conn: Conn, id: int) -> bool:
    return conn.execute("select from jobs.job where id = %s", [id]).fetchone() is None


def row(conn: Conn, id: int) -> tuple[Any, ...]:
    query = "select state, attempt, max_attempts, last_error from jobs.job where id = %s"
    [found] = conn.execute(query, [id]).fetchall()
    return tuple(found)


@pytest.fixture
def receipts(conn: Conn) -> Conn:
    """A table for effects, without a key that would hide a duplicate."""
    conn.execute("create table receipt (job bigint)")
    return conn


def writes_a_receipt(conn: Conn, job: Job) -> None:
    conn.execute("insert into receipt values (%s)", [job.id])


def count(conn: Conn) -> int:
    [(number,)] = conn.execute("select count(*) from receipt").fetchall()
    return int(number)


def test_the_handlers_writes_commit_with_the_completion(receipts: Conn, start_worker: StartWorker) -> None:
    start_worker(perform=writes_a_receipt)
    ids = Jobs(receipts).enqueue_many("default", [{}] * 50)
    until(lambda: all(gone(receipts, id) for id in ids))
    assert sorted(id for (id,) in receipts.execute("select job from receipt")) == ids


def test_a_failing_handler_leaves_nothing_but_its_error(receipts: Conn, start_worker: StartWorker) -> None:
    def perform(conn: Conn, job: Job) -> None:
        writes_a_receipt(conn, job)
        raise RuntimeError("the printer is on fire\x00")

    start_worker(perform=perform)
    id = Jobs(receipts).enqueue("default", max_attempts=1)
    until(lambda: row(receipts, id)[0] == "FAILED")
    _, attempt, _, error = row(receipts, id)
    assert (attempt, count(receipts)) == (1, 0)
    assert "RuntimeError: the printer is on fire" in error
    assert "test_worker.py" in error


@pytest.mark.parametrize("transaction", [True, False])
def test_a_handler_says_when_to_try_again(conn: Conn, start_worker: StartWorker, transaction: bool) -> None:
    def perform(*_: object) -> None:
        raise Retry("the printer is busy", after=7200)

    start_worker(perform=perform, transaction=transaction, retry_timeout=0.01)
    id, last = (Jobs(conn).enqueue("default", max_attempts=most) for most in (2, 1))
    until(lambda: (row(conn, id)[0], row(conn, last)[0]) == ("RETRY", "FAILED"))
    query = "select extract(epoch from schedule - clock_timestamp())::float, last_error from jobs.job where id = %s"
    [(seconds, error)] = conn.execute(query, [id]).fetchall()
    assert 7000 < seconds <= 7200
    assert "Retry: the printer is busy (test_worker.py" in error


@pytest.mark.parametrize("after", [-1, nan, inf, 3651 * 86400, "1h", timedelta(hours=1)])
def test_what_no_wait_can_be_is_refused_where_it_is_said(after: Any) -> None:
    with pytest.raises(ValueError, match="after must be a number of seconds, from 0 to 3,650 days of them, not "):
        Retry(after=after)


class Strange(SyntaxError):
    """No traceback can be printed of it."""

    text = b"not a str"  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("encoding", "error", "said"),
    [
        ("utf8", ValueError("no such file: \udce9t\udce9.txt"), r"\udce9t\udce9.txt"),
        ("latin1", ValueError("price in \u20ac"), r"price in \u20ac"),
        ("utf8", Strange("broken", ("shop.py", 1, 1, "x")), "Strange"),
    ],
)
def test_an_error_that_cannot_be_written_as_it_is_costs_no_more_than_its_attempt(
    conn: Conn, dsn: str, start_worker: StartWorker, encoding: str, error: Exception, said: str
) -> None:
    def perform(_conn: Conn, job: Job) -> None:
        if job.params:
            raise error

    start_worker(dsn=make_conninfo(dsn, client_encoding=encoding), perform=perform, max_demand=1)
    id, after = Jobs(conn).enqueue_many("default", [{"bad": 1}, {}], max_attempts=1)
    until(lambda: gone(conn, after))
    state, _, _, told = row(conn, id)
    assert state == "FAILED"
    assert said in told


@pytest.mark.parametrize("encoding", ["latin1", "sql_ascii"])
def test_what_the_database_says_of_encodings_is_not_for_workers_nor_for_the_command_line(
    conn: Conn, dsn: str, start_worker: StartWorker, capsys: pytest.CaptureFixture[str], encoding: str
) -> None:
    jobs = Jobs(conn)
    ids = jobs.enqueue_many("default", [{"price": "1 \u20ac"}, {}])
    database = sql.Identifier(conn.info.dbname)
    conn.execute(sql.SQL("alter database {} set client_encoding = {}").format(database, encoding))
    migrate(dsn)
    assert main(["jobs", "--params", "--dsn", dsn]) == 0
    assert "1 \u20ac" in capsys.readouterr().out
    prices = []
    start_worker(perform=lambda _conn, job: prices.append(job.params.get("price")), max_demand=1)
    until(lambda: all(gone(conn, id) for id in ids))
    assert prices == ["1 \u20ac", None]


@pytest.mark.parametrize("cause", ["none", "itself"])
def test_a_conflict_that_a_handler_went_on_from_is_no_reason_to_run_it_again(
    receipts: Conn, start_worker: StartWorker, cause: str
) -> None:
    ran = []

    def perform(conn: Conn, job: Job) -> None:
        ran.append(job.attempt)
        with suppress(psycopg.errors.DeadlockDetected), conn.transaction():
            conn.execute("do $$ begin raise deadlock_detected; end $$")
        error = ValueError("no such address")
        raise error from (error if cause == "itself" else None)

    start_worker(perform=perform)
    id = Jobs(receipts).enqueue("default", max_attempts=1)
    until(lambda: row(receipts, id)[0] == "FAILED")
    assert ran == [1]


def test_a_conflict_that_a_handler_swallowed_or_wrapped_is(receipts: Conn, start_worker: StartWorker) -> None:
    ran = []

    def perform(conn: Conn, job: Job) -> None:
        ran.append(job.id)
        writes_a_receipt(conn, job)
        try:
            if ran.count(job.id) == 1:
                conn.execute("do $$ begin raise deadlock_detected; end $$")
        except psycopg.Error as error:
            if job.params:
                raise RuntimeError("wrapped") from error

    start_worker(perform=perform)
    ids = Jobs(receipts).enqueue_many("default", [{"wrap": True}, {}], max_attempts=1)
    until(lambda: all(gone(receipts, id) for id in ids))
    assert sorted(ran) == sorted(ids * 2)
    assert count(receipts) == 2


def test_a_conflict_that_a_handler_answers_with_a_retry_is_not(receipts: Conn, start_worker: StartWorker) -> None:
    ran = []

    def perform(conn: Conn, job: Job) -> None:
        ran.append(job.attempt)
        try:
            conn.execute("do $$ begin raise deadlock_detected; end $$")
        except psycopg.Error as error:
            raise Retry("later", after=3600) from error

    start_worker(perform=perform)
    id = Jobs(receipts).enqueue("default")
    until(lambda: row(receipts, id)[0] == "RETRY")
    assert ran == [1]


def test_a_handler_that_is_run_again_gets_what_was_enqueued(receipts: Conn, start_worker: StartWorker) -> None:
    given: list[object] = []

    def perform(conn: Conn, job: Job) -> None:
        given.append(job.params.pop("amount", None))
        if len(given) == 1:
            conn.execute("do $$ begin raise deadlock_detected; end $$")
        writes_a_receipt(conn, job)

    start_worker(perform=perform)
    id = Jobs(receipts).enqueue("default", {"amount": 42}, max_attempts=1)
    until(lambda: gone(receipts, id))
    assert given == [42, 42]


def test_what_is_thrown_into_an_idle_hand_loses_no_job(receipts: Conn, start_worker: StartWorker) -> None:
    class Late(BaseException):
        """A time limit that was over when the handler had ended."""

    hands: list[int] = []

    def perform(conn: Conn, job: Job) -> None:
        hands.append(threading.get_ident())
        writes_a_receipt(conn, job)

    start_worker(perform=perform, connections=1)
    for _ in range(3):
        id = Jobs(receipts).enqueue("default")
        until(lambda id=id: gone(receipts, id))  # type: ignore[misc]
        sleep(0.1)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(hands[0]), ctypes.py_object(Late))
    assert count(receipts) == 3
    assert len(set(hands)) == 1


def test_a_failed_job_is_tried_again_when_its_schedule_comes(receipts: Conn, start_worker: StartWorker) -> None:
    def perform(conn: Conn, job: Job) -> None:
        writes_a_receipt(conn, job)
        if job.attempt == 1:
            raise RuntimeError

    start_worker(perform=perform, retry_timeout=0.2)
    id = Jobs(receipts).enqueue("default")
    until(lambda: gone(receipts, id))
    assert count(receipts) == 1


def test_no_wait_for_the_next_attempt_is_longer_than_it_may_be(conn: Conn, start_worker: StartWorker) -> None:
    def perform(_conn: Conn, _job: Job) -> None:
        raise RuntimeError

    id = Jobs(conn).enqueue("default", max_attempts=10_000)
    conn.execute("update jobs.job set attempt = 199")
    start_worker(perform=perform, retry_timeout=timedelta(days=20).total_seconds())
    until(lambda: row(conn, id)[0] == "RETRY")
    assert conn.execute("select schedule - updated_at > '3649 days' from jobs.job").fetchone() == (True,)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_lease_is_extended_whatever_the_databases_isolation_level(
    receipts: Conn, start_worker: StartWorker, level: str
) -> None:
    levels = []

    def perform(conn: Conn, job: Job) -> None:
        writes_a_receipt(conn, job)
        levels.append(conn.execute("show transaction_isolation").fetchone())
        lease = "select expires from jobs.job where id = %s"
        before = receipts.execute(lease, [job.id]).fetchone()
        until(lambda: receipts.execute(lease, [job.id]).fetchone() != before)

    receipts.execute(f"alter database {receipts.info.dbname} set default_transaction_isolation = '{level}'".encode())
    start_worker(perform=perform, execution_timeout=1)
    id = Jobs(receipts).enqueue("default")
    until(lambda: gone(receipts, id))
    assert levels == [("read committed",)]
    assert count(receipts) == 1


def test_a_worker_that_is_refused_tries_again_ever_less_often(
    conn: Conn, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def refuse(*_: object) -> None:
        raise psycopg.errors.InsufficientPrivilege("permission denied")

    def pause(shift: Shift, seconds: float) -> None:
        pauses.append(seconds)
        wait(shift, seconds / 20)

    wait = Shift.pause
    monkeypatch.setattr(Shift, "pause", pause)
    monkeypatch.setattr(Listener, "claim", refuse)
    start_worker(perform=writes_a_receipt)
    Jobs(conn).enqueue("default")
    until(lambda: len(pauses) > 7)
    assert pauses[0] < 0.2
    assert min(pauses[6:]) > 2


def test_a_long_outage_is_outlived(conn: Conn, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    outages = iter(range(1, 1501))
    connect = Worker._listener

    def listener(worker: Worker) -> Any:
        if worker._shift is not None and next(outages, None) is not None:
            raise psycopg.OperationalError("the server is down")
        return connect(worker)

    monkeypatch.setattr(Shift, "pause", lambda _shift, _seconds: None)
    monkeypatch.setattr(Worker, "_listener", listener)
    id = Jobs(conn).enqueue("default")
    start_worker(perform=lambda _conn, _job: None)
    until(lambda: gone(conn, id))
    assert next(outages, None) is None


@pytest.mark.parametrize("exit", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_exit_in_a_handler_is_a_failure_like_any_other(
    conn: Conn, start_worker: StartWorker, exit: type[BaseException]
) -> None:
    def perform(_conn: Conn, job: Job) -> None:
        if job.params:
            raise exit

    start_worker(perform=perform)
    id = Jobs(conn).enqueue("default", {"exit": True}, max_attempts=1)
    until(lambda: row(conn, id)[0] == "FAILED")
    after = Jobs(conn).enqueue("default")
    until(lambda: gone(conn, after))


def test_an_idle_worker_picks_a_job_up_without_polling(
    conn: Conn, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontier, "_SHARE", 0)  # no look at all jobs is owed after the first one
    began = threading.Event()
    start_worker(perform=lambda _conn, _job: began.set(), poll_interval=3600)
    warm = Jobs(conn).enqueue("default")
    until(lambda: gone(conn, warm))
    until(lambda: sleeping(conn))
    began.clear()
    Jobs(conn).enqueue("default")
    assert began.wait(timeout=10)


@pytest.fixture
def crowded(dsn: str) -> Iterator[None]:
    """Let every descriptor below 1024 be taken, which is as far as ``select`` goes."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    while taken[-1] < 1024:
        taken.append(os.dup(taken[0]))
    yield
    for number in taken:
        os.close(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("crowded", "one_server")
def test_a_worker_among_many_open_files_sleeps_and_is_woken(conn: Conn, start_worker: StartWorker) -> None:
    start_worker(perform=lambda _conn, _job: None, poll_interval=3600)
    until(lambda: sleeping(conn))
    id = Jobs(conn).enqueue("default")
    until(lambda: gone(conn, id))


@pytest.mark.usefixtures("crowded", "one_server")
def test_a_bell_among_many_open_files_is_heard() -> None:
    bell = Bell()
    before = monotonic()
    bell.wait(0.0501)
    assert monotonic() - before >= 0.0501
    threading.Timer(0.05, bell.ring).start()
    bell.wait(60)
    assert monotonic() - before < 30
    bell.close()


def test_after_its_last_job_a_worker_looks_a_few_times_and_sleeps(
    conn: Conn, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []
    claim = Listener.claim

    def counted(listener: Listener, *args: Any) -> list[Job]:
        jobs = claim(listener, *args)
        found.append(len(jobs))
        return jobs

    monkeypatch.setattr(Listener, "claim", counted)
    monkeypatch.setattr(frontier, "_SHARE", 1000)  # the next look at all jobs is owed long after the last job
    Jobs(conn).enqueue_many("default", [{}] * 30)
    start_worker(perform=lambda _conn, _job: None, max_demand=10)
    until(lambda: asleep(conn))
    assert sum(found) == 30
    assert len(found) < 30


def asleep(conn: Conn) -> bool:
    return conn.execute("select jobs.someone_sleeps('default')").fetchone() == (True,)


def sleeping(conn: Conn) -> bool:
    """Tell whether a worker sleeps, has looked once more and asked what is due, so that now only a wake-up counts."""
    last = "state = 'idle' and query ~ 'claim_batch|next_due' and clock_timestamp() > state_change + interval '0.2 s'"
    query = f"select bool_or({last}) from pg_stat_activity where application_name ~ %s"
    return asleep(conn) and conn.execute(query.encode(), ["^ectojob"]).fetchone() == (True,)


def test_a_scheduled_job_starts_at_its_moment_and_not_before(conn: Conn, start_worker: StartWorker) -> None:
    late: list[timedelta] = []

    def perform(conn: Conn, job: Job) -> None:
        [(now,)] = conn.execute("select clock_timestamp()").fetchall()
        late.append(now - job.schedule)

    start_worker(perform=perform, poll_interval=3600)
    until(lambda: sleeping(conn))
    ids = [Jobs(conn).enqueue("default", schedule=datetime.now(UTC) + timedelta(seconds=s)) for s in (0.6, 0.3)]
    until(lambda: all(gone(conn, id) for id in ids))
    assert min(late) >= timedelta(0)
    assert max(late) < timedelta(seconds=5)  # without the wake-up it would be an hour; the benchmark measures the rest


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=0.5)


def test_a_job_that_was_scheduled_while_it_was_awake_starts_in_time(conn: Conn, start_worker: StartWorker) -> None:
    busy, release = threading.Event(), threading.Event()

    def perform(_conn: Conn, job: Job) -> None:
        if job.params:
            busy.set()
            release.wait(20)

    start_worker(perform=perform, max_demand=1, poll_interval=3600)
    Jobs(conn).enqueue_many("default", [{"slow": True}, {}])
    assert busy.wait(20)
    until(lambda: not asleep(conn))
    id = Jobs(conn).enqueue("default", schedule=soon())
    release.set()
    until(lambda: gone(conn, id))


@pytest.mark.parametrize("another", [False, True], ids=["", "while another transaction stays open"])
def test_a_job_that_was_being_scheduled_when_it_fell_asleep_starts_in_time(
    conn: Conn, connect: Callable[..., Conn], start_worker: StartWorker, another: bool
) -> None:
    enqueuer, other = connect(autocommit=True), connect(autocommit=True)
    if another:
        other.execute("begin")
        other.execute("select pg_current_xact_id()")
    enqueuer.execute("begin")
    id = Jobs(enqueuer).enqueue("default", schedule=soon())
    start_worker(perform=lambda _conn, _job: None, poll_interval=3600)
    until(lambda: sleeping(conn))
    enqueuer.execute("commit")
    until(lambda: gone(conn, id))


def test_a_job_starts_in_time_though_the_worker_never_sleeps(conn: Conn, start_worker: StartWorker) -> None:
    def perform(_conn: Conn, _job: Job) -> None:
        sleep(0.001)

    Jobs(conn).enqueue_many("default", [{}] * 50_000)
    start_worker(perform=perform, max_demand=4, poll_interval=3600)
    until(lambda: conn.execute("select count(*) < 49900 from jobs.job").fetchone() == (True,))
    id = Jobs(conn).enqueue("default", schedule=soon(), priority=-1)
    until(lambda: gone(conn, id))
    assert not asleep(conn)
    assert conn.execute("select exists (select from jobs.job)").fetchone() == (True,)


def test_its_own_retry_starts_in_time(conn: Conn, start_worker: StartWorker) -> None:
    def perform(_conn: Conn, job: Job) -> None:
        assert job.attempt > 1

    start_worker(perform=perform, retry_timeout=0.3, poll_interval=3600)
    until(lambda: sleeping(conn))
    id = Jobs(conn).enqueue("default")
    until(lambda: gone(conn, id))


def test_a_free_hand_takes_the_next_job_while_the_others_are_busy(conn: Conn, start_worker: StartWorker) -> None:
    release = threading.Event()

    def perform(_conn: Conn, job: Job) -> None:
        if job.params.get("slow"):
            release.wait(20)

    start_worker(perform=perform, max_demand=2, poll_interval=3600)
    slow, *fast = Jobs(conn).enqueue_many("default", [{"slow": True}, *[{}] * 20])
    until(lambda: all(gone(conn, id) for id in fast))
    assert row(conn, slow)[0] == "IN_PROGRESS"
    release.set()
    until(lambda: gone(conn, slow))


def test_it_runs_no_more_jobs_at_once_than_max_demand(conn: Conn, start_worker: StartWorker) -> None:
    lock, now, most = threading.Lock(), 0, 0
    several = threading.Barrier(3)

    def perform(_conn: Conn, _job: Job) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        several.wait(20)
        with lock:
            now -= 1

    start_worker(perform=perform, max_demand=3)
    ids = Jobs(conn).enqueue_many("default", [{}] * 12)
    until(lambda: all(gone(conn, id) for id in ids))
    assert most == 3


def test_a_healthy_long_job_outlives_its_lease_and_runs_once(receipts: Conn, start_worker: StartWorker) -> None:
    runs = []

    def perform(conn: Conn, job: Job) -> None:
        runs.append(job.attempt)
        assert not job.lease_lost.wait(1.5)
        writes_a_receipt(conn, job)

    start_worker(perform=perform, execution_timeout=0.3)
    start_worker(perform=perform, execution_timeout=0.3)
    id = Jobs(receipts).enqueue("default")
    until(lambda: gone(receipts, id))
    assert (runs, count(receipts)) == ([1], 1)


def test_a_lease_of_years_is_extended_by_no_more_than_it_may_be(
    conn: Conn, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Jobs(conn).enqueue("default", max_attempts=10_000)
    conn.execute("update jobs.job set attempt = 199")
    leases = Leases()
    [job] = Jobs(conn).claim_batch("default", 1, timedelta(days=30))
    leases.add([job])
    monkeypatch.setattr("ectojob_py.leases.monotonic", lambda: monotonic() + timedelta(days=2001).total_seconds())
    with Listener(dsn, "jobs", ("default",)) as listener:
        leases.extend(listener)
    assert not job.lease_lost.is_set()
    [(by,)] = conn.execute("select expires - %s from jobs.job", [job.expires]).fetchall()
    assert by == timedelta(days=30)


@pytest.mark.parametrize(
    ("granted_at", "ends"),
    [
        (datetime(2026, 10, 25, 2, 58, tzinfo=Clocks()), datetime(2026, 10, 25, 2, 3, fold=1, tzinfo=Clocks())),
        (datetime(2026, 3, 29, 1, 58, fold=1, tzinfo=Clocks()), datetime(2026, 3, 29, 3, 3, tzinfo=Clocks())),
    ],
    ids=["autumn", "spring"],
)
def test_a_lease_is_as_long_as_it_is_whatever_the_clocks_show(conn: Conn, granted_at: datetime, ends: datetime) -> None:
    Jobs(conn).enqueue("default")
    [job] = Jobs(conn).claim_batch("default", 1)
    leases = Leases()
    zone = granted_at.tzinfo  # the same object, as of one session: Python then subtracts what the clocks show
    leases.add([replace(job, updated_at=granted_at, expires=ends.replace(tzinfo=zone))])
    assert 95 < leases.due_at - monotonic() <= 100


def test_a_failed_job_that_somebody_has_locked_keeps_no_other_lease_from_being_extended(
    receipts: Conn, dsn: str, start_worker: StartWorker
) -> None:
    runs: list[int] = []
    locked, healthy = threading.Event(), threading.Event()

    def perform(_conn: Conn, job: Job) -> None:
        runs.append(job.id)
        if job.params:
            assert locked.wait(20)
            raise ValueError("it fails")
        assert not job.lease_lost.wait(2)
        healthy.set()

    start_worker(perform=perform, execution_timeout=0.6)
    failing, other = Jobs(receipts).enqueue_many("default", [{"fails": True}, {}], max_attempts=1)
    until(lambda: sorted(runs) == [failing, other])
    start_worker(perform=perform, execution_timeout=0.6, poll_interval=0.1)  # which sweeps
    with psycopg.connect(dsn) as somebody:
        Jobs(somebody).extend("default", failing, 1)
        locked.set()
        assert healthy.wait(20)
        until(lambda: gone(receipts, other))
    until(lambda: row(receipts, failing)[0] == "FAILED")
    assert sorted(runs) == [failing, other]


@pytest.mark.parametrize("transaction", [True, False])
def test_nothing_begins_after_a_stop_that_gave_it_back(conn: Conn, dsn: str, transaction: bool) -> None:
    began: list[float] = []
    slow = threading.Event()

    def perform(*_: object) -> None:
        began.append(monotonic())
        if slow.wait(0.001):
            sleep(0.3)

    Jobs(conn).enqueue_many("default", [{}] * 2000)
    worker = Worker(dsn, perform=perform, transaction=transaction, connections=1)
    thread = threading.Thread(target=worker.run)
    thread.start()
    until(lambda: len(began) > 100)
    slow.set()
    worker.stop(grace=0)
    thread.join(20)
    ended = monotonic()
    sleep(1)
    assert [moment for moment in began if moment > ended] == []


def test_a_worker_may_be_idle_for_longer_than_its_role_allows(
    receipts: Conn, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    def perform(conn: Conn, job: Job) -> None:
        sleep(0.5)  # asking another service, say
        writes_a_receipt(conn, job)

    database = sql.Identifier(receipts.info.dbname)
    receipts.execute(sql.SQL("alter database {} set idle_session_timeout = 300").format(database))
    start_worker(perform=perform)
    sleep(1)
    id = Jobs(receipts).enqueue("default", max_attempts=1)
    until(lambda: gone(receipts, id))
    assert count(receipts) == 1
    assert "lost" not in caplog.text


def test_a_handler_that_locks_its_own_job_keeps_no_other_lease_from_being_extended(
    receipts: Conn, start_worker: StartWorker
) -> None:
    runs: list[tuple[int, int]] = []
    healthy = threading.Event()

    def perform(conn: Conn, job: Job) -> None:
        runs.append((job.id, job.attempt))
        if job.params:
            Jobs(conn).extend(job.queue, job.id, job.attempt)
            assert healthy.wait(20)
        else:
            assert not job.lease_lost.wait(2)
            healthy.set()

    start_worker(perform=perform, execution_timeout=0.6)
    start_worker(perform=perform, execution_timeout=0.6, poll_interval=0.1)
    ids = Jobs(receipts).enqueue_many("default", [{"locks": True}, {}])
    until(lambda: all(gone(receipts, id) for id in ids))
    assert sorted(runs) == [(id, 1) for id in ids]


def test_a_handler_is_told_when_its_lease_is_lost_and_its_writes_roll_back(
    receipts: Conn, start_worker: StartWorker
) -> None:
    told = threading.Event()
    began = threading.Event()

    def perform(conn: Conn, job: Job) -> None:
        writes_a_receipt(conn, job)
        began.set()
        if job.attempt == 1 and job.lease_lost.wait(20):
            told.set()

    start_worker(perform=perform, execution_timeout=0.5)
    jobs = Jobs(receipts)
    id = jobs.enqueue("default")
    assert began.wait(20)
    jobs.release("default", id, 1)
    assert told.wait(20)
    until(lambda: gone(receipts, id))
    assert count(receipts) == 1


def test_several_queues_share_the_hands_fairly(conn: Conn, start_worker: StartWorker) -> None:
    jobs = Jobs(conn)
    jobs.create_queue("other")
    order: list[str] = []
    many = jobs.enqueue_many("default", [{}] * 40)
    few = jobs.enqueue_many("other", [{}] * 2)
    start_worker(queue=["default", "other"], perform=lambda _conn, job: order.append(job.queue), max_demand=1)
    until(lambda: all(gone(conn, id) for id in [*many, *few]))
    assert "other" in order[:10]


def test_a_mapping_chooses_the_handler_by_type(conn: Conn, start_worker: StartWorker) -> None:
    seen: list[object] = []
    start_worker(perform={"mail": lambda _conn, job: seen.append(job.params["to"])})
    jobs = Jobs(conn)
    known = jobs.enqueue("default", {"type": "mail", "to": "joe"})
    nobodys: list[dict[str, Any]] = [{"type": "fax"}, {"type": []}, {}]
    unknown = [jobs.enqueue("default", params, max_attempts=1) for params in nobodys]
    until(lambda: gone(conn, known))
    until(lambda: all(row(conn, id)[0] == "FAILED" for id in unknown))
    assert seen == ["joe"]
    assert "no handler for params type 'fax'; there are handlers for mail" in row(conn, unknown[0])[3]


def test_odd_params_fail_their_own_job_and_no_other(conn: Conn, start_worker: StartWorker) -> None:
    worker_has: list[object] = []
    odd = f'{{"n": {"9" * 5000}}}'  # more digits than Python's int() takes
    [(bad,)] = conn.execute("select jobs.enqueue('default', %s::jsonb, max_attempts => 1)", [odd]).fetchall()
    good = Jobs(conn).enqueue("default", {"n": 1})
    start_worker(perform=lambda _conn, job: worker_has.append(job.params["n"]))
    until(lambda: gone(conn, good))
    until(lambda: row(conn, bad)[0] == "FAILED")
    assert worker_has == [1]


def test_a_dead_workers_jobs_are_taken_over_when_their_lease_ends(receipts: Conn, start_worker: StartWorker) -> None:
    jobs = Jobs(receipts)
    id = jobs.enqueue("default")
    jobs.claim_batch("default", 1, timedelta(seconds=0.3))  # and is never heard of again
    start_worker(perform=writes_a_receipt, poll_interval=3600)
    until(lambda: gone(receipts, id))
    assert count(receipts) == 1


def test_it_survives_the_loss_of_every_connection(receipts: Conn, start_worker: StartWorker) -> None:
    start_worker(perform=writes_a_receipt, poll_interval=3600, retry_timeout=0.1)
    jobs = Jobs(receipts)
    ids = [jobs.enqueue("default")]
    until(lambda: gone(receipts, ids[0]))
    for _ in range(3):
        receipts.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ '^ectojob'")
        ids.append(jobs.enqueue("default"))
        until(lambda: gone(receipts, ids[-1]))
    assert sorted(id for (id,) in receipts.execute("select job from receipt")) == ids


def refuse_connections(monkeypatch: pytest.MonkeyPatch, refused: Callable[[], bool]) -> None:
    """Have the next connection of a handler refused when the function says so."""
    connect = HandlerConnection.open

    def open_or_refuse(dsn: str) -> HandlerConnection:
        if refused():
            raise psycopg.OperationalError("too many connections for role")
        return connect(dsn)

    monkeypatch.setattr(HandlerConnection, "open", open_or_refuse)


def test_a_job_that_got_no_connection_runs_soon(
    conn: Conn, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = iter(range(2))
    refuse_connections(monkeypatch, lambda: next(refusals, None) is not None)
    monkeypatch.setattr("ectojob_py.pool._PATIENCE", 0)
    monkeypatch.setattr("ectojob_py.shift._BREATH", 0.2)
    ran: list[int] = []
    start_worker(perform=lambda _conn, job: ran.append(job.attempt), poll_interval=3600)
    id = Jobs(conn).enqueue("default", max_attempts=1)
    until(lambda: gone(conn, id))
    assert ran == [3]


def test_a_job_that_gets_no_connection_of_its_own_has_one_that_another_is_done_with(
    conn: Conn, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = iter(range(2))
    refuse_connections(monkeypatch, lambda: next(allowed, None) is None)
    attempts: list[int] = []

    def perform(_conn: Conn, job: Job) -> None:
        attempts.append(job.attempt)
        sleep(0.2)

    Jobs(conn).enqueue_many("default", [{}] * 12)
    start_worker(perform=perform)
    until(lambda: len(attempts) == 12)
    assert attempts == [1] * 12


@pytest.mark.parametrize("threads", [0, 2])
def test_a_system_without_more_threads_ends_no_worker(
    conn: Conn, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    refusals = 0

    class Scarce(threading.Thread):
        def start(self) -> None:
            nonlocal refusals, threads
            if threads == 0 and refusals < 2:
                refusals += 1
                raise RuntimeError("can't start new thread")
            threads -= 1
            super().start()

    monkeypatch.setattr("ectojob_py.threads.Thread", Scarce)
    monkeypatch.setattr("ectojob_py.threads._SHORT", 0.1)
    monkeypatch.setattr("ectojob_py.shift._BREATH", 0.2)
    ids = Jobs(conn).enqueue_many("default", [{}] * 15, max_attempts=1)
    start_worker(perform=lambda conn, _job: conn.execute("select pg_sleep(0.05)"), poll_interval=3600)
    until(lambda: all(gone(conn, id) for id in ids))
    assert refusals


def test_losing_the_listening_connection_disturbs_no_running_handler(receipts: Conn, start_worker: StartWorker) -> None:
    go_on, began, runs = threading.Event(), threading.Event(), []

    def perform(conn: Conn, job: Job) -> None:
        runs.append(job.attempt)
        writes_a_receipt(conn, job)
        began.set()
        go_on.wait(20)

    start_worker(perform=perform, execution_timeout=2)
    id = Jobs(receipts).enqueue("default")
    assert began.wait(20)
    receipts.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ '^ectojob' and state = 'idle'"
    )
    until(lambda: sleeping_listener(receipts))
    go_on.set()
    until(lambda: gone(receipts, id))
    assert (runs, count(receipts)) == ([1], 1)


def sleeping_listener(conn: Conn) -> bool:
    query = "select count(*) from pg_stat_activity where application_name like 'ectojob%' and state = 'idle'"
    return conn.execute(query).fetchone() == (1,)


@pytest.mark.parametrize("grace", [20, inf])
def test_stop_lets_running_handlers_finish(receipts: Conn, dsn: str, grace: float) -> None:
    began, go_on = threading.Event(), threading.Event()

    def perform(conn: Conn, job: Job) -> None:
        began.set()
        go_on.wait(20)
        writes_a_receipt(conn, job)

    left: list[int] = []
    worker = Worker(dsn, perform=perform, max_demand=1)
    thread = threading.Thread(target=lambda: left.append(worker.run()))
    thread.start()
    first, second = Jobs(receipts).enqueue_many("default", [{}, {}])
    assert began.wait(20)
    worker.stop(grace)
    go_on.set()
    thread.join(20)
    assert (left, count(receipts)) == ([0], 1)
    assert gone(receipts, first)
    assert row(receipts, second)[:2] == ("AVAILABLE", 0)


@pytest.mark.parametrize("locks", [False, True])
def test_stop_releases_what_outlives_the_grace_period_and_no_one_has_locked(
    receipts: Conn, dsn: str, locks: bool
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def perform(conn: Conn, job: Job) -> None:
        if locks:
            Jobs(conn).extend(job.queue, job.id, job.attempt)
        began.set()
        go_on.wait(20)
        writes_a_receipt(conn, job)

    left: list[int] = []
    worker = Worker(dsn, perform=perform)
    thread = threading.Thread(target=lambda: left.append(worker.run()))
    thread.start()
    id = Jobs(receipts).enqueue("default")
    assert began.wait(20)
    worker.stop(grace=0.1)
    thread.join(10)
    assert left == [1]
    assert row(receipts, id)[:3] == (("IN_PROGRESS", 1, 5) if locks else ("AVAILABLE", 1, 6))
    go_on.set()
    until(lambda: gone(receipts, id) is locks)
    assert count(receipts) == locks


def test_it_logs_one_line_per_job_and_never_the_params(
    conn: Conn, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "ectojob")

    def perform(_conn: Conn, job: Job) -> None:
        if job.params.get("fail"):
            raise ValueError("no")

    start_worker(perform=perform)
    jobs = Jobs(conn)
    done = jobs.enqueue("default", {"secret": "canary"})
    failed = jobs.enqueue("default", {"secret": "canary", "fail": True}, max_attempts=1)
    until(lambda: gone(conn, done) and row(conn, failed)[0] == "FAILED")
    until(lambda: f"default[{failed}] failed in " in caplog.text)
    until(lambda: f"default[{done}] done in " in caplog.text)
    assert "canary" not in caplog.text


def test_it_says_where_it_works_and_its_sessions_say_who_it_is(
    conn: Conn, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ectojob")
    Jobs(conn).create_queue("other")
    start_worker(perform=lambda _conn, _job: None, queue=["default", "other"], connections=7)
    info = conn.info
    line = (
        f"working on default, other in schema jobs of database {info.dbname} at {info.host}:{info.port}, "
        f"ectojob {release()}, 7 hands"
    )
    until(lambda: line in caplog.messages)
    named = "from pg_stat_activity where application_name = %s"
    name = f"ectojob {gethostname()}:{os.getpid()}"
    until(lambda: conn.execute(f"select pg_terminate_backend(pid) {named}", [name]).fetchall())
    until(lambda: f"connected again, {line}" in caplog.messages)


def test_a_session_name_keeps_the_process_whatever_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "h" * 64)
    assert re.fullmatch(rf"ectojob h{{40,}}:{os.getpid()}", session_name())
    assert len(session_name()) == 63


def test_a_worker_runs_in_one_thread(conn: Conn, dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ectojob")
    worker = Worker(dsn, perform=lambda _conn, _job: None)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(worker.run)
        until(lambda: "working on" in caplog.text)
        with pytest.raises(RuntimeError, match="runs already"):
            worker.run()
        worker.stop()
        assert running.result(20) == 0
    assert worker.run() == 0  # it was stopped for good


def test_log_false_is_silent(conn: Conn, start_worker: StartWorker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "ectojob")
    start_worker(perform=lambda _conn, _job: None, log=False)
    id = Jobs(conn).enqueue("default")
    until(lambda: gone(conn, id))
    assert caplog.text == ""


def test_a_database_that_takes_no_writes_is_told_from_one_that_is_away(dsn: str) -> None:
    worker = Worker(make_conninfo(dsn, options="-c default_transaction_read_only=on"), perform=lambda _conn, _job: None)
    with pytest.raises(NotNow, match=r"^cannot execute UPDATE in a read-only transaction$") as error:
        worker.run()
    assert "default_transaction_read_only" in error.value.hint


@pytest.mark.parametrize(
    ("prepare", "options", "message"),
    [
        ("drop schema jobs cascade", {}, "not installed in schema jobs"),
        ("select", {"queue": "nope"}, "unknown queue 'nope'"),
        ("select", {"schema": "elsewhere"}, "not installed in schema elsewhere"),
        ("select", {"dsn": "host=/nowhere port=1 connect_timeout=1"}, "/nowhere"),
    ],
)
def test_what_cannot_start_says_what_to_do(
    conn: Conn, dsn: str, prepare: str, options: dict[str, Any], message: str
) -> None:
    conn.execute(prepare.encode())
    worker = Worker(**{"dsn": dsn, "perform": lambda _conn, _job: None, **options})
    with pytest.raises(SetupError, match=message) as error:
        worker.run()
    assert error.value.hint
    assert isinstance(error.value, NotNow) is (message == "/nowhere")


@pytest.mark.parametrize("transaction", [True, False])
def test_a_worker_goes_on_without_a_queue_that_was_dropped_and_with_it_when_it_is_back(
    conn: Conn, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch, transaction: bool
) -> None:
    monkeypatch.setattr("ectojob_py.shift._ABSENCE", 0.1)
    began, go_on, ran = threading.Event(), threading.Event(), []

    def perform(*args: Any) -> None:
        job = args[-1]
        ran.append(job.id)
        if job.queue == "other" and not go_on.is_set():
            began.set()
            go_on.wait(20)

    jobs = Jobs(conn)
    jobs.create_queue("other")
    start_worker(queue=["default", "other"], perform=perform, transaction=transaction, poll_interval=3600)
    ids = [jobs.enqueue("other")]
    assert began.wait(20)
    jobs.drop_queue("other", force=True)
    go_on.set()
    ids += [jobs.enqueue("default") for _ in range(3)]
    until(lambda: sorted(ran) == ids)
    until(lambda: all(gone(conn, id) for id in ids))
    jobs.create_queue("other")
    ids += [jobs.enqueue("other"), jobs.enqueue("default")]
    until(lambda: sorted(ran) == ids)
    until(lambda: all(gone(conn, id) for id in ids))
