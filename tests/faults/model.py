"""The contract of ``sql/README.md`` once more, in plain Python: what each function makes of a world of rows.

A world holds every row by its key: a queue's by its name, a job's by its id. A function changes nothing itself; it says
what would change, what it would return, or which refusals it would have reason for.
"""

import re
from base64 import b64encode
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]
World = dict[str | int, Row]

STATES = ("SCHEDULED", "AVAILABLE", "RESERVED", "IN_PROGRESS", "RETRY", "FAILED")
YEARS = (datetime(1000, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
NOTHING = timedelta(0)
MONTH = timedelta(days=30)
DECADE = timedelta(days=3650)
ODD_NAME = re.compile(r"[\x00-\x1f\x7f]|\A | \Z|\.(completed|retry|failed|scheduled)\Z")
NEW_QUEUE: Row = {
    "max_attempts": 5,
    "reservation_timeout": timedelta(minutes=1),
    "execution_timeout": timedelta(minutes=5),
    "retry_timeout": timedelta(seconds=30),
    "paused_at": None,
}


class Refused(Exception):
    """A call that raises; ``codes`` are those of all the rules it breaks, since none comes before the others."""

    def __init__(self, codes: Collection[str]) -> None:
        """Take the SQLSTATEs."""
        super().__init__(*sorted(codes))
        self.codes = frozenset(codes)


class Model:
    """One call at one moment. Rows in ``locked`` are held by other transactions: takers and sweeps pass over them."""

    def __init__(self, world: World, now: datetime, locked: Collection[str | int] = ()) -> None:
        """Take the world as the call finds it."""
        self.world = world
        self.now = now
        self.locked = locked
        self.changes: dict[str | int, Row | None] = {}
        """What becomes of rows; ``None``: deleted."""
        self.created: list[Row] = []
        """New jobs, still without an id, in the order of their ids."""

    def call(self, function: str, *args: Any) -> Any:
        """Return what the function would; raise ``Refused`` for what it would refuse."""
        return getattr(self, function)(*args)

    # Words

    def _unless(self, *rules: tuple[bool | None, str]) -> None:
        if codes := {code for broken, code in rules if broken}:
            raise Refused(codes)

    def _no_queue(self, queue: Any) -> tuple[tuple[bool, str], ...]:
        return (queue is None, "22023"), (queue is not None and queue not in self.world, "JQ002")

    def _no_timeout(self, value: timedelta | None) -> tuple[bool, str]:
        return value is not None and not NOTHING < value <= MONTH, "22023"

    def _jobs(self, queue: str, *states: str) -> list[Row]:
        """The jobs that a taker or a sweep may have."""
        return [
            row
            for key, row in self.world.items()
            if isinstance(key, int) and key not in self.locked and row["queue"] == queue and row["state"] in states
        ]

    def _find(self, queue: Any, id: Any, attempt: Any, states: Iterable[str], settings: bool = True) -> Row | None:
        """The job of a key in one of the states; ``settings``: its queue is asked, too, so it must be there."""
        row = self.world.get(id) if isinstance(id, int) else None
        found = row is not None and row["queue"] == queue and row["state"] in states and row["attempt"] == attempt
        if row is None or not found or (settings and queue not in self.world):
            self._unless(*self._no_queue(queue), (id is None or attempt is None, "22023"))
            return None
        return row

    def _move(self, row: Row, **changes: Any) -> Row:
        moved = {**row, "updated_at": self.now, **changes}
        if moved != row:
            self.changes[row["id"]] = moved
        return {**moved}

    def _gone(self, row: Row) -> None:
        self.changes[row["id"]] = None

    # Producing

    def enqueue(self, queue: Any, params: Any, schedule: Any, max_attempts: Any, priority: Any, notify: Any) -> None:
        """The id is the database's to choose."""
        self.enqueue_many(queue, [params], schedule, max_attempts, priority, notify)

    def enqueue_many(
        self, queue: Any, params: Any, schedule: Any, max_attempts: Any, priority: Any, notify: Any
    ) -> None:
        """As many ids as params, in their order."""
        self._unless(
            *self._no_queue(queue),
            (params is None or not all(isinstance(item, dict) for item in params), "22023"),
            (schedule is not None and not YEARS[0] <= schedule < YEARS[1], "22023"),
            (max_attempts is not None and not 1 <= max_attempts <= 10_000, "22023"),
            (notify is not None and len(notify.encode()) > 7999, "22023"),
        )
        for item in params:
            self.created.append(
                {
                    "queue": queue,
                    "state": "SCHEDULED" if schedule and schedule > self.now else "AVAILABLE",
                    "priority": priority or 0,
                    "schedule": schedule or self.now,
                    "expires": None,
                    "attempt": 0,
                    "max_attempts": max_attempts or self.world[queue]["max_attempts"],
                    "params": item,
                    "notify": notify,
                    "last_error": None,
                    "inserted_at": self.now,
                    "updated_at": self.now,
                }
            )

    def enqueue_payload(self, queue: Any, payload: Any, *more: Any) -> None:
        """Bytes, in an object."""
        self._unless((payload is None, "22023"), *(self._no_queue(queue) if payload is None else ()))
        self.enqueue(queue, {"payload": b64encode(payload).decode()}, *more)

    # Taking

    def _take(self, queue: Any, demand: Any, timeout: Any) -> list[Row]:
        self._unless(*self._no_queue(queue), (demand is None or demand < 1, "22023"), self._no_timeout(timeout))
        if self.world[queue]["paused_at"]:
            return []
        ready = sorted(self._jobs(queue, "AVAILABLE"), key=lambda row: (row["priority"], row["schedule"], row["id"]))
        return ready[:demand]

    def reserve_batch(self, queue: Any, demand: Any, timeout: Any) -> list[Row]:
        """AVAILABLE -> RESERVED."""
        taken = self._take(queue, demand, timeout)
        expires = self.now + (timeout or self.world[queue]["reservation_timeout"])
        return [self._move(row, state="RESERVED", expires=expires) for row in taken]

    def claim_batch(self, queue: Any, demand: Any, timeout: Any) -> list[Row]:
        """AVAILABLE -> IN_PROGRESS."""
        taken = self._take(queue, demand, timeout)
        lease = timeout or self.world[queue]["execution_timeout"]
        return [self._begin(row, lease) for row in taken]

    def begin_attempt(self, queue: Any, id: Any, attempt: Any) -> list[Row]:
        """RESERVED -> IN_PROGRESS."""
        row = self._find(queue, id, attempt, ["RESERVED"])
        if row is None or row["expires"] < self.now:
            return []
        return [self._begin(row, self.world[queue]["execution_timeout"])]

    def _begin(self, row: Row, lease: timedelta) -> Row:
        attempt = row["attempt"] + 1
        return self._move(row, state="IN_PROGRESS", attempt=attempt, expires=self.now + lease * attempt)

    # Ending

    def complete(self, queue: Any, id: Any, attempt: Any) -> None:
        """IN_PROGRESS -> (deleted)."""
        row = self._find(queue, id, attempt, ["IN_PROGRESS"], settings=False)
        self._unless((row is None or row["id"] in self.changes, "JQ001"))
        assert row
        self._gone(row)

    def complete_batch(self, queue: Any, ids: Any, attempts: Any) -> None:
        """All or none."""
        self._unless((ids is None or attempts is None or len(ids) != len(attempts), "22023"))
        if not ids:
            self._unless(*self._no_queue(queue))
        refused: set[str] = set()
        for id, attempt in zip(ids, attempts, strict=True):
            try:
                self.complete(queue, id, attempt)
            except Refused as refusal:
                refused |= refusal.codes
        if refused:
            raise Refused(refused)

    def fail(self, queue: Any, id: Any, attempt: Any, error: Any, retry_in: Any) -> list[Row]:
        """IN_PROGRESS -> RETRY, FAILED."""
        illegal = retry_in is not None and not NOTHING <= retry_in <= DECADE, "22023"
        self._unless(illegal, *(self._no_queue(queue) if illegal[0] else ()))
        row = self._find(queue, id, attempt, ["IN_PROGRESS"])
        if row is None:
            return []
        again = row["attempt"] < row["max_attempts"]
        wait = self.world[queue]["retry_timeout"] * row["attempt"] if retry_in is None else retry_in
        return [
            self._move(
                row,
                state="RETRY" if again else "FAILED",
                schedule=self.now + wait if again else row["schedule"],
                expires=None,
                last_error=error if error is None else error[:10_000],
            )
        ]

    def extend(self, queue: Any, id: Any, attempt: Any, by: Any) -> list[Row]:
        """IN_PROGRESS -> IN_PROGRESS."""
        illegal = self._no_timeout(by)
        self._unless(illegal, *(self._no_queue(queue) if illegal[0] else ()))
        row = self._find(queue, id, attempt, ["IN_PROGRESS"])
        if row is None:
            return []
        lease = self.world[queue]["execution_timeout"] * row["attempt"]
        whole = max(row["expires"], self.now + lease)
        expires = whole if by is None else max(row["expires"], self.now) + by
        return [self._move(row, expires=expires, updated_at=row["updated_at"])]

    def release(self, queue: Any, id: Any, attempt: Any) -> list[Row]:
        """RESERVED, IN_PROGRESS -> AVAILABLE."""
        row = self._find(queue, id, attempt, ["RESERVED", "IN_PROGRESS"], settings=False)
        if row is None:
            return []
        granted = row["max_attempts"] + (row["state"] == "IN_PROGRESS")
        return [self._move(row, state="AVAILABLE", expires=None, max_attempts=granted)]

    # Sweeping

    def _swept(self, queue: Any) -> list[str]:
        self._unless((queue is not None and queue not in self.world, "JQ002"))
        return [key for key in self.world if isinstance(key, str) and queue in (None, key)]

    def activate_scheduled(self, queue: Any) -> int:
        """SCHEDULED, RETRY -> AVAILABLE."""
        for name in self._swept(queue):
            for row in self._jobs(name, "SCHEDULED", "RETRY"):
                if row["schedule"] <= self.now:
                    self._move(row, state="AVAILABLE")
        return len(self.changes)

    def reactivate_expired(self, queue: Any) -> int:
        """RESERVED, IN_PROGRESS -> AVAILABLE, FAILED."""
        for name in self._swept(queue):
            for row in self._jobs(name, "RESERVED", "IN_PROGRESS"):
                if row["expires"] < self.now:
                    self._take_back(row)
        return len(self.changes)

    def _take_back(self, row: Row) -> None:
        wasted = row["state"] == "RESERVED"
        attempt = row["attempt"] + wasted
        self._move(
            row,
            state="AVAILABLE" if attempt < row["max_attempts"] else "FAILED",
            attempt=attempt,
            expires=None,
            last_error="the reservation expired before the job began"
            if wasted
            else f"attempt {attempt} outlived its lease",
        )

    def next_due(self, queue: Any) -> datetime | None:
        """The earliest of all moments that a sweep waits for."""
        self._unless(*self._no_queue(queue))
        moments = [row["schedule"] for row in self._jobs(queue, "SCHEDULED", "RETRY")]
        moments += [row["expires"] for row in self._jobs(queue, "RESERVED", "IN_PROGRESS")]
        return min(moments, default=None)

    # Mending

    def requeue(self, queue: Any, id: Any) -> list[Row]:
        """FAILED -> AVAILABLE."""
        row = self._find(queue, id, self.world.get(id, {}).get("attempt", 0), ["FAILED"])
        self._unless((row is None, "JQ004"))
        assert row
        granted = min(row["max_attempts"], self.world[queue]["max_attempts"])
        return [self._move(row, state="AVAILABLE", max_attempts=row["attempt"] + granted)]

    def remove(self, queue: Any, id: Any) -> list[Row]:
        """Whatever nobody holds -> (deleted)."""
        attempt = self.world.get(id, {}).get("attempt", 0)
        row = self._find(queue, id, attempt, ["SCHEDULED", "AVAILABLE", "RETRY", "FAILED"], settings=False)
        if row is None:
            return []
        self._gone(row)
        return [row]

    # Queues

    def create_queue(self, queue: Any, max_attempts: Any, *timeouts: Any) -> str:
        """Create, or change what is passed."""
        illegal = queue is None or not 1 <= len(queue.encode()) <= 48 or ODD_NAME.search(queue)
        self._unless(
            (bool(illegal), "22023"),
            (max_attempts is not None and not 1 <= max_attempts <= 10_000, "22023"),
            *map(self._no_timeout, timeouts),
        )
        names = ("max_attempts", "reservation_timeout", "execution_timeout", "retry_timeout")
        settings = zip(names, (max_attempts, *timeouts), strict=True)
        old = self.world.get(queue, {"name": queue, "inserted_at": self.now, **NEW_QUEUE})
        passed = {name: value for name, value in settings if value is not None}
        self.changes[queue] = {**old, **passed, "updated_at": self.now}
        return str(queue)

    def drop_queue(self, queue: Any, force: Any) -> None:
        """With force, its jobs too."""
        self._unless(*self._no_queue(queue))
        jobs = self._jobs(queue, *STATES)
        self._unless((bool(jobs) and not force, "JQ003"))
        for row in jobs:
            self._gone(row)
        self.changes[queue] = None

    def pause_queue(self, queue: Any) -> None:
        """Hand out no more."""
        self._unless(*self._no_queue(queue))
        row = self.world[queue]
        self.changes[queue] = {**row, "paused_at": row["paused_at"] or self.now, "updated_at": self.now}

    def resume_queue(self, queue: Any) -> None:
        """Hand out again."""
        self._unless(*self._no_queue(queue))
        self.changes[queue] = {**self.world[queue], "paused_at": None, "updated_at": self.now}
