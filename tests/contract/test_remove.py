import pytest

from .harness import Db


@pytest.mark.parametrize("state", ["SCHEDULED", "AVAILABLE", "RETRY", "FAILED"])
def test_what_nobody_holds_is_removed_and_returned(db: Db, state: str) -> None:
    job = db.a_job(state, params={"to": "joe"})
    kept = db.a_job("SCHEDULED")
    removed = db.jobs.remove("default", job["id"])
    assert removed
    assert {key: getattr(removed, key) for key in job} == job
    assert db.all_jobs() == [kept]


def test_a_job_is_removed_once(db: Db) -> None:
    job = db.a_job()
    assert db.jobs.remove("default", job["id"])
    assert db.another().remove("default", job["id"]) is None


def test_a_job_whose_lease_has_ended_is_held_until_it_is_swept(db: Db) -> None:
    job = db.a_job("IN_PROGRESS")
    db.let_lease_end(job["id"])
    assert db.jobs.remove("default", job["id"]) is None
    db.jobs.reactivate_expired()
    assert db.jobs.remove("default", job["id"])
