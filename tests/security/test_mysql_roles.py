"""How roles come, stay through deploys, and go, on MySQL and MariaDB."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest
from mysql.servers import MYSQL

from ectojob_py import Jobs
from ectojob_py.migrate import migrate
from ectojob_py.mysql.calls import MysqlCalls
from ectojob_py.mysql.connection import connect

DATABASE = "jobs_eu"
OBJECTS = (
    "select routine_name, definer from information_schema.routines where routine_schema = %s "
    "union all select table_name, definer from information_schema.views where table_schema = %s"
)
Ask = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(params=MYSQL)
def dsn(request: pytest.FixtureRequest, mysql_at: Callable[[str], str]) -> str:
    return mysql_at(request.param)


@pytest.fixture
def ask(dsn: str) -> Iterator[Ask]:
    """Ask as an administrator; database jobs_eu and all accounts named after it are gone in the end."""
    with closing(connect(dsn, autocommit=True)) as conn, conn.cursor() as cursor:

        def ask(query: str, *args: object) -> list[tuple[Any, ...]]:
            cursor.execute(query, args)
            return list(cursor.fetchall())

        yield ask
        migrate(dsn, DATABASE, roles=False)
        ask(f"drop database {DATABASE}")
        assert accounts(ask) == set()


def accounts(ask: Ask) -> set[str]:
    return {row[0] for row in ask("select user from mysql.user where user like 'jobs\\_eu\\_%%'")}


def definers(ask: Ask) -> set[str]:
    return {row[1] for row in ask(OBJECTS, DATABASE, DATABASE)}


def grants(ask: Ask) -> set[tuple[Any, ...]]:
    routines = ask("select user, routine_name, proc_priv from mysql.procs_priv where db = %s", DATABASE)
    views = ask("select user, table_name, table_priv from mysql.tables_priv where db = %s", DATABASE)
    return {row for row in [*routines, *views] if row[0] != "root"}


def test_they_come_stay_and_go(dsn: str, ask: Ask) -> None:
    migrate(dsn, DATABASE)
    plain = ask(OBJECTS, DATABASE, DATABASE)
    assert grants(ask) == set()
    for roles in (True, None, True):
        migrate(dsn, DATABASE, roles=roles)
        assert definers(ask) == {"jobs_eu_owner@localhost"}
        assert accounts(ask) == {f"{DATABASE}_{role}" for role in ("owner", "producer", "worker", "reader", "admin")}
        assert len(grants(ask)) == 43
    migrate(dsn, DATABASE, roles=False)
    assert sorted(ask(OBJECTS, DATABASE, DATABASE)) == sorted(plain)
    assert grants(ask) == set()
    assert accounts(ask) == set()


def test_nobody_logs_in_as_the_definer(dsn: str, ask: Ask) -> None:
    migrate(dsn, DATABASE, roles=True)
    with pytest.raises(pymysql.OperationalError, match=r"locked|Access denied"):
        connect(dsn.replace("root@", "jobs_eu_owner@"))


def test_a_sleeping_worker_is_woken_by_another_account(dsn: str, ask: Ask) -> None:
    migrate(dsn, DATABASE, roles=True)
    on_mariadb = "MariaDB" in ask("select version()")[0][0]
    for role in ("producer", "worker"):
        name = f"{DATABASE}_a_{role}"
        ask(f"create user {name}@localhost")
        ask(f"grant {DATABASE}_{role} to {name}@localhost")
        ask(f"set default role {DATABASE}_{role} {'for' if on_mariadb else 'to'} {name}@localhost")
    try:
        woken: list[object] = []
        with (
            closing(connect(dsn.replace("root@", f"{DATABASE}_a_worker@"), autocommit=True)) as worker,
            closing(connect(dsn.replace("root@", f"{DATABASE}_a_producer@"), autocommit=True)) as producer,
        ):

            def sleep() -> None:
                try:
                    woken.append(MysqlCalls(worker, DATABASE).value("wait_for_job", "default", 100))
                except pymysql.MySQLError as error:
                    woken.append(error.args[0])

            thread = threading.Thread(target=sleep, daemon=True)
            thread.start()
            deadline = time.monotonic() + 20
            query = "select count(*) from information_schema.processlist where id = %s and state = 'User sleep'"
            while ask(query, worker.thread_id()) != [(1,)]:
                assert time.monotonic() < deadline, "it never slept"
                time.sleep(0.02)
            Jobs(producer, DATABASE).enqueue("default")
            thread.join(20)
        assert woken in ([1], [1317])  # MySQL and MariaDB
    finally:
        ask(f"drop user {DATABASE}_a_producer@localhost, {DATABASE}_a_worker@localhost")
