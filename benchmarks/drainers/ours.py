"""One worker process of ours, whose handlers do nothing.

``mode`` is one of the worker's promises. A new one is one more case here, and one more line in ``workloads/w3_drain``.
"""

import logging
import sys
from functools import partial
from typing import Any

from benchmarks.drainers.progress import Progress
from benchmarks.lab import QUEUE
from ectojob_py import Job, Worker


def main(dsn: str, mode: str, hands: int, schema: str = "jobs") -> None:
    """Work until SIGTERM."""
    logging.basicConfig(level="ERROR")
    progress = Progress()

    def perform(_conn: Any, _job: Job) -> None:
        progress.done += 1

    def perform_at_once(_conn: Any, _job: Job) -> None:
        progress.done += 1
        progress.tell()

    def perform_batch(_conn: Any, jobs: list[Job]) -> None:
        progress.done += len(jobs)

    def errand(_job: Job) -> None:
        progress.done += 1

    worker = partial(Worker, dsn, QUEUE, schema=schema)
    match mode:
        case "one":  # one transaction per job
            working = worker(perform=perform, connections=hands)
        case "batch":  # one per batch of 100
            working = worker(perform_batch=perform_batch, max_demand=100 * hands, batch_size=100, connections=hands)
        case "errand":  # none: completed by the worker, many at a time
            working = worker(perform=errand, transaction=False, max_demand=400, connections=hands)
        case "tell":  # one per job, and each job is told about at once
            working = worker(perform=perform_at_once, connections=hands)
        case _:
            raise SystemExit(f"no mode {mode}")
    progress.begin()
    working.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
