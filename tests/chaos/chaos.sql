-- What the audit needs: the effects, without a unique key that would hide a duplicate; every step of every job, written
-- by a trigger in the step's own transaction; the producers' journals; and when the database came back.

create schema chaos;

create table chaos.effect (
    job bigint not null,
    attempt integer not null,
    key bigint not null
);

-- What handlers of errands write, which are completed at least once.
create table chaos.errand (
    job bigint not null,
    attempt integer not null
);

create table chaos.step (
    id bigint generated always as identity,
    queue text not null,
    job bigint not null,
    key bigint,
    was text,
    became text,
    attempt_was integer,
    attempt integer,
    max_attempts integer,
    expired timestamptz,
    at timestamptz not null default clock_timestamp()
);

create table chaos.journal (
    key bigint not null,
    mark text not null
);

create table chaos.back (
    at timestamptz not null default clock_timestamp()
);

create table chaos.counter (
    n integer not null
);

insert into chaos.counter values (0);

create function chaos.record() returns trigger
language plpgsql
as $$
begin
    if tg_op = 'UPDATE' and old.state = new.state and old.attempt = new.attempt then
        return null;
    end if;
    insert into chaos.step (queue, job, key, was, became, attempt_was, attempt, max_attempts, expired)
    values (
        coalesce(new.queue, old.queue),
        coalesce(new.id, old.id),
        (coalesce(new.params, old.params) ->> 'key')::bigint,
        old.state,
        new.state,
        old.attempt,
        new.attempt,
        new.max_attempts,
        old.expires
    );
    return null;
end
$$;

create trigger record after insert or update or delete on jobs.job
for each row execute function chaos.record();
