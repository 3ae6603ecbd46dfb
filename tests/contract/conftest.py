"""The database under contract: one per server, emptied for each test."""

from collections.abc import Iterator

import pytest
from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor

from .harness import Db, Postgres


@pytest.fixture(scope="session")
def postgres_dialect(postgres_server: NoopExecutor) -> Iterator[Postgres]:
    """A database of its own on each server: a new one per test would take longer than the test."""
    server = postgres_server
    own = DatabaseJanitor(
        user=server.user, host=server.host, port=server.port, dbname="contract", template_dbname=server.template_dbname
    )
    with own:
        yield Postgres(make_conninfo("", host=server.host, port=server.port, user=server.user, dbname="contract"))


@pytest.fixture
def db(postgres_dialect: Postgres) -> Iterator[Db]:
    """The words of the contract."""
    words = Db(postgres_dialect)
    yield words
    words.close()
