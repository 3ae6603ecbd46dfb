"""Where faults are sought: one PostgreSQL and MariaDB; every database there is with ECTOJOB_FAULTS=all."""

import os
from collections.abc import Callable, Iterator
from random import SystemRandom

import pytest
from contract.harness import Dialect, Mysql, Postgres
from mysql.servers import MYSQL
from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor
from servers import POSTGRES

from ectojob_py.embedded import VERSIONS

LONG = os.environ.get("ECTOJOB_FAULTS") == "all"
SCALE = 10 if LONG else 1
SEED = int(os.environ.get("ECTOJOB_SEED") or (SystemRandom().randrange(10**6) if LONG else 1))
"""What all random choices follow from: the same in every run of ``make test``, another one in each ``make faults``."""

DATABASES = [*POSTGRES, *MYSQL] if LONG else [f"postgres-{max(VERSIONS)}", *MYSQL]


def pytest_report_header() -> str:
    """Say how to have the same run again."""
    return f"faults: ECTOJOB_SEED={SEED}{' ECTOJOB_FAULTS=all' * LONG}"


@pytest.fixture(scope="session", params=DATABASES)
def dialect(
    request: pytest.FixtureRequest, postgres_at: Callable[[str], NoopExecutor], mysql_at: Callable[[str], str]
) -> Iterator[Dialect]:
    """A database to break."""
    if request.param in MYSQL:
        yield Mysql(mysql_at(request.param))
        return
    server = postgres_at(request.param)
    own = DatabaseJanitor(
        user=server.user, host=server.host, port=server.port, dbname="faults", template_dbname=server.template_dbname
    )
    with own:
        yield Postgres(make_conninfo("", host=server.host, port=server.port, user=server.user, dbname="faults"))
