"""How often a worker looks: what others can provoke is limited, what it does by itself doesn't count towards that."""

from collections.abc import Iterator
from math import inf

import pytest
from contract.harness import Db
from contract.sessions import Session
from worker.waiting import Clock

from ectojob_py.postgres import sleeper
from ectojob_py.postgres.sleeper import LINGER, VAIN, Sleeper


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sleeper, "monotonic", clock)
    return clock


@pytest.fixture
def asleep(db: Db, clock: Clock) -> Iterator[Sleeper]:
    """A worker that sleeps, and looked once more."""
    worker = Sleeper(db.conn, "jobs", "default")
    worker.rest(inf)
    looks_in_vain(worker)
    yield worker
    worker.rise()


def looks_in_vain(worker: Sleeper) -> None:
    worker.looking()
    worker.vain()
    worker.rest(inf)


def test_its_own_looks_make_it_deaf_to_no_wake_up(asleep: Sleeper) -> None:
    for _ in range(20):
        looks_in_vain(asleep)
    assert asleep.woken()


def test_wake_ups_in_vain_make_it_deaf_for_a_while(asleep: Sleeper, clock: Clock) -> None:
    heard = 0
    while asleep.woken():
        looks_in_vain(asleep)
        clock.now += 2 * LINGER  # faster ones would make it get up
        heard += 1
        assert heard < 10
    assert clock.now < asleep.look_at == asleep.not_before <= clock.now + VAIN
    clock.now = asleep.look_at
    looks_in_vain(asleep)  # the look that they asked for
    assert not asleep.woken()


def test_a_job_that_is_found_makes_it_hear_again(asleep: Sleeper) -> None:
    while asleep.woken():
        looks_in_vain(asleep)
    asleep.looking()
    asleep.found()
    assert asleep.woken()


def test_one_who_cannot_sleep_looks_as_seldom(db: Db, clock: Clock, first: Session) -> None:
    first.executes("select pg_advisory_xact_lock('jobs.job'::regclass::oid::integer, hashtext('default'))")
    worker = Sleeper(db.conn, "jobs", "default")
    looks = 0
    while clock.now < 2:
        worker.rest(inf)
        clock.now = worker.look_at
        worker.looking()
        worker.vain()
        looks += 1
    first.rolls_back()
    assert looks < 2 / VAIN + 10
