"""When a worker asks to be woken, and when it had better look by itself."""

from math import inf
from time import monotonic

import psycopg
from psycopg import sql

LINGER = 0.003
"""Seconds that a worker looks by itself after it found a job: waking it costs an enqueuer more than a look costs."""

VAIN = 0.05
"""Seconds from one look that others provoked for nothing to the next, on average: anyone may forge a wake-up, so that a
flood of them must not become a flood of looks."""

_IN_ADVANCE = 3
"""How many of them may come faster: when a job wakes several workers, all but one find nothing."""

_UNTOLD = 0.25
"""Seconds between an awake worker's questions what is due next, at least: nobody tells it of a scheduled job."""

_LONGEST_BLIND = 1.0
"""Seconds between looks, at most, while a transaction may not have seen that the worker sleeps."""


class Sleeper:
    """A worker's sleep for one queue; ``fall_asleep`` in ``sql/postgres/sleeping`` says how it is woken."""

    def __init__(self, conn: "psycopg.Connection[object]", schema: str, queue: str) -> None:
        """Take the connection that listens. It is awake."""
        self._conn = conn
        self._queue = queue
        self._fall_asleep, self._wake_up, self._in_flight = (
            sql.SQL("select {}(%s)").format(sql.Identifier(schema.replace("%", "%%"), function))
            for function in ("fall_asleep", "wake_up", "in_flight")
        )
        self._asleep = False
        self._asleep_at = -inf
        self._blind_to: object = None  # the transactions that may not have seen it fall asleep; None: they have ended
        self._found_at = -inf
        self._woken_at = -inf
        self._vain_until = -inf
        self._asked_at = monotonic()  # what is due next; when it began to listen, too
        self._provoked = False  # whether the next look is somebody else's doing
        self.look_at = inf
        """When it looks by itself; infinity: never, for it will be woken. In ``monotonic`` seconds."""

    def rest(self, owed_at: float) -> None:
        """Nothing was found: linger for a little, then fall asleep. ``owed_at``: look by itself then, at the latest."""
        now = monotonic()
        if self._asleep:
            self.look_at = min(self.look_at, owed_at)
            return
        if now < self._found_at + LINGER:
            self.look_at = min(owed_at, self._found_at + LINGER)
            return
        self._blind_to = self._call(self._fall_asleep, self._queue)
        self._asleep = self._blind_to is not None
        self._asleep_at = now
        self._provoked |= not self._asleep
        self.look_at = now if self._asleep else max(now + LINGER, self.not_before)

    def rise(self) -> None:
        """There is more to do: want no wake-ups."""
        if self._asleep:
            self._call(self._wake_up, self._queue)
            self._asleep = False
        self.look_at = inf

    @property
    def not_before(self) -> float:
        """Until when no wake-up counts, because it looked for nothing too often. In ``monotonic`` seconds."""
        return self._vain_until - _IN_ADVANCE * VAIN

    def woken(self) -> bool:
        """A wake-up came; return whether to look now. When they come fast, look by itself until it finds nothing."""
        now = monotonic()
        self._provoked = True
        if now < self.not_before:
            self.look_at = min(self.look_at, self.not_before)
            return False
        if now < self._woken_at + LINGER:
            self.rise()
        self._woken_at = now
        return True

    def looking(self) -> bool:
        """It is about to look, and by then knows whether it must look again.

        Return whether to ask ``next_due``, too, as a scheduled job may have come without its being told.
        """
        now = monotonic()
        blind, by_itself = self._blind_to is not None, self.look_at <= now
        self.look_at = inf
        if self._asleep:
            if blind and self._call(self._in_flight, self._blind_to):
                self.look_at = now + min(_LONGEST_BLIND, max(LINGER, (now - self._asleep_at) / 4))
                return by_itself  # not when it asked, and looks again because of that
            self._blind_to = None
            return blind
        if now < self._asked_at + _UNTOLD:
            return False
        self._asked_at = now
        return True

    def found(self) -> None:
        """It found a job."""
        self._found_at = monotonic()
        self._vain_until = -inf
        self._provoked = False

    def vain(self) -> None:
        """It found none. Only looks that others can provoke are to be limited; its own are few."""
        if self._provoked:
            now = monotonic()
            self._vain_until = min(max(now, self._vain_until), now + _IN_ADVANCE * VAIN) + VAIN
        self._provoked = False

    def _call(self, statement: sql.Composed, argument: object) -> object:
        row = self._conn.execute(statement, [argument]).fetchone()
        return row[0] if row else None  # type: ignore[index]
