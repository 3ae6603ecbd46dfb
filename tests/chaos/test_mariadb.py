"""MariaDB: workers and the server are killed with -9 under load; nothing is lost, nothing has two effects."""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest
from mysql.servers import MYSQL, PrivateServer

from ectojob_py import Jobs
from ectojob_py.migrate import migrate
from ectojob_py.mysql.connection import connect

from .cluster import HERE

JOBS, KILLS, CRASHES, SUICIDES = 2000, 6, 3, 10

pytestmark = pytest.mark.skipif("mariadb" not in MYSQL, reason="no mariadbd: make mariadb")


@pytest.fixture
def server() -> Iterator[PrivateServer]:
    """A server that can be killed and started again; what it says is committed is on disk."""
    server = PrivateServer("mariadb", "--innodb-flush-log-at-trx-commit=1")
    yield server
    server.remove()


@pytest.mark.timeout(300)
def test_killed_workers_and_servers_leave_every_job_one_effect(server: PrivateServer, capsys: Any) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    migrate(server.dsn)
    ask(server, "create database shop", "create table shop.effect (job bigint, attempt integer)")
    committed: list[int] = []
    producer = threading.Thread(target=produce, args=(server, chance, committed))
    producer.start()
    workers = [start_worker(server) for _ in range(2)]
    deeds = ["kill"] * KILLS + ["crash"] * CRASHES
    chance.shuffle(deeds)
    faults = len(deeds)
    try:
        while deeds or producer.is_alive() or ask(server, "select count(*) from jobs.job") != [(0,)]:
            for number, worker in enumerate(workers):
                if worker.poll() is not None:  # killed by its handler, or it found no server when it started
                    workers[number] = start_worker(server)
            [(done,)] = ask(server, "select count(*) from shop.effect")
            if deeds and done >= JOBS * 0.9 * (faults - len(deeds)) / faults:
                if deeds.pop() == "kill":
                    chance.choice(workers).kill()
                else:
                    server.kill()
                    server.start()
            time.sleep(0.02)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
        producer.join()
    effects = [job for (job,) in ask(server, "select job from shop.effect")]
    [(repeated,)] = ask(server, "select count(*) from shop.effect where attempt > 1")
    with capsys.disabled():
        print(f"\nmariadb: {len(effects)} effects, {repeated} of a repeated execution (seed {seed})")
    assert [job for job, times in Counter(effects).items() if times > 1] == []
    assert set(committed) - set(effects) == set()


def produce(server: PrivateServer, chance: random.Random, committed: list[int]) -> None:
    """Enqueue until enough is known to be committed, ten at a time; a few jobs kill their worker."""
    dying = [{"dies": chance.choice(("before", "after"))} for _ in range(SUICIDES)]
    while len(committed) < JOBS:
        try:
            with closing(connect(server.dsn, autocommit=True)) as conn:
                while len(committed) < JOBS:
                    params: list[dict[str, str]] = [{}] * 9 + [dying.pop() if dying else {}]
                    committed += Jobs(conn).enqueue_many("default", params, max_attempts=100)
        except pymysql.MySQLError:
            time.sleep(0.1)


def ask(server: PrivateServer, *queries: str) -> list[tuple[Any, ...]]:
    """Run queries on a connection of their own; return the last one's rows."""
    with closing(connect(server.dsn, autocommit=True)) as conn, conn.cursor() as cursor:
        for query in queries:
            cursor.execute(query)
        return list(cursor.fetchall())


def start_worker(server: PrivateServer) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "ectojob_py", "work", "chaos.mariadb_handlers:perform", "--queue", "default"]
    options = [
        "--execution-timeout",
        "2",
        "--retry-timeout",
        "0.1",
        "--poll-interval",
        "1",
        "--max-demand",
        "4",
        "--no-log",
    ]
    environment = {**os.environ, "DATABASE_URL": server.dsn}
    return subprocess.Popen([*command, *options], cwd=HERE.parent, env=environment, stderr=subprocess.DEVNULL)
