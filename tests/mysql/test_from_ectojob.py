"""The way from EctoJob on MySQL, as docs/from-ectojob.md has it, statement by statement."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from contract.harness import Db

from ectojob_py.migrate import ROOT

from .conftest import Connect

TABLE = """
CREATE TABLE `jobs` (
    `id` bigint unsigned not null auto_increment,
    `state` varchar(255) NOT NULL DEFAULT 'AVAILABLE',
    `expires` datetime(6),
    `schedule` datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    `attempt` integer NOT NULL DEFAULT 0,
    `max_attempts` integer NOT NULL DEFAULT 5,
    `params` json NOT NULL,
    `notify` varchar(255),
    `priority` integer NOT NULL DEFAULT 0,
    `inserted_at` datetime NOT NULL,
    `updated_at` datetime NOT NULL,
    PRIMARY KEY (`id`)
) ENGINE = INNODB
"""
INSERT = """
INSERT INTO `jobs` (`attempt`,`params`,`priority`,`schedule`,`state`,`inserted_at`,`updated_at`)
VALUES (%s,%s,%s,%s,%s,utc_timestamp(),utc_timestamp())
"""
THEN, SOME_DAY = datetime(2020, 1, 1), datetime(2055, 1, 1)


def documented() -> list[str]:
    """Return the statements of the blocks marked mysql."""
    text = (ROOT / "docs/from-ectojob.md").read_text()
    blocks = re.findall(r"^ *```mysql\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    return [statement for block in blocks for statement in block.split(";\n") if statement.strip()]


@pytest.fixture
def app(connect: Connect) -> Any:
    """A session in the application's own database, with EctoJob's table."""
    conn = connect()
    with conn.cursor() as cursor:
        cursor.execute("drop database if exists elixir")
        cursor.execute("create database elixir")
        cursor.execute("use elixir")
        cursor.execute(TABLE)
        yield cursor
        cursor.execute("drop database elixir")


def test_what_waits_and_what_comes_become_jobs_here(db: Db, app: Any) -> None:
    db.jobs.create_queue("emails")
    for state, attempt, schedule in [
        ("AVAILABLE", 0, THEN), ("SCHEDULED", 0, SOME_DAY), ("RETRY", 2, THEN), ("RESERVED", 4, THEN)
    ]:  # fmt: skip
        app.execute(INSERT, [attempt, '{"was": "%s"}' % state, 1, schedule, state])  # noqa: UP031
    for state in ("FAILED", "IN_PROGRESS"):
        app.execute(INSERT, [5, "{}", 0, THEN, state])
    for statement in documented():
        app.execute(statement)
        app.fetchall()
    app.execute(INSERT, [0, '{"was": "new"}', 0, THEN, "AVAILABLE"])
    assert app.lastrowid == 7
    app.execute(INSERT, [0, '{"was": "new"}', 0, SOME_DAY, "SCHEDULED"])

    found = [(row["params"]["was"], row["state"], row["max_attempts"], row["priority"]) for row in db.all_jobs()]
    assert found == [
        ("AVAILABLE", "AVAILABLE", 5, 1),
        ("SCHEDULED", "SCHEDULED", 5, 1),
        ("RETRY", "AVAILABLE", 3, 1),
        ("RESERVED", "AVAILABLE", 1, 1),
        ("new", "AVAILABLE", 5, 0),
        ("new", "SCHEDULED", 5, 0),
    ]
    assert db.all_jobs()[-1]["schedule"] == SOME_DAY.replace(tzinfo=UTC)
    app.execute("select id from jobs where state <> 'FORWARDED' order by id")
    assert [id for (id,) in app.fetchall()] == [5, 6]


def test_what_elixir_rolls_back_is_no_job(db: Db, app: Any) -> None:
    db.jobs.create_queue("emails")
    app.execute(documented()[0])
    app.execute("start transaction")
    app.execute(INSERT, [0, "{}", 0, THEN, "AVAILABLE"])
    app.execute("rollback")
    assert db.all_jobs() == []
