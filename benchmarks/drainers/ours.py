"""One worker process of ours, whose handlers do nothing.

``mode`` is one of the worker's promises. A new one is one more case here, and one more line in ``workloads/w3_drain``.
"""

import logging
import sys
from typing import Any

from benchmarks.drainers.progress import Progress
from benchmarks.lab import QUEUE
from ectojob_py import Job, Worker


def main(dsn: str, mode: str, hands: int) -> None:
    """Work until SIGTERM."""
    logging.basicConfig(level="ERROR")
    progress = Progress()

    def perform(_conn: Any, _job: Job) -> None:
        progress.done += 1

    match mode:
        case "one":  # one transaction per job
            worker = Worker(dsn, QUEUE, perform=perform, max_demand=hands, connections=hands)
        case _:
            raise SystemExit(f"no mode {mode}")
    progress.begin()
    worker.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
