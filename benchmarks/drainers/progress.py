"""A drainer's side of the talk with the coordinator."""

import os
import sys
import threading
from time import monotonic, sleep


class Progress:
    """Counts jobs; once begun, says every 20 ms how many."""

    def __init__(self) -> None:
        """Nothing is done."""
        self.done = 0

    def greet(self) -> None:
        """Say that all is loaded, and wait for the word."""
        print("ready", flush=True)
        sys.stdin.readline()

    def begin(self) -> None:
        """Greet, and go on telling from then on."""
        self.greet()
        threading.Thread(target=self._tell, daemon=True).start()

    def tell(self) -> None:
        """Say how many are done."""
        os.write(1, b"%d %f\n" % (self.done, monotonic()))

    def _tell(self) -> None:
        while True:
            sleep(0.02)
            self.tell()
