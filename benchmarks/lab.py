"""The server that everything is measured on, with ectojob and an equal bare table in one database."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from benchmarks import HERE
from benchmarks.counters import Counters
from ectojob_py.embedded import EmbeddedServer, binaries
from ectojob_py.migrate import migrate

LIMITS = HERE / "limits"
QUEUE = "bench"
RECEIPT = "insert into bare.receipt values (%s, %s)"
"""What a handler writes in its job's transaction, and its limit as well: the job's id and attempt."""
LATE = "insert into bare.late values (%s)"
"""What a handler writes that is asked how late it began: the seconds since its job was enqueued."""
POSTGRES = 18

_SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",  # the lab says when: before each measurement
    "max_connections": "300",
    "track_wal_io_timing": "off",
}

_LOAD = """
insert into {table} (queue, state, priority, schedule, attempt, max_attempts, params, inserted_at, updated_at)
select 'bench', '{state}', {priority}, {schedule}, {attempt}, 5, '{{}}', clock_timestamp(), clock_timestamp()
from generate_series(1, %s)
"""
AVAILABLE = {"state": "AVAILABLE", "priority": "0", "schedule": "clock_timestamp()", "attempt": "0"}


class Lab:
    """A running server; ``conn`` is the coordinator's own connection, autocommit."""

    def __init__(self, server: EmbeddedServer, dsn: str) -> None:
        """Take the server and the database's dsn."""
        self.server = server
        self.dsn = dsn
        self.conn = psycopg.connect(dsn, autocommit=True, application_name="bench-lab")
        self.fsync = "on"
        self.counters = Counters(server.data, dsn)

    def set_fsync(self, value: str) -> None:
        """Turn fsync on or off, for all sessions."""
        self.conn.execute(f"alter system set fsync = {value}")
        self.conn.execute("select pg_reload_conf()")
        while self.conn.execute("show fsync").fetchone() != (value,):
            sleep(0.01)
        self.fsync = value

    def clear(self, settle: bool = True) -> None:
        """Empty all tables; ``settle``: and let no checkpoint fall into what is measured next."""
        self.conn.execute("truncate jobs.job, bare.job, bare.notified, bare.receipt, bare.late")
        if settle:
            self.conn.execute("checkpoint")

    def load(self, table: str, jobs: int, analyze: bool = True, **columns: str) -> None:
        """Put jobs into a table, AVAILABLE unless told otherwise, as a bulk enqueue leaves them; nobody is told."""
        with self.conn.transaction():
            self.conn.execute("set local session_replication_role = replica")
            self.insert(table, jobs, **columns)
        self.conn.execute(f"vacuum analyze {table}" if analyze else f"select count(*) from {table}")  # hint bits

    def insert(self, table: str, jobs: int, **columns: str) -> None:
        """Insert jobs by bare SQL; the table's triggers fire."""
        self.conn.execute(_LOAD.format(table=table, **{**AVAILABLE, **columns}), [jobs])

    def left(self, table: str) -> int:
        """Return how many rows the table has."""
        row = self.conn.execute(f"select count(*) from {table}").fetchone()
        assert row is not None
        return int(row[0])

    def pgbench(self, script: str, clients: int, *how_long: str) -> float:
        """Run a script of ``limits`` over and over on so many connections; return transactions per second."""
        dsn = conninfo_to_dict(self.dsn)
        threads = str(min(clients, os.cpu_count() or 1))
        done = subprocess.run(
            [
                self.server.program("pgbench"), "-n", "-M", "prepared", "-f", LIMITS / script,
                "-c", str(clients), "-j", threads, *how_long,
                "-h", str(dsn["host"]), "-p", str(dsn["port"]), "-U", str(dsn["user"]), str(dsn["dbname"]),
            ],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        found = re.search(r"tps = ([\d.]+)", done.stdout)
        assert found is not None, done.stdout
        return float(found[1])


@contextmanager
def lab() -> Iterator[Lab]:
    """Start a server in a temporary folder, with ectojob and the bare table; remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ectojob-bench-"))
    folder.chmod(0o755)
    server = EmbeddedServer(folder, binaries(POSTGRES), _SETTINGS)
    try:
        server.start()
        dsn = server.dsn()
        migrate(dsn)
        made = Lab(server, dsn)
        made.conn.execute((LIMITS / "table.sql").read_text())
        made.conn.execute("select jobs.create_queue(%s)", [QUEUE])
        yield made
        made.conn.close()
    finally:
        if server.running():
            server.stop("immediate")
        shutil.rmtree(folder)


def scalar(conn: psycopg.Connection[Any], query: str, *args: object) -> Any:
    """Return the one value of a query."""
    row = conn.execute(query, args).fetchone()
    return None if row is None else row[0]
