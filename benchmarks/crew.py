"""Worker processes of any system under measurement, and how far they have come.

A process of a crew prints ``ready`` when it has loaded its code, waits for a line on its standard input, then works.
Meanwhile it prints ``<jobs done> <seconds>`` again and again, by the system's monotonic clock. SIGTERM ends it.
"""

import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import IO

from benchmarks import HERE
from benchmarks.counters import cpu_of
from benchmarks.lab import Lab
from benchmarks.measure import Sample

PATIENCE = 120.0
"""Seconds without any progress after which a measurement is given up."""


@dataclass
class _Member:
    process: subprocess.Popen[bytes]
    done: int = 0
    at: float = 0.0
    rest: bytes = b""

    @property
    def output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout


class Crew:
    """Some processes that work on the same jobs."""

    def __init__(self, commands: Sequence[Sequence[str]], env: dict[str, str] | None = None) -> None:
        """Start them; they do nothing before ``go``."""
        self._members = [
            _Member(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HERE.parent, env=env, bufsize=0
                )
            )
            for command in commands
        ]
        self._selector = selectors.DefaultSelector()
        for member in self._members:
            self._selector.register(member.output, selectors.EVENT_READ, member)

    def go(self) -> None:
        """Wait until all are ready, and let them work."""
        for member in self._members:
            while (line := member.output.readline()) != b"ready\n":
                if not line:
                    raise RuntimeError(f"{member.process.args!r} ended before it was ready")
        for member in self._members:
            assert member.process.stdin is not None
            member.process.stdin.write(b"go\n")

    @property
    def done(self) -> int:
        """How many jobs they have done, as far as they said."""
        return sum(member.done for member in self._members)

    @property
    def at(self) -> float:
        """When the last of them said so."""
        return max(member.at for member in self._members)

    def cpu(self) -> float:
        """Return the CPU seconds they have used."""
        return sum(cpu_of(member.process.pid) for member in self._members)

    def progress(self, deadline: float) -> Iterator[int]:
        """Yield the jobs done whenever somebody says something, until ``deadline``."""
        quiet = monotonic() + PATIENCE
        while (now := monotonic()) < deadline:
            for key, _ in self._selector.select(min(0.5, deadline - now)):
                before = self.done
                self._hear(key.data)
                if self.done > before:
                    quiet = now + PATIENCE
            yield self.done
            if now > quiet:
                raise RuntimeError(f"no progress in {PATIENCE:.0f} s after {self.done} jobs")

    def hear(self) -> int:
        """Return the jobs done by now."""
        while ready := self._selector.select(0):
            for key, _ in ready:
                self._hear(key.data)
        return self.done

    def _hear(self, member: _Member) -> None:
        data = member.output.read(65536) or b""
        if not data:
            self._selector.unregister(member.output)
            return
        *lines, member.rest = (member.rest + data).split(b"\n")
        for line in lines:
            done, _, at = line.partition(b" ")
            member.done, member.at = int(done), float(at)

    def stop(self) -> None:
        """End them, those that hang by force."""
        for member in self._members:
            member.process.terminate()
        for member in self._members:
            try:
                member.process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.communicate()
        self._selector.close()


@contextmanager
def crew(commands: Sequence[Sequence[str]], env: dict[str, str] | None = None) -> Iterator[Crew]:
    """Start processes, and end them at the end of the block."""
    working = Crew(commands, env)
    try:
        yield working
    finally:
        working.stop()


def drainer(module: str, *args: str) -> list[str]:
    """Return the command of one of our drainers."""
    return [sys.executable, "-m", f"benchmarks.drainers.{module}", *args]


def drain(
    lab: Lab,
    commands: Sequence[Sequence[str]],
    jobs: int,
    empty: Callable[[], bool] | None,
    env: dict[str, str] | None = None,
) -> Sample:
    """Let a crew drain ``jobs`` that are there; the first tenth is for connecting and warming up, and not counted.

    The end is when the database says so by ``empty``; ``None``: when the crew says it did all of them.
    """
    started = (0, 0.0, 0.0, 0.0)
    with crew(commands, env) as working:
        before = lab.counters.read()
        working.go()
        for done in working.progress(monotonic() + 3600):
            if not started[0] and done >= jobs / 10:
                started = (done, working.at, working.cpu(), lab.counters.server_cpu())
            if done >= jobs:
                break
        while empty is not None and not empty():
            sleep(0.002)
        ended = working.at if empty is None else monotonic()
        client, server = working.cpu() - started[2], lab.counters.server_cpu() - started[3]
    spent = lab.counters.read().since(before)
    counted = jobs - started[0]
    if counted <= 0:
        raise RuntimeError(f"{jobs} jobs were gone too soon to be measured: pass more, by --drain or --fast-drain")
    return Sample(
        counted / (ended - started[1]),
        {
            "client CPU": client * 1000 / counted,
            "server CPU": server * 1000 / counted,
            "WAL": spent.wal_bytes / jobs,
            "syncs": spent.wal_syncs / jobs,
            "commits": spent.transactions / jobs,
        },
    )
