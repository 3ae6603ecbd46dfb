"""The previous release's worker with this release's functions, the reverse, and the way from one to the other."""

import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from postgres.snapshot import snapshot
from yoyo.backends.base import DatabaseBackend

from ectojob_py import Jobs, Worker
from ectojob_py.embedded import VERSIONS, binaries
from ectojob_py.errors import SetupError
from ectojob_py.migrate import ROOT, migrate

from .conftest import Run

Conn = psycopg.Connection[Any]
Connect = Callable[..., Conn]


def await_(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline, "it didn't come to pass"
        time.sleep(0.01)


@pytest.fixture
def installed(conn: Conn, old: Run) -> None:
    """The functions of the previous release, with jobs in various states."""
    conn.execute("drop schema jobs cascade; create table done (id bigint, release text)")
    process = old("migrate")
    assert process.wait(60) == 0, process.communicate()
    conn.execute(
        "select jobs.enqueue('default', '{\"n\": 1}', priority => 9); select jobs.claim_batch('default', 1); "
        "select jobs.enqueue('default', '{\"n\": 2}', priority => 5); "
        "select jobs.enqueue('default', schedule => now() + interval '1 day')"
    )


@pytest.mark.usefixtures("installed")
def test_todays_worker_refuses_yesterdays_functions(conn: Conn, dsn: str) -> None:
    before = conn.execute("select * from jobs.job order by id").fetchall()
    with pytest.raises(SetupError, match=r"has ectojob 0\.1\.0") as caught:
        Worker(dsn, perform=lambda conn, job: None).run()
    assert "ectojob migrate" in caught.value.hint
    assert conn.execute("select * from jobs.job order by id").fetchall() == before


@pytest.mark.usefixtures("installed")
def test_an_upgrade_keeps_every_job_and_gives_the_schema_of_a_fresh_install(conn: Conn, dsn: str) -> None:
    columns = "queue, id, state, priority, schedule, expires, attempt, max_attempts, params, inserted_at"
    before = conn.execute(f"select {columns} from jobs.job order by id".encode()).fetchall()
    migrate(dsn)
    migrate(dsn)  # without what the first one keeps for calls that had begun
    migrate(dsn, "fresh")
    assert snapshot(conn) == snapshot(conn, "fresh")
    assert conn.execute(f"select {columns} from jobs.job order by id".encode()).fetchall() == before
    Jobs(conn).complete("default", 1, 1)
    assert Jobs(conn).enqueue("default") == 4


def test_yesterdays_deploy_over_todays_changes_nothing(conn: Conn, old: Run) -> None:
    before = snapshot(conn)
    _, told = old("migrate").communicate(timeout=60)
    assert 'function name "lock_available" is not unique [42725]' in told
    assert snapshot(conn) == before


@pytest.mark.usefixtures("installed")
def test_what_was_granted_by_hand_stays_granted(conn: Conn, dsn: str) -> None:
    """0.1.0 had no roles, and claim_batch has other arguments by now."""
    login = f"shop_of_{conn.info.dbname}"
    conn.execute(f"create role {login} login; grant usage on schema jobs to {login}".encode())
    conn.execute(f"grant execute on function jobs.claim_batch, jobs.reserve_batch, jobs.complete to {login}".encode())
    try:
        migrate(dsn)
        with psycopg.connect(dsn, user=login, autocommit=True) as shop:
            [job] = Jobs(shop).claim_batch("default", 1)
            Jobs(shop).complete("default", job.id, job.attempt)
            assert Jobs(shop).reserve_batch("default", 1) == []
            for call in ("in_flight(jobs.fall_asleep('default'))", "wake_up('default')"):
                shop.execute(f"select jobs.{call}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                Jobs(shop).enqueue("default")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                shop.execute("select jobs.former_claim_batch('default', 1)")
    finally:
        conn.execute(f"drop owned by {login}; drop role {login}".encode())
    migrate(dsn)
    migrate(dsn, "fresh")
    assert snapshot(conn) == snapshot(conn, "fresh")


IN_FLIGHT = (
    "fail('default', 1, 1, retry_in => interval '1 hour')",
    "claim_batch('default', 1)",
    "reserve_batch('default', 1)",
    "enqueue('default', schedule => now() + interval '1 hour')",
)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("migrated", [False, True], ids=["migrations", "no migration"])
def test_calls_that_had_begun_go_on_after_the_upgrade(
    conn: Conn, connect: Connect, dsn: str, monkeypatch: pytest.MonkeyPatch, migrated: bool
) -> None:
    Jobs(conn).enqueue("default")
    if migrated:
        with monkeypatch.context() as patched:
            patched.setattr(DatabaseBackend, "run_post_apply", lambda *args: None)
            migrate(dsn)
    manifest = ["awk", "-f", "sql/postgres/one_file.awk", "sql/postgres/install.sql"]
    script = subprocess.run(manifest, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    before, commit, after = script.rpartition("commit;")
    psql = [str(binaries(max(VERSIONS)) / "psql"), "-X", "-q", "-d", dsn]
    waiting = "select count(*) from pg_locks where not granted and locktype = %s and database = "
    waiting += "(select oid from pg_database where datname = current_database())"

    def wait(what: str, count: int) -> None:
        await_(lambda: conn.execute(waiting.encode(), [what]).fetchone() == (count,))

    with ThreadPoolExecutor(1 + len(IN_FLIGHT)) as pool:
        with connect().transaction() as gate:
            gate.connection.execute("select pg_advisory_xact_lock(1)")
            held = before + "select pg_advisory_xact_lock(1) \\g /dev/null\n" + commit + after
            upgrade = pool.submit(subprocess.run, psql, input=held, check=True, capture_output=True, text=True)
            wait("advisory", 1)
            calls = [pool.submit(connect().execute, f"select jobs.{call}".encode()) for call in IN_FLIGHT]
            wait("relation", len(IN_FLIGHT))
        assert [call.result().rowcount for call in calls] == [1] * len(IN_FLIGHT)
        upgrade.result()


@pytest.mark.usefixtures("installed")
def test_yesterdays_worker_goes_on_through_an_upgrade_and_starts_after_it(
    conn: Conn, connect: Connect, dsn: str, old: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its release has no handshake. It doesn't say when it sleeps, so enqueuers don't wake it, and it polls."""
    work = ("work", "shop:perform", "--queue", "default", "--poll-interval", "1")
    jobs = Jobs(connect())

    def done() -> list[int]:
        return [row[0] for row in conn.execute("select id from done order by id")]

    def does_one() -> None:
        id = jobs.enqueue("default")
        await_(lambda: id in done())

    def held(backend: DatabaseBackend, *args: Any) -> None:
        monkeypatch.undo()
        does_one()  # between the migrations and the functions
        backend.run_post_apply(*args)

    running = old(*work)
    await_(lambda: done() == [2])
    monkeypatch.setattr(DatabaseBackend, "run_post_apply", held)
    with ThreadPoolExecutor(1) as pool:
        upgrade = pool.submit(migrate, dsn)
        while not upgrade.done():
            does_one()
    assert upgrade.result() != []
    does_one()
    assert running.poll() is None
    running.terminate()
    log = running.communicate(timeout=60)[1]
    assert running.returncode == 0, log
    assert re.findall(r"failed|lost|WARNING(?!.*SIGTERM)|ERROR", log) == []
    starting = old(*work)
    does_one()
    does_one()
    assert starting.poll() is None
    assert len(done()) == len(set(done()))
    assert conn.execute("select id from jobs.job order by id").fetchall() == [(1,), (3,)]


@pytest.mark.parametrize(("listens_at_once", "release"), [(True, None), (True, "0.2.0"), (False, None)])
def test_who_listens_and_asks_what_is_due_as_yesterdays_worker_did_is_woken(
    conn: Conn, dsn: str, listens_at_once: bool, release: str | None
) -> None:
    yesterdays = listens_at_once and release is None
    with psycopg.connect(dsn, autocommit=True, application_name="shop") as worker:
        if release is not None:
            worker.execute("select set_config('ectojob.release', %s, false)", [release])
        if listens_at_once:
            worker.execute('listen "jobs.default"')
        Jobs(worker).next_due("default")
        worker.execute('listen "jobs.default"')
        Jobs(conn).enqueue("default")
        worker.execute("select")  # what was committed before a statement is heard with it
        assert [heard.channel for heard in worker.notifies(timeout=0)] == ["jobs.default"] * yesterdays


@pytest.mark.parametrize("release", [None, "0.2.0"])
def test_yesterdays_worker_is_told_of_its_own_failures(conn: Conn, dsn: str, release: str | None) -> None:
    with psycopg.connect(dsn, autocommit=True) as worker:
        if release is not None:
            worker.execute("select set_config('ectojob.release', %s, false)", [release])
        worker.execute('listen "jobs.default"')
        worker.execute('listen "jobs.default.scheduled"')
        jobs = Jobs(worker)
        jobs.next_due("default")
        Jobs(conn).enqueue("default")
        [job] = jobs.claim_batch("default", 1)
        list(worker.notifies(timeout=0))
        jobs.fail("default", job.id, job.attempt)
        worker.execute("select")
        told = [heard.channel for heard in worker.notifies(timeout=0)]
        assert told == ["jobs.default.scheduled"] * (release is None)
