"""A caller with a connection of his own, in a transaction of his own."""

from typing import Any

import psycopg
import pytest

from ectojob_py import Jobs

Conn = psycopg.Connection[Any]


@pytest.fixture
def jobs(conn: Conn) -> Jobs:
    """The functions, each call its own transaction."""
    return Jobs(conn)
