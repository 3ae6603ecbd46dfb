"""Waiting for something that is known to come, without a sleep that guesses when."""

from collections.abc import Callable
from time import monotonic, sleep


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Return as soon as the condition is true; fail the test when it isn't in time."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "it never came true"
        sleep(0.01)
