"""Idle connections are used again, unless the server has closed them meanwhile."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ectojob_py import stock
from ectojob_py.pool import Connections
from ectojob_py.postgres import engine
from ectojob_py.postgres.connection import HandlerConnection


@pytest.fixture
def pool(dsn: str) -> Iterator[Connections[HandlerConnection]]:
    pool = engine.open_pool(dsn)
    yield pool
    pool.close()


def test_one_that_the_server_closed_is_not_lent_again(
    conn: psycopg.Connection[Any], pool: Connections[HandlerConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "_FRESH", 0.0)
    idle = pool.getconn()
    pool.putconn(idle)
    conn.execute("select pg_terminate_backend(%s, 10000)", [idle.info.backend_pid])
    lent = pool.getconn()
    assert lent is not idle
    assert idle.closed
    pool.putconn(lent)


def test_one_that_was_just_used_is_not_asked(
    pool: Connections[HandlerConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(stock, "_FRESH", 60.0)
    monkeypatch.setattr(stock, "_silent", asked.append)
    used = pool.getconn()
    pool.putconn(used)
    assert pool.getconn() is used
    pool.putconn(used)
    assert not asked
