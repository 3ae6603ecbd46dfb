"""Claiming from where the last claim ended, so that what is gone before it is not walked over again and again."""

from datetime import timedelta
from math import inf
from time import monotonic

from ectojob_py.client import Jobs
from ectojob_py.job import Job, order

LONGEST = 1.0
"""Seconds after which a claim looks at all jobs again, at the latest: for one more urgent, or committed late."""

_SHARE = 20
"""How many times as long as it took is waited before the next look at all jobs: it costs a twentieth of the time."""


class Frontier:
    """Claims the jobs of one queue. While an old snapshot is open, a claim has to walk over every job claimed since."""

    def __init__(self, jobs: Jobs, queue: str) -> None:
        """Know nothing of what is gone."""
        self._jobs = jobs
        self._queue = queue
        self._after: Job | None = None
        self._next_full_look = -inf
        self.owed_at = inf
        """When all jobs must be looked at, because the last claim found too few behind the frontier; infinity: never.

        In ``monotonic`` seconds.
        """

    def claim(self, demand: int, execution_timeout: timedelta | None) -> list[Job]:
        """Take up to ``demand`` jobs; fewer mean that there are no more only if then no look is owed."""
        started = monotonic()
        if self._after is not None and started < self._next_full_look:
            claimed = self._jobs.claim_batch(self._queue, demand, execution_timeout, self._after)
            self.owed_at = self._next_full_look if len(claimed) < demand else inf
        else:
            claimed = self._jobs.claim_batch(self._queue, demand, execution_timeout)
            took = monotonic() - started
            self._next_full_look = started + took + min(LONGEST, _SHARE * took)
            self.owed_at = inf
            if len(claimed) == demand:
                self._after = None  # what is more urgent may be more than was taken now
        if claimed and (self._after is None or order(self._after) < order(claimed[-1])):
            self._after = claimed[-1]
        return claimed
