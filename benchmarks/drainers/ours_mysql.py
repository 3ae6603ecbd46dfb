"""One worker process of ours on MariaDB, whose handler writes a receipt in the job's transaction."""

import logging
import sys
from typing import Any

from benchmarks.drainers.progress import Progress
from benchmarks.lab import QUEUE, RECEIPT
from ectojob_py import Job, Worker


def main(dsn: str, hands: int, demand: int) -> None:
    """Work until SIGTERM."""
    logging.basicConfig(level="ERROR")
    progress = Progress()

    def perform(conn: Any, job: Job) -> None:
        with conn.cursor() as cursor:
            cursor.execute(RECEIPT, [job.id, job.attempt])
        progress.done += 1

    worker = Worker(dsn, QUEUE, perform=perform, connections=hands, max_demand=demand)
    progress.begin()
    worker.run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
