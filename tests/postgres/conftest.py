"""What the tests of PostgreSQL share: the words of the contract, and sessions that may block each other."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest
from contract.harness import Db, Postgres

from .sessions import Session


@pytest.fixture
def db(dsn: str) -> Iterator[Db]:
    """The words of the contract, in a database of the test's own."""
    with closing(Db(Postgres(dsn))) as words:
        yield words


@pytest.fixture
def session(connect: Callable[..., psycopg.Connection[Any]]) -> Iterator[Callable[[], Session]]:
    """Sessions that hold their transactions open until told otherwise."""
    observer = connect()
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(Session(connect(autocommit=False), observer)))


@pytest.fixture
def first(session: Callable[[], Session]) -> Session:
    """One session."""
    return session()


@pytest.fixture
def second(session: Callable[[], Session]) -> Session:
    """Another session."""
    return session()
