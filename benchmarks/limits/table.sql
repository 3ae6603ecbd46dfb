-- The table of jobs without its trigger and functions: same columns, constraints and indexes.
create schema bare;
create table bare.job (like jobs.job including all);

-- The same with what most queues have: a trigger that notifies at each insert.
create table bare.notified (like jobs.job including all);

-- What a handler writes in its job's transaction.
create table bare.receipt (id bigint not null, attempt integer not null);

-- What a handler writes that is asked how late it began.
create table bare.late (seconds double precision not null);

create function bare.notify() returns trigger language plpgsql as $$
begin
    perform pg_notify('bare.' || new.queue, '');
    return null;
end
$$;

create trigger notify after insert on bare.notified for each row execute function bare.notify();
