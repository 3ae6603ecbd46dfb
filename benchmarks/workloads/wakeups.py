"""Whether a wake-up is ever lost: single enqueues against workers that fall asleep as often as they can.

Each enqueuer waits until its job has begun, then enqueues the next one a random moment later, when the worker is
falling asleep, has just fallen asleep, or sleeps. Half of the jobs are committed a random moment after they were
enqueued. Workers poll once an hour, so a job whose wake-up is lost waits forever.
"""

import random
import threading
from collections.abc import Iterator
from functools import partial
from statistics import quantiles
from time import monotonic, sleep
from typing import Any

import psycopg

from benchmarks.lab import Lab
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.size import Size
from ectojob_py import Job, Jobs, Worker

QUEUES = 4
LATE = 5.0
"""Seconds after which a wake-up counts as lost."""

_WINDOW = 0.008
"""Seconds in which a worker that ran out of jobs has fallen asleep."""


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Count the lost ones."""
    yield Group(
        "wakeups",
        f"{size.wakeups:,} single enqueues against workers that keep falling asleep",
        [Contestant("lost wake-ups", partial(_count, lab, size.wakeups), f"{QUEUES} queues, poll_interval 1 h")],
        unit="lost",
        rounds=1,
    )


def _count(lab: Lab, jobs: int) -> Sample:
    lab.clear()
    pairs = [_Pair(lab.dsn, f"wakeups {number}") for number in range(QUEUES)]
    threads = [threading.Thread(target=pair.enqueue, args=(jobs // QUEUES,)) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pair in pairs:
        pair.close()
    latencies = [latency * 1000 for pair in pairs for latency in pair.latencies]
    cuts = quantiles(latencies, n=100)
    costs = {"p50 ms": cuts[49], "p99 ms": cuts[98], "longest ms": max(latencies)}
    return Sample(sum(pair.lost for pair in pairs), costs)


class _Pair:
    """A queue with one worker and one enqueuer."""

    def __init__(self, dsn: str, queue: str) -> None:
        self.lost = 0
        self.latencies: list[float] = []
        self._queue = queue
        self._begun = threading.Event()
        self._conn = psycopg.connect(dsn, prepare_threshold=0)
        with self._conn.transaction():
            Jobs(self._conn).create_queue(queue)
        self._worker = Worker(dsn, queue, perform=self._perform, max_demand=1, poll_interval=3600)
        self._running = threading.Thread(target=self._worker.run)
        self._running.start()

    def _perform(self, _conn: Any, _job: Job) -> None:
        self._begun.set()

    def enqueue(self, jobs: int) -> None:
        for number in range(jobs):
            sleep(random.uniform(0, _WINDOW))
            self._begun.clear()
            with self._conn.transaction():
                Jobs(self._conn).enqueue(self._queue)
                if number % 2:
                    sleep(random.uniform(0, _WINDOW))
            committed = monotonic()
            if self._begun.wait(LATE):
                self.latencies.append(monotonic() - committed)
            else:
                self.lost += 1

    def close(self) -> None:
        self._worker.stop()
        self._running.join()
        self._conn.close()
