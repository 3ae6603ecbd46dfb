"""Producers live through whatever happens to their connection, and one that does not is noticed."""

import random
import subprocess
import sys
from pathlib import Path
from typing import cast

import psycopg
import pytest

from ectojob_py import Jobs

from .cluster import Cluster
from .crew import Crew
from .producer import Producer, Task


class Unlucky(Producer):
    """Changes its mind about each call, and has lost its connection by then."""

    def _call(self, conn: psycopg.Connection[tuple[object, ...]], keys: range) -> None:
        super()._call(conn, keys)
        with psycopg.connect(self._task.dsn, autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s, 5000)", [conn.info.backend_pid])


@pytest.mark.parametrize("postgres_server", ["postgres-18"], indirect=True)
def test_a_producer_outlives_a_rollback_that_fails(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = tmp_path / "journal"
    producer = Unlucky(Task(dsn, str(journal), first=0, jobs=10, seed=1))
    monkeypatch.setattr(producer._random, "random", lambda: 0.99)
    with psycopg.connect(dsn, autocommit=True) as conn:
        Jobs(conn).create_queue("chaos")
        producer._enqueue(conn, range(3))
    assert journal.read_text() == "0 3 intended\n0 3 refused\n"


def test_a_producer_that_dies_is_noticed() -> None:
    crew = Crew(cast(Cluster, None), random.Random(1))  # nobody is started, so nobody asks where
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"]) as process:
        process.wait()
        crew._producers.append(process)
        with pytest.raises(RuntimeError, match="producer"):
            crew.tend()
