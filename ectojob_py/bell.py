"""Ends a sleep in ``select`` from another thread or a signal handler."""

import select
import socket
from contextlib import suppress


class Bell:
    """A pair of sockets: ring on one end, and whoever selects the other wakes."""

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
        select.select([self], [], [], timeout)
        self.silence()

    def fileno(self) -> int:
        """Return what to select for reading."""
        return self._near.fileno()

    def close(self) -> None:
        """Close both ends."""
        self._near.close()
        self._far.close()
