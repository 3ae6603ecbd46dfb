"""W4: several worker processes drain one queue."""

from collections.abc import Iterator
from functools import partial

from benchmarks.lab import Lab
from benchmarks.measure import Contestant, Group
from benchmarks.size import Size
from benchmarks.workloads.w3_drain import ONE, bare, ours


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Compare with the limit in as many processes."""
    for processes in size.processes:
        how = f"{processes} processes, {size.hands} connections each"
        yield Group(
            "w4",
            f"drain {size.drain:,}, one transaction per job, {processes} processes",
            [
                Contestant(ONE, partial(bare, lab, "one", size.hands, size.drain, processes), how),
                Contestant("Worker(perform)", partial(ours, lab, "one", size.hands, size.drain, processes), how, ONE),
            ],
        )
