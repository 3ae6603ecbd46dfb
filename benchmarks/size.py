"""How much is measured."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Size:
    """Sizes of the default run; ``FULL`` is what PERFORMANCE figures are quoted from."""

    rounds: int = 3
    seconds: int = 2
    """of each pgbench run"""
    clients: tuple[int, ...] = (1, 32)
    bulk: int = 20_000
    drain: int = 6_000
    fast_drain: int = 40_000
    """jobs for contestants that acknowledge many at once"""
    hands: int = 20
    """connections of one worker, and of the limit it is compared with"""


QUICK = Size()
FULL = replace(QUICK, rounds=5, seconds=5, clients=(1, 8, 32), bulk=100_000, drain=20_000, fast_drain=100_000)
