"""A producer process with a journal on disk. ``python -m chaos.producer``, told by CHAOS_PRODUCER.

Each line of the journal is a call: its first key, how many keys, and a word. It is synced: ``intended`` before the
call, ``committed`` after COMMIT returned, ``refused`` when the server said no or the producer rolled back. Keys that
have only ``intended`` may have a job or not.
"""

import json
import os
import random
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from chaos.worker import KINDS
from ectojob_py import Jobs

BACKLOG = 3000
"""So many jobs may wait before a producer does. It looks after each tenth of that."""


@dataclass(frozen=True)
class Task:
    """What a producer is told: where, how many jobs to enqueue, and the first of their keys."""

    dsn: str
    journal: str
    first: int
    jobs: int
    seed: int

    def environment(self) -> dict[str, str]:
        return {**os.environ, "CHAOS_PRODUCER": json.dumps(asdict(self))}


class Producer:
    """Enqueues until as many jobs are committed as it was told; no key twice, whatever happens."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._random = random.Random(task.seed)
        self._next = task.first
        self._committed = self._look_at = 0
        self._journal = os.open(task.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def run(self) -> None:
        while self._committed < self._task.jobs:
            try:
                with psycopg.connect(self._task.dsn, autocommit=True, prepare_threshold=None) as conn:
                    while self._committed < self._task.jobs:
                        self._wait_while_much_is_left(conn)
                        self._enqueue(conn, self._next_keys())
            except psycopg.Error:
                time.sleep(0.1)

    def _next_keys(self) -> range:
        size = min(self._task.jobs - self._committed, self._random.choice((1, 1, 5, 20, 50)))
        keys = range(self._next, self._next + size)
        self._next += size
        return keys

    def _enqueue(self, conn: psycopg.Connection[Any], keys: range) -> None:
        self._write("intended", keys)
        way = self._random.random()
        changes_its_mind = way > 0.98
        try:
            with conn.transaction(force_rollback=changes_its_mind):  # when that fails, the connection is lost anyway
                if way < 0.02:  # the call is cut off in its middle
                    conn.execute("set local statement_timeout = '1ms'")
                self._call(conn, keys)
        except psycopg.errors.QueryCanceled:
            self._write("refused", keys)
        else:
            self._write("refused" if changes_its_mind else "committed", keys)
            self._committed += 0 if changes_its_mind else len(keys)

    def _call(self, conn: psycopg.Connection[Any], keys: range) -> None:
        poison = len(keys) == 1 and self._random.random() < 0.02
        params = [{"key": key, "kind": "poison" if poison else self._kind()} for key in keys]
        later = datetime.now(UTC) + timedelta(seconds=0.3) if self._random.random() < 0.05 else None
        more = {"schedule": later, "max_attempts": 2 if poison else 100, "priority": self._random.randrange(3)}
        queue = "errands" if self._random.random() < 0.1 and not poison else "chaos"
        if len(params) == 1:
            Jobs(conn).enqueue(queue, params[0], **more)  # type: ignore[arg-type]
        else:
            Jobs(conn).enqueue_many(queue, params, **more)  # type: ignore[arg-type]

    def _kind(self) -> str:
        chance = self._random.random()
        if chance < 0.001:
            return "long"
        return self._random.choice(KINDS) if chance < 0.02 else "plain"

    def _write(self, mark: str, keys: range) -> None:
        os.write(self._journal, f"{keys.start} {len(keys)} {mark}\n".encode())
        os.fsync(self._journal)

    def _wait_while_much_is_left(self, conn: psycopg.Connection[Any]) -> None:
        if self._committed < self._look_at:
            return
        query = "select count(*) from (select from jobs.job where queue = 'chaos' and state = 'AVAILABLE' limit %s) _"
        while conn.execute(query, [BACKLOG]).fetchone() == (BACKLOG,):
            time.sleep(0.05)
        self._look_at = self._committed + BACKLOG // 10


if __name__ == "__main__":
    Producer(Task(**json.loads(os.environ["CHAOS_PRODUCER"]))).run()
