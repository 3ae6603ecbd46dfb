"""The database crashes, stays away and comes back under a running worker; connections die one by one."""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore
from time import monotonic
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ectojob_py import Job, Jobs, Worker, stock
from ectojob_py.embedded import VERSIONS, EmbeddedServer, binaries
from ectojob_py.migrate import migrate
from ectojob_py.postgres import heartbeat

from .conftest import StartWorker
from .waiting import until

Conn = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server of its own, of one version, that the tests may crash. It syncs to disk, for what it says is audited."""
    # Not in pytest's folder: each new session of pytest closes that to the user who runs the server.
    folder = Path(tempfile.mkdtemp(prefix="ectojob-test-"))
    folder.chmod(0o755)
    server = EmbeddedServer(folder, binaries(VERSIONS[-1]))
    server.start()
    migrate(server.dsn())
    yield server
    if server.running():
        server.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def dsn(server: EmbeddedServer) -> Iterator[str]:
    """The database, with no job in it, and whatever the test did to the server, running again."""
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("create table effect (job bigint)")
    yield server.dsn()
    server.start()
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("drop table effect")
        conn.execute("delete from jobs.job")


def writes(conn: Conn, job: Job) -> None:
    conn.execute("insert into effect values (%s)", [job.id])


def ask(dsn: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchall()


def enqueue(dsn: str, jobs: int = 1) -> list[int]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        return Jobs(conn).enqueue_many("default", [{}] * jobs, max_attempts=100)


def all_done(dsn: str) -> bool:
    return ask(dsn, "select from jobs.job") == []


def effects(dsn: str) -> list[int]:
    return [job for (job,) in ask(dsn, "select job from effect order by job")]


def test_crashes_in_the_middle_of_jobs_leave_each_one_effect(
    server: EmbeddedServer, dsn: str, start_worker: StartWorker
) -> None:
    began = threading.Semaphore(0)

    def perform(conn: Conn, job: Job) -> None:
        writes(conn, job)
        began.release()
        conn.execute("select pg_sleep(0.02)")

    ids = enqueue(dsn, 300)
    start_worker(dsn=dsn, perform=perform, max_demand=4, poll_interval=3600, execution_timeout=2, retry_timeout=0.05)
    for _ in range(2):
        for _ in range(50):
            assert began.acquire(timeout=20)
        server.stop("immediate")
        server.start()
    until(lambda: all_done(dsn))
    assert effects(dsn) == ids


def test_it_catches_up_with_what_came_while_it_was_cut_off(
    server: EmbeddedServer, dsn: str, start_worker: StartWorker
) -> None:
    start_worker(dsn=dsn, perform=writes, poll_interval=3600)
    before = enqueue(dsn)
    until(lambda: all_done(dsn))
    server.stop("immediate")
    server.start()
    # The worker may well hear this by then; that it looks unasked is what the next test is about.
    after = enqueue(dsn, 10)
    until(lambda: all_done(dsn))
    assert effects(dsn) == before + after


def test_it_looks_unasked_when_it_listens_again(server: EmbeddedServer, dsn: str, start_worker: StartWorker) -> None:
    start_worker(dsn=dsn, perform=writes, poll_interval=3600)
    ids = enqueue(dsn)
    until(lambda: all_done(dsn))
    with (
        psycopg.connect(server.dsn("template1"), autocommit=True) as doorman,
        psycopg.connect(dsn, autocommit=True) as conn,
    ):
        doorman.execute("alter database postgres allow_connections false")
        try:
            until(lambda: terminate(doorman, "application_name like 'ectojob%'") == 0)
            ids += Jobs(conn).enqueue_many("default", [{}] * 3)  # their wake-up is heard by nobody
        finally:
            doorman.execute("alter database postgres allow_connections true")
    until(lambda: all_done(dsn))
    assert effects(dsn) == ids


def terminate(conn: Conn, which: str) -> int:
    """End the sessions in question; return how many there were."""
    return len(
        conn.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {which}".encode()).fetchall()
    )


@pytest.mark.parametrize(("setting", "said"), [("statement_timeout", False), ("lock_timeout", True)])
def test_a_call_that_takes_long_is_not_cut_off_and_one_that_is_refused_is_no_lost_database(
    dsn: str, start_worker: StartWorker, caplog: pytest.LogCaptureFixture, setting: str, said: bool
) -> None:
    start_worker(dsn=make_conninfo(dsn, options=f"-c {setting}=100"), perform=writes, poll_interval=3600)
    ids = enqueue(dsn)
    until(lambda: all_done(dsn))
    waiting = "select from pg_stat_activity where wait_event_type = 'Lock' and clock_timestamp() > query_start"
    with psycopg.connect(dsn) as conn:
        ids += Jobs(conn).enqueue_many("default", [{}])
        conn.execute("lock table jobs.job in access exclusive mode")
        notify = "select pg_notify('jobs.default', '')"
        ask(dsn, notify)
        if said:
            until(lambda: "a call failed, trying again: canceling statement due to lock timeout" in caplog.text)
        else:
            until(lambda: ask(dsn, f"{waiting} + interval '0.3 seconds'"))
    until(lambda: all_done(dsn))
    assert effects(dsn) == ids
    assert ("a call failed" in caplog.text) is said
    assert "lost the database" not in caplog.text


@pytest.mark.parametrize("holds", [False, True])
def test_a_worker_that_waits_for_a_lock_stops_when_its_grace_period_is_over(
    dsn: str, monkeypatch: pytest.MonkeyPatch, holds: bool
) -> None:
    monkeypatch.setattr(heartbeat, "LAST_PATIENCE", 0.1)
    began, go_on = Event(), Event()

    def perform(conn: Conn, job: Job) -> None:
        began.set()
        assert go_on.wait(20)

    worker = Worker(dsn, perform=perform, poll_interval=3600, connections=2)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(worker.run)
        if holds:
            enqueue(dsn)
            assert began.wait(20)
        until(lambda: ask(dsn, "select from pg_locks where locktype = 'advisory' and granted"))  # it sleeps
        with psycopg.connect(dsn) as conn:
            conn.execute("lock table jobs.job in access exclusive mode")
            ask(dsn, "select pg_notify('jobs.default', '')")
            until(lambda: ask(dsn, "select from pg_locks where relation = 'jobs.job'::regclass and not granted"))
            worker.stop(grace=0.1)
            assert held.result(20) == holds
        go_on.set()


def test_a_handler_that_needs_no_database_outlives_a_crash(
    server: EmbeddedServer, dsn: str, start_worker: StartWorker
) -> None:
    began, go_on, runs = threading.Event(), threading.Event(), []

    def perform(conn: Conn, job: Job) -> None:
        runs.append(job.attempt)
        began.set()
        assert go_on.wait(20)
        writes(conn, job)

    start_worker(dsn=dsn, perform=perform, poll_interval=3600, execution_timeout=30, retry_timeout=0.05)
    ids = enqueue(dsn)
    assert began.wait(20)
    server.stop("immediate")
    server.start()
    go_on.set()
    until(lambda: all_done(dsn))
    assert effects(dsn) == ids
    assert runs == [1, 2]  # its connection was gone, so the first attempt failed, at once and not by its lease


def test_it_works_again_at_once_after_a_long_outage(
    server: EmbeddedServer, dsn: str, start_worker: StartWorker
) -> None:
    gate = threading.Barrier(5)

    def perform(conn: Conn, job: Job) -> None:
        writes(conn, job)
        if not gate.broken:
            gate.wait(20)

    start_worker(dsn=dsn, perform=perform, max_demand=4, poll_interval=3600, retry_timeout=0.05)
    ids = enqueue(dsn, 4)
    until(lambda: gate.n_waiting == 4)
    server.stop("immediate")
    gate.abort()
    down_until = monotonic() + 7.5
    until(lambda: monotonic() > down_until)  # how long it was away is what this is about
    server.start()
    back = monotonic()
    until(lambda: all_done(dsn))
    assert effects(dsn) == ids
    assert monotonic() - back < 6  # five seconds is the listener's longest pause


def test_losing_the_listening_connection_alone(dsn: str, start_worker: StartWorker) -> None:
    start_worker(dsn=dsn, perform=writes, poll_interval=3600)
    ids = enqueue(dsn)
    until(lambda: all_done(dsn))
    with psycopg.connect(dsn, autocommit=True) as conn:
        for _ in range(5):
            assert terminate(conn, "application_name like 'ectojob%' and query !~ '^(COMMIT|ROLLBACK)'") >= 1
            ids += enqueue(dsn)
            until(lambda: all_done(dsn))
    assert effects(dsn) == ids


def test_losing_a_handlers_idle_connection_costs_no_attempt(
    dsn: str, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "_FRESH", 0.0)  # before that it isn't idle: a hand trusts it
    attempts = []

    def perform(conn: Conn, job: Job) -> None:
        writes(conn, job)
        attempts.append(job.attempt)

    start_worker(dsn=dsn, perform=perform, poll_interval=3600, max_demand=1)
    ids = enqueue(dsn)
    until(lambda: all_done(dsn))
    with psycopg.connect(dsn, autocommit=True) as conn:
        assert terminate(conn, "application_name like 'ectojob%' and query ~ '^(COMMIT|ROLLBACK)'") == 1
    ids += enqueue(dsn)
    until(lambda: all_done(dsn))
    assert (effects(dsn), attempts) == (ids, [1, 1])


def test_a_connection_from_before_is_not_used_again(dsn: str, start_worker: StartWorker) -> None:
    began, go_on, backends = threading.Event(), threading.Event(), []

    def perform(conn: Conn, job: Job) -> None:
        writes(conn, job)
        backends.append(conn.info.backend_pid)
        began.set()
        assert go_on.wait(20)

    start_worker(dsn=dsn, perform=perform, poll_interval=3600, max_demand=1)
    listening = "application_name like 'ectojob%' and state = 'idle'"
    ids = enqueue(dsn, 2)
    assert began.wait(20)
    with psycopg.connect(dsn, autocommit=True) as conn:
        assert terminate(conn, listening) == 1  # as on a primary that isn't one any more
        until(lambda: ask(dsn, f"select from pg_stat_activity where {listening} and query ~ 'next_due'"))
    go_on.set()
    until(lambda: all_done(dsn))
    assert effects(dsn) == ids
    assert len(set(backends)) == 2


def test_what_is_cut_off_while_the_database_is_away_is_told(server: EmbeddedServer, dsn: str) -> None:
    began, go_on = Event(), Event()

    def perform(conn: Conn, job: Job) -> None:
        began.set()
        go_on.wait(20)

    worker = Worker(dsn, perform=perform)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(worker.run)
        enqueue(dsn)
        assert began.wait(20)
        server.stop("immediate")
        worker.stop(grace=0.3)
        assert held.result(20) == 1
        go_on.set()


def test_a_queue_that_was_dropped_keeps_no_other_job_from_being_given_back(dsn: str) -> None:
    began, go_on = Semaphore(0), Event()

    def perform(conn: Conn, job: Job) -> None:
        began.release()
        go_on.wait(20)

    with psycopg.connect(dsn, autocommit=True) as conn:
        jobs = Jobs(conn)
        jobs.create_queue("a")
        jobs.enqueue("a")
        id = jobs.enqueue("default")
        worker = Worker(dsn, ["a", "default"], perform=perform)
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(worker.run)
            assert began.acquire(timeout=20)
            assert began.acquire(timeout=20)
            jobs.drop_queue("a", force=True)
            worker.stop(grace=0.1)
            assert held.result(20) == 2
            go_on.set()
        assert [job.id for job in jobs.claim_batch("default", 1)] == [id]
