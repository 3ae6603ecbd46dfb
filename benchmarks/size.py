"""How much is measured."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Size:
    """Sizes of the default run; ``FULL`` is what figures are quoted from."""

    rounds: int = 2
    seconds: int = 2
    """of each pgbench run"""
    clients: tuple[int, ...] = (1, 32)
    bulk: int = 20_000
    drain: int = 5_000
    fast_drain: int = 40_000
    """jobs for contestants that acknowledge many at once"""
    single: int = 1_000
    """jobs that peers' clients enqueue one by one"""
    processes: tuple[int, ...] = (2,)
    pings: int = 100
    """jobs enqueued one by one while the worker sleeps"""
    others: tuple[int, ...] = (100_000,)
    """jobs that are in the way"""
    statistics: tuple[str, ...] = ("stale",)
    """of the planner, about the others: fresh, stale, absent"""
    held: int = 12
    """seconds of work under a held snapshot; the first sixth and the last are compared"""
    idle_workers: int = 100
    idle: int = 15
    """seconds that they are watched"""
    wakeups: int = 2_000
    hands: int = 20
    """connections of one worker, and of the limit it is compared with"""
    errands: int = 4
    """threads of a worker whose handlers have no transaction"""


QUICK = Size()
FULL = replace(
    QUICK,
    rounds=5,
    seconds=5,
    clients=(1, 8, 32),
    bulk=100_000,
    drain=20_000,
    fast_drain=100_000,
    single=5_000,
    processes=(2, 4),
    pings=500,
    others=(10_000, 100_000, 1_000_000),
    statistics=("fresh", "stale", "absent"),
    held=60,
    idle=60,
    wakeups=100_000,
)
