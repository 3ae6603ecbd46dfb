"""Servers for the tests: each database of the matrix, started privately, with a fresh database per test."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pytest_postgresql import factories
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor

from ectojob_py.embedded import VERSIONS, EmbeddedServer, binaries
from ectojob_py.migrate import migrate

for variable in [name for name in os.environ if name.startswith("PG")]:
    del os.environ[variable]

Connect = Callable[..., psycopg.Connection[Any]]

SYSTEM = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
PROGRAMS = {f"postgres-{version}": binaries(version) for version in VERSIONS} | {
    f"postgres-{path.parents[1].name}-system": path.parent for path in SYSTEM
}


@pytest.fixture(scope="session", params=PROGRAMS)
def postgres_server(request: pytest.FixtureRequest) -> Iterator[NoopExecutor]:
    """A server of each version in the wheel, and the system's own; its template database has ectojob installed."""
    folder = Path(tempfile.mkdtemp(prefix="ectojob-test-"))
    folder.chmod(0o755)
    server = EmbeddedServer(folder, PROGRAMS[request.param], {"fsync": "off", "full_page_writes": "off"})
    server.start()
    executor = NoopExecutor(host=str(folder), port=5432, user="postgres", options="", dbname="ectojob")
    template = DatabaseJanitor(
        user=executor.user, host=executor.host, port=executor.port, dbname=executor.template_dbname, as_template=True
    )
    try:
        with template:
            template.load(install)
            yield executor
    finally:
        server.stop("immediate")
        shutil.rmtree(folder)


def install(**parameters: Any) -> None:
    """Install ectojob as pytest-postgresql asks its loaders to."""
    parameters.pop("autocommit", None)
    migrate(make_conninfo("", **parameters))


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
