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


class _Queue:
    at = -inf  # when to sweep it
    swept_at = -inf
    asked_at = -inf  # what is due next
    pause = _PAUSE


class Sweeps:
    """The moments, in ``monotonic`` seconds, at which queues are swept: when something is due, and now and then."""

    def __init__(self, queues: Iterable[str], interval: float) -> None:
        """Sweep all at once; ``interval``: then every so many seconds, or a little less, so that workers disperse."""
        self._interval = interval
        self._queues = {queue: _Queue() for queue in queues}

    @property
    def next_at(self) -> float:
        """When the next is."""
        return min(each.at for each in self._queues.values())

    def due(self) -> list[str]:
        """Return the queues to be swept now."""
        now = monotonic()
        return [queue for queue, each in self._queues.items() if each.at <= now]

    def all_now(self) -> None:
        """Sweep each: something may have been missed."""
        for each in self._queues.values():
            each.at = -inf

    def within(self, queue: str, seconds: float) -> None:
        """Sweep a queue then, at the latest."""
        each = self._queues[queue]
        each.at = min(each.at, monotonic() + seconds)

    def put_off(self, queue: str, seconds: float) -> None:
        """Sweep a queue then, and not earlier."""
        self._queues[queue].at = monotonic() + seconds

    def done(self, queue: str, due_in: float | None) -> None:
        """A queue was swept; ``due_in``: as the database says then, see ``learn``."""
        each = self._queues[queue]
        each.swept_at = monotonic()
        is_due = due_in is not None and due_in <= 0
        each.pause = min(2 * each.pause, _LONGEST_PAUSE) if is_due else _PAUSE
        self.put_off(queue, self._interval * random.uniform(0.9, 1))
        self.learn(queue, due_in)

    def learn(self, queue: str, due_in: float | None) -> None:
        """The database says in how many seconds something is due, ``None``: nothing waits."""
        each = self._queues[queue]
        now = each.asked_at = monotonic()
        if due_in is not None:
            self.within(queue, max(due_in, each.swept_at + each.pause - now))

    def asks(self, queue: str) -> bool:
        """Return whether to ask the database now what is due.

        Just after the last question: no, and the queue is swept a moment later.
        """
        each, now = self._queues[queue], monotonic()
        again_at = each.asked_at + _PAUSE
        if now < again_at:
            self.within(queue, again_at - now)
            return False
        each.asked_at = now  # though there may be no answer
        return now < each.at
