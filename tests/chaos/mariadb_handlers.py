"""What the workers run in ``test_mariadb``."""

import os
import signal
from typing import Any

from ectojob_py import Job


def perform(conn: Any, job: Job) -> None:
    """Leave one effect; where the job says so, the first attempt kills its worker."""
    dies = job.params.get("dies") if job.attempt == 1 else None
    if dies == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    with conn.cursor() as cursor:
        cursor.execute("insert into shop.effect values (%s, %s)", [job.id, job.attempt])
    if dies == "after":
        os.kill(os.getpid(), signal.SIGKILL)
