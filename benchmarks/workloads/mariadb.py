"""MariaDB: one worker process drains, one transaction per job, beside a loop of bare SQL; each job leaves a receipt.

EctoJob drained 365 jobs/s at max_demand 100 and 51 jobs/s at 10 on a machine like the one it was measured on.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from time import monotonic, sleep
from typing import Any

from benchmarks import HERE
from benchmarks.counters import cpu_of
from benchmarks.crew import crew, drainer
from benchmarks.lab import QUEUE, Lab
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.size import Size
from ectojob_py.migrate import migrate
from ectojob_py.mysql.connection import connect

sys.path.insert(0, str(HERE.parent / "tests"))

from mysql.servers import MYSQL, PrivateServer

BARE = "bare UPDATE by 100; INSERT of the receipt, DELETE and COMMIT per job"
LOAD = """
insert into {table} (queue, state, priority, schedule, attempt, max_attempts, params, inserted_at, updated_at)
select 'bench', 'AVAILABLE', 0, utc_timestamp(6), 0, 5, '{{}}', utc_timestamp(6), utc_timestamp(6)
from seq_1_to_{jobs}
"""


class MariaLab:
    """A MariaDB server of its own, with ectojob, an equal bare table, and a table for receipts."""

    def __init__(self, fsync: str) -> None:
        """Start it. ``fsync``: ``off`` writes the log once a second."""
        self.server = PrivateServer(
            "mariadb", f"--innodb-flush-log-at-trx-commit={1 if fsync == 'on' else 0}", "--innodb-buffer-pool-size=512M"
        )
        migrate(self.server.dsn)
        self.dsn = self.server.dsn.replace("/?", "/jobs?")
        self.ask(f"call create_queue('{QUEUE}', null, null, null, null)")
        self.ask("create database bare")
        self.ask("create table bare.job like jobs.job")
        self.ask("create table bare.receipt (job bigint not null, attempt integer not null)")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, on a connection of its own."""
        with closing(connect(self.dsn, autocommit=True)) as conn, conn.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def load(self, table: str, jobs: int) -> None:
        """Empty everything, and put jobs into one of the tables."""
        for name in ("jobs.job", "bare.job", "bare.receipt"):
            self.ask(f"truncate table {name}")
        self.ask(LOAD.format(table=table, jobs=jobs))
        self.ask(f"analyze table {table}")


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Compare with the limit at EctoJob's two settings."""
    if "mariadb" not in MYSQL:
        return
    maria = MariaLab(lab.fsync)
    try:
        jobs = size.drain
        for demand, theirs in ((100, 365), (10, 51)):
            hands = min(demand, size.hands)
            how = f"one process, {hands} connections"
            yield Group(
                "mariadb",
                f"drain {jobs:,}, one transaction per job, {hands} connections",
                [
                    Contestant(BARE, partial(bare, maria, hands, jobs), how),
                    Contestant(
                        f"Worker(perform), max_demand {demand}",
                        partial(ours, maria, hands, demand, jobs),
                        f"{how}; EctoJob had {theirs}",
                        BARE,
                    ),
                ],
            )
    finally:
        maria.server.remove()


def bare(maria: MariaLab, hands: int, jobs: int) -> Sample:
    """Drain ``bare.job`` by a loop of bare SQL."""
    maria.load("bare.job", jobs)
    return _drain(maria, drainer("bare_mysql", maria.dsn, str(hands)), jobs, "bare.job")


def ours(maria: MariaLab, hands: int, demand: int, jobs: int) -> Sample:
    """Drain ``jobs.job`` by our worker, whose handler writes a receipt; none may be lost or doubled."""
    maria.load("jobs.job", jobs)
    sample = _drain(maria, drainer("ours_mysql", maria.dsn, str(hands), str(demand)), jobs, "jobs.job")
    [(written, different)] = maria.ask("select count(*), count(distinct job) from bare.receipt")
    if (written, different) != (jobs, jobs):
        raise RuntimeError(f"{jobs - different} of {jobs} jobs lost, {written - different} doubled")
    return Sample(sample.value, {**sample.costs, "lost": 0, "doubled": 0})


def _drain(maria: MariaLab, command: Sequence[str], jobs: int, table: str) -> Sample:
    """Let a process drain; the first tenth is for connecting and warming up, and not counted."""
    started = (0, 0.0, 0.0, 0.0)
    with crew([command]) as working:
        working.go()
        for done in working.progress(monotonic() + 3600):
            if not started[0] and done >= jobs / 10:
                started = (done, working.at, working.cpu(), cpu_of(maria.server.pid))
            if done >= jobs:
                break
        while maria.ask(f"select 1 from {table} limit 1"):
            sleep(0.002)
        ended = monotonic()
        client, server = working.cpu() - started[2], cpu_of(maria.server.pid) - started[3]
    counted = jobs - started[0]
    return Sample(
        counted / (ended - started[1]), {"client CPU": client * 1000 / counted, "server CPU": server * 1000 / counted}
    )
