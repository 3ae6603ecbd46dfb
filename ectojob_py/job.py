"""A job as the database returned it."""

import base64
import json
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property
from threading import Event, Lock
from typing import Any

_EVENTS = Lock()


@dataclass(frozen=True)
class Job:
    """One row of ``jobs.job``, as it was after the call that returned it. Times are aware, by the database's clock.

    It never changes: pass ``queue``, ``id`` and ``attempt`` back to whatever moves the job on.
    """

    queue: str
    id: int
    state: str
    priority: int
    schedule: datetime
    expires: datetime | None
    attempt: int
    max_attempts: int
    params_json: str = field(repr=False)
    notify: str | None
    last_error: str | None = field(repr=False)
    inserted_at: datetime
    updated_at: datetime

    @property
    def lease_lost(self) -> Event:
        """Set by the worker when someone else has the job by now: a handler that runs long should look and return."""
        with _EVENTS:  # made when first asked for, as most jobs end before anybody does
            if "_lease_lost" not in self.__dict__:
                self.__dict__["_lease_lost"] = Event()
            event: Event = self.__dict__["_lease_lost"]
            return event

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what only this process can set."""
        return {name: value for name, value in self.__dict__.items() if name != "_lease_lost"}

    @cached_property
    def params(self) -> dict[str, Any]:
        """What was enqueued. Decoded when first asked for, so that odd params fail their own job and no other.

        Raises ``ValueError`` for what PostgreSQL stores and Python can't hold, such as an integer of 5,000 digits.
        """
        decoded: dict[str, Any] = json.loads(self.params_json)
        return decoded

    @cached_property
    def payload(self) -> bytes:
        """What ``enqueue_payload`` was given; or EctoJob with binary params, which are an Erlang term.

        Raises ``ValueError`` when the job has none, or it is not base64.
        """
        encoded = self.params.get("payload")
        if not isinstance(encoded, str):
            msg = f"{self} has no payload"
            raise ValueError(msg)  # noqa: TRY004
        return base64.b64decode("".join(encoded.split()), validate=True)

    def forget(self) -> None:
        """Decode ``params`` anew when next asked for: a handler that is run again gets what was enqueued."""
        for name in ("params", "payload"):
            self.__dict__.pop(name, None)

    def __str__(self) -> str:
        """Say which job this is, as the log does: ``emails[42]``."""
        return f"{self.queue}[{self.id}]"


def order(job: Job) -> tuple[int, datetime, int]:
    """Return its place among the jobs of its queue: what runs first sorts first."""
    return job.priority, job.schedule, job.id


class Verbatim(dict[str, Any]):
    """A JSON object with the text it was read from, which is what is sent: Python's numbers would round some of it."""

    text: str


@dataclass(frozen=True)
class Document:
    """A value on its way into a JSON argument, whatever it is: the database says what it refuses."""

    value: object


COLUMNS = tuple(f.name for f in fields(Job))
"""The columns a query for jobs must return, in the order of ``Job``'s fields; ``params_json`` is ``params`` as text."""
