"""Deploying into a schema that others use, or may do more in than they should."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from servers import POSTGRES

from ectojob_py import Jobs, SetupError
from ectojob_py.migrate import ROOT, migrate

from .snapshot import snapshot

Conn = psycopg.Connection[Any]
Deploy = Callable[..., None]

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
        command = [str(program), "-X", "-q", "-U", user, "-d", dsn, "-f", str(ROOT / "sql/postgres/install.sql")]
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
    yield name
    conn.execute(sql.SQL("drop owned by {} cascade").format(role))
    conn.execute(sql.SQL("drop role {}").format(role))


def test_an_older_release_does_not_take_the_place_of_a_newer_one(conn: Conn, deploy: Deploy) -> None:
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
        with pytest.raises(Refused, match=r"still open(.|\n)*Try again"):
            deploy(lock_timeout="100ms")
        assert snapshot(conn) == before
    deploy(lock_timeout="10s")
