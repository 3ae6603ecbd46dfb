from .harness import Db


def test_a_completed_job_leaves_no_row(db: Db) -> None:
    job = db.a_job("IN_PROGRESS")
    other = db.jobs.enqueue("default")
    db.jobs.complete("default", job["id"], 1)
    assert [row["id"] for row in db.all_jobs()] == [other]


def test_a_job_completes_once(db: Db) -> None:
    job = db.a_job("IN_PROGRESS")
    db.jobs.complete("default", job["id"], 1)
    with db.refuses("JQ001"):
        db.another().complete("default", job["id"], 1)


def test_the_holder_of_an_earlier_attempt_cannot_complete_a_later_one(db: Db) -> None:
    job = db.a_job("IN_PROGRESS")
    db.let_lease_end(job["id"])
    db.jobs.reactivate_expired()
    [later] = db.another().claim_batch("default", 1)
    with db.refuses("JQ001"):
        db.jobs.complete("default", job["id"], job["attempt"])
    db.another().complete("default", later.id, later.attempt)


def test_nor_after_requeue(db: Db) -> None:
    job = db.a_job("FAILED", attempt=1)
    db.jobs.requeue("default", job["id"])
    db.jobs.claim_batch("default", 1)
    with db.refuses("JQ001"):
        db.jobs.complete("default", job["id"], 1)


def test_nor_after_release(db: Db) -> None:
    job = db.a_job("IN_PROGRESS")
    db.jobs.release("default", job["id"], 1)
    db.another().claim_batch("default", 1)
    with db.refuses("JQ001"):
        db.jobs.complete("default", job["id"], 1)
