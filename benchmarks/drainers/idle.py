"""Many workers in one process, a thread each, with nothing to do; it tells how many statements they have sent."""

import sys
import threading
from typing import Any

import psycopg

from benchmarks.drainers.progress import Progress
from benchmarks.lab import QUEUE
from ectojob_py import Job, Worker


def perform(_conn: Any, _job: Job) -> None:
    """Do nothing."""


def main(dsn: str, workers: int) -> None:
    """Start them, and tell each statement once all have."""
    progress, lock, started = Progress(), threading.Lock(), threading.Event()
    execute = psycopg.Cursor.execute

    def counted(*arguments: Any, **options: Any) -> Any:
        with lock:
            progress.done += 1
            if started.is_set():
                progress.tell()
        return execute(*arguments, **options)

    psycopg.Cursor.execute = counted  # type: ignore[method-assign]
    progress.greet()
    for _ in range(workers):
        threading.Thread(target=Worker(dsn, QUEUE, perform=perform).run, daemon=True).start()
    started.set()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
