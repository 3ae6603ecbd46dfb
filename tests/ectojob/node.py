"""A running EctoJob application: a producer that listens, polls and reserves, and workers that run its jobs."""

import random
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import psycopg

from .elixir import COLUMNS, EctoJob, Job, Postgrex, StaleEntry

Perform = Callable[[Postgrex, Job], None]


class HandlerError(Exception):
    """A handler that raises."""


class Crashed(Exception):
    """A worker process that is gone, with its job."""


class Node(threading.Thread):
    """One BEAM node. ``perform`` gets the repo, inside the transaction that holds the job's deletion, and the job.

    What it raises makes the job fail; ``Crashed`` leaves it to its lease. A dropped statement ends the node, as it
    would end EctoJob's supervisor: ``error`` holds it then.
    """

    def __init__(self, dsn: str, perform: Perform, begun: Perform | None = None, **options: Any) -> None:
        super().__init__()
        self.ectojob = EctoJob(Postgrex(dsn), **{"columns": list(COLUMNS), **options})
        self._listener = psycopg.connect(dsn, autocommit=True)
        self._listener.execute(f'listen "{self.ectojob.table_name}"'.encode())
        self._perform = perform
        self._begun = begun
        self._stopping = threading.Event()
        self.ran = 0
        self.error: BaseException | None = None

    def stop(self) -> None:
        """Stop after the batch that runs."""
        self._stopping.set()
        self.join(60)
        assert not self.is_alive()
        self.ectojob.repo.close()
        self._listener.close()

    def run(self) -> None:
        try:
            next_poll = monotonic()
            while not self._stopping.is_set():
                if monotonic() >= next_poll:
                    self.ectojob.poll()
                    next_poll = monotonic() + 0.3
                batch = self.ectojob.reserve(random.randint(1, 5))
                for job in batch:
                    self._work(job)
                if not batch:
                    list(self._listener.notifies(timeout=0.2, stop_after=1))
        except BaseException as error:  # noqa: BLE001
            self.error = error

    def _work(self, job: Job) -> None:
        begun = self.ectojob.start(job)
        if begun is None:
            return
        if self._begun:
            self._begun(self.ectojob.repo, begun)
        try:
            with self.ectojob.repo.transaction():
                self.ectojob.delete(begun)
                self._perform(self.ectojob.repo, begun)
        except Crashed:
            return
        except (HandlerError, StaleEntry):
            self.ectojob.job_failed(begun)
        else:
            self.ran += 1
            self.ectojob.notify_completed(begun)
