"""One run: producers and workers, faults among them in an order that the seed decides, and the audit at the end."""

import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from threading import Thread
from time import monotonic, sleep
from typing import Self

import psycopg

from chaos.bouncer import PROGRAM
from chaos.cluster import Cluster
from chaos.crew import Crew
from chaos.verdict import Broken, Seen, judge, tell
from chaos.watch import Watch
from chaos.worker import LEASE, POINTS, SWEEP
from ectojob_py import Jobs
from ectojob_py.errors import SetupError

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
        self._crew = Crew(self._cluster, self._random)
        self._watch = Watch(self._cluster.connect)
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._rebuilding: Thread | None = None
        self._over = False
        self._keys = count(-1, -1)  # of jobs that no producer enqueued
        self.faults: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._watch.end()
        self._crew.kill()
        if self._rebuilding:
            self._rebuilding.join()
        self._cluster.close()

    def run(self) -> Broken:
        """Return the rows of each invariant's view: all empty when all is well."""
        if not PROGRAM:
            self._say("no pgbouncer here, so nothing goes through it (apt-get install pgbouncer)")
        began = monotonic()
        self._crew.start(self._tier.jobs)
        self._rage()
        seconds = monotonic() - began
        descriptors = self._crew.descriptors()
        seen = Seen(self.faults, self._crew.stop(), self._watch.idle, descriptors, seconds)
        self._cluster.bouncer.stop()
        self._watch.end()
        with self._cluster.connect() as conn:
            broken = judge(conn, self._cluster.folder, seen)
            tell(conn, self._cluster.folder, seen, self._say)
        return broken

    def _rage(self) -> None:
        """Let faults strike, evenly over the first nine tenths of the jobs, until all are over and all jobs ended."""
        crew, watch, plan = self._crew, self._watch, self._plan()
        faults = len(plan)
        moved_at = monotonic()
        while plan or crew.doomed or crew.producing or watch.live:
            self._do_what_is_due()
            crew.tend()
            before = watch.ended
            watch.look()
            if watch.ended > before:
                moved_at = monotonic()
            elif monotonic() - moved_at > PATIENCE:
                raise TimeoutError(f"nothing ended for {PATIENCE:g} s; live {watch.live}, doomed {crew.doomed}")
            while plan and watch.ended >= self._tier.jobs * 0.9 * (faults - len(plan)) / faults:
                self._strike(plan.pop(0))
            if not watch.live and not crew.producing:
                self._feed_the_doomed()
            sleep(0.1)

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
        crew, proxy, victim = self._crew, self._cluster.proxy, self._crew.pick()
        match fault:
            case "kill":
                crew.replace(victim, signal.SIGKILL)
            case "SIGTERM":
                crew.replace(victim, signal.SIGTERM)
            case "freeze":
                crew.workers[victim].send_signal(signal.SIGSTOP)
                self._after(1.5 * LEASE + SWEEP, partial(crew.workers[victim].send_signal, signal.SIGCONT))
            case "crash":
                self._cluster.crash()
            case "promote":
                self._promote()
            case "end listeners":
                self._end_sessions("application_name like 'ectojob%' and query !~ '^(insert|COMMIT|ROLLBACK)'")
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
                crew.doom(fault.removeprefix("kill "))

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

    def _after(self, seconds: float, act: Callable[[], object]) -> None:
        self._later.append((monotonic() + seconds, act))

    def _do_what_is_due(self) -> None:
        due = [act for at, act in self._later if at <= monotonic()]
        self._later = [(at, act) for at, act in self._later if at > monotonic()]
        for act in due:
            act()

    def _feed_the_doomed(self) -> None:
        """Give jobs to workers that are to die at a point which they haven't come to yet."""
        if self._crew.doomed:
            kinds = (*["plain"] * 20, "fails", "fails", "long", "long")
            with suppress(psycopg.Error), self._cluster.connect() as conn:
                Jobs(conn).enqueue_many("chaos", [{"key": next(self._keys), "kind": kind} for kind in kinds])
