# Made from client_async.py by tests/client/unasync.py: change that one, then run make unasync.
"""The SQL functions as Python methods: your connection goes in, rows come out."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ectojob_py.calls import calls_on
from ectojob_py.job import Document, Job, order

Params = Mapping[str, Any]


class Jobs:
    """One method per function of the ``jobs`` schema, with its arguments in its order; ``sql/README.md`` defines them.

    ``conn`` is yours, and so is its transaction: nothing here begins, commits, rolls back or closes. An argument of
    ``None`` means the queue's setting. What the database refuses is raised as a class of ``ectojob_py.errors``, or as
    ``psycopg.errors.InvalidParameterValue`` for a bad argument.
    """

    def __init__(self, conn: Any, schema: str = "jobs") -> None:
        """Take a psycopg 3 Connection, and the schema that ectojob is installed in."""
        self._calls = calls_on(conn, schema)

    # Queues

    def create_queue(
        self,
        queue: str,
        max_attempts: int | None = None,
        reservation_timeout: timedelta | None = None,
        execution_timeout: timedelta | None = None,
        retry_timeout: timedelta | None = None,
    ) -> None:
        """Create a queue, or change the settings that are passed."""
        self._calls.value("create_queue", queue, max_attempts, reservation_timeout, execution_timeout, retry_timeout)

    def drop_queue(self, queue: str, force: bool = False) -> None:
        """Drop a queue; with ``force``, its jobs too. Raises ``QueueNotEmpty``, ``UnknownQueue``."""
        self._calls.value("drop_queue", queue, force)

    def pause_queue(self, queue: str) -> None:
        """Hand out no more jobs of this queue; what runs goes on."""
        self._calls.value("pause_queue", queue)

    def resume_queue(self, queue: str) -> None:
        """Hand out jobs of this queue again, and wake its workers."""
        self._calls.value("resume_queue", queue)

    # Producing

    def enqueue(
        self,
        queue: str,
        params: Params | None = None,
        schedule: datetime | None = None,
        max_attempts: int | None = None,
        priority: int = 0,
        notify: str | None = None,
    ) -> int:
        """Put a job into a queue, in your transaction; return its id.

        ``params``: what ``json.dumps`` takes; ``None``: ``{}``. ``schedule``: an aware moment before which it will not
        run. ``priority``: lower runs first. ``notify``: sent on ``<schema>.<queue>.completed``, ``.retry`` or
        ``.failed``.
        """
        value: int = self._calls.value(
            "enqueue",
            queue,
            Document({} if params is None else params),
            _aware(schedule),
            max_attempts,
            priority,
            notify,
        )
        return value

    def enqueue_many(
        self,
        queue: str,
        params: Iterable[Params],
        schedule: datetime | None = None,
        max_attempts: int | None = None,
        priority: int = 0,
        notify: str | None = None,
    ) -> list[int]:
        """Put one job per element of ``params`` into a queue, all or none; return their ids in that order."""
        return self._calls.values(
            "enqueue_many", queue, [Document(item) for item in params], _aware(schedule), max_attempts, priority, notify
        )

    def enqueue_payload(
        self,
        queue: str,
        payload: bytes | bytearray | memoryview,
        schedule: datetime | None = None,
        max_attempts: int | None = None,
        priority: int = 0,
        notify: str | None = None,
    ) -> int:
        """Put a job into a queue whose handler reads ``job.payload``; return its id. The rest is as for ``enqueue``."""
        value: int = self._calls.value(
            "enqueue_payload", queue, payload, _aware(schedule), max_attempts, priority, notify
        )
        return value

    # Consuming

    def reserve_batch(
        self, queue: str, demand: int, reservation_timeout: timedelta | None = None, after: Job | None = None
    ) -> list[Job]:
        """Take up to ``demand`` jobs, in running order; each must begin before it expires.

        ``after``, on PostgreSQL: only jobs that run after this one, for example the last one taken; ``None``: all.
        """
        return self._calls.jobs("reserve_batch", queue, demand, reservation_timeout, *_key(after))

    def claim_batch(
        self, queue: str, demand: int, execution_timeout: timedelta | None = None, after: Job | None = None
    ) -> list[Job]:
        """Take up to ``demand`` jobs and begin them at once, in running order.

        ``after``, on PostgreSQL: only jobs that run after this one, for example the last one claimed; ``None``: all.
        """
        return self._calls.jobs("claim_batch", queue, demand, execution_timeout, *_key(after))

    def begin_attempt(self, queue: str, id: int, attempt: int) -> Job | None:
        """Begin a reserved job; ``None``: the reservation is gone."""
        return _first(self._calls.jobs("begin_attempt", queue, id, attempt))

    def complete(self, queue: str, id: int, attempt: int) -> None:
        """End a job that succeeded, in the transaction that holds its effects. Raises ``LeaseLost``."""
        self._calls.value("complete", queue, id, attempt)

    def complete_batch(self, queue: str, ids: Iterable[int], attempts: Iterable[int]) -> None:
        """End many jobs of a queue, all or none. Raises ``LeaseLost``."""
        self._calls.value("complete_batch", queue, list(ids), list(attempts))

    def fail(
        self, queue: str, id: int, attempt: int, error: str | None = None, retry_in: timedelta | None = None
    ) -> Job | None:
        """End an attempt that failed; ``None``: someone else has the job by now.

        NUL is taken out of ``error``, and what is no character, such as a byte of an odd file name, is escaped.
        """
        text = None if error is None else error.replace("\x00", "").encode(errors="backslashreplace").decode()
        return _first(self._calls.jobs("fail", queue, id, attempt, text, retry_in))

    def extend(self, queue: str, id: int, attempt: int, by: timedelta | None = None) -> Job | None:
        """Let a running attempt's lease end later; ``None``: someone else has the job by now."""
        return _first(self._calls.jobs("extend", queue, id, attempt, by))

    def release(self, queue: str, id: int, attempt: int) -> Job | None:
        """Give a job back that this caller holds, using up no attempt; ``None``: someone else has it by now."""
        return _first(self._calls.jobs("release", queue, id, attempt))

    # Sweeping

    def activate_scheduled(self, queue: str | None = None) -> int:
        """Make jobs AVAILABLE whose schedule has come; return how many. ``None``: of all queues."""
        value: int = self._calls.value("activate_scheduled", queue)
        return value

    def reactivate_expired(self, queue: str | None = None) -> int:
        """Take jobs back whose lease has ended; return how many. ``None``: of all queues."""
        value: int = self._calls.value("reactivate_expired", queue)
        return value

    def next_due(self, queue: str) -> datetime | None:
        """When the sweep has work next, by the database's clock; ``None``: nothing waits and nothing is held."""
        value: datetime | None = self._calls.value("next_due", queue)
        return value

    # Repairing

    def requeue(self, queue: str, id: int) -> Job:
        """Give a FAILED job another chance. Raises ``JobNotFailed``."""
        [job] = self._calls.jobs("requeue", queue, id)
        return job

    def remove(self, queue: str, id: int) -> Job | None:
        """Cancel a job that nobody holds; ``None``: somebody does, or there is none."""
        return _first(self._calls.jobs("remove", queue, id))

    # EctoJob, on PostgreSQL

    def create_ectojob_view(self, queue: str, relation: str, params_type: str = "map") -> None:
        """Make a view, ``schema.name``, that an EctoJob application uses as its table. ``params_type``: or binary."""
        self._calls.value("create_ectojob_view", queue, relation, params_type)

    def drop_ectojob_view(self, queue: str) -> None:
        """Drop the view that EctoJob worked on; the queue and its jobs stay."""
        self._calls.value("drop_ectojob_view", queue)

    def adopt(
        self, queue: str, relation: str, dry_run: bool = False, lock_timeout: timedelta = timedelta(seconds=2)
    ) -> dict[str, Any]:
        """Make the jobs of EctoJob's table, ``schema.name``, jobs of a queue, and put a view in the table's place.

        Returns what there was, by ``states``, and what stands in the way, ``objections``. ``dry_run``: only that.
        Raises ``psycopg.errors.LockNotAvailable`` when a lock is not to be had in time: try again.
        """
        plan: dict[str, Any] = self._calls.value("adopt", queue, relation, dry_run, lock_timeout)
        return plan

    def unadopt(
        self, queue: str, dry_run: bool = False, lock_timeout: timedelta = timedelta(seconds=2)
    ) -> dict[str, Any]:
        """Undo ``adopt``: EctoJob has its table again, with the jobs the queue has now."""
        plan: dict[str, Any] = self._calls.value("unadopt", queue, dry_run, lock_timeout)
        return plan

    def version(self) -> str:
        """Return the release of the installed functions."""
        value: str = self._calls.value("version")
        return value


def _first(jobs: list[Job]) -> Job | None:
    return jobs[0] if jobs else None


def _key(job: Job | None) -> tuple[object, ...]:
    return () if job is None else order(job)


def _aware(schedule: datetime | None) -> datetime | None:
    if schedule is not None and not isinstance(schedule, datetime):
        msg = f"schedule must be a datetime, not {schedule!r}: datetime.now(UTC) plus how long to wait"
        raise ValueError(msg)
    if schedule is not None and schedule.tzinfo is None:
        msg = "schedule has no time zone; pass an aware datetime, for example datetime.now(UTC) + timedelta(hours=1)"
        raise ValueError(msg)
    return schedule
