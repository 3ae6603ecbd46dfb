"""Other job queues on PostgreSQL, each in an environment of its own: ``make bench-peers`` installs them.

A peer is one script with five commands: ``install DSN``; ``single DSN JOBS`` and ``bulk DSN JOBS`` print the seconds
that enqueuing took, one by one and at the peer's best; ``pings DSN JOBS`` enqueues some with pauses and prints when it
began with each; ``work DSN each|fast`` is a worker that talks as ``benchmarks.crew`` says: at its best settings for
latency, telling each job at once, or for throughput.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import HERE

ENVIRONMENTS = HERE / ".peers"


@dataclass(frozen=True)
class Peer:
    """One of them: how to start its script, and how to empty its tables and see that all jobs are done, in SQL."""

    name: str
    program: Sequence[str | Path]
    needs: Path
    """is there when it is installed"""
    clear: str
    empty: str
    how: str
    slow: str = ""
    """``drain`` or ``pickup``: where it gets fewer jobs"""

    @property
    def installed(self) -> bool:
        """Whether ``make bench-peers`` could install it."""
        return self.needs.exists()

    def command(self, *args: str) -> list[str]:
        """Return the command line of one of its commands."""
        return [*map(str, self.program), *args]

    def run(self, *args: str) -> str:
        """Run one of its commands to the end; return what it printed."""
        done = subprocess.run(self.command(*args), cwd=HERE.parent, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.name}, {args[0]}: {done.stderr[-2000:]}")
        return done.stdout


def _python(name: str, clear: str, empty: str, how: str, slow: str = "") -> Peer:
    folder = ENVIRONMENTS / name
    program: list[str | Path] = [folder / "bin" / "python", "-m", f"benchmarks.peers.with_{name}"]
    return Peer(name, program, folder / "installed", clear, empty, how, slow)


def _node(name: str, clear: str, empty: str, how: str, slow: str = "") -> Peer:
    modules = ENVIRONMENTS / "node" / "node_modules"
    program: list[str | Path] = [
        "/usr/bin/env",
        f"NODE_PATH={modules}",
        "node",
        HERE / "peers" / f"with_{name.replace('-', '_')}.cjs",
    ]
    return Peer(name, program, modules / name, clear, empty, how, slow)


PEERS = (
    _node(
        "graphile-worker",
        "truncate graphile_worker._private_jobs",
        "select not exists (select from graphile_worker._private_jobs)",
        "local queue of 500, completions batched, 24 concurrent jobs",
    ),
    _node(
        "pg-boss",
        "truncate pgboss.job",
        "select not exists (select from pgboss.job where state < 'completed')",
        "2 loops of fetch and complete by 2,000",
        slow="pickup",
    ),
    _python(
        "pgqueuer",
        "truncate pgqueuer, pgqueuer_log",
        "select not exists (select from pgqueuer)",
        "asyncpg, uvloop, batch_size 1000",
    ),
    _python(
        "procrastinate",
        "truncate procrastinate_jobs cascade",
        "select not exists (select from procrastinate_jobs where status in ('todo', 'doing'))",
        "async, concurrency 20, jobs deleted",
        slow="drain",
    ),
)
