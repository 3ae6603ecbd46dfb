"""W7: produce and consume while a session holds a snapshot, so that no dead row can be cleaned away."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from time import monotonic

import psycopg

from benchmarks.crew import crew, drainer
from benchmarks.lab import QUEUE, Lab
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.size import Size

BACKLOG = 2_000
"""Jobs that are always there, so that the consumer never waits for the producer."""


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Show throughput at the end over that at the beginning."""
    bare, worker = (drainer(name, lab.dsn, "one", str(size.hands)) for name in ("bare", "ours"))
    insert, enqueue = partial(lab.insert, "bare.job"), partial(_enqueue, lab)
    yield Group(
        "w7",
        f"{size.held} s of produce and consume: the last {size.held // 6} s over the first",
        [
            Contestant("bare UPDATE by 100, held snapshot", partial(_work, lab, bare, insert, size, True)),
            Contestant("Worker(perform), held snapshot", partial(_work, lab, worker, enqueue, size, True)),
            Contestant("Worker(perform), no such session", partial(_work, lab, worker, enqueue, size, False)),
        ],
        unit="of the first",
        rounds=1,
    )


def _work(lab: Lab, command: list[str], produce: Callable[[int], object], size: Size, held: bool) -> Sample:
    """Work for so long; the series is jobs/s in each second."""
    lab.clear()
    produce(BACKLOG)
    produced, points = BACKLOG, [(0.0, 0)]
    with psycopg.connect(lab.dsn) as other, crew([command]) as consumer:
        if held:
            other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            other.execute("select 1")
        consumer.go()
        started = 0.0
        for done in consumer.progress(monotonic() + size.held + 3):
            if done and not started:  # it has connected
                started = consumer.at
                points[0] = (0.0, done)
            if started and consumer.at - started >= len(points):
                points.append((consumer.at - started, done))
            if produced - done < BACKLOG:
                produce(BACKLOG // 4)
                produced += BACKLOG // 4
            if started and consumer.at - started >= size.held:
                break
    rates = [(pair[1][0], _mean(pair)) for pair in pairwise(points)]
    part = size.held // 6
    first, last = _mean(points[: part + 1]), _mean(points[-part - 1 :])
    return Sample(last / first, {"first": first, "last": last}, rates)


def _mean(points: Sequence[tuple[float, int]]) -> float:
    return (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0])


def _enqueue(lab: Lab, jobs: int) -> None:
    lab.conn.execute("select count(*) from jobs.enqueue_many(%s, array_fill('{}'::jsonb, array[%s]))", [QUEUE, jobs])
