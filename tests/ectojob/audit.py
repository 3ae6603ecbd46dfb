"""What both sides leave behind while they run, and the invariants of it: each a query that must return no row."""

from typing import Any

import psycopg

Conn = psycopg.Connection[Any]

TABLES = """
create table enqueued (key bigint primary key);
create table effects (key bigint not null, id bigint not null, attempt integer not null, side text not null);
create table begun (id bigint not null, attempt integer not null, side text not null);
create table moves (id bigint not null, was text, is_ text, old_attempt integer, new_attempt integer);
create sequence keys;
"""
WATCH = """
create or replace function public.watch() returns trigger language plpgsql security definer as $$
begin
    insert into public.moves
    values (old.id, old.state, case tg_op when 'UPDATE' then new.state end, old.attempt,
        case tg_op when 'UPDATE' then new.attempt end);
    return null;
end $$;
create trigger watch after update or delete on jobs.job for each row execute function public.watch();
"""
UNWATCH = "drop trigger if exists watch on jobs.job"

EDGES = """
    ('SCHEDULED', 'AVAILABLE'), ('AVAILABLE', 'RESERVED'), ('AVAILABLE', 'IN_PROGRESS'), ('RESERVED', 'IN_PROGRESS'),
    ('RESERVED', 'AVAILABLE'), ('RESERVED', 'FAILED'), ('IN_PROGRESS', 'RETRY'), ('IN_PROGRESS', 'FAILED'),
    ('IN_PROGRESS', 'AVAILABLE'), ('IN_PROGRESS', 'IN_PROGRESS'), ('RETRY', 'AVAILABLE'), ('FAILED', 'AVAILABLE')
"""
INVARIANTS = {
    "I1 lost": """
        select key from enqueued
        except select key from effects
        except select (params ->> 'key')::bigint from public.jobs
    """,
    "I2 effect twice": "select key from effects group by key having count(*) > 1",
    "I3 effect of a job that is still there": """
        select key from effects intersect select (params ->> 'key')::bigint from public.jobs
    """,
    "I3 effect of what nobody enqueued": "select key from effects except select key from enqueued",
    "I5 attempts decrease": "select * from moves where new_attempt < old_attempt",
    "I5 an attempt begun twice": "select id, attempt from begun group by id, attempt having count(*) > 1",
    "I5 more attempts than granted": "select id from public.jobs where attempt > max_attempts",
    "I6 no edge": f"select * from moves where is_ is not null and (was, is_) not in (values {EDGES})",
    "I8 live though nothing is to do": "select id, state from public.jobs where state <> 'FAILED'",
}


def violations(conn: Conn) -> dict[str, list[Any]]:
    """Return what each broken invariant found."""
    found = {name: conn.execute(query.encode()).fetchall() for name, query in INVARIANTS.items()}
    return {name: rows for name, rows in found.items() if rows}
