"""What idle workers cost: statements, and shares of a core."""

from collections.abc import Iterator
from time import monotonic, sleep

from benchmarks.crew import crew, drainer
from benchmarks.lab import Lab
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.size import Size

_SETTLE = 12.0
"""Seconds until the statistics of sessions that fell asleep have arrived."""


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Watch them do nothing, in one process so that only their own work shows."""
    yield Group(
        "idle",
        f"{size.idle_workers} idle workers for {size.idle} s: database CPU (lower is better)",
        [Contestant("Worker(perform), nothing to do", lambda: _watch(lab, size), "poll_interval 60 s")],
        unit="% of a core",
        rounds=1,
    )


def _watch(lab: Lab, size: Size) -> Sample:
    lab.clear()
    with crew([drainer("idle", lab.dsn, str(size.idle_workers))]) as workers:
        workers.go()
        next(done for done in workers.progress(monotonic() + 60) if done >= size.idle_workers)
        sleep(_SETTLE)
        before, client, started = lab.counters.read(alone=False), workers.cpu(), monotonic()
        sleep(size.idle)
        spent, client, seconds = (
            lab.counters.read(alone=False).since(before), workers.cpu() - client, monotonic() - started,
        )  # fmt: skip
    return Sample(
        spent.server_cpu / seconds * 100,
        {"statements/s": spent.transactions / seconds, "clients' CPU %": client / seconds * 100},
    )
