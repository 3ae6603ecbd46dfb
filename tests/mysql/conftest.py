"""Sessions on MySQL and MariaDB, with ectojob in database ``jobs`` as it was delivered."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import pymysql
import pytest
from contract.harness import Db, Mysql

from ectojob_py.mysql.connection import connect as open_connection

from .servers import MYSQL

Connection: TypeAlias = pymysql.Connection
Connect = Callable[..., Connection]
Ask = Callable[..., list[tuple[Any, ...]]]


def socket_of(dsn: str) -> Path:
    """Return the socket of a private server; a test that needs one leaves other servers out."""
    sockets = parse_qs(urlsplit(dsn).query).get("unix_socket")
    if not sockets:
        pytest.skip("needs a server with a socket")
    return Path(sockets[0])


@pytest.fixture(scope="session", params=MYSQL)
def dsn(request: pytest.FixtureRequest, mysql_at: Callable[[str], str]) -> str:
    """How to connect to one of the servers."""
    return mysql_at(request.param)


@pytest.fixture
def db(dsn: str) -> Iterator[Db]:
    """The words of the contract."""
    with closing(Db(Mysql(dsn))) as words:
        yield words


@pytest.fixture
def connect(dsn: str, db: Db) -> Iterator[Connect]:
    """Connections to the emptied database; autocommit unless asked otherwise. They are closed when the test ends."""
    opened: list[Connection] = []

    def connect(**options: Any) -> Connection:
        opened.append(open_connection(dsn, **{"database": "jobs", "autocommit": True, **options}))
        return opened[-1]

    yield connect
    for conn in opened:
        if conn.open:
            conn.close()


@pytest.fixture
def conn(connect: Connect) -> Connection:
    """One autocommit connection."""
    return connect()


@pytest.fixture
def ask(connect: Connect) -> Ask:
    """Ask a session of its own."""
    observer = connect()

    def ask(query: str, *args: object, on: Connection = observer) -> list[tuple[Any, ...]]:
        with on.cursor() as cursor:
            cursor.execute(query, args)
            return list(cursor.fetchall())

    return ask


@pytest.fixture
def blocked(ask: Ask) -> Callable[[Connection], None]:
    """Wait until a session waits for a row lock of another; the server says so."""

    def wait(session: Connection) -> None:
        query = "select trx_state from information_schema.innodb_trx where trx_mysql_thread_id = %s"
        deadline = time.monotonic() + 20
        while ("LOCK WAIT",) not in ask(query, session.thread_id()):
            assert time.monotonic() < deadline, "the session waits for nobody"
            time.sleep(0.15)  # this table stands still while it is read more often than every 0.1 s

    return wait
