"""The processes of a run: producers, workers that stand, others that are to die at a point, and those told to go."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable

from psycopg.conninfo import make_conninfo

from chaos.bouncer import PROGRAM
from chaos.cluster import HERE, Cluster
from chaos.producer import Task
from chaos.worker import Orders

Process = subprocess.Popen[bytes]
WAYS = ("batches", "errands", "jobs", "batches", "errands")
"""How the standing workers work."""
SPARED = 2
"""So many, one per queue, are neither killed nor frozen nor asked to stop: somebody must be there to sweep in time."""
PRODUCERS = 2


class Crew:
    """Starts them, replaces them, buries them."""

    def __init__(self, cluster: Cluster, chance: random.Random) -> None:
        self._cluster = cluster
        self._random = chance
        self._processes: list[Process] = []
        self._producers: list[Process] = []
        self._leaving: list[Process] = []
        self.workers: list[Process] = []
        self.doomed: dict[Process, str] = {}
        """Who is to die, and at which point."""

    def start(self, jobs: int) -> None:
        """Start the producers of so many jobs, and the workers."""
        cluster = self._cluster
        if PROGRAM:
            self._worker(cluster.bouncer.dsn, "pooled")
        for number, dsn in enumerate((cluster.dsn, cluster.bouncer.dsn if PROGRAM else cluster.dsn)):
            journal = str(cluster.folder / f"journal-{number}")
            task = Task(dsn, journal, number * 10**9, jobs // PRODUCERS, self._random.randrange(10**9))
            self._producers.append(self._process("producer", task.environment()))
        self.workers = [self._worker(self._dsn_of(number), way) for number, way in enumerate(WAYS)]

    @property
    def producing(self) -> bool:
        """Whether more jobs come."""
        return any(process.poll() is None for process in self._producers)

    def pick(self) -> int:
        """Return the number of a worker that may be hit."""
        return self._random.randrange(SPARED, len(WAYS))

    def replace(self, number: int, sign: signal.Signals) -> None:
        """Tell one to go, and start another in its place."""
        self.workers[number].send_signal(sign)
        self._leaving.append(self.workers[number])
        self.workers[number] = self._worker(self._dsn_of(number), WAYS[number])

    def doom(self, point: str) -> None:
        """Start another one, which dies at a point that it passes."""
        rare = any(call in point for call in ("fail", "extend", "complete_batch"))
        passes = 0 if rare else self._random.randrange(20)
        way = "batches" if "batch" in point else self._random.choice(("jobs", "batches"))
        self.doomed[self._worker(self._cluster.dsn, way, point, passes)] = point

    def tend(self) -> None:
        """Bury the doomed, and make sure that nobody else died."""
        for process, point in list(self.doomed.items()):
            if process.poll() is not None:
                del self.doomed[process]
                if process.returncode != -signal.SIGKILL:
                    raise RuntimeError(f"a worker that was to die {point} ended with {process.returncode}")
        for worker in self.workers:
            if worker.poll() is not None:
                raise RuntimeError(f"a worker ended by itself, with {worker.returncode}")
        for producer in self._producers:
            if producer.poll():
                raise RuntimeError(f"a producer ended by itself, with {producer.returncode}")

    def descriptors(self) -> int:
        """Return how many open files a worker has, at most."""
        return max(len(os.listdir(f"/proc/{worker.pid}/fd")) for worker in self.workers)

    def stop(self) -> Counter[int]:
        """Ask the workers to stop, and return how all of them ended but those that were to die at a point."""
        for worker in self.workers:
            worker.send_signal(signal.SIGCONT)
            worker.terminate()
        asked = [*self.workers, *self._leaving]
        for worker in asked:
            worker.wait(20)
        self.kill()
        return Counter(worker.returncode for worker in asked)

    def kill(self) -> None:
        """End whoever is still there."""
        end(self._processes)

    def _dsn_of(self, number: int) -> str:
        """Connect a worker directly, through the proxy, or with a timeout that cuts some of its statements off."""
        cluster = self._cluster
        timeouts = self._random.choice(("lock_timeout", "statement_timeout"))
        hurried = make_conninfo(cluster.dsn, options=f"-c {timeouts}=200")
        return (cluster.dsn, cluster.dsn, cluster.proxied, hurried, cluster.proxied)[number]

    def _worker(self, dsn: str, way: str, point: str | None = None, passes: int = 0) -> Process:
        notes = str(self._cluster.folder / f"notes-{len(self._processes)}.txt")
        module = "pooled" if way == "pooled" else "worker"
        return self._process(module, Orders(dsn, notes, way, point, passes).environment())

    def _process(self, module: str, environment: dict[str, str]) -> Process:
        command = [sys.executable, "-m", f"chaos.{module}"]
        self._processes.append(subprocess.Popen(command, cwd=HERE.parent, env=environment))
        return self._processes[-1]


def end(processes: Iterable[Process]) -> None:
    """Kill them, the frozen ones, too."""
    for process in processes:
        process.kill()
        process.wait()
