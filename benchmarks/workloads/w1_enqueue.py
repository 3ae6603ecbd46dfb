"""W1: enqueue one by one, each committed, beside the INSERT that it comes down to."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import psycopg

from benchmarks.crew import crew, drainer
from benchmarks.lab import Lab
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.size import Size

INSERT = "bare INSERT into an equal table"
BUSY = f"{INSERT}, bare loop"


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Compare at several numbers of clients while no worker of the queue sleeps: there is none, or it has work."""
    how = "pgbench -M prepared"
    for clients in size.clients:
        run = partial(_run, lab, size, clients)
        yield Group(
            "w1",
            f"enqueue one by one, {clients} client{'s' if clients > 1 else ''}",
            [
                Contestant(INSERT, partial(run, "insert.sql"), how),
                Contestant("jobs.enqueue", partial(run, "enqueue.sql"), how, INSERT),
                Contestant(
                    "jobs.enqueue, another queue's worker sleeps",
                    partial(run, "enqueue.sql", beside=partial(_sleeper, lab)),
                    how,
                    INSERT,
                ),
                Contestant("jobs.enqueue, scheduled", partial(run, "enqueue_scheduled.sql"), how, INSERT),
                Contestant("INSERT, trigger notifies always", partial(run, "notify.sql"), how, INSERT),
            ],
        )
    busy = partial(_run_drained, lab, size, max(size.clients))
    yield Group(
        "w1",
        f"enqueue one by one, {max(size.clients)} clients, while a process drains",
        [
            Contestant(BUSY, partial(busy, "insert.sql", drainer("bare", lab.dsn, "for_ever", "4")), how),
            Contestant(
                "jobs.enqueue, Worker(perform)",
                partial(busy, "enqueue.sql", drainer("ours", lab.dsn, "one", "4")),
                how,
                BUSY,
            ),
        ],
    )


def _run(
    lab: Lab,
    size: Size,
    clients: int,
    script: str,
    beside: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Sample:
    lab.clear()
    before = lab.counters.read()
    with beside():
        rate = lab.pgbench(script, clients, "-T", str(size.seconds))
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


def _run_drained(lab: Lab, size: Size, clients: int, script: str, drains: list[str]) -> Sample:
    lab.clear()
    with crew([drains]) as worker:
        worker.go()
        rate = lab.pgbench(script, clients, "-T", str(size.seconds))
        return Sample(rate, {"drained/s": worker.hear() / size.seconds})


@contextmanager
def _sleeper(lab: Lab) -> Iterator[None]:
    """Have a worker that waits for jobs of a queue that gets none."""
    with psycopg.connect(lab.dsn, autocommit=True) as worker:
        worker.execute("select jobs.create_queue('quiet')")
        worker.execute("select jobs.fall_asleep('quiet')")
        yield
