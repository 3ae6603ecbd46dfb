"""W5: how soon a sleeping worker's handler begins, beside what a bare NOTIFY takes between two sessions.

Once from the COMMIT of the enqueue on, which is when there is a job, beside a NOTIFY there and back; and once from
before the statement, so that the enqueue counts, too, beside a NOTIFY one way.
"""

from collections.abc import Callable, Iterator
from functools import partial
from random import expovariate
from statistics import median, quantiles
from time import monotonic, sleep

import psycopg

from benchmarks.crew import crew, drainer
from benchmarks.lab import LIMITS, QUEUE, Lab
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.size import Size

NOTIFY = "bare NOTIFY to a session that listens"
ROUND_TRIP = "bare NOTIFY to a session that answers by another"
_ASLEEP = 0.04
"""Seconds after which an idle worker sleeps."""


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Compare what happens until the first line of the handler, by this machine's clock."""
    enqueue = partial(lab.conn.execute, "select jobs.enqueue(%s)", [QUEUE], prepare=True)
    notify = partial(lab.conn.execute, "select pg_notify('bare.bench', '')", prepare=True)
    insert = partial(lab.conn.execute, (LIMITS / "notify.sql").read_text(), prepare=True)

    def queues(limit: str, committed: bool) -> list[Contestant]:
        bare, ours = drainer("bare", lab.dsn, "claim", "1"), drainer("ours", lab.dsn, "tell", "4")
        return [
            Contestant(
                "bare INSERT that notifies, UPDATE on hearing it",
                partial(pickup, lab, bare, insert, size.pings, committed),
                limit=limit,
            ),
            Contestant(
                "jobs.enqueue to Worker(perform)",
                partial(pickup, lab, ours, enqueue, size.pings, committed),
                limit=limit,
            ),
        ]

    listen = drainer("bare", lab.dsn, "listen", "1")
    yield Group(
        "w5",
        f"pickup by a sleeping worker, {size.pings} times, from before the enqueue (lower is better)",
        [Contestant(NOTIFY, partial(pickup, lab, listen, notify, size.pings)), *queues(NOTIFY, committed=False)],
        unit="ms",
    )
    yield Group(
        "w5",
        f"pickup by a sleeping worker, {size.pings} times, from the enqueue's COMMIT (lower is better)",
        [Contestant(ROUND_TRIP, partial(round_trip, lab, size.pings)), *queues(ROUND_TRIP, committed=True)],
        unit="ms",
    )
    yield Group(
        "w5",
        f"pickup of {size.pings * 5} jobs that come one by one, at random (lower is better)",
        [
            Contestant(f"{rate} a second to Worker(perform)", partial(trickle, lab, rate, size.pings * 5))
            for rate in (20, 200, 500)
        ],
        unit="ms",
    )


def pickup(lab: Lab, command: list[str], send: Callable[[], object], pings: int, committed: bool = False) -> Sample:
    """Send when the receiver sleeps, so many times; ``committed``: begin to count when the sender was told so."""
    latencies: list[float] = []
    lab.clear()
    with crew([command]) as receiver:
        receiver.go()
        for _ in receiver.progress(monotonic() + 1.5):  # it connects
            pass
        for number in range(pings + 5):
            sleep(_ASLEEP)
            before, sent = receiver.done, monotonic()
            send()
            if committed:
                sent = monotonic()
            if not any(done > before for done in receiver.progress(monotonic() + 10)):
                raise RuntimeError(f"{command} did not hear it in 10 s")
            if number >= 5:
                latencies.append((receiver.at - sent) * 1000)
    return _sample(latencies)


def round_trip(lab: Lab, pings: int) -> Sample:
    """Notify a session that sleeps and answers, so many times, until the answer is here."""
    latencies: list[float] = []
    with (
        psycopg.connect(lab.dsn, autocommit=True) as conn,
        crew([drainer("bare", lab.dsn, "answer", "1")]) as receiver,
    ):
        conn.execute('listen "bare.answer"')
        receiver.go()
        sleep(1.5)  # it connects
        for number in range(pings + 5):
            sleep(_ASLEEP)
            sent = monotonic()
            conn.execute("select pg_notify('bare.bench', '')", prepare=True)
            if not list(conn.notifies(timeout=10, stop_after=1)):
                raise RuntimeError("there was no answer in 10 s")
            if number >= 5:
                latencies.append((monotonic() - sent) * 1000)
    return _sample(latencies)


def trickle(lab: Lab, rate: float, jobs: int) -> Sample:
    """Enqueue without waiting for the worker, which may sleep, linger, or be at work: from the enqueue on."""
    lab.clear()
    with crew([drainer("ours", lab.dsn, "late", "4")]) as worker:
        worker.go()
        for _ in worker.progress(monotonic() + 1.5):  # it connects
            pass
        for _ in range(jobs):
            lab.conn.execute("select jobs.enqueue(%s)", [QUEUE], prepare=True)
            sleep(expovariate(rate))
        if not any(done == jobs for done in worker.progress(monotonic() + 10)):
            raise RuntimeError(f"{worker.done} of {jobs} jobs were run in 10 s")
    return _sample([seconds * 1000 for (seconds,) in lab.conn.execute("select seconds from bare.late").fetchall()])


def _sample(latencies: list[float]) -> Sample:
    cuts = quantiles(latencies, n=100)
    return Sample(median(latencies), {"p95": cuts[94], "p99": cuts[98]})
