"""What idle workers cost: statements, as they count them, and shares of a core.

The server's statistics leave out a session's transactions as long as it reads no table: such are the heartbeats.
"""

from collections.abc import Iterator
from time import monotonic, sleep

from benchmarks.crew import crew, drainer
from benchmarks.lab import Lab
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.size import Size

_SETTLED = 1.0
"""Seconds without a statement, after which all workers are taken to be asleep."""


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
        next(done for done in workers.progress(monotonic() + 60) if done)
        while workers.hear() and monotonic() < workers.at + _SETTLED:
            sleep(0.01)
        sent, server, client, started = workers.done, lab.counters.server_cpu(), workers.cpu(), monotonic()
        sleep(size.idle)
        sent, server, client, seconds = (
            workers.hear() - sent, lab.counters.server_cpu() - server, workers.cpu() - client, monotonic() - started,
        )  # fmt: skip
    return Sample(server / seconds * 100, {"statements/s": sent / seconds, "clients' CPU %": client / seconds * 100})
