"""The watch sees idle hands: a queue whose jobs could run while none of them does."""

from collections.abc import Iterator

import psycopg
import pytest

from ectojob_py import Jobs

from .watch import PAUSE, Watch

pytestmark = pytest.mark.parametrize("postgres_server", ["postgres-18"], indirect=True)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """Two queues, and a watch that looked once and then sees what a queue's jobs do, by a clock that stands."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.clock = Clock()
        self.watch = Watch(lambda: psycopg.connect(dsn, autocommit=True), self.clock)
        self.conn = psycopg.connect(dsn, autocommit=True)
        self.jobs = Jobs(self.conn)
        for queue in ("chaos", "errands"):
            self.jobs.create_queue(queue)
        self.looks_after(0)

    def looks_after(self, *seconds: float) -> float:
        for more in seconds:
            self.clock.now += more
            self.watch.look()
        return self.watch.idle


@pytest.fixture
def scene(dsn: str) -> Iterator[Scene]:
    scene = Scene(dsn)
    yield scene
    scene.watch.end()
    scene.conn.close()


def test_jobs_that_nobody_runs_are_seen(scene: Scene) -> None:
    scene.jobs.enqueue("chaos")
    assert scene.looks_after(1, 3) == 4


def test_a_running_job_of_another_queue_hides_nothing(scene: Scene) -> None:
    for queue in ("chaos", "errands"):
        scene.jobs.enqueue(queue)
    scene.jobs.claim_batch("chaos", 1)
    assert scene.looks_after(4) == 4


def test_nobody_is_idle_while_a_job_of_the_queue_runs(scene: Scene) -> None:
    scene.jobs.enqueue_many("chaos", [{}, {}])
    scene.jobs.claim_batch("chaos", 1)
    assert scene.looks_after(4, 4) == 0


def test_an_empty_queue_is_idle_by_right_and_its_next_job_starts_anew(scene: Scene) -> None:
    scene.looks_after(9)
    scene.jobs.enqueue("chaos")
    assert scene.looks_after(1) == 1


def test_after_an_outage_workers_have_a_pause(scene: Scene) -> None:
    scene.jobs.enqueue("chaos")
    with psycopg.connect(scene.dsn, autocommit=True) as conn:
        others = "datname = current_database() and pid <> pg_backend_pid()"
        conn.execute(f"select pg_terminate_backend(pid, 5000) from pg_stat_activity where {others}".encode())
    scene.looks_after(1, 1)
    assert scene.looks_after(PAUSE) == 0
    assert scene.looks_after(2) == 2


def test_what_ended_and_what_lives_is_counted(scene: Scene) -> None:
    scene.jobs.enqueue_many("chaos", [{}, {}, {}], max_attempts=1)
    first, second, _ = scene.jobs.claim_batch("chaos", 3)
    scene.jobs.complete("chaos", first.id, 1)
    scene.jobs.fail("chaos", second.id, 1, "no", None)
    scene.looks_after(0)
    assert (scene.watch.ended, scene.watch.live) == (2, 1)
