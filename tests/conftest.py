"""Connections for the tests: each PostgreSQL of the matrix, with a fresh database per test."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import psycopg
import pytest
from mysql.servers import MYSQL, mysql_running
from psycopg.conninfo import make_conninfo
from pytest_postgresql import factories
from pytest_postgresql.executors import NoopExecutor
from servers import POSTGRES, postgres_running

from ectojob_py.migrate import migrate

for variable in [name for name in os.environ if name.startswith("PG")]:
    del os.environ[variable]


def pytest_report_header() -> str:
    """Say what is tested on; in CI MariaDB is required."""
    if "mariadb" not in MYSQL and os.environ.get("CI") == "true":
        raise pytest.UsageError("CI tests MariaDB, too, and there is no mariadbd: make mariadb")
    missing = [] if "mariadb" in MYSQL else ["no mariadbd, so the tests of MariaDB are left out: make mariadb"]
    return "\n".join([f"databases: {', '.join([*POSTGRES, *MYSQL])}", *missing])


Connect = Callable[..., psycopg.Connection[Any]]


@pytest.fixture(scope="session")
def postgres_at() -> Iterator[Callable[[str], NoopExecutor]]:
    """Servers by name, each started when first asked for, and stopped at the end."""
    with ExitStack() as stack:
        yield cache(lambda name: stack.enter_context(postgres_running(name)))


@pytest.fixture(scope="session", params=POSTGRES)
def postgres_server(request: pytest.FixtureRequest, postgres_at: Callable[[str], NoopExecutor]) -> NoopExecutor:
    """A server of each version in the wheel, and the system's own; its template database has ectojob installed."""
    return postgres_at(request.param)


@pytest.fixture(scope="session")
def mysql_at() -> Iterator[Callable[[str], str]]:
    """The dsn of MySQL and MariaDB servers by name, with ectojob in database ``jobs``."""

    def start(name: str) -> str:
        dsn = stack.enter_context(mysql_running(name))
        migrate(dsn)
        return dsn

    with ExitStack() as stack:
        yield cache(start)


postgresql = factories.postgresql("postgres_server")


@pytest.fixture
def dsn(postgres_server: NoopExecutor, postgresql: psycopg.Connection[Any]) -> str:
    """How to connect to this test's own database on one of the servers, with ectojob in schema ``jobs``."""
    # The server is named in the arguments, too: pytest multiplies tests by the fixtures it sees there.
    server = postgres_server
    return make_conninfo("", host=server.host, port=server.port, user=server.user, dbname=postgresql.info.dbname)


@pytest.fixture
def connect(dsn: str) -> Iterator[Connect]:
    """Connections to this test's database; autocommit unless asked otherwise. They are closed when the test ends."""
    opened: list[psycopg.Connection[Any]] = []

    def connect(**options: Any) -> psycopg.Connection[Any]:
        opened.append(psycopg.connect(dsn, **{"autocommit": True, **options}))
        return opened[-1]

    yield connect
    for conn in opened:
        conn.close()


@pytest.fixture
def conn(connect: Connect) -> psycopg.Connection[Any]:
    """One autocommit connection to this test's database."""
    return connect()
