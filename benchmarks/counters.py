"""What work costs: CPU seconds from /proc, WAL and transactions from the server's statistics."""

import os
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any, LiteralString

import psycopg

_TICK = os.sysconf("SC_CLK_TCK")

_SESSIONS = """
select
    array_agg(pid),
    count(*) filter (where backend_type = 'client backend' and application_name is distinct from 'bench-lab')
from pg_stat_activity
"""


@dataclass(frozen=True)
class Reading:
    """Counters at one moment; their differences are the cost of what happened between."""

    server_cpu: float
    wal_bytes: float
    wal_syncs: float
    transactions: float

    def since(self, before: "Reading") -> "Reading":
        """Return what was spent since an earlier reading."""
        return Reading(
            self.server_cpu - before.server_cpu,
            self.wal_bytes - before.wal_bytes,
            self.wal_syncs - before.wal_syncs,
            self.transactions - before.transactions,
        )


class Counters:
    """Reads the counters of one server; asks for statistics on a connection of its own."""

    def __init__(self, data: Path, dsn: str) -> None:
        """Take the server's data folder, which names its first process."""
        self._postmaster = int((data / "postmaster.pid").read_text().split()[0])
        self._conn = psycopg.connect(dsn, autocommit=True, application_name="bench-lab")
        self._asked = 0

    def read(self) -> Reading:
        """Read everything once all sessions but the lab's own have ended; until then they report late, or nothing."""
        self._ask("select pg_stat_force_next_flush()")
        while not self._alone():
            sleep(0.005)
        lsn, syncs, transactions = self._ask(
            "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8,"
            " (select coalesce(sum(fsyncs), 0)::float8 from pg_stat_io where object = 'wal'),"
            " (select sum(xact_commit)::float8 from pg_stat_database)"
        )
        return Reading(self.server_cpu(), lsn, syncs, transactions - self._asked)

    def _alone(self) -> bool:
        """Whether all other sessions have ended, and their processes' CPU time is with the server's first process."""
        known, others = self._ask(_SESSIONS)
        return others == 0 and set(_children(self._postmaster)) <= set(known)

    def _ask(self, query: LiteralString) -> Any:
        self._asked += 1
        return self._conn.execute(query).fetchone()

    def server_cpu(self) -> float:
        """Return the CPU seconds of all processes of the server, those that ended included."""
        own = _stat(self._postmaster)
        return sum(own) + sum(sum(_stat(pid)[:2]) for pid in _children(self._postmaster))


def cpu_of(pid: int) -> float:
    """Return the CPU seconds a process has used, all its threads together."""
    return sum(_stat(pid)[:2])


def _stat(pid: int) -> list[float]:
    """Return utime, stime, cutime and cstime of a process in seconds; nothing for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(value) / _TICK for value in fields[11:15]]


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
