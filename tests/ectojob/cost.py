"""What each of EctoJob's statements costs on its own table and through a queue's view, in ms of the server's CPU.

    cd tests && ../.venv/bin/python -m ectojob.cost 'host=... dbname=scratch' [rows]

In a scratch database with ectojob installed: it drops ``public.jobs`` and all jobs. ``rows``: so many AVAILABLE and so
many SCHEDULED jobs are there beside.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from ectojob_py import Jobs

from .elixir import EctoJob, Postgrex
from .tables import migration

Conn = psycopg.Connection[Any]

CLEAN = "drop table if exists public.jobs; drop function if exists public.fn_notify_inserted; delete from jobs.job"
BACKLOG = """
insert into {table} ({queue} state, schedule, params, inserted_at, updated_at, priority, max_attempts)
select {value} state, '2040-01-01', '{{}}', now(), now(), 5, 5
from generate_series(1, {rows}), unnest(array['AVAILABLE', 'SCHEDULED']) as state
"""


def measure(ectojob: EctoJob) -> dict[str, float]:
    """Return how much CPU time each statement takes of the server's process, which is on this machine."""
    process = Path(f"/proc/{ectojob.repo.conn.info.backend_pid}/schedstat")
    reserved: list[Any] = []
    begun: list[Any] = []

    def spent(call: Callable[[int], object], times: int) -> float:
        start = int(process.read_text().split()[0])
        for n in range(times):
            call(n)
        return (int(process.read_text().split()[0]) - start) / times / 1_000_000

    return {
        "insert": spent(lambda n: ectojob.insert({"n": n}), 2000),
        "reserve 1": spent(lambda _: reserved.extend(ectojob.reserve(1)), 200),
        "reserve 10": spent(lambda _: reserved.extend(ectojob.reserve(10)), 50),
        "reserve 100": spent(lambda _: reserved.extend(ectojob.reserve(100)), 5),
        "start": spent(lambda n: begun.append(ectojob.start(reserved[n])), 800),
        "delete": spent(lambda n: ectojob.delete(begun[n]), 400),
        "failed": spent(lambda n: ectojob.job_failed(begun[400 + n]), 400),
        "poll, one of three": spent(lambda _: ectojob.activate_expired(), 20),
    }


def main(dsn: str, rows: str = "0") -> None:
    """Print a table."""
    results = []
    with psycopg.connect(dsn, autocommit=True) as conn:
        for view in (False, True):
            conn.execute(CLEAN)
            Jobs(conn).create_queue("cost")
            if view:
                Jobs(conn).create_ectojob_view("cost", "public.jobs")
                backlog = BACKLOG.format(table="jobs.job", queue="queue, ", value="'cost', ", rows=rows)
            else:
                for statement in migration("3"):
                    conn.execute(statement.encode())
                backlog = BACKLOG.format(table="public.jobs", queue="", value="", rows=rows)
            conn.execute(backlog.encode())
            conn.execute("vacuum analyze")
            repo = Postgrex(dsn)
            results.append(measure(EctoJob(repo)))
            repo.close()
            if view:
                Jobs(conn).drop_ectojob_view("cost")
        conn.execute(CLEAN)
    for name, table in results[0].items():
        print(f"{name:20}{table:10.3f}{results[1][name]:10.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
