"""The server is out of reach, or not the primary any more, and its connections look alive."""

import asyncio
import errno
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from proxy import Proxy
from psycopg.conninfo import make_conninfo

from ectojob_py import Job, Jobs
from ectojob_py.bell import Bell
from ectojob_py.embedded import VERSIONS, EmbeddedServer, binaries
from ectojob_py.migrate import migrate
from ectojob_py.postgres import heartbeat, listener
from ectojob_py.postgres.connection import HandlerConnection
from ectojob_py.postgres.heartbeat import AsyncLivelyConnection, LivelyConnection
from ectojob_py.postgres.listener import Listener

from .conftest import StartWorker
from .waiting import until

Conn = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server of its own: here it is set read-only, and syncs, so that a COMMIT can be delayed."""
    folder = Path(tempfile.mkdtemp(prefix="ectojob-test-"))
    folder.chmod(0o755)
    server = EmbeddedServer(folder, binaries(VERSIONS[-1]), {"commit_siblings": "0"})
    server.start()
    migrate(server.dsn())
    yield server
    server.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def dsn(server: EmbeddedServer) -> Iterator[str]:
    """The database, with no job in it."""
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("create table effect (job bigint, backend integer)")
        yield server.dsn()
        conn.execute("drop table effect")
        conn.execute("delete from jobs.job")


@pytest.fixture
def conn(dsn: str) -> Iterator[Conn]:
    """A connection past the proxy."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        yield conn


@pytest.fixture
def proxy(server: EmbeddedServer) -> Iterator[Proxy]:
    """A proxy before the server, which can be told to swallow everything."""
    with Proxy(lambda: server.folder / ".s.PGSQL.5432") as proxy:
        yield proxy


@pytest.fixture
def through(dsn: str, proxy: Proxy) -> str:
    """How to connect through the proxy."""
    return make_conninfo(dsn, host="127.0.0.1", port=proxy.port)


@pytest.fixture(autouse=True)
def nervous(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a worker 15 seconds takes it less here."""
    for name in ("INTERVAL", "PATIENCE", "LAST_PATIENCE"):
        monkeypatch.setattr(heartbeat, name, 0.3)


def writes(conn: Conn, job: Job) -> None:
    conn.execute("insert into effect values (%s, pg_backend_pid())", [job.id])


def effects(conn: Conn) -> list[int]:
    return [job for (job,) in conn.execute("select job from effect order by job")]


def all_done(conn: Conn) -> bool:
    return conn.execute("select from jobs.job").fetchone() is None


def test_an_idle_worker_notices_a_black_hole(conn: Conn, through: str, proxy: Proxy, start_worker: StartWorker) -> None:
    # The lease is short, for the answer to a claim may be what the hole swallows; so is the wait after a failure.
    start_worker(dsn=through, perform=writes, poll_interval=3600, execution_timeout=0.5, retry_timeout=0.05)
    ids = [Jobs(conn).enqueue("default")]
    until(lambda: all_done(conn))
    proxy.swallow()
    ids.append(Jobs(conn).enqueue("default"))
    until(lambda: all_done(conn))
    assert effects(conn) == ids


def test_so_does_a_worker_that_waits_for_the_answer_to_a_call(
    conn: Conn, through: str, proxy: Proxy, start_worker: StartWorker
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def perform(conn: Conn, job: Job) -> None:
        writes(conn, job)
        began.set()
        assert go_on.wait(20)

    start_worker(
        dsn=through, perform=perform, poll_interval=3600, execution_timeout=0.5, retry_timeout=0.05, max_demand=1
    )
    ids = Jobs(conn).enqueue_many("default", [{}, {}])
    assert began.wait(20)
    proxy.swallow()  # both connections: the listener's next call extends the lease, and the hand's completes the job
    go_on.set()
    until(lambda: all_done(conn))
    assert effects(conn) == ids


def test_a_commit_whose_answer_is_lost_costs_the_hand_nothing_but_time(
    conn: Conn, through: str, proxy: Proxy, start_worker: StartWorker
) -> None:
    proxy.loses_commit.set()
    start_worker(
        dsn=through, perform=writes, poll_interval=3600, execution_timeout=0.5, retry_timeout=0.05, max_demand=1
    )
    ids = Jobs(conn).enqueue_many("default", [{}] * 3)
    until(lambda: all_done(conn))
    assert effects(conn) == ids
    assert not proxy.loses_commit.is_set()


def test_a_call_that_the_server_is_at_is_waited_for(through: str) -> None:
    with LivelyConnection.connect(through) as conn:
        assert conn.execute("select pg_sleep(%s), 1", [4 * heartbeat.PATIENCE]).fetchone() == ("", 1)


def test_so_it_is_behind_a_pooler_that_makes_up_process_ids(through: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", 1)
    nap = "select from (select pg_sleep(%s)) as nap"
    with Listener(through, "jobs", ("default",)) as listener:
        listener._conn.execute(nap, [4 * heartbeat.PATIENCE])
    lent = HandlerConnection.open(through)
    lent.execute(nap, [4 * heartbeat.PATIENCE])
    lent.close()


def test_an_answer_that_is_lost_to_a_login_with_another_role_is_not_waited_for(
    conn: Conn, through: str, proxy: Proxy
) -> None:
    conn.execute("drop role if exists another; drop role if exists login")
    conn.execute("create role another; create role login login in role another; alter role login set role another")
    with LivelyConnection.connect(make_conninfo(through, user="login")) as lively:
        nap = lively.execute("select current_user, pg_sleep(%s)", [4 * heartbeat.PATIENCE])
        assert nap.fetchone() == ("another", "")
        proxy.swallow()
        with pytest.raises(psycopg.OperationalError, match=r"did not answer for 0\.3 seconds"):
            lively.execute("select")
    conn.execute("drop role another; drop role login")


def test_a_worker_that_is_frozen_between_two_statements_keeps_its_jobs_row_from_nobody(
    conn: Conn, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_BRIEF", "set idle_in_transaction_session_timeout = '0.2s'")
    jobs = Jobs(conn)
    jobs.enqueue("default")
    [job] = jobs.claim_batch("default", 1, timedelta(seconds=0.1))

    def freezes() -> Job | None:
        extended = mine.jobs.extend(job.queue, job.id, job.attempt, timedelta(seconds=0.1))
        until(lambda: jobs.reactivate_expired("default") == 1)
        return extended

    with Listener(dsn, "jobs", ("default",)) as mine, pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        mine._at_once(freezes)


def test_an_answer_that_is_lost_is_not(through: str, proxy: Proxy) -> None:
    with LivelyConnection.connect(through) as conn:
        proxy.swallow()
        with pytest.raises(psycopg.OperationalError, match=r"did not answer for 0\.3 seconds"):
            conn.execute("select")
        assert conn.closed


def test_an_idle_listener_asks_nothing_but_for_the_pulse(dsn: str, conn: Conn) -> None:
    bell = Bell()
    last = "select query, query_start from pg_stat_activity where application_name like 'ectojob%'"
    with Listener(dsn, "jobs", ("default",)) as listener:
        while listener.wait(0, bell, {"default"})[0]:
            assert listener.claim("default", 1, None) == []  # it looks once more, and sleeps
        for _ in range(2):
            before = conn.execute(last).fetchall()
            while conn.execute(last).fetchall() == before:
                assert listener.wait(3600, bell, {"default"}) == (set(), set())
            [(query, began)] = conn.execute(last).fetchall()
            assert query == "show transaction_read_only"
            assert (began - before[0][1]).total_seconds() >= heartbeat.INTERVAL
    bell.close()


def test_so_does_an_idle_worker_between_two_polls_at_which_it_sweeps_and_claims(
    dsn: str, monkeypatch: pytest.MonkeyPatch, start_worker: StartWorker
) -> None:
    asked: list[str] = []
    execute = psycopg.Cursor.execute

    def noting(cursor: psycopg.Cursor[Any], query: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(cursor.connection, LivelyConnection):
            text = (
                query if isinstance(query, str) else query.decode() if isinstance(query, bytes) else query.as_string()
            )
            asked.append(re.sub(r'.*"jobs"\."(\w+)".*', r"\1", text))
        return execute(cursor, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", noting)
    start_worker(dsn=dsn, perform=writes, poll_interval=1.5)
    until(lambda: asked.count("activate_scheduled") == 3)
    second, third = [place for place, query in enumerate(asked) if query == "activate_scheduled"][1:]
    poll, pulse = asked[second : second + 4], asked[second + 4 : third]
    assert poll == ["activate_scheduled", "reactivate_expired", "next_due", "claim_batch"]
    assert set(pulse) == {"show transaction_read_only"}
    assert len(pulse) <= 1.5 / heartbeat.INTERVAL


def test_an_idle_worker_leaves_a_server_that_became_read_only(dsn: str, conn: Conn, start_worker: StartWorker) -> None:
    def listening() -> set[int]:
        query = "select pid from pg_stat_activity where application_name like 'ectojob%'"
        return {pid for (pid,) in conn.execute(query)}

    start_worker(dsn=dsn, perform=writes, poll_interval=3600)
    ids = [Jobs(conn).enqueue("default")]
    until(lambda: all_done(conn))
    before = listening()
    conn.execute("set default_transaction_read_only = off")
    conn.execute("alter system set default_transaction_read_only = on")
    try:
        conn.execute("select pg_reload_conf()")
        until(lambda: not listening() & before)
    finally:
        conn.execute("alter system reset default_transaction_read_only")
        conn.execute("select pg_reload_conf()")
    ids.append(Jobs(conn).enqueue("default"))
    until(lambda: all_done(conn))
    assert effects(conn) == ids


def test_a_handler_that_meets_a_read_only_server_makes_the_worker_drop_them_all(
    dsn: str, conn: Conn, start_worker: StartWorker
) -> None:
    both = threading.Barrier(2)

    def perform(conn: Conn, job: Job) -> None:
        if job.params.get("read_only"):
            conn.execute("set transaction read only")
        else:
            both.wait(20)
        writes(conn, job)

    start_worker(dsn=dsn, perform=perform, poll_interval=3600, max_demand=2)
    for number in (2, 1, 2):
        Jobs(conn).enqueue_many("default", [{"read_only": number == 1}] * number, max_attempts=1)
        until(lambda: conn.execute("select from jobs.job where state <> 'FAILED'").fetchone() is None)
    [(backends,)] = conn.execute("select count(distinct backend) from effect").fetchall()
    assert backends == 4


def test_the_commits_of_others_that_notify_are_no_lock_on_a_row(conn: Conn, dsn: str) -> None:
    jobs = Jobs(conn)
    jobs.enqueue_many("default", [{}] * 6, notify="ended")
    claimed = jobs.claim_batch("default", 6)
    over = threading.Event()

    def notify() -> None:
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute("set commit_delay = 100000")  # in us, in which no other COMMIT may notify
            while not over.is_set():
                with other.transaction():
                    other.execute("insert into effect default values")
                    other.execute("notify something")

    thread = threading.Thread(target=notify)
    thread.start()
    try:
        with Listener(dsn, "jobs", ("default",)) as listener:
            for job in claimed[:3]:
                listener.fail(job, "it failed", None)
            for job in claimed[3:]:
                listener.release(job)
    finally:
        over.set()
        thread.join()
    states = [state for (state,) in conn.execute("select state from jobs.job order by id")]
    assert states == ["RETRY"] * 3 + ["AVAILABLE"] * 3


def test_who_may_not_know_what_its_session_does_waits_for_it(conn: Conn, dsn: str) -> None:
    conn.execute("create role app; create role for_a_day login in role app; alter role for_a_day set role = app")
    try:
        with LivelyConnection.connect(make_conninfo(dsn, user="for_a_day")) as theirs:
            slept = theirs.execute("select current_user, pg_sleep(1)").fetchone()
    finally:
        conn.execute("drop role for_a_day; drop role app")
    assert slept == ("app", "")


def test_a_connection_for_which_there_is_no_descriptor_fails_as_any_other(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("psycopg.waiting.wait_conn", no_more)
    monkeypatch.setattr("psycopg.waiting.wait_conn_async", no_more)
    with pytest.raises(psycopg.OperationalError, match="Too many open files"):
        LivelyConnection.connect(dsn)
    with pytest.raises(psycopg.OperationalError, match="Too many open files"):
        asyncio.run(AsyncLivelyConnection.connect(dsn))
