"""One database under attack per server, with every role installed; emptied for each test."""

from collections.abc import Callable, Iterator

import pytest
from contract.harness import Db
from mysql.servers import MYSQL
from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor
from servers import POSTGRES

from .places import Place, mysql_place, postgres_place, words


@pytest.fixture(scope="session", params=[*POSTGRES, *MYSQL])
def place(
    request: pytest.FixtureRequest, postgres_at: Callable[[str], NoopExecutor], mysql_at: Callable[[str], str]
) -> Iterator[Place]:
    """A server's database, and a login for each role."""
    if request.param in MYSQL:
        with mysql_place(mysql_at(request.param)) as mysql:
            yield mysql
        return
    server = postgres_at(request.param)
    own = DatabaseJanitor(
        user=server.user, host=server.host, port=server.port, dbname="security", template_dbname=server.template_dbname
    )
    dsn = make_conninfo("", host=server.host, port=server.port, user=server.user, dbname="security")
    with own, postgres_place(dsn) as postgres:
        yield postgres


@pytest.fixture
def db(place: Place) -> Iterator[Db]:
    """The words of the contract, spoken by a superuser, over an emptied installation."""
    with words(place) as db:
        yield db
