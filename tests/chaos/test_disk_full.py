"""The disk is full: calls fail or the server dies; nothing committed is lost, and nothing has two effects."""

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ectojob_py import Job, Jobs, Worker
from ectojob_py.embedded import VERSIONS, EmbeddedServer, binaries
from ectojob_py.migrate import migrate

from .cluster import until

Conn = psycopg.Connection[Any]


@pytest.fixture
def disk() -> Iterator[Path]:
    """A disk of its own to fill."""
    folder = Path(tempfile.mkdtemp(prefix="ectojob-chaos-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=112m,mode=777", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"only root can mount a small disk to fill: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture
def server(disk: Path) -> Iterator[EmbeddedServer]:
    """A server whose data is on that disk."""
    folder = Path(tempfile.mkdtemp(prefix="ectojob-chaos-"))
    folder.chmod(0o755)
    server = EmbeddedServer(folder, binaries(VERSIONS[-1]), {"min_wal_size": "32MB", "max_wal_size": "48MB"})
    server.data = disk / "data"
    server.start()
    yield server
    if server.running():
        server.stop("immediate")
    shutil.rmtree(folder)


def fill(disk: Path) -> Path:
    """Write what the disk still takes, but for a page."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"\0" * 8192) == 8192:
            pass
    return ballast


@pytest.mark.timeout(300)
def test_a_full_disk_loses_nothing_and_doubles_nothing(disk: Path, server: EmbeddedServer) -> None:
    full = threading.Event()

    def writes(conn: Conn, job: Job) -> None:
        assert full.wait(60)
        conn.execute("insert into effect values (%s, repeat('x', 1000))", [job.id])

    migrate(server.dsn())
    worker = Worker(server.dsn(), perform=writes, max_demand=4, poll_interval=1, execution_timeout=2, retry_timeout=0.1)
    thread = threading.Thread(target=worker.run)
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("create table effect (job bigint, what text)")
        committed = Jobs(conn).enqueue_many("default", [{}] * 2000, max_attempts=10_000)
        thread.start()
        try:
            until(lambda: conn.execute("select count(*) from jobs.running").fetchone() == (4,))
            ballast = fill(disk)
            full.set()
            until(lambda: "insert into effect" in complaints(server))
            unknown = enqueue_until_it_fails(server, committed)
            ballast.unlink()
            server.start()  # in case it gave up
            committed += enqueue(server, {"after": True})
            until(lambda: ask(server, "select count(*) from jobs.job") == [(0,)], 200)
        finally:
            full.set()
            worker.stop(grace=2)
            thread.join()
    effects = [id for (id,) in ask(server, "select job from effect")]
    assert len(effects) == len(set(effects))
    assert set(committed) <= set(effects)
    assert len(effects) - len(committed) in (0, unknown)


def complaints(server: EmbeddedServer) -> str:
    """What the server said since it first found no space left on its disk."""
    return server.log.read_text().partition("No space left on device")[2]


def enqueue_until_it_fails(server: EmbeddedServer, committed: list[int]) -> int:
    """Note what is committed; return how many jobs may be committed or not, because the connection was lost."""
    while True:
        try:
            committed += enqueue(server, {"text": "x" * 1000})
        except psycopg.errors.DiskFull:
            return 0
        except psycopg.OperationalError:
            return 20


def enqueue(server: EmbeddedServer, params: dict[str, Any]) -> list[int]:
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        return Jobs(conn).enqueue_many("default", [params] * 20, max_attempts=10_000)


def ask(server: EmbeddedServer, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        return conn.execute(query.encode()).fetchall()
