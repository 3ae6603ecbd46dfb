"""A worker through pgbouncer in session mode. In transaction mode there are producers and bare SQL: see ``storm``."""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ectojob_py import Job, Jobs, Worker
from ectojob_py.embedded import VERSIONS, EmbeddedServer, binaries
from ectojob_py.migrate import migrate

from .bouncer import PROGRAM, Bouncer
from .cluster import until

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no pgbouncer here: apt-get install pgbouncer")


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    folder = Path(tempfile.mkdtemp(prefix="ectojob-chaos-"))
    folder.chmod(0o755)
    server = EmbeddedServer(folder, binaries(VERSIONS[-1]), {"fsync": "off"})
    server.start()
    migrate(server.dsn())
    yield server
    server.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def bouncer(server: EmbeddedServer) -> Iterator[Bouncer]:
    bouncer = Bouncer(server.folder, "session")
    bouncer.point_to(server)
    until(bouncer.ready)
    yield bouncer
    bouncer.stop()


def test_a_sleeping_worker_hears_of_a_job_through_it(server: EmbeddedServer, bouncer: Bouncer) -> None:
    def performs(conn: psycopg.Connection[Any], job: Job) -> None:
        conn.execute("insert into effect values (%s)", [job.id])

    asleep = "select 1 from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and granted"
    worker = Worker(bouncer.dsn, perform=performs, poll_interval=3600)
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("create table effect (job bigint)")
        thread = threading.Thread(target=worker.run)
        thread.start()
        ids = []
        for _ in range(3):
            until(lambda: conn.execute(asleep).fetchone())
            ids.append(Jobs(conn).enqueue("default"))
            until(lambda: conn.execute("select from jobs.job").fetchone() is None)
        worker.stop(grace=2)
        thread.join()
        assert conn.execute("select array_agg(job) from effect").fetchone() == (ids,)
