"""When a worker sweeps: at what is due, but what others can provoke is limited."""

import pytest

from ectojob_py import sweeps
from ectojob_py.sweeps import _PAUSE, Sweeps

from .waiting import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sweeps, "monotonic", clock)
    return clock


def swept(due_in: float | None, interval: float = 60) -> Sweeps:
    both = Sweeps(["a", "b"], interval)
    for queue in both.due():
        both.done(queue, due_in)
    return both


def test_all_are_swept_at_the_start_and_an_interval_later(clock: Clock) -> None:
    assert Sweeps(["a", "b"], 60).due() == ["a", "b"]
    both = swept(None)
    assert 0.9 * 60 <= both.next_at - clock.now <= 60
    clock.now += 60
    assert both.due() == ["a", "b"]


@pytest.mark.parametrize(("due_in", "after"), [(5, 5), (_PAUSE / 2, _PAUSE), (-3600, 2 * _PAUSE)])
def test_a_queue_is_swept_when_something_is_due_and_after_a_pause(clock: Clock, due_in: float, after: float) -> None:
    assert swept(due_in).next_at - clock.now == pytest.approx(after)


def test_what_stays_due_as_somebody_has_it_locked_is_swept_less_often(clock: Clock) -> None:
    both = swept(None)

    def pauses(due_in: float, sweeps: int) -> list[float]:
        passed = []
        for _ in range(sweeps):
            both.done("a", due_in)
            passed.append(both.next_at - clock.now)
            clock.now = both.next_at
        return passed

    assert pauses(-3600, 5) == pytest.approx([0.1, 0.2, 0.25, 0.25, 0.25])
    assert pauses(5, 1) == [5]
    assert pauses(0, 1) == pytest.approx([0.1])


def test_what_is_due_later_does_not_put_the_next_sweep_off(clock: Clock) -> None:
    both = swept(5)
    both.learn("a", 3600)
    clock.now += 5
    assert both.due() == ["a", "b"]


def test_what_is_due_at_once_long_after_a_sweep_is_swept_at_once(clock: Clock) -> None:
    both = swept(None)
    clock.now += 1
    both.learn("a", 0)
    assert both.due() == ["a"]


def test_however_often_it_is_told_it_asks_and_sweeps_once_in_a_pause(clock: Clock) -> None:
    both = swept(None)
    asked = done = 0
    for _ in range(1000):
        clock.now += 0.001
        if both.asks("a"):
            both.learn("a", None)
            asked += 1
        if both.due():
            both.done("a", None)
            done += 1
    assert 0 < asked + done <= 1 / _PAUSE


def test_a_question_that_has_no_answer_counts_too(clock: Clock) -> None:
    both = swept(None)
    both.put_off("a", 3600)
    clock.now += 1
    assert both.asks("a")
    assert not both.asks("a")


def test_told_at_once_after_it_asked_it_sweeps_a_little_later(clock: Clock) -> None:
    both = swept(None)
    assert not both.asks("a")
    assert both.next_at - clock.now == pytest.approx(_PAUSE)
    assert both.due() == []


def test_a_queue_can_be_put_off(clock: Clock) -> None:
    both = swept(1)
    both.put_off("a", 5)
    both.within("a", 7)
    clock.now += 4.9
    assert both.due() == ["b"]
    clock.now += 0.2
    assert both.due() == ["a", "b"]
