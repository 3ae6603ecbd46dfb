"""Looks at the jobs while it storms: how far they are, and whether some could run and none does."""

from collections.abc import Callable
from time import monotonic
from typing import Any

import psycopg

PAUSE = 5.0
"""Seconds: the longest pause of a worker that lost the database and connects again."""


class Watch:
    """Looks on a connection that comes and goes with the database."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], clock: Callable[[], float] = monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._conn: psycopg.Connection[Any] | None = None
        self._from = clock()
        self._busy_at: dict[str, float] = {}
        self.ended = 0
        """How many jobs have ended; they were completed or FAILED."""
        self.live = 0
        """How many have not; of a look before, while the database is away."""
        self.idle = 0.0
        """Seconds: for how long, at most, no job of a queue ran and some could. Workers may PAUSE after an outage."""

    def look(self) -> None:
        """Ask; nothing is known while the database is away."""
        query = """select name, last_value, count(id),
            coalesce(bool_or(state = 'AVAILABLE') and not bool_or(state = 'IN_PROGRESS'), false)
            from jobs.job_id_seq cross join jobs.queue left join jobs.job on queue = name and state <> 'FAILED'
            group by name, last_value"""
        try:
            if self._conn is None:
                self._conn = self._connect()
                self._from, self._busy_at = self._clock() + PAUSE, {}
            rows = self._conn.execute(query).fetchall()
        except psycopg.Error:
            self.end()
            return
        self.live = sum(live for _, _, live, _ in rows)
        self.ended = max([self.ended, *(born - self.live for _, born, _, _ in rows)])
        for queue, _, _, idle in rows:
            if idle:
                self.idle = max(self.idle, self._clock() - self._busy_at.get(queue, self._from))
            else:
                self._busy_at[queue] = self._clock()

    def end(self) -> None:
        """Close the connection; the next look has a new one."""
        if self._conn:
            self._conn.close()
            self._conn = None
