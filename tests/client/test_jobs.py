"""The thin client over a psycopg connection."""

from typing import Any

import psycopg

from ectojob_py.client import Jobs


def test_a_job_travels_from_enqueue_to_complete(conn: psycopg.Connection[Any]) -> None:
    jobs = Jobs(conn)
    id = jobs.enqueue("default", {"to": "joe"})
    [job] = jobs.claim_batch("default", 10)
    assert (job.id, job.params, job.attempt) == (id, {"to": "joe"}, 1)
    jobs.complete(job.queue, job.id, job.attempt)
    assert jobs.claim_batch("default", 10) == []
