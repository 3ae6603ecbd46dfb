"""Transactions interleaved on real connections in a given order, and an audit after every step.

A step is a call, or the end of a transaction. A call that waits for another transaction is seen in the catalog, and the
steps behind it wait, too. Every invariant of a job queue that an order could break is asked here:

- what a call did, as its own transaction sees it, is what the model makes of what was committed before: so only the
  edges of the state diagram are taken, attempts count up, nobody has what another one holds (I5, I6, I7);
- what a COMMIT shows to others is what its calls had done, a ROLLBACK and a call that raised show nothing (I1, I8, I9);
- effects, written in the transaction that completes, are there once for each completed job and for no other (I2, I3);
- nobody waits but for a row that another one has, and whoever waits goes on when that one ends; in the end a sweep and
  a claim get all there is (I4).
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, sleep

import pytest
from contract.harness import Dialect, Mysql, Postgres
from contract.sessions import PATIENCE, Session, Step

from .judge import Answer, Call, ask, judge, read
from .model import World
from .world import a_world, names

COMPLETING = ("complete", "complete_batch")
BEGIN_ANEW = """
    delete from effect;
    delete from jobs.job;
    delete from jobs.queue;
    insert into jobs.job select * from start_job;
    insert into jobs.queue select * from start_queue;
"""
SWEEPING = ("activate_scheduled", "reactivate_expired")
DEADLOCK = ("40P01", "40001")
STARTING = ("begin_attempt", "claim_batch")


@dataclass(frozen=True)
class Script:
    """What one transaction does, and how it ends."""

    calls: Sequence[Call]
    commits: bool = True


@dataclass
class Actor:
    """A session on its way through its script."""

    session: Session
    script: Script
    done: int = 0
    own: World = field(default_factory=dict)
    """Rows as its transaction left them. A deleted one is empty."""
    named: set[str | int] = field(default_factory=set)
    """Rows that it may have locked without changing them."""
    waits: tuple[Step, Call] | None = None
    waited: World = field(default_factory=dict)
    """What was committed when it was last seen waiting."""
    raised: bool = False
    killed: bool = False
    swept: bool = False
    ended: bool = False
    effects: list[int] = field(default_factory=list)
    starts: list[tuple[int, int]] = field(default_factory=list)

    @property
    def commits(self) -> bool:
        """After a refusal a COMMIT must show nothing new; but what was done before it is undone by who did it."""
        undone = self.killed or (self.raised and (self.effects or len(self.script.calls) > 1))
        return self.script.commits and not undone


class Explorer:
    """Three sessions on one database, and one that looks on."""

    def __init__(self, dialect: Dialect) -> None:
        """Build the world that every order begins with."""
        self.dialect = dialect
        self.keys = a_world(dialect)
        self.observer = dialect.connect()
        self.sessions = [Session(dialect.connect(autocommit=False), dialect, self.observer) for _ in range(3)]
        self._execute(
            "create table start_job as select * from jobs.job",
            "create table start_queue as select * from jobs.queue",
            "create table effect (job bigint)",
            f"create procedure begin_anew() {dialect.block} {BEGIN_ANEW} end",
        )
        self.start = self.committed = read(dialect, self.observer)
        self.clock = dialect.now(self.observer)
        self.seen: Counter[str] = Counter()

    def close(self) -> None:
        """Leave the database as it was found."""
        for session in self.sessions:
            with closing(session.conn):
                session.close()
        self._execute(
            "drop procedure begin_anew", "drop table start_job", "drop table start_queue", "drop table effect"
        )
        self.observer.close()

    def _execute(self, *statements: str) -> None:
        with self.observer.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def explore(self, scripts: Sequence[Script], order: Sequence[int]) -> None:
        """Run the scripts, a session for each, taking their steps in this order."""
        self._begin_anew()
        self.actors = [Actor(self.sessions[n], script) for n, script in enumerate(scripts)]
        self.effects: list[int] = []
        self.starts: list[tuple[int, int]] = []
        turns = list(order)
        try:
            while turns:
                turn = next((n for n in turns if not self.actors[n].waits), None)
                if turn is None:
                    self._break_deadlock()
                else:
                    turns.remove(turn)
                    self._take_turn(self.actors[turn])
                self._let_go_on()
            self._audit()
        except BaseException:
            self._give_up()
            raise
        self.seen["orders"] += 1

    def _begin_anew(self) -> None:
        if self.committed != self.start:
            self._execute("call begin_anew()")
        self.committed = self.start

    def _give_up(self) -> None:
        for session in self.sessions:
            self.dialect.cancel(self.observer, session.conn)
            session.does(session.conn.rollback)
        self.committed = {}

    # Steps

    def _take_turn(self, actor: Actor) -> None:
        if actor.done == len(actor.script.calls):
            self._end(actor)
            return
        call = actor.script.calls[actor.done]
        actor.done += 1
        if actor.raised:
            return
        step = actor.session.does(partial(self._perform, actor, call))
        if step.blocked:
            self.seen["blocked"] += 1
            assert self._in_the_way(actor, call), f"{call} waits, and nobody has what it names"
            actor.waits, actor.waited = (step, call), self.committed
        else:
            self._settle(actor, call, *step.result)

    def _perform(self, actor: Actor, call: Call) -> tuple[Answer, World]:
        """What happens in the session's own thread."""
        conn = actor.session.conn
        if call.function in COMPLETING:
            ids = [id for id in names(call, self.start) if isinstance(id, int)]
            actor.effects += ids
            with conn.cursor() as cursor:
                cursor.executemany("insert into effect values (%s)", [(id,) for id in ids])
        answer = ask(self.dialect, conn, call, self.clock)
        return answer, {} if answer.code else read(self.dialect, conn)

    def _others(self, actor: Actor) -> list[Actor]:
        return [other for other in self.actors if other is not actor and not other.ended]

    def _perhaps(self, actor: Actor) -> set[str | int]:
        """What a transaction may have locked without changing it, or is about to lock."""
        if isinstance(self.dialect, Mysql) and actor.swept:
            return {*self.committed}  # a sweep locks the row behind the last that it takes, whichever that is
        return actor.named | (names(actor.waits[1], self.start) if actor.waits else set())

    def _in_the_way(self, actor: Actor, call: Call) -> bool:
        """Whether somebody may have locked what a call names, or a row that ``drop_queue`` meets."""
        has = {key for other in self._others(actor) for key in (*other.own, *self._perhaps(other))}
        return bool(has if call.function == "drop_queue" else has & names(call, self.start))

    def _settle(self, actor: Actor, call: Call, answer: Answer, view: World) -> None:
        """Judge a call that has returned."""
        self.clock = answer.until
        before = _overlaid(self.committed, actor.own)
        if actor.waits and answer.code != "JQ002" and not names(call, self.start) & actor.waited.keys():
            # The jobs it waited for were gone: who has locked such a row may let go of it before his transaction ends,
            # PostgreSQL at once and InnoDB when it purges the row. So the answer may be from before the last COMMIT,
            # and the view, too, or from in between. Had it changed anything, its own COMMIT would show that.
            before = view = _overlaid(actor.waited, actor.own)
        locked = {key for other in self._others(actor) for key in other.own}
        perhaps = {key for other in self._others(actor) for key in self._perhaps(other)}
        if call.function == "drop_queue":
            perhaps |= before.keys() - self.start.keys()  # whoever enqueued while it waited may keep his jobs
        if answer.code in DEADLOCK:
            self.seen["deadlocks"] += 1
            actor.raised, actor.killed, actor.own = True, True, {}
            return
        diff = judge(call, before, before if answer.code else view, answer, locked, perhaps)
        actor.own |= {key: view.get(key, {}) for key in diff}
        actor.named |= names(call, self.start)
        actor.raised = answer.code is not None
        if actor.raised and isinstance(self.dialect, Postgres):
            actor.own, actor.named = {}, set()  # the transaction has failed, and with it its locks have gone
        actor.swept |= call.function in SWEEPING
        if call.function in STARTING and not actor.raised:
            actor.starts += [(job.id, job.attempt) for job in answer.value]
        self.seen["raised" if actor.raised else "moved" if diff else "nothing"] += 1

    def _end(self, actor: Actor) -> None:
        step = actor.session.does(actor.session.conn.commit if actor.commits else actor.session.conn.rollback)
        assert not step.blocked
        assert step.result is None
        actor.ended = True
        if actor.commits and not actor.raised:
            self.committed = _overlaid(self.committed, actor.own)
            self.effects += actor.effects
            self.starts += actor.starts
        assert read(self.dialect, self.observer) == self.committed

    def _let_go_on(self) -> None:
        for actor in self.actors:
            if actor.waits:
                self._go_on(actor, *actor.waits)

    def _break_deadlock(self) -> None:
        """All wait for each other: the database undoes one of them, which its caller must do, too."""
        steps = [actor.waits[0] for actor in self.actors if actor.waits]
        deadline = monotonic() + PATIENCE
        while not any(step.done for step in steps):
            assert monotonic() < deadline, "nobody ends a deadlock"
            sleep(0.01)

    def _go_on(self, actor: Actor, step: Step, call: Call) -> None:
        """One who waited waits on, or has returned by now."""
        deadline = monotonic() + PATIENCE
        while not step.done and not (actor.session.waits() and self._in_the_way(actor, call)):
            assert monotonic() < deadline, f"{call} waits for nobody"
            sleep(0.001)
        if step.done:
            self._settle(actor, call, *step.result)
            actor.waits = None
        else:
            actor.waited = self.committed

    # At last

    def _audit(self) -> None:
        with self.observer.cursor() as cursor:
            cursor.execute("select job from effect order by job")
            effects = [job for (job,) in cursor.fetchall()]
        assert effects == sorted(set(self.effects)), "an effect is missing, or there twice, or nobody completed"
        assert not self.committed.keys() & set(effects), "a job is there, and so is its effect"
        assert len(self.starts) == len(set(self.starts)), "an attempt started twice"

    def nothing_is_stuck(self) -> None:
        """Sweep and claim, after an order: the model says what there is to have."""
        conn, view = self.sessions[0].conn, self.committed
        for call in (
            Call("activate_scheduled", (None,)),
            Call("reactivate_expired", (None,)),
            Call("claim_batch", ("default", 100, None)),
        ):
            before, answer = view, ask(self.dialect, conn, call)
            view = before if answer.code else read(self.dialect, conn)
            judge(call, before, view, answer)
        conn.rollback()


def _overlaid(world: World, own: World) -> World:
    return {key: row for key, row in {**world, **own}.items() if row}


def failing(scripts: Sequence[Script], order: Sequence[int], seed: int | None = None) -> str:
    """Return how to have this order again; ``seed``: the ECTOJOB_SEED of the run, if it was drawn."""
    lines = [f"{n}: {'; '.join(map(str, script.calls))}; {script.commits=}" for n, script in enumerate(scripts)]
    return "\n".join([f"order {list(order)}" + (f", ECTOJOB_SEED={seed}" if seed else ""), *lines])


def explored(explorer: Explorer, scripts: Sequence[Script], order: Sequence[int], seed: int | None = None) -> None:
    """Explore; a failure says which order it was."""
    try:
        explorer.explore(scripts, order)
    except AssertionError as error:
        pytest.fail(f"{error}\n{failing(scripts, order, seed)}")
