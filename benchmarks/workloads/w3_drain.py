"""W3: one worker process drains, one transaction per job and in batches, beside loops of bare SQL."""

from collections.abc import Iterator
from functools import partial

from benchmarks.crew import drain, drainer
from benchmarks.lab import Lab, scalar
from benchmarks.measure import Contestant, Group, Sample
from benchmarks.size import Size

ONE = "bare UPDATE by 100, one DELETE per job and commit"
WRITE = "bare UPDATE by 100, INSERT and DELETE per job and commit"
HUNDRED = "bare UPDATE by 100, DELETE by 100"
DELETE = "bare DELETE ... SKIP LOCKED by 100"


def groups(lab: Lab, size: Size) -> Iterator[Group]:
    """Compare each promise with the limit of the same kind; the default one also with handlers that write."""
    yield from doing_nothing(lab, size)
    connections = f"one process, {size.hands} connections"
    yield Group(
        "w3",
        f"drain {size.drain:,}, one transaction per job, in which the handler writes a row",
        [
            Contestant(WRITE, partial(bare, lab, "write", size.hands, size.drain), f"{connections}, a thread each"),
            Contestant(
                "Worker(perform), max_demand ten times the connections",
                partial(ours, lab, "write", size.hands, size.drain),
                connections,
                WRITE,
            ),
        ],
    )


def doing_nothing(lab: Lab, size: Size) -> Iterator[Group]:
    """Compare the promises by handlers that do nothing."""
    hands, jobs, fast = size.hands, size.drain, size.fast_drain
    connections = f"one process, {hands} connections"
    yield Group(
        "w3",
        f"drain {jobs:,}, one transaction per job",
        [
            Contestant(ONE, partial(bare, lab, "one", hands, jobs), f"{connections}, a thread each"),
            Contestant("Worker(perform)", partial(ours, lab, "one", hands, jobs), connections, ONE),
            Contestant(
                "the same, max_demand ten times the connections",
                partial(ours, lab, "many", hands, jobs),
                connections,
                ONE,
            ),
            Contestant("the limit by pgbench", partial(_pgbench, lab, hands, jobs), f"{hands} connections", ONE),
        ],
    )
    yield Group(
        "w3",
        f"drain {fast:,}, in batches",
        [
            Contestant(HUNDRED, partial(bare, lab, "hundred", 1, fast), "one process, one connection"),
            Contestant(DELETE, partial(bare, lab, "delete", 1, fast), "one process, one connection", HUNDRED),
            Contestant(
                "Worker(perform_batch)",
                partial(ours, lab, "batch", 2, fast),
                "one process, batch_size 100, max_demand 400, 2 connections",
                HUNDRED,
            ),
            Contestant(
                "Worker(perform, transaction=False)",
                partial(ours, lab, "errand", size.errands, fast),
                f"one process, max_demand 1,000, {size.errands} threads",
                HUNDRED,
            ),
            Contestant(
                "two such workers, perform_batch",
                partial(ours, lab, "batch", 1, fast, workers=2),
                "one process, batch_size 100, max_demand 300 and a connection each",
                HUNDRED,
            ),
            Contestant(
                "two such workers, transaction=False",
                partial(ours, lab, "errand", 1, fast, workers=2),
                "one process, max_demand 1,000 and a thread each",
                HUNDRED,
            ),
        ],
    )


def ours(lab: Lab, mode: str, hands: int, jobs: int, processes: int = 1, workers: int = 1) -> Sample:
    """Drain ``jobs.job`` by processes of ours, each of as many workers."""
    lab.clear()
    lab.load("jobs.job", jobs)
    commands = [drainer("ours", lab.dsn, mode, str(hands), "jobs", str(workers))] * processes
    return drain(lab, commands, jobs, lambda: bool(scalar(lab.conn, "select not exists (select from jobs.job)")))


def bare(lab: Lab, mode: str, hands: int, jobs: int, processes: int = 1) -> Sample:
    """Drain ``bare.job`` by a loop of bare SQL."""
    lab.clear()
    lab.load("bare.job", jobs)
    commands = [drainer("bare", lab.dsn, mode, str(hands))] * processes
    return drain(lab, commands, jobs, lambda: bool(scalar(lab.conn, "select not exists (select from bare.job)")))


def _pgbench(lab: Lab, hands: int, jobs: int) -> Sample:
    """Let a program in C drive it, each connection in a range of ids of its own, so nobody looks for jobs."""
    share = jobs // hands // 100 * 100
    lab.clear()
    lab.load("bare.job", share * hands)
    first = scalar(lab.conn, "select min(id) from bare.job")
    ranges = [f"-Dfirst={first}", f"-Dshare={share}", "-Dn=0"]
    return Sample(lab.pgbench("drain_one.sql", hands, "-t", str(share), *ranges))
