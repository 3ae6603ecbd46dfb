"""Workers for the tests: in a thread where a handler is a local function, as a process where signals matter."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ectojob_py import Worker

StartWorker = Callable[..., Worker]


@pytest.fixture
def start_worker(dsn: str) -> Iterator[StartWorker]:
    """Start workers in threads of this process; they are stopped when the test ends, and must end by themselves."""
    running: list[tuple[Worker, threading.Thread]] = []

    def start(**options: Any) -> Worker:
        worker = Worker(options.pop("dsn", dsn), **options)
        thread = threading.Thread(target=worker.run)
        thread.start()
        running.append((worker, thread))
        return worker

    yield start
    for worker, _ in running:
        worker.stop(grace=2)
    for _, thread in running:
        thread.join(timeout=10)
        assert not thread.is_alive()


@pytest.fixture
def one_server(request: pytest.FixtureRequest) -> None:
    """Run on one server only: what is tested there is Python, and the servers don't differ in that."""
    servers = getattr(request.node, "callspec", None)
    if servers and servers.params.get("postgres_server", "postgres-18") != "postgres-18":
        pytest.skip("once is enough")


def working(folder: Path, dsn: str, handler: str, queue: str, *options: str) -> subprocess.Popen[str]:
    """Start ``ectojob work`` with a handler of the folder's ``handlers.py``."""
    command = [sys.executable, "-m", "ectojob_py", "work", f"handlers:{handler}", "--queue", queue, *options]
    environment = {**os.environ, "DATABASE_URL": dsn}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
