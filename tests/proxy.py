"""A TCP proxy before a server's socket, which delays, swallows, cuts, and loses the answer to a COMMIT."""

import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self


class Proxy:
    """Listens on 127.0.0.1, port ``port``. ``server`` says where the server's Unix socket is at that moment."""

    def __init__(self, server: Callable[[], Path]) -> None:
        self.delay = 0.0
        """Seconds that each answer takes longer."""
        self.loses_commit = threading.Event()
        """While set, the next COMMIT is passed on, and its answer is swallowed, with all that follows."""
        self._server = server
        self._links: list[_Link] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        for link in self._links:
            link.end()

    def swallow(self) -> None:
        """Make a black hole of the connections there are: nothing passes any more, and nobody is told."""
        for link in self._links:
            link.asks = link.answers = False

    def cut(self) -> None:
        """End the connections there are."""
        for link in self._links:
            link.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = socket.socket(socket.AF_UNIX)
                try:
                    far.connect(str(self._server()))
                except OSError:
                    near.close()
                    far.close()
                else:
                    self._links.append(_Link(self, near, far))


class _Link:
    def __init__(self, proxy: Proxy, near: socket.socket, far: socket.socket) -> None:
        self.asks = self.answers = True
        self._proxy = proxy
        self._ends = near, far
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        self.cut()
        self._thread.join()

    def _run(self) -> None:
        answering = threading.Thread(target=self._answer, daemon=True)
        answering.start()
        self._ask()
        answering.join()
        for end in self._ends:
            end.close()

    def _ask(self) -> None:
        near, far = self._ends
        with suppress(OSError):
            while data := near.recv(65536):
                if re.search(rb"COMMIT(?!TED)", data) and self._proxy.loses_commit.is_set():
                    self._proxy.loses_commit.clear()
                    self.answers = False
                if self.asks:
                    far.sendall(data)
        self.cut()

    def _answer(self) -> None:
        near, far = self._ends
        with suppress(OSError):
            while data := far.recv(65536):
                time.sleep(self._proxy.delay)
                if self.answers:
                    near.sendall(data)
        if self.answers:
            self.cut()
