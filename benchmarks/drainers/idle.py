"""Many workers in one process, a thread each, with nothing to do."""

import sys
import threading
from typing import Any

from benchmarks.drainers.progress import Progress
from benchmarks.lab import QUEUE
from ectojob_py import Job, Worker


def perform(_conn: Any, _job: Job) -> None:
    """Do nothing."""


def main(dsn: str, workers: int) -> None:
    """Start them, and tell nothing more once all have."""
    progress = Progress()
    progress.greet()
    for _ in range(workers):
        threading.Thread(target=Worker(dsn, QUEUE, perform=perform).run, daemon=True).start()
        progress.done += 1
    progress.tell()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
