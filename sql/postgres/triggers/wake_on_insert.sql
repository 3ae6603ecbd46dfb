-- (none) -> AVAILABLE wakes workers

create or replace function wake_on_insert()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
begin
    -- As wake does, without asking again: for each row of a bulk insert that costs more than to notify.
    perform pg_notify(current_schema() || '.' || new.queue, '');
    return null;
end
$$;

comment on function wake_on_insert is
    'Internal. For each AVAILABLE job of a queue for which a worker sleeps, whoever inserted it: one notification per '
    'queue and transaction.';

create or replace trigger wake_on_insert
after insert on job
for each row
-- someone_sleeps(), written out, as every insert asks it. Asking in the function costs as much: then it is called.
when (
    new.state = 'AVAILABLE'
    and not (
        pg_try_advisory_lock('job'::regclass::oid::integer, hashtext(new.queue))
        and pg_advisory_unlock('job'::regclass::oid::integer, hashtext(new.queue))
    )
)
execute function wake_on_insert();

comment on trigger wake_on_insert on job is
    'Wakes the workers of the queues that got jobs, when the transaction commits.';
