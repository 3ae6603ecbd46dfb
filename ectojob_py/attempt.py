"""One attempt at a job: the handler, and the completion in the same transaction."""

import logging
import random
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import count
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from ectojob_py.client import Jobs
from ectojob_py.engine import Engine
from ectojob_py.errors import HandlerError
from ectojob_py.job import Job
from ectojob_py.pool import Connections, Lent

_HERE = Path(__file__).parent
_TRIES = 10
"""How often a transaction is begun anew that deadlocked, waited for a lock in vain, or couldn't be serialized."""

Handler = Callable[[Any, Job], object]
Perform = Handler | Mapping[str, Handler]


class Outcome(Enum):
    """How an attempt ended, as far as its hand can tell."""

    DONE = "done"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Report:
    """What a hand tells the worker about a job; ``error`` is for ``last_error``, ``seconds`` what it took."""

    job: Job
    outcome: Outcome
    seconds: float
    error: str | None = None


class Attempt:
    """Runs attempts on connections of a pool."""

    def __init__(
        self, perform: Perform, engine: Engine, pool: Connections[Any], schema: str, log: logging.Logger
    ) -> None:
        """Take the handler, or a mapping that has one per ``params["type"]``."""
        self._engine = engine
        self._perform = perform
        self._pool = pool
        self._schema = schema
        self._log = log

    def run(self, job: Job) -> Report:
        """Run the handler and complete the job, committing both, or neither. Never raises."""
        started = perf_counter()
        try:
            conn = self._pool.getconn()
        except self._engine.Error as error:
            return Report(job, Outcome.NOT_RUN, perf_counter() - started, str(error))
        try:
            self._perform_and_complete(conn, job)
        except BaseException as error:  # noqa: BLE001 - SystemExit in a handler is a failure like any other
            self._log.debug("%s raised", job, exc_info=True)
            return Report(job, Outcome.FAILED, perf_counter() - started, describe(error))
        else:
            return Report(job, Outcome.DONE, perf_counter() - started)
        finally:
            self._give_back(conn)

    def _perform_and_complete(self, conn: Lent, job: Job) -> None:
        """Do both in one transaction, and all of it anew when it had to yield to another transaction."""
        for tries in count(1):
            try:
                with conn.handed_out():
                    self._handler(job)(conn, job)
                conn.finish(partial(Jobs(conn, self._schema).complete, job.queue, job.id, job.attempt))
            except Exception:
                if conn.conflict is None or tries == _TRIES or job.lease_lost.is_set():
                    raise
                self._log.info("%s met a conflict, try %d of %d: %s", job, tries, _TRIES, conn.conflict)
                conn.reset()
                sleep(random.uniform(0, min(1, 0.01 * 2**tries)))
            else:
                return

    def _give_back(self, conn: Lent) -> None:
        with suppress(*self._engine.Error):  # a broken connection is the pool's to replace
            conn.reset()
        self._pool.putconn(conn)

    def _handler(self, job: Job) -> Handler:
        if callable(self._perform):
            return self._perform
        kind = job.params.get("type")
        handler = self._perform.get(kind) if isinstance(kind, str) else None
        if handler is None:
            msg = f"no handler for params type {kind!r}; there are handlers for {', '.join(sorted(self._perform))}"
            raise HandlerError(msg)
        return handler


def describe(error: BaseException) -> str:
    """Return an exception for ``last_error``: its type, its text, and the last line of the handler it came through."""
    text = "".join(traceback.format_exception_only(error)).strip()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _HERE not in Path(frame.filename).parents]
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f"{text} ({Path(own[-1].filename).name}:{own[-1].lineno} in {own[-1].name})" if own else text
