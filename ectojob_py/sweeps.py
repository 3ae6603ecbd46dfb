"""When a worker sweeps its queues."""

import random
from collections.abc import Iterable
from math import inf
from time import monotonic

_PAUSE = 0.05
"""Seconds from one sweep of a queue to the next, at least, as what is due may be locked by someone else; and from one
question what is due next to another, as anyone may provoke it."""

_LONGEST_PAUSE = 0.25
"""It is doubled up to this by each sweep after which something is due still, as somebody has it locked."""


class Sweeps:
    """The moments, in ``monotonic`` seconds, at which queues are swept: when something is due, and now and then."""

    def __init__(self, queues: Iterable[str], interval: float) -> None:
        """Sweep all at once; ``interval``: then every so many seconds, or a little less, so that workers disperse."""
        self._interval = interval
        self._at = dict.fromkeys(queues, -inf)
        self._swept_at = dict.fromkeys(self._at, -inf)
        self._pause = dict.fromkeys(self._at, _PAUSE)
        self._asked_at = dict.fromkeys(self._at, -inf)

    @property
    def next_at(self) -> float:
        """When the next is."""
        return min(self._at.values())

    def due(self) -> list[str]:
        """Return the queues to be swept now."""
        now = monotonic()
        return [queue for queue, at in self._at.items() if at <= now]

    def all_now(self) -> None:
        """Sweep each: something may have been missed."""
        self._at = dict.fromkeys(self._at, -inf)

    def within(self, queue: str, seconds: float) -> None:
        """Sweep a queue then, at the latest."""
        self._at[queue] = min(self._at[queue], monotonic() + seconds)

    def put_off(self, queue: str, seconds: float) -> None:
        """Sweep a queue then, and not earlier."""
        self._at[queue] = monotonic() + seconds

    def done(self, queue: str, due_in: float | None) -> None:
        """A queue was swept; ``due_in``: as the database says then, see ``learn``."""
        self._swept_at[queue] = monotonic()
        is_due = due_in is not None and due_in <= 0
        self._pause[queue] = min(2 * self._pause[queue], _LONGEST_PAUSE) if is_due else _PAUSE
        self.put_off(queue, self._interval * random.uniform(0.9, 1))
        self.learn(queue, due_in)

    def learn(self, queue: str, due_in: float | None) -> None:
        """The database says in how many seconds something is due, ``None``: nothing waits."""
        now = self._asked_at[queue] = monotonic()
        if due_in is not None:
            self.within(queue, max(due_in, self._swept_at[queue] + self._pause[queue] - now))

    def asks(self, queue: str) -> bool:
        """Something may be due sooner than it was; return whether to ask: where that was done just now, it sweeps."""
        now, again_at = monotonic(), self._asked_at[queue] + _PAUSE
        if now < again_at:
            self.within(queue, again_at - now)
            return False
        self._asked_at[queue] = now  # though there may be no answer
        return now < self._at[queue]
