"""One run: producers and workers, faults among them in an order that the seed decides, and the audit at the end."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from threading import Thread
from time import monotonic, sleep
from typing import Any, Self

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from chaos.bouncer import PROGRAM
from chaos.cluster import HERE, Cluster, until
from chaos.producer import Task
from chaos.worker import LEASE, POINTS, SWEEP, Orders
from ectojob_py import Jobs
from ectojob_py.errors import SetupError

Process = subprocess.Popen[bytes]
WAYS = ("jobs", "errands", "batches", "jobs", "errands")
"""How the standing workers work."""
SPARED = 2
"""So many, one per queue, are neither killed nor frozen nor asked to stop: somebody must be there to sweep in time."""
ENDS = {0, 3, -signal.SIGKILL, -signal.SIGTERM}
"""How workers may end: with nothing left, with jobs that outlived the grace period, killed, or before they began."""
PRODUCERS = 2
PATIENCE = 60.0
"""Seconds without any job ended after which the run is a failure."""


@dataclass(frozen=True)
class Tier:
    """How much of everything. Two thirds of the kills are at points, in turn; the others come at any moment."""

    jobs: int = 20_000
    kills: int = 30
    crashes: int = 5
    promotions: int = 3
    others: int = 2
    """How often each of the other faults."""


CI = Tier()
LONG = Tier(jobs=1_000_000, kills=200, crashes=50, promotions=20, others=20)


class Storm:
    """Runs a tier, and audits it."""

    def __init__(self, tier: Tier, seed: int, say: Callable[[str], None] = print) -> None:
        self._tier = tier
        self._say = say
        self._random = random.Random(seed)
        self._cluster = Cluster()
        self._observer: psycopg.Connection[Any] | None = None
        self._processes: list[Process] = []
        self._workers: list[Process] = []
        self._producers: list[Process] = []
        self._leaving: list[Process] = []
        self._doomed: dict[Process, str] = {}
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._rebuilding: Thread | None = None
        self._over = False
        self._keys = count(-1, -1)  # of jobs that no producer enqueued
        self._busy_at = monotonic()
        self._idle = 0.0
        self._progress = 0
        self._live = 0
        self.faults: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._end_observation()
        for process in self._processes:
            process.kill()
            process.wait()
        if self._rebuilding:
            self._rebuilding.join()
        self._cluster.close()

    def run(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows of each invariant's view: all empty when all is well."""
        began = monotonic()
        plan = self._plan()
        faults = len(plan)
        self._start_all()
        moved_at = monotonic()
        while plan or self._doomed or self._at_work(self._producers) or self._live:
            self._tend()
            before = self._progress
            self._look()
            if self._progress > before:
                moved_at = monotonic()
            elif monotonic() - moved_at > PATIENCE:
                raise TimeoutError(f"nothing ended for {PATIENCE:g} s; live {self._live}, doomed {self._doomed}")
            while plan and self._progress >= self._tier.jobs * 0.9 * (faults - len(plan)) / faults:
                self._strike(plan.pop(0))
            if not self._live and not self._at_work(self._producers):
                self._feed_the_doomed()
            sleep(0.05)
        self._seconds = monotonic() - began
        self._descriptors = max(len(os.listdir(f"/proc/{worker.pid}/fd")) for worker in self._workers)
        self._stop()
        broken = [end for end in self._exits.items() if end[0] not in ENDS]
        idle = [(self._idle,)] if self._idle > SWEEP + 2 + 5 else []
        return {"exit codes": broken, "i4_idle_hands": idle, **self._audit()}

    # Faults

    def _plan(self) -> list[str]:
        tier = self._tier
        points = [f"kill {POINTS[number % len(POINTS)]}" for number in range(tier.kills * 2 // 3)]
        others = ["freeze", "SIGTERM", "end listeners", "end all", "lock", "slow", "swallow", "cut", "lost COMMIT"]
        plan = [*points, *["kill"] * (tier.kills - len(points)), *["crash"] * tier.crashes, *others * tier.others]
        self._random.shuffle(plan)
        for number in range(tier.promotions):  # evenly: each needs a new standby first
            plan.insert((number + 1) * len(plan) // (tier.promotions + 1), "promote")
        return plan

    def _strike(self, fault: str) -> None:  # noqa: PLR0912 - a list of what can happen
        self.faults["kill at a point" if fault.startswith("kill ") else fault] += 1
        proxy, victim = self._cluster.proxy, self._random.randrange(SPARED, len(WAYS))
        match fault:
            case "kill":
                self._replace(victim, signal.SIGKILL)
            case "SIGTERM":
                self._replace(victim, signal.SIGTERM)
            case "freeze":
                self._workers[victim].send_signal(signal.SIGSTOP)
                self._after(1.5 * LEASE + SWEEP, partial(self._workers[victim].send_signal, signal.SIGCONT))
            case "crash":
                self._cluster.crash()
            case "promote":
                self._promote()
            case "end listeners":
                self._end_sessions("application_name = 'ectojob' and query !~ '^(insert|COMMIT|ROLLBACK)'")
            case "end all":
                self._end_sessions("backend_type = 'client backend' and pid <> pg_backend_pid()")
            case "lock":
                self._lock_everything()
            case "slow":
                proxy.delay = 0.02
                self._after(1, partial(setattr, proxy, "delay", 0))
            case "swallow":
                proxy.swallow()
                self._after(5, proxy.cut)
            case "cut":
                proxy.cut()
            case "lost COMMIT":
                proxy.loses_commit.set()
                self._after(5, proxy.cut)
            case _:
                point = fault.removeprefix("kill ")
                rare = any(call in point for call in ("fail", "extend", "complete_batch"))
                passes = 0 if rare else self._random.randrange(20)
                way = "batches" if "batch" in point else self._random.choice(("jobs", "batches"))
                self._doomed[self._worker(self._cluster.dsn, way, point, passes)] = point

    def _promote(self) -> None:
        if self._rebuilding:
            self._rebuilding.join()
        self._cluster.promote()
        self._rebuilding = Thread(target=self._rebuild)
        self._rebuilding.start()

    def _rebuild(self) -> None:
        """Build a new standby, again when a fault hits in the middle."""
        while not (self._cluster.synchronous or self._over):
            with suppress(psycopg.Error, SetupError, TimeoutError):
                self._cluster.build_standby()

    def _end_sessions(self, which: str) -> None:
        with suppress(psycopg.Error), self._cluster.connect() as conn:
            conn.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {which}".encode())

    def _lock_everything(self) -> None:
        """Let every call wait for longer than some workers' lock_timeout and statement_timeout."""
        with suppress(psycopg.Error), self._cluster.connect() as conn, conn.transaction():
            conn.execute("set local lock_timeout = '1s'")  # a frozen worker may hold rows until the storm goes on
            conn.execute("lock table jobs.job in exclusive mode")
            conn.execute("select pg_sleep(0.4)")

    # Processes

    def _start_all(self) -> None:
        cluster = self._cluster
        if PROGRAM:
            self._worker(cluster.bouncer.dsn, "pooled")
        else:
            self._say("no pgbouncer here, so nothing goes through it (apt-get install pgbouncer)")
        share = self._tier.jobs // PRODUCERS
        for number, dsn in enumerate((cluster.dsn, cluster.bouncer.dsn if PROGRAM else cluster.dsn)):
            journal = str(cluster.folder / f"journal-{number}")
            task = Task(dsn, journal, number * 10**9, share, self._random.randrange(10**9))
            self._producers.append(self._start("producer", task.environment()))
        self._workers = [self._worker(self._dsn_of(number), way) for number, way in enumerate(WAYS)]

    def _dsn_of(self, number: int) -> str:
        """Connect a worker directly, through the proxy, or with timeouts that cut calls off in their middle."""
        cluster = self._cluster
        timeouts = self._random.choice(("lock_timeout", "statement_timeout"))
        hurried = make_conninfo(cluster.dsn, options=f"-c {timeouts}=200")
        return (cluster.dsn, cluster.dsn, cluster.proxied, hurried, cluster.proxied)[number]

    def _worker(self, dsn: str, way: str, point: str | None = None, passes: int = 0) -> Process:
        notes = str(self._cluster.folder / f"notes-{len(self._processes)}.txt")
        module = "pooled" if way == "pooled" else "worker"
        return self._start(module, Orders(dsn, notes, way, point, passes).environment())

    def _start(self, module: str, environment: dict[str, str]) -> Process:
        command = [sys.executable, "-m", f"chaos.{module}"]
        self._processes.append(subprocess.Popen(command, cwd=HERE.parent, env=environment))
        return self._processes[-1]

    def _replace(self, number: int, sign: signal.Signals) -> None:
        self._workers[number].send_signal(sign)
        self._leaving.append(self._workers[number])
        self._workers[number] = self._worker(self._dsn_of(number), WAYS[number])

    def _after(self, seconds: float, act: Callable[[], object]) -> None:
        self._later.append((monotonic() + seconds, act))

    @staticmethod
    def _at_work(processes: Iterable[Process]) -> bool:
        return any(process.poll() is None for process in processes)

    # Watching

    def _tend(self) -> None:
        """Do what is due, bury the doomed, and make sure that nobody else died."""
        due = [act for at, act in self._later if at <= monotonic()]
        self._later = [(at, act) for at, act in self._later if at > monotonic()]
        for act in due:
            act()
        for doomed, point in list(self._doomed.items()):
            if doomed.poll() is not None:
                del self._doomed[doomed]
                if doomed.returncode != -signal.SIGKILL:
                    raise RuntimeError(f"a worker that was to die {point} ended with {doomed.returncode}")
        for worker in self._workers:
            if worker.poll() is not None:
                raise RuntimeError(f"a worker ended by itself, with {worker.returncode}")

    def _look(self) -> None:
        """Ask how far they are; nothing is known while the database is away."""
        query = """select last_value, count(id), bool_or(state = 'AVAILABLE') and not bool_or(state = 'IN_PROGRESS')
            from jobs.job_id_seq left join jobs.job on state <> 'FAILED' group by last_value"""
        idle = False
        try:
            self._observer = self._observer or self._cluster.connect()
            [(born, self._live, idle)] = self._observer.execute(query).fetchall()
            self._progress = max(self._progress, born - self._live)
        except psycopg.Error:
            self._end_observation()
        if not idle:
            self._busy_at = monotonic()
        self._idle = max(self._idle, monotonic() - self._busy_at)

    def _end_observation(self) -> None:
        if self._observer:
            self._observer.close()
            self._observer = None

    def _feed_the_doomed(self) -> None:
        """Give jobs to workers that are to die at a point which they haven't come to yet."""
        if self._doomed:
            kinds = (*["plain"] * 20, "fails", "fails", "long", "long")
            with suppress(psycopg.Error), self._cluster.connect() as conn:
                Jobs(conn).enqueue_many("chaos", [{"key": next(self._keys), "kind": kind} for kind in kinds])

    # The end

    def _stop(self) -> None:
        for worker in self._workers:
            worker.send_signal(signal.SIGCONT)
            worker.terminate()
        for process in self._processes:
            if process in self._workers or process in self._leaving:
                process.wait(20)
            else:
                process.kill()
                process.wait()
        ends = Counter(process.returncode for process in (*self._workers, *self._leaving))
        self._exits = ends
        self._cluster.bouncer.stop()
        self._end_observation()

    def _audit(self) -> dict[str, list[tuple[Any, ...]]]:
        marks = [
            line for journal in self._cluster.folder.glob("journal-*") for line in journal.read_text().splitlines()
        ]
        self._unknown = sum(line.endswith("intended") for line in marks) * 2 - len(marks)
        with self._cluster.connect() as conn:
            with conn.cursor().copy("copy chaos.journal from stdin") as copy:
                copy.write("".join(f"{line}\n" for line in marks if not line.endswith("intended")))
            conn.execute((HERE / "audit.sql").read_bytes())
            with suppress(TimeoutError):  # then the view says who is still there
                until(lambda: not conn.execute("select * from chaos.i10_left_behind").fetchall(), 10)
            names = conn.execute("select viewname from pg_views where viewname ~ '^i[0-9]+_' order by 1").fetchall()
            self._tell(conn)
            return {name: conn.execute(f"select * from chaos.{name} limit 5".encode()).fetchall() for (name,) in names}

    def _tell(self, conn: psycopg.Connection[Any]) -> None:
        """Say what happened, the repeated executions above all."""
        notes = [
            line.split(" ", 2)
            for file in self._cluster.folder.glob("notes-*.txt")
            for line in file.read_text().splitlines()
        ]
        began = [job for job, _, what in notes if what == "began"]
        errors = Counter(what for _, _, what in notes if what != "began")
        [sums] = conn.cursor(row_factory=dict_row).execute("select * from chaos.sums").fetchall()
        edges = conn.execute("select * from chaos.edges").fetchall()
        for word, text in {
            "faults": counted(self.faults.items()),
            "jobs": "{committed} known as committed, {refused} as refused; {born} were born".format(**sums)
            + f", {self._unknown} keys had an unknown outcome",
            "ended": "{done} with their effect, {failed} FAILED".format(**sums) + f", in {self._seconds:.0f} s",
            "executions": f"{len(began)}, of which {len(began) - len(set(began))} repeated one of the same job",
            "errors": counted(errors.items()),
            "leases": "{swept} ended and were swept, {late:.1f} s late at most".format(**sums)
            + f"; no job ran and some could for {self._idle:.1f} s at most",
            "steps": counted(edges),
            "workers": f"exit codes {counted(self._exits.items())}; {self._descriptors} descriptors at most",
        }.items():
            self._say(f"{word:<12}{text}")


def counted(counts: Iterable[tuple[Any, int]]) -> str:
    """Return, say, ``3 x kill, 2 x crash``."""
    return ", ".join(f"{number} x {what}" for what, number in counts)
