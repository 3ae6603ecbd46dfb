"""Every function in any order, with arguments that are right, stale, odd or hostile, on one session."""

from collections import Counter
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import psycopg
from contract.harness import Dialect
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .arguments import (
    DAY,
    WRONG,
    aims,
    demands,
    errors,
    granted,
    notes,
    odd_attempts,
    odd_ids,
    others,
    payloads,
    picks,
    priorities,
    queues,
    right,
    schedules,
    some_params,
    swept,
    timeouts,
    waits,
)
from .judge import ANY_CODE, KIND, Answer, Call, as_stored, ask, judge, read
from .model import Row, World

APT = {
    "begin_attempt": ["RESERVED"],
    "release": ["RESERVED", "IN_PROGRESS"],
    "requeue": ["FAILED"],
    "remove": ["SCHEDULED", "AVAILABLE", "RETRY", "FAILED"],
}
"""Whom a function is for; IN_PROGRESS unless said otherwise."""


class Machine(RuleBasedStateMachine):
    """One session on one database, and what the model says of each of its calls."""

    dialect: Dialect
    outcomes: Counter[str]
    conn: Any

    def __init__(self) -> None:
        """Begin with nothing but the queue that is there from the start."""
        super().__init__()
        self.dialect.clear(self.conn)
        self.at_begin: World | None = None
        self.world = read(self.dialect, self.conn)
        self.clock = self.dialect.now(self.conn)

    @initialize()
    def some_jobs(self) -> None:
        """Let there be one in every state, whichever rules this run goes without."""
        self.does("create_queue", "emails", 2, None, None, None)
        ids = self.does("enqueue_many", "default", [{}] * 8, None, None, None, None).value
        self.does("enqueue_many", "emails", [{}] * 2, self.clock + DAY, 1, None, "told")
        self.does("claim_batch", "default", 4, None)
        self.does("reserve_batch", "default", 2, None)
        self.does("fail", "default", ids[0], 1, "once", None)
        self.does("fail", "default", ids[1], 1, "again", timedelta(0))
        self.does("enqueue", "emails", {}, None, 1, 0, None)
        [job] = self.does("claim_batch", "emails", 1, None).value
        self.does("fail", "emails", job.id, 1, "for good", None)

    def teardown(self) -> None:
        """Leave no transaction behind."""
        self.conn.rollback()

    # Making calls

    def does(self, function: str, *args: Any) -> Answer:
        """Call, and judge."""
        call = Call(function, args)
        answer = self._asks(call)
        after = read(self.dialect, self.conn)
        judge(as_stored(call, self.conn), self.world, after, answer)
        self._counts(function, answer)
        self.world, self.clock = after, answer.until
        return answer

    def _asks(self, call: Call) -> Answer:
        """In a transaction PostgreSQL needs a savepoint to survive a refusal; elsewhere each call is its own."""
        inside = self.at_begin is not None and isinstance(self.conn, psycopg.Connection)
        with self.conn.transaction() if inside else nullcontext() as savepoint:
            answer = ask(self.dialect, self.conn, call, self.clock)
            if answer.code and savepoint:
                raise psycopg.Rollback(savepoint)
        note(f"{call} -> {answer.code or answer.value!r}")
        return answer

    def _counts(self, function: str, answer: Answer) -> None:
        kind = answer.code or ("nothing" if KIND.get(function) == "jobs" and not answer.value else "done")
        self.outcomes[f"{function} {kind}"] += 1

    def a_job(self, pick: int, states: list[str] | None = None) -> Row | None:
        """One of the jobs there are, if there is any in one of the states."""
        jobs = [
            row for key, row in self.world.items() if isinstance(key, int) and (not states or row["state"] in states)
        ]
        return jobs[pick % len(jobs)] if jobs else None

    def key(self, function: str, pick: int, aim: str, queue: Any, id: Any, attempt: Any) -> tuple[Any, Any, Any]:
        """The key of a job, or nearly so."""
        row = self.a_job(pick, APT.get(function, ["IN_PROGRESS"])) if aim == "apt" else self.a_job(pick)
        if row is None:
            return queue, id, attempt
        right = row["queue"], row["id"], row["attempt"]
        near = {
            "queue": (queue, right[1], right[2]),
            "stale": (*right[:2], right[2] - 1),
            "forged": (*right[:2], right[2] + 1),
            "id": (right[0], id, right[2]),
            "attempt": (*right[:2], attempt),
        }
        return near.get(aim, right)

    # Rules

    @rule(queue=queues, params=some_params, schedule=schedules, granted=granted, priority=priorities, notify=notes)
    def enqueue(self, queue: Any, params: Any, schedule: Any, granted: Any, priority: Any, notify: Any) -> None:
        """(none) -> AVAILABLE, SCHEDULED."""
        self.does("enqueue", queue, params, schedule, granted, priority, notify)

    @rule(queue=queues, payload=payloads, schedule=schedules, granted=granted, priority=priorities, notify=notes)
    def enqueue_payload(
        self, queue: Any, payload: Any, schedule: Any, granted: Any, priority: Any, notify: Any
    ) -> None:
        """Bytes."""
        self.does("enqueue_payload", queue, payload, schedule, granted, priority, notify)

    @rule(
        queue=queues,
        params=st.one_of(st.none(), st.lists(st.just({}), max_size=3), st.lists(some_params, max_size=3)),
        schedule=schedules,
        granted=granted,
        priority=priorities,
        notify=notes,
    )
    def enqueue_many(self, queue: Any, params: Any, schedule: Any, granted: Any, priority: Any, notify: Any) -> None:
        """Several."""
        self.does("enqueue_many", queue, params, schedule, granted, priority, notify)

    @rule(function=st.sampled_from(["reserve_batch", "claim_batch"]), queue=queues, demand=demands, timeout=timeouts)
    def take(self, function: str, queue: Any, demand: Any, timeout: Any) -> None:
        """AVAILABLE -> RESERVED, IN_PROGRESS."""
        self.does(function, queue, demand, timeout)

    @rule(
        function=st.sampled_from(["begin_attempt", "begin_attempt", "complete", "release"]),
        pick=picks,
        aim=aims,
        queue=queues,
        id=odd_ids,
        attempt=odd_attempts,
    )
    def move(self, function: str, **drawn: Any) -> None:
        """What takes a key and nothing else."""
        self.does(function, *self.key(function, **drawn))

    @rule(pick=picks, aim=aims, queue=queues, id=odd_ids, attempt=odd_attempts, error=errors, wait=waits)
    def fail(self, error: Any, wait: Any, **drawn: Any) -> None:
        """IN_PROGRESS -> RETRY, FAILED."""
        self.does("fail", *self.key("fail", **drawn), error, wait)

    @rule(pick=picks, aim=aims, queue=queues, id=odd_ids, attempt=odd_attempts, by=timeouts)
    def extend(self, by: Any, **drawn: Any) -> None:
        """IN_PROGRESS -> IN_PROGRESS."""
        self.does("extend", *self.key("extend", **drawn), by)

    @rule(picked=st.lists(st.tuples(picks, aims, odd_ids, odd_attempts), max_size=3), queue=queues, cut=picks)
    def complete_batch(self, picked: list[tuple[int, str, Any, Any]], queue: Any, cut: int) -> None:
        """IN_PROGRESS -> (deleted), all or none."""
        keys = [self.key("complete_batch", pick, aim, queue, id, attempt) for pick, aim, id, attempt in picked]
        ids, attempts = [id for _, id, _ in keys], [attempt for _, _, attempt in keys]
        self.does("complete_batch", queue, None if cut == 1 else ids, attempts[: -1 if cut == 2 else None])

    @rule(function=st.sampled_from(["requeue", "remove"]), pick=picks, aim=aims, queue=queues, id=odd_ids)
    def mend(self, function: str, **drawn: Any) -> None:
        """FAILED -> AVAILABLE, and whatever is not held -> (deleted)."""
        self.does(function, *self.key(function, **drawn, attempt=0)[:2])

    @rule(function=st.sampled_from(["activate_scheduled", "reactivate_expired"]), queue=swept)
    def sweep(self, function: str, queue: Any) -> None:
        """What is due, and what has expired."""
        self.does(function, queue)

    @rule(queue=queues)
    def next_due(self, queue: Any) -> None:
        """Only asks."""
        self.does("next_due", queue)

    @rule(queue=queues, granted=granted, first=timeouts, second=timeouts, third=timeouts)
    def create_queue(self, queue: Any, granted: Any, first: Any, second: Any, third: Any) -> None:
        """Create, or change what is passed."""
        self.does("create_queue", queue, granted, first, second, third)

    @rule(queue=others, force=st.sampled_from([False, False, None, True]))
    def drop_queue(self, queue: Any, force: Any) -> None:
        """The queue, and perhaps its jobs."""
        self.does("drop_queue", queue, force)

    @rule(function=st.sampled_from(["pause_queue", "resume_queue", "resume_queue"]), queue=queues)
    def pause(self, function: str, queue: Any) -> None:
        """Stop and go."""
        self.does(function, queue)

    @rule(function=st.sampled_from(sorted(WRONG)), which=picks)
    def hostile(self, function: str, which: int) -> None:
        """An argument of the wrong type, the others being right."""
        place, value = WRONG[function][which % len(WRONG[function])]
        args = right(function, self.a_job(which) or {"id": 1, "attempt": 0})
        args = (*args[:place], value, *args[place + 1 :])
        answer = self._asks(Call(function, args))
        assert answer.code, f"{function}{args} gave {answer}"
        assert not (answer.code or "").startswith(("XX", "40", "JQ001"))
        assert read(self.dialect, self.conn) == self.world
        self._counts(function, Answer(None, ANY_CODE, answer.since, answer.until))

    # Time, and transactions

    @rule(pick=picks)
    def a_lease_ends(self, pick: int) -> None:
        """The clock moves, for one job."""
        if row := self.a_job(pick, ["RESERVED", "IN_PROGRESS"]):
            self._moves(row, "expires")

    @rule(pick=picks)
    def a_schedule_comes(self, pick: int) -> None:
        """The same for who waits."""
        if row := self.a_job(pick, ["SCHEDULED", "RETRY"]):
            self._moves(row, "schedule")

    def _moves(self, row: Row, column: str) -> None:
        self.dialect.move(self.conn, row["id"], column, self.clock - timedelta(seconds=1))
        self.world = read(self.dialect, self.conn)
        self.outcomes["clock"] += 1

    @precondition(lambda self: self.at_begin is None)
    @rule()
    def begin(self) -> None:
        """From here on all can be undone."""
        with self.conn.cursor() as cursor:
            cursor.execute("begin")
        self.at_begin = self.world

    @precondition(lambda self: self.at_begin is not None)
    @rule(commits=st.booleans())
    def end(self, commits: bool) -> None:
        """It is, or it is not."""
        (self.conn.commit if commits else self.conn.rollback)()
        assert self.at_begin is not None
        self.world = self.world if commits else self.at_begin
        self.at_begin = None
        assert read(self.dialect, self.conn) == self.world
        self.outcomes["commit" if commits else "rollback"] += 1

    @invariant()
    def attempts_are_counted(self) -> None:
        """I5, and the rules of the states, whatever the model says."""
        for key, row in self.world.items():
            if isinstance(key, int):
                assert 0 <= row["attempt"] <= row["max_attempts"]
                assert (row["expires"] is not None) == (row["state"] in ("RESERVED", "IN_PROGRESS"))
