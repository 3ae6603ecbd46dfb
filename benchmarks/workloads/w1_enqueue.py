"""W1: enqueue one by one, each committed, beside the INSERT that it comes down to."""

from collections.abc import Iterator
from functools import partial

from benchmarks.lab import LIMITS, Lab
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.size import Size

INSERT = "bare INSERT into an equal table"


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Compare at several numbers of clients; nobody works meanwhile, so nobody sleeps either."""
    how = "pgbench -M prepared"
    for clients in size.clients:
        yield Group(
            "W1",
            f"enqueue one by one, {clients} client{'s' if clients > 1 else ''}",
            [
                Contestant(INSERT, partial(_run, lab, size, clients, "insert"), how),
                Contestant("jobs.enqueue", partial(_run, lab, size, clients, "enqueue"), how, INSERT),
                Contestant("INSERT, trigger notifies always", partial(_run, lab, size, clients, "notify"), how, INSERT),
            ],
        )


def _run(lab: Lab, size: Size, clients: int, script: str) -> Sample:
    lab.clear()
    before = lab.counters.read()
    rate = lab.pgbench(LIMITS / f"{script}.sql", clients, size.seconds)
    spent = lab.counters.read().since(before)
    jobs = max(spent.transactions, 1)
    return Sample(
        rate,
        {
            "server CPU": spent.server_cpu * 1000 / jobs,
            "WAL": spent.wal_bytes / jobs,
            "syncs": spent.wal_syncs / jobs,
        },
    )
