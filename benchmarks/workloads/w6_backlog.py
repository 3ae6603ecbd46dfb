"""W6: drain while many others of the same queue wait, failed, or come later."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from benchmarks.crew import drain, drainer
from benchmarks.lab import QUEUE, Lab
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.size import Size
from benchmarks.workloads.w3_drain import ours
from ectojob_py.migrate import migrate

ALONE = "nothing else in the table"
_CROWDED = "crowded"
"""A schema of its own, whose table keeps the others while both are drained in turn."""

_STATES = {
    "SCHEDULED": {"state": "SCHEDULED", "schedule": "now() + (1 + random()) * interval '1 day'"},
    "FAILED": {"state": "FAILED", "attempt": "5"},
    "AVAILABLE": {"priority": "1"},
}


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Compare each state of the others, in numbers that grow, with statistics fresh, stale and absent."""
    for state in _STATES:
        for others in size.others:
            for statistics in size.statistics if others == max(size.others) else size.statistics[:1]:
                _crowd(lab, size.drain, state, others, statistics)
                how = f"one process, {size.hands} connections"
                crowded = partial(_crowded, lab, size, others, statistics == "fresh")
                yield Group(
                    "w6",
                    f"drain {size.drain:,} before {others:,} {state}, statistics {statistics}",
                    [
                        Contestant(ALONE, partial(ours, lab, "one", size.hands, size.drain), how),
                        Contestant(f"{others:,} {state}", crowded, how, ALONE),
                    ],
                )
    lab.conn.execute(f"drop schema if exists {_CROWDED} cascade")


def _crowd(lab: Lab, jobs: int, state: str, others: int, statistics: str) -> None:
    """Make the crowded schema again. Stale: analyzed when it held a few AVAILABLE jobs and nothing else."""
    conn, table = lab.conn, f"{_CROWDED}.job"
    conn.execute(f"drop schema if exists {_CROWDED} cascade")
    migrate(lab.dsn, _CROWDED)
    conn.execute(f"select {_CROWDED}.create_queue('{QUEUE}')", prepare=False)  # another schema each time
    conn.execute(f"alter table {table} set (autovacuum_enabled = off)")
    if statistics == "stale":
        lab.load(table, jobs)
        conn.execute(f"truncate {table}")
    lab.load(table, others, analyze=statistics == "fresh", **_STATES[state])


def _crowded(lab: Lab, size: Size, others: int, fresh: bool) -> Sample:
    lab.conn.execute("checkpoint")
    lab.load(f"{_CROWDED}.job", size.drain, analyze=fresh)
    sample = drain(lab, [drainer("ours", lab.dsn, "one", str(size.hands), _CROWDED)], size.drain, None)
    return replace(sample, costs={**sample.costs, "others": others})
