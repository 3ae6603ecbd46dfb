"""W5: how soon a sleeping worker's handler begins, beside what a bare NOTIFY takes between two sessions."""

from collections.abc import Callable, Iterator
from functools import partial
from random import expovariate
from statistics import median, quantiles
from time import monotonic, sleep

from benchmarks.crew import crew, drainer
from benchmarks.lab import LIMITS, QUEUE, Lab
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.size import Size

NOTIFY = "bare NOTIFY to a session that listens"
_ASLEEP = 0.04
"""Seconds after which an idle worker sleeps."""


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Compare from before the statement to the first line of the handler; both on this machine's clock."""
    enqueue = partial(lab.conn.execute, "select jobs.enqueue(%s)", [QUEUE], prepare=True)
    notify = partial(lab.conn.execute, "select pg_notify('bare.bench', '')", prepare=True)
    insert = partial(lab.conn.execute, (LIMITS / "notify.sql").read_text(), prepare=True)
    yield Group(
        "w5",
        f"pickup by a sleeping worker, {size.pings} times (lower is better)",
        [
            Contestant(NOTIFY, partial(pickup, lab, drainer("bare", lab.dsn, "listen", "1"), notify, size.pings)),
            Contestant(
                "bare INSERT that notifies, UPDATE on hearing it",
                partial(pickup, lab, drainer("bare", lab.dsn, "claim", "1"), insert, size.pings),
                limit=NOTIFY,
            ),
            Contestant(
                "jobs.enqueue to Worker(perform)",
                partial(pickup, lab, drainer("ours", lab.dsn, "tell", "4"), enqueue, size.pings),
                limit=NOTIFY,
            ),
        ],
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


def pickup(lab: Lab, command: list[str], send: Callable[[], object], pings: int) -> Sample:
    """Send when the receiver sleeps, so many times."""
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
            if not any(done > before for done in receiver.progress(monotonic() + 10)):
                raise RuntimeError(f"{command} did not hear it in 10 s")
            if number >= 5:
                latencies.append((receiver.at - sent) * 1000)
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
