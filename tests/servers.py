"""Servers for the tests: each PostgreSQL of the wheel and the system's own, started privately."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor

from ectojob_py.embedded import VERSIONS, EmbeddedServer, binaries
from ectojob_py.migrate import migrate

SYSTEM = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
POSTGRES = {f"postgres-{version}": binaries(version) for version in VERSIONS} | {
    f"postgres-{path.parents[1].name}-system": path.parent for path in SYSTEM
}


@contextmanager
def postgres_running(name: str) -> Iterator[NoopExecutor]:
    """Run one of ``POSTGRES``; its template database has ectojob installed."""
    folder = Path(tempfile.mkdtemp(prefix="ectojob-test-"))
    folder.chmod(0o755)
    server = EmbeddedServer(folder, POSTGRES[name], {"fsync": "off", "full_page_writes": "off"})
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
