"""Deploying into a schema that others use, or may do more in than they should."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from servers import POSTGRES
from yoyo import get_backend, read_migrations

from ectojob_py import Jobs, SetupError
from ectojob_py.migrate import ROOT, migrate, rollback

from .snapshot import snapshot

Conn = psycopg.Connection[Any]
Deploy = Callable[..., None]

LOCKING_MIGRATIONS = ("0006_job_pkey_room", "0005_job_rules", "0004_job_held")
"""Those that change job, the last one first."""

HELD_UP_BY = ("select jobs.enqueue('default')", "select * from jobs.queue_depth")
"""What keeps a deploy waiting, in a transaction that is open."""


class Refused(Exception):
    """What the deploy said."""


@pytest.fixture(params=["psql", "migrate"])
def deploy(request: pytest.FixtureRequest, dsn: str) -> Deploy:
    """Deploy this release; whatever keeps it from that is ``Refused``, with the hint."""

    def by_psql(user: str = "postgres", lock_timeout: str = "") -> None:
        program = POSTGRES[request.node.callspec.params["postgres_server"]] / "psql"
        environment = {**os.environ, "PGOPTIONS": f"-c lock_timeout={lock_timeout}" if lock_timeout else ""}
        login = make_conninfo(dsn, user=user)  # -U would yield to it
        command = [str(program), "-X", "-q", "-d", login, "-f", str(ROOT / "sql/postgres/install.sql")]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)
        if done.returncode != 0:
            raise Refused(done.stderr)

    def by_migrate(user: str = "postgres", lock_timeout: str = "") -> None:
        options = {"options": f"-c lock_timeout={lock_timeout}"} if lock_timeout else {}
        try:
            migrate(make_conninfo(dsn, user=user, **options))
        except SetupError as error:
            raise Refused(f"{error} {error.hint}") from error
        except psycopg.Error as error:
            raise Refused(f"{error} {error.diag.message_hint}") from error

    return by_psql if request.param == "psql" else by_migrate


@contextmanager
def a_login(conn: Conn) -> Iterator[str]:
    """A login with no rights, which is gone when the test ends."""
    name = f"plain_of_{conn.info.dbname}"
    role = sql.Identifier(name)
    conn.execute(sql.SQL("create role {} login").format(role))
    try:
        yield name
    finally:
        conn.execute(sql.SQL("drop owned by {} cascade").format(role))
        conn.execute(sql.SQL("drop role {}").format(role))


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_an_older_release_does_not_take_the_place_of_a_newer_one(conn: Conn, deploy: Deploy, conforming: str) -> None:
    conn.execute(f"alter database {conn.info.dbname} set standard_conforming_strings = {conforming}".encode())
    future = "create or replace function jobs.version() returns text language sql return '{}'"
    conn.execute("drop function jobs.version()")
    conn.execute(future.format("0.10.0").encode())
    before = snapshot(conn)
    with pytest.raises(Refused, match=r"has ectojob 0\.10\.0(.|\n)*or later"):
        deploy()
    assert snapshot(conn) == before
    conn.execute(future.format("0.2.9").encode())
    deploy()


def test_where_everybody_may_create_nothing_is_deployed(conn: Conn, deploy: Deploy) -> None:
    before = snapshot(conn)
    conn.execute("grant create on schema jobs to public")
    with pytest.raises(Refused, match=r"PUBLIC may create(.|\n)*revoke create on schema jobs from public"):
        deploy()
    conn.execute("revoke all on schema jobs from public")
    deploy()
    assert snapshot(conn) == before


def test_where_everybody_may_create_no_migration_is_applied(conn: Conn, deploy: Deploy) -> None:
    conn.execute("drop schema jobs cascade; create schema jobs; grant create on schema jobs to public")
    with pytest.raises(Refused, match="PUBLIC may create"):
        deploy()
    assert conn.execute("select to_regclass('jobs.queue')").fetchone() == (None,)


def test_a_schema_of_ones_own_is_enough(conn: Conn, deploy: Deploy) -> None:
    conn.execute("drop schema jobs cascade")
    with a_login(conn) as owner:
        conn.execute(sql.SQL("create schema jobs authorization {}").format(sql.Identifier(owner)))
        deploy(owner)
        assert Jobs(conn).enqueue("default") == 1


@pytest.mark.parametrize("what", HELD_UP_BY)
def test_a_deploy_that_waits_for_a_transaction_keeps_nobody_else_waiting(
    conn: Conn, connect: Callable[..., Conn], deploy: Deploy, what: str
) -> None:
    open_one, other = connect(), connect()
    other.execute("set lock_timeout = '1s'")
    with ThreadPoolExecutor(1) as pool:
        with open_one.transaction():
            open_one.execute(what.encode())
            waiting = pool.submit(deploy)
            deadline = time.monotonic() + 30
            while not conn.execute("select from pg_stat_activity where wait_event = 'PgSleep'").fetchall():
                assert time.monotonic() < deadline
                assert not waiting.done()
            for _ in range(20):
                for by_others in HELD_UP_BY:
                    other.execute(by_others.encode())
                time.sleep(0.01)
            for then in HELD_UP_BY:  # would deadlock with a deploy that kept a lock while it waits
                open_one.execute(then.encode())
            assert not waiting.done()
        waiting.result()
    assert len(Jobs(conn).claim_batch("default", 100)) == 21 + (what == HELD_UP_BY[0])


@pytest.mark.parametrize("what", HELD_UP_BY)
def test_a_deploy_waits_as_long_as_it_is_told(
    conn: Conn, connect: Callable[..., Conn], deploy: Deploy, what: str
) -> None:
    before = snapshot(conn)
    open_one = connect()
    with open_one.transaction():
        open_one.execute(what.encode())
        with pytest.raises(Refused, match=r"somebody uses table job(.|\n)*Try again"):
            deploy(lock_timeout="100ms")
        assert snapshot(conn) == before
    deploy(lock_timeout="10s")


def undo(conn: Conn) -> None:
    """Have the migrations that lock job pending again, for psql and for yoyo."""
    conn.execute("set search_path = jobs, pg_temp")
    for migration in LOCKING_MIGRATIONS:
        conn.execute((ROOT / f"migrations/postgres/{migration}.rollback.sql").read_bytes())
    conn.execute("delete from _yoyo_migration where migration_id = any(%s)", [list(LOCKING_MIGRATIONS)])
    conn.execute("reset search_path")


@pytest.fixture
def set_roles(request: pytest.FixtureRequest, dsn: str) -> Deploy:
    """Run roles.sql, or roles.rollback.sql; whatever keeps it from that is ``Refused``."""

    def by_psql(wanted: bool, lock_timeout: str = "5s") -> None:
        program = POSTGRES[request.node.callspec.params["postgres_server"]] / "psql"
        script = ROOT / "sql/postgres" / ("roles.sql" if wanted else "roles.rollback.sql")
        command = [str(program), "-X", "-q", "-d", dsn, "-f", str(script)]
        environment = {**os.environ, "PGOPTIONS": f"-c lock_timeout={lock_timeout}"}
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)
        if done.returncode != 0:
            raise Refused(done.stderr)

    return by_psql


@contextmanager
def nobody_waits(conn: Conn, other: Conn, waiting: Future[Any]) -> Iterator[None]:
    """Have others enqueue, in a block and after it, while a deploy waits for who holds a job's row."""
    other.execute("set lock_timeout = '1s'")
    deadline = time.monotonic() + 30
    while not conn.execute("select from pg_stat_activity where wait_event = 'PgSleep'").fetchall():
        assert time.monotonic() < deadline
        assert not waiting.done(), waiting.exception()
    for _ in range(20):
        other.execute("select jobs.enqueue('default')")
        time.sleep(0.01)
    yield
    assert not waiting.done(), waiting.exception()


@pytest.mark.parametrize("what", ["select from jobs.job for update", "select from jobs.job"])
def test_migrations_that_wait_keep_nobody_else_waiting(
    conn: Conn, connect: Callable[..., Conn], deploy: Deploy, what: str
) -> None:
    before = snapshot(conn)
    Jobs(conn).enqueue("default")
    undo(conn)
    open_one = connect()
    with ThreadPoolExecutor(1) as pool:
        with open_one.transaction():
            open_one.execute(what.encode())
            waiting = pool.submit(deploy)
            with nobody_waits(conn, connect(), waiting):
                pass
        waiting.result()
    assert snapshot(conn) == before
    undo(conn)
    with open_one.transaction():
        open_one.execute(what.encode())
        with pytest.raises(Refused, match=r"somebody uses table job(.|\n)*process \d+: postgres(.|\n)*Try again"):
            deploy(lock_timeout="100ms")
    deploy()
    assert snapshot(conn) == before


def test_a_rollback_that_waits_keeps_nobody_else_waiting(conn: Conn, connect: Callable[..., Conn], dsn: str) -> None:
    migrate(dsn)
    ids = sorted(path.stem for path in (ROOT / "migrations/postgres").glob("0*.sql") if ".rollback" not in path.name)
    open_one = connect()
    impatient = make_conninfo(dsn, options="-c lock_timeout=100ms")
    with ThreadPoolExecutor(1) as pool:
        with open_one.transaction():
            Jobs(open_one).enqueue("default")
            with pytest.raises(psycopg.errors.LockNotAvailable, match="somebody uses table job") as refused:
                rollback(impatient)
            assert refused.value.__notes__ == ["rolled back before that: nothing"]
            with pytest.raises(psycopg.errors.LockNotAvailable, match="somebody uses table job") as refused:
                migrate(impatient)
            assert refused.value.__notes__ == ["applied before that: nothing"]
            Jobs(conn).enqueue("default")
            waiting = pool.submit(rollback, dsn)
            with nobody_waits(conn, connect(), waiting):
                pass
        assert waiting.result() == ids[::-1]
    migrate(dsn)


def test_a_rollback_by_psql_takes_no_table_of_another_schema(
    request: pytest.FixtureRequest, conn: Conn, dsn: str
) -> None:
    conn.execute("create table public.job (id int); create table public.queue (id int)")
    conn.execute("create table public.migration (id text)")
    psql = POSTGRES[request.node.callspec.params["postgres_server"]] / "psql"
    command: list[str | Path] = [psql, "-X", "-q", "-d", dsn]
    for file in sorted((ROOT / "migrations/postgres").glob("*.rollback.sql"), reverse=True):
        command += ["-f", file]
    told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60).stderr
    assert "schema public has no migration 0002_job" in told
    assert "search_path=jobs,pg_temp" in told
    conn.execute("drop table public.job, public.queue, public.migration")
    environment = {**os.environ, "PGOPTIONS": "-c search_path=jobs,pg_temp"}
    strict = [*command, "-1", "-v", "ON_ERROR_STOP=1"]
    subprocess.run(strict, check=True, capture_output=True, timeout=60, env=environment)
    assert snapshot(conn) == []
    migrate(dsn)


def test_roles_that_wait_keep_nobody_else_waiting(conn: Conn, connect: Callable[..., Conn], set_roles: Deploy) -> None:
    Jobs(conn).enqueue("default")
    open_one = connect()
    for wanted in (True, False):
        with ThreadPoolExecutor(1) as pool:
            with open_one.transaction():
                open_one.execute("select from jobs.job for update")
                waiting = pool.submit(set_roles, wanted)
                with nobody_waits(conn, connect(), waiting):
                    pass
            waiting.result()


def test_a_deploy_has_autovacuum_give_way(conn: Conn, connect: Callable[..., Conn], deploy: Deploy) -> None:
    """It does so for who has waited for ``deadlock_timeout``; a moment, which is all that others are kept, is less."""
    waits = """
        select from pg_locks where relation = 'jobs.job'::regclass and not granted
        and clock_timestamp() - waitstart > current_setting('deadlock_timeout')::interval
    """
    vacuum = connect()
    with ThreadPoolExecutor(1) as pool:
        with vacuum.transaction():
            vacuum.execute("lock table jobs.job in share update exclusive mode")  # as autovacuum has it
            waiting = pool.submit(deploy)
            deadline = time.monotonic() + 30
            while not conn.execute(waits.encode()).fetchall():
                assert time.monotonic() < deadline
                assert not waiting.done(), waiting.exception()
        waiting.result()


@pytest.mark.parametrize(("queues", "scans", "by_key"), [(1, 1, 0), (2000, 0, 1)])
def test_after_a_deploy_a_queue_is_found_by_reading_one_page_or_by_its_key(
    conn: Conn, connect: Callable[..., Conn], deploy: Deploy, queues: int, scans: int, by_key: int
) -> None:
    """The planner takes the cheaper one, even if the queues came after the deploy and nobody has analyzed them."""
    counted = """
        select coalesce(seq_scan, 0), coalesce(idx_scan, 0)
        from pg_stat_xact_user_tables where relid = 'jobs.queue'::regclass
    """
    conn.execute("update pg_class set reltuples = -1, relpages = 0 where oid = 'jobs.queue'::regclass")  # as restored
    conn.execute("alter table jobs.queue set (autovacuum_enabled = off)")
    deploy()
    conn.execute("insert into jobs.queue (name) select 'queue' || n from generate_series(2, %s) as n", [queues])
    user = connect()
    with user.transaction():
        [before] = user.execute(counted.encode()).fetchall()
        Jobs(user).enqueue("default")
        [after] = user.execute(counted.encode()).fetchall()
    assert (after[0] - before[0], after[1] - before[1]) == (scans, by_key)


def test_a_migrator_that_is_killed_leaves_no_lock_behind(conn: Conn, connect: Callable[..., Conn], dsn: str) -> None:
    undo(conn)
    open_one = connect()
    with open_one.transaction():
        open_one.execute("lock table jobs.job in share mode")
        killed = subprocess.Popen([sys.executable, "-m", "ectojob_py", "migrate", "--dsn", dsn])
        deadline = time.monotonic() + 30
        while not conn.execute("select from pg_stat_activity where wait_event = 'PgSleep'").fetchall():
            assert time.monotonic() < deadline
            assert killed.poll() is None
        killed.kill()
        killed.wait()
    assert migrate(dsn) == sorted(LOCKING_MIGRATIONS)


def test_what_somebody_else_deploys_belongs_to_the_owner(conn: Conn, deploy: Deploy) -> None:
    conn.execute("drop schema jobs cascade")
    with a_login(conn) as owner:
        conn.execute(sql.SQL("create schema jobs authorization {}").format(sql.Identifier(owner)))
        deploy(owner)
        conn.execute("drop function jobs.enqueue; drop view jobs.failed")
        deploy()
        owners = """
            select distinct pg_get_userbyid(proowner) from pg_proc where pronamespace = 'jobs'::regnamespace
            union select distinct pg_get_userbyid(relowner) from pg_class where relnamespace = 'jobs'::regnamespace
                and relname not like '%yoyo%'
        """
        assert conn.execute(owners.encode()).fetchall() == [(owner,)]


def test_what_others_keep_in_the_schema_stays_theirs(conn: Conn, deploy: Deploy) -> None:
    conn.execute("drop schema jobs cascade")
    with a_login(conn) as owner:
        conn.execute(sql.SQL("create schema jobs authorization {}").format(sql.Identifier(owner)))
        deploy(owner)
        conn.execute(
            "create role keeper; create view jobs.report as select 1 as one; alter view jobs.report owner to keeper"
        )
        try:
            deploy(owner)
            deploy()
            whose = conn.execute("select pg_get_userbyid(relowner) from pg_class where relname = 'report'").fetchall()
            assert whose == [("keeper",)]
        finally:
            conn.execute("drop owned by keeper; drop role keeper")


def test_who_may_not_deploy_is_told_so(conn: Conn, deploy: Deploy) -> None:
    before = snapshot(conn)
    with a_login(conn) as nobody, pytest.raises(Refused, match="permission denied for schema jobs"):
        deploy(nobody)
    assert snapshot(conn) == before


def test_what_depends_on_a_function_that_leaves_is_named(conn: Conn, deploy: Deploy) -> None:
    conn.execute(
        "drop function jobs.claim_batch; "
        "create function jobs.claim_batch(text, integer, interval) returns setof jobs.job "
        "language sql as 'select * from jobs.job'; "
        "create function public.one() returns setof bigint language sql "
        "begin atomic select id from jobs.claim_batch('default'::text, 1, null::interval); end"
    )
    before = snapshot(conn)
    with pytest.raises(Refused, match=r"function public\.one\(\)(.|\n)*Drop what depends"):
        deploy()
    assert snapshot(conn) == before
    conn.execute("drop function public.one()")
    deploy()


def test_a_schema_with_a_name_too_long_for_its_channels_is_refused(conn: Conn, dsn: str) -> None:
    with pytest.raises(psycopg.errors.NameTooLong, match="more than 45 bytes"):
        migrate(dsn, schema="s" * 46)
    migrate(dsn, schema="s" * 45)
    longest = conn.execute(f"select {'s' * 45}.enqueue('default', notify => 'done')".encode()).fetchone()
    assert longest == (1,)


def test_yoyo_says_what_is_left_to_do_when_the_functions_were_not_loaded(
    conn: Conn, connect: Callable[..., Conn], dsn: str
) -> None:
    migrations = read_migrations(str(ROOT / "migrations/postgres"))
    how = {**conninfo_to_dict(dsn), "schema": "jobs,pg_temp", "options": "-c lock_timeout=100ms"}
    open_one = connect()
    with open_one.transaction(), get_backend(f"postgresql+psycopg://?{urlencode(how)}") as backend:
        open_one.execute("select jobs.enqueue('default')")
        with pytest.raises(psycopg.errors.LockNotAvailable) as caught:
            backend.run_post_apply(migrations)
    assert "install.sql" in str(caught.value.__notes__)
