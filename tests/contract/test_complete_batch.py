import pytest

from .harness import Db


def claimed(db: Db, count: int) -> list[int]:
    db.jobs.enqueue_many("default", [{}] * count)
    return [job.id for job in db.jobs.claim_batch("default", count)]


def test_all_are_completed(db: Db) -> None:
    ids = claimed(db, 5)
    db.jobs.complete_batch("default", ids[:4], [1] * 4)
    assert [job["id"] for job in db.all_jobs()] == ids[4:]


def test_the_arrays_go_pairwise(db: Db) -> None:
    old = db.a_job(attempt=2)["id"]
    new = db.jobs.enqueue("default")
    db.jobs.claim_batch("default", 2)
    with db.refuses("JQ001"):
        db.jobs.complete_batch("default", [old, new], [1, 3])
    db.jobs.complete_batch("default", [old, new], [3, 1])
    assert db.all_jobs() == []


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_one_lost_lease_completes_none(db: Db, lost: int) -> None:
    ids = claimed(db, 3)
    db.jobs.release("default", ids[lost], 1)
    with db.refuses("JQ001"):
        db.jobs.complete_batch("default", ids, [1, 1, 1])


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_the_refusal_names_the_lost_one(db: Db, lost: int) -> None:
    ids = claimed(db, 3)
    db.jobs.release("default", ids[lost], 1)
    with pytest.raises(Exception, match=f"job {ids[lost]} "):
        db.jobs.complete_batch("default", ids, [1, 1, 1])


def test_the_same_job_twice_completes_none(db: Db) -> None:
    [id] = claimed(db, 1)
    with db.refuses("JQ001"):
        db.jobs.complete_batch("default", [id, id], [1, 1])


def test_an_empty_batch_completes_nothing(db: Db) -> None:
    claimed(db, 1)
    with db.changes_nothing():
        db.jobs.complete_batch("default", [], [])


def test_an_empty_batch_still_names_a_queue(db: Db) -> None:
    with db.refuses("JQ002"):
        db.jobs.complete_batch("no such queue", [], [])
    with db.refuses("22023"):
        db.raw.value("complete_batch", None, [], [])


@pytest.mark.parametrize(
    ("ids", "attempts"),
    [([1], []), ([], [1]), ([1, 2], [1]), (None, [1]), ([1], None), (None, None)],
)
def test_arrays_that_do_not_match_are_refused(db: Db, ids: list[int] | None, attempts: list[int] | None) -> None:
    with db.refuses("22023"):
        db.raw.value("complete_batch", "default", ids, attempts)


@pytest.mark.parametrize("place", [0, 1])
def test_a_null_in_an_array_is_refused(db: Db, place: int) -> None:
    held: list[int | None] = list(claimed(db, 2))
    attempts: list[int | None] = [1, 1]
    with db.refuses("22023"):
        db.raw.value("complete_batch", "default", [*held[:place], None, *held[place + 1 :]], attempts)
    with db.refuses("22023"):
        db.raw.value("complete_batch", "default", held, [*attempts[:place], None, *attempts[place + 1 :]])
