"""The signals that stop a worker."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from time import monotonic

_SAME = 0.5
"""Seconds within which another signal means the same. A service manager signals every process of a service, and the one
that watches over the others passes it on; so does a wrapper with the Ctrl-C that the terminal has delivered already."""


@contextmanager
def heard(hear: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call ``hear`` at SIGTERM and SIGINT, where this is the main thread; as before when done.

    And at SIGHUP, as when a terminal is closed, unless the process ignores it, by nohup, or has a use of its own for
    it. Not at one that follows at once. A child that a handler forks inherits this, but has no worker to stop: the
    signal ends it, as ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    pid = os.getpid()
    heard_at = -inf

    def handle(number: int, _frame: object) -> None:
        nonlocal heard_at
        if os.getpid() != pid:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if monotonic() >= heard_at + _SAME:
            heard_at = monotonic()
            hear(signal.Signals(number))

    hangup = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL else []
    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT, *hangup)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: one in C, out of reach
