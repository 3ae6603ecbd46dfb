import json

import pytest

from .harness import HOUR, Db


@pytest.mark.parametrize(
    "payload", [b"", b"\x83h\x02m\x00\x00\x00", bytes(range(256)) * 4096], ids=["0", "term", "1 MB"]
)
def test_bytes_come_back_as_they_were(db: Db, payload: bytes) -> None:
    id = db.jobs.enqueue_payload("default", payload)
    [job] = db.jobs.claim_batch("default", 1)
    assert (job.id, job.payload, list(job.params)) == (id, payload, ["payload"])
    assert "\n" not in job.params["payload"]


def test_the_other_arguments_are_those_of_enqueue(db: Db) -> None:
    moment = db.now() + HOUR
    job = db.job(db.jobs.enqueue_payload("default", b"x", moment, 7, -3, "done"))
    assert (job["state"], job["schedule"], job["max_attempts"], job["priority"], job["notify"]) == (
        "SCHEDULED",
        moment,
        7,
        -3,
        "done",
    )


def test_a_buffer_is_read(db: Db) -> None:
    db.jobs.enqueue_payload("default", memoryview(b"\x00abc"))
    [job] = db.jobs.claim_batch("default", 1)
    assert job.payload == b"\x00abc"


def test_no_payload_is_refused_and_an_unknown_queue(db: Db) -> None:
    with db.refuses("22023"):
        db.raw.value("enqueue_payload", "default", None)
    with db.refuses("JQ002"):
        db.jobs.enqueue_payload("nope", b"x")


def test_a_job_without_a_payload_says_so(db: Db) -> None:
    db.jobs.enqueue("default", {"payload": 1})
    [job] = db.jobs.claim_batch("default", 1)
    with pytest.raises(ValueError, match="has no payload"):
        job.payload  # noqa: B018
    assert json.loads(job.params_json) == {"payload": 1}
    db.jobs.enqueue("default", {"payload": "what is no base64!"})
    [job] = db.jobs.claim_batch("default", 1)
    with pytest.raises(ValueError, match=r"base64"):
        job.payload  # noqa: B018
