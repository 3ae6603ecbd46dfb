"""Workers for the tests: in a thread where a handler is a local function, as a process where signals matter."""

import threading
from collections.abc import Callable, Iterator
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
