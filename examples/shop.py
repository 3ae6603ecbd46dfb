"""The shop's worker: ``ectojob work shop:perform --queue demo_receipts``."""

import time
from typing import Any

from ectojob_py import Job

SENDING = 0.002
"""Seconds that a mail takes to send."""


class MailError(Exception):
    """The mail server didn't take the receipt."""


def perform(conn: Any, job: Job) -> None:
    """Write and send one receipt; the row stays only if the job completes with it. On any of the databases."""
    customer = job.params["customer"]
    with conn.cursor() as cursor:
        cursor.execute(
            "insert into demo_shop.receipts (order_id, job_id, attempt) values (%s, %s, %s)",
            [job.params["order"], job.id, job.attempt],
        )
    time.sleep(SENDING)
    if customer.endswith("@dead.example") or (customer.endswith("@flaky.example") and job.attempt == 1):
        msg = f"{customer.partition('@')[2]} refused the mail"
        raise MailError(msg)
