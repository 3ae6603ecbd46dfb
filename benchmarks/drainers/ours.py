"""One worker process of ours, whose handlers do nothing, or as good as nothing.

``mode`` is one of the worker's promises. A new one is one more case here, and one more line in ``workloads/w3_drain``.
"""

import logging
import sys
import time
from threading import Thread
from typing import Any

from benchmarks.drainers.progress import Progress
from benchmarks.lab import LATE, QUEUE, RECEIPT
from ectojob_py import Job, Worker


def main(dsn: str, mode: str, hands: int, schema: str = "jobs", workers: str = "1") -> None:
    """Work until SIGTERM, by as many workers, each on a thread of this process and with its own hands."""
    logging.basicConfig(level="ERROR")
    progress = Progress()

    def perform(_conn: Any, _job: Job) -> None:
        progress.done += 1

    def write(conn: Any, job: Job) -> None:
        conn.execute(RECEIPT, [job.id, job.attempt])
        progress.done += 1

    def perform_at_once(_conn: Any, _job: Job) -> None:
        progress.done += 1
        progress.tell()

    def late(conn: Any, job: Job) -> None:
        conn.execute(LATE, [time.time() - job.inserted_at.timestamp()])
        progress.done += 1

    def perform_batch(_conn: Any, jobs: list[Job]) -> None:
        progress.done += len(jobs)

    def errand(_job: Job) -> None:
        progress.done += 1

    options: dict[str, Any]
    match mode:
        case "one":  # one transaction per job
            options = {"perform": perform}
        case "many":  # the same, with more that lie ready
            options = {"perform": perform, "max_demand": 10 * hands}
        case "write":  # the same, with a row that each handler writes
            options = {"perform": write, "max_demand": 10 * hands}
        case "batch":  # one per batch of 100, with two that lie ready
            options = {"perform_batch": perform_batch, "max_demand": 100 * hands + 200, "batch_size": 100}
        case "errand":  # none: completed by the worker, many at a time
            options = {"perform": errand, "transaction": False, "max_demand": 1000}
        case "tell":  # one per job, and each job is told about at once
            options = {"perform": perform_at_once}
        case "late":  # one per job, and each job writes how late it began
            options = {"perform": late}
        case _:
            raise SystemExit(f"no mode {mode}")
    working, *others = [Worker(dsn, QUEUE, schema=schema, connections=hands, **options) for _ in range(int(workers))]
    progress.begin()
    for other in others:
        Thread(target=other.run, daemon=True).start()
    working.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
