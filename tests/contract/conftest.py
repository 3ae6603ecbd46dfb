"""The database under contract: one per server of each kind, emptied for each test."""

from collections.abc import Callable, Iterator

import pytest
from mysql.servers import MYSQL
from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor
from servers import POSTGRES

from .harness import Db, Dialect, Mysql, Postgres


@pytest.fixture(scope="session", params=[*POSTGRES, *MYSQL])
def dialect(
    request: pytest.FixtureRequest, postgres_at: Callable[[str], NoopExecutor], mysql_at: Callable[[str], str]
) -> Iterator[Dialect]:
    """A database of its own on each server: a new one per test would take longer than the test."""
    if request.param in MYSQL:
        yield Mysql(mysql_at(request.param))
        return
    server = postgres_at(request.param)
    own = DatabaseJanitor(
        user=server.user, host=server.host, port=server.port, dbname="contract", template_dbname=server.template_dbname
    )
    with own:
        yield Postgres(make_conninfo("", host=server.host, port=server.port, user=server.user, dbname="contract"))


@pytest.fixture
def db(dialect: Dialect) -> Iterator[Db]:
    """The words of the contract."""
    words = Db(dialect)
    yield words
    words.close()
