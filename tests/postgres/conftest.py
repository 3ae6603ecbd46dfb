"""What the tests of PostgreSQL share: a database per server, the words of the contract, sessions that may block."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest
from contract.harness import Db, Postgres
from contract.sessions import Session
from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor


@pytest.fixture(scope="session")
def shared(postgres_server: NoopExecutor) -> Iterator[str]:
    """How to connect to one database of each server, for tests that leave the schema as it is.

    ``db`` empties it; a database of its own would take longer than most of these tests.
    """
    server = postgres_server
    own = DatabaseJanitor(
        user=server.user, host=server.host, port=server.port, dbname="shared", template_dbname=server.template_dbname
    )
    with own:
        yield make_conninfo("", host=server.host, port=server.port, user=server.user, dbname="shared")


@pytest.fixture
def db(shared: str) -> Iterator[Db]:
    """The words of the contract."""
    with closing(Db(Postgres(shared))) as words:
        yield words


@pytest.fixture
def watch(shared: str) -> Iterator[psycopg.Connection[Any]]:
    """An autocommit connection to look on from."""
    with psycopg.connect(shared, autocommit=True) as conn:
        yield conn


@pytest.fixture
def session(shared: str, watch: psycopg.Connection[Any]) -> Iterator[Callable[[], Session]]:
    """Sessions that hold their transactions open until told otherwise."""
    with ExitStack() as stack:

        def new() -> Session:
            conn = stack.enter_context(psycopg.connect(shared))
            return stack.enter_context(closing(Session(conn, Postgres(shared), watch)))

        yield new


@pytest.fixture
def first(session: Callable[[], Session]) -> Session:
    """One session."""
    return session()


@pytest.fixture
def second(session: Callable[[], Session]) -> Session:
    """Another session."""
    return session()


@pytest.fixture
def connect_shared(shared: str) -> Iterator[Callable[[], psycopg.Connection[Any]]]:
    """More autocommit connections."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(psycopg.connect(shared, autocommit=True))
