"""Ends a sleep in ``listen`` from another thread or a signal handler."""

import select
import socket
from collections.abc import Iterable
from contextlib import suppress
from math import ceil
from typing import Protocol, TypeVar

_LONGEST = 86_400.0
"""Seconds of a sleep, at most: ``poll`` counts milliseconds, and not beyond 24 days."""


class Ear(Protocol):
    """What can be waited for."""

    def fileno(self) -> int:
        """Return its descriptor."""


AnEar = TypeVar("AnEar", bound=Ear)


def listen(ears: Iterable[AnEar], timeout: float) -> list[AnEar]:
    """Sleep until one of them can be read, or for ``timeout`` seconds; return those that can.

    By ``poll``: ``select`` takes no descriptor from 1024 on. The timeout is rounded up, so that nobody wakes too early.
    """
    by_number = {ear.fileno(): ear for ear in ears}
    poll = select.poll()
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(ceil(min(timeout, _LONGEST) * 1000))]


class Bell:
    """A pair of sockets: ring on one end, and whoever listens to the other wakes."""

    def __init__(self) -> None:
        """Open both ends."""
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._rung = False

    def ring(self) -> None:
        """Wake the sleeper; if it is awake, its next sleep ends at once."""
        if not self._rung:
            self._rung = True
            with suppress(OSError):  # closed: nobody sleeps any more
                self._far.send(b"!")

    def silence(self) -> None:
        """Forget the rings so far."""
        with suppress(BlockingIOError):
            self._near.recv(4096)
        self._rung = False  # last: a ring that came before left its reason behind, and whoever slept looks for it next

    def wait(self, timeout: float) -> None:
        """Sleep until it rings, or for ``timeout`` seconds."""
        listen([self], timeout)
        self.silence()

    def fileno(self) -> int:
        """Return what to listen to."""
        return self._near.fileno()

    def close(self) -> None:
        """Close both ends."""
        self._near.close()
        self._far.close()
