"""What this worker holds, and keeping it while its handlers run."""

import math
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic

from ectojob_py.engine import Listener
from ectojob_py.errors import Locked, UnknownQueue
from ectojob_py.job import Job
from ectojob_py.limits import LONGEST_TIMEOUT

_LONGEST = LONGEST_TIMEOUT.total_seconds()
"""Of an extension; a lease may be longer, being granted times attempt."""


class _Lease:
    __slots__ = ("due_at", "job", "kept_at", "pace")

    def __init__(self, job: Job, pace: float, now: float) -> None:
        self.job = job
        self.pace = pace
        self.kept_at = now
        self.due_at = now + pace


class Leases:
    """The jobs this worker holds. A lease is extended when a third of it has passed, by as much as has passed.

    So it always reaches as far ahead as it was granted, whoever granted it, and no client's clock decides anything.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self._leases: dict[tuple[str, int, int], _Lease] = {}
        self.due_at = math.inf
        """When ``extend`` has work next, or earlier, in ``monotonic`` seconds; infinity: never."""

    def __len__(self) -> int:
        return len(self._leases)

    def __iter__(self) -> Iterator[Job]:
        return iter([lease.job for lease in self._leases.values()])

    def add(self, jobs: list[Job]) -> None:
        """Keep the leases that one claim has granted: those of the same attempt are equally long."""
        now = monotonic()
        paces: dict[int, float] = {}
        for job in jobs:
            pace = paces.get(job.attempt)
            if pace is None:
                granted = (job.expires or job.updated_at).timestamp() - job.updated_at.timestamp()  # not as clocks show
                pace = paces[job.attempt] = min(_LONGEST, granted / 3)
            self._leases[job.queue, job.id, job.attempt] = _Lease(job, pace, now)
        self.due_at = min(self.due_at, now + min(paces.values(), default=math.inf))

    def drop(self, job: Job) -> None:
        """Keep it no longer."""
        self._leases.pop((job.queue, job.id, job.attempt), None)

    def extend(self, listener: Listener) -> None:
        """Extend what is due; tell the handler where the job is someone else's by now.

        A job whose row is locked can't become someone else's, so the lease is kept, and tried again before it ends.
        After one such wait the loop has its turn.
        """
        now = monotonic()
        if now < self.due_at:
            return
        for lease in self._leases.values():
            if lease.due_at > now:
                continue
            kept = None
            try:
                kept = listener.extend(lease.job, timedelta(seconds=min(_LONGEST, now - lease.kept_at)))
            except Locked:
                lease.due_at = now + lease.pace / 4
                break
            except UnknownQueue:
                pass
            lease.kept_at, lease.due_at = now, now + lease.pace
            if kept is None:
                lease.due_at = math.inf
                lease.job.lease_lost.set()
        self.due_at = min((lease.due_at for lease in self._leases.values()), default=math.inf)
