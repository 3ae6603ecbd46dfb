"""No payload in any message: not in an error, the server's log, the worker's log, or what the command line says."""

import json
import logging
import random
from pathlib import Path
from typing import Any

import psycopg
import pytest
from contract.harness import Db
from mysql.servers import MYSQL

from ectojob_py import Worker
from ectojob_py.cli import main

from .hostile import CANARY, DOCUMENTS, INTEGERS, INTERVALS, MOMENTS, TEXTS
from .places import PRODUCER, WORKER, Place, PostgresPlace

COMMANDS = 200


def server_log(place: Place) -> str:
    if not isinstance(place, PostgresPlace):
        return ""
    return (Path(str(psycopg.conninfo.conninfo_to_dict(place.dsn)["host"])) / "server.log").read_text(errors="replace")


def test_a_worker_keeps_payloads_to_itself(place: Place, db: Db, caplog: pytest.LogCaptureFixture) -> None:
    """It logs what a handler raises, for that is what the handler wanted to say; nothing else of the job."""
    caplog.set_level(logging.DEBUG, "ectojob")
    fine = db.jobs.enqueue("default", {"secret": CANARY}, notify=CANARY)
    bad = db.jobs.enqueue("default", {"secret": CANARY, "type": "bad"}, notify=CANARY, max_attempts=1)
    stolen = db.jobs.enqueue("default", {"secret": CANARY, "type": "stolen"}, notify=CANARY, max_attempts=1)
    ended: set[int] = set()

    def perform(conn: Any, job: Any) -> None:
        ended.add(job.id)
        if ended == {fine, bad, stolen}:
            worker.stop()
        if job.params.get("type") == "bad":
            raise ValueError("bad")
        if job.params.get("type") == "stolen":
            db.jobs.release("default", job.id, job.attempt)

    worker = Worker(place.dsn_of(WORKER), perform=perform, max_demand=1, log_level="debug")
    worker.run()
    assert ended == {fine, bad, stolen}
    assert "ValueError: bad" in caplog.text
    assert CANARY not in caplog.text
    assert CANARY not in server_log(place)


@pytest.fixture
def hostile_command(monkeypatch: pytest.MonkeyPatch, place: Place, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", place.dsn_of(PRODUCER))
    monkeypatch.chdir(tmp_path)


def an_enqueue(generator: random.Random) -> list[str]:
    """Return the arguments of one command, most of them hostile."""
    odd = generator.random() < 0.3
    good = [json.dumps({"secret": CANARY, "text": text}) for text in TEXTS]
    document = generator.choice(DOCUMENTS if odd else good)[:20000]
    command = ["enqueue", generator.choice([*["default"] * 100, *TEXTS]), document]
    for option, values in (
        ("--schedule", [*MOMENTS, *(f"+{interval}" for interval in INTERVALS)]),
        ("--max-attempts", INTEGERS),
        ("--priority", INTEGERS),
        ("--notify", [f"{CANARY}{text}" for text in TEXTS]),
    ):
        if generator.random() < 0.2:
            command.append(f"{option}={generator.choice(values)}")
    return command


@pytest.mark.timeout(300)
@pytest.mark.parametrize("place", ["postgres-18", *MYSQL], indirect=True, scope="session")
def test_hostile_commands_are_refused_in_words_or_stored(
    place: Place, db: Db, hostile_command: None, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = random.Random(20261124)
    codes = {0: 0, 1: 0, 2: 0}
    for _ in range(COMMANDS):
        command = an_enqueue(generator)
        before = {job["id"] for job in db.all_jobs()}
        code = main(command)
        said = capsys.readouterr()
        codes[code] += 1
        added = [job for job in db.all_jobs() if job["id"] not in before]
        assert (code == 0) == (len(added) == 1), (command, said)
        assert CANARY not in said.err, command
        assert "Traceback" not in said.err, command
        assert "This should not happen" not in said.err, (command, said.err)
        assert len(said.err) < 2000, command
        assert all(char.isprintable() or char == "\n" for char in said.err), command
        if added:
            [job] = added
            if "1e" not in command[2]:  # more than Python's numbers hold
                assert job["params"] == json.loads(command[2])
            assert job["queue"] == command[1]
    assert min(codes.values()) > COMMANDS / 20, codes
    assert CANARY not in server_log(place)
