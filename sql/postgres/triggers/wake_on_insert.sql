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
    perform wake(inserted.queue) from inserted
    where inserted.state = 'AVAILABLE'
    group by inserted.queue;
    return null;
end
$$;

comment on function wake_on_insert is
    'Internal. Once per inserting statement: one notification per queue that got jobs, whoever inserted them; none '
    'while no worker sleeps.';

create or replace trigger wake_on_insert
after insert on job
referencing new table as inserted
for each statement
-- someone_sleeps(), written out, as every insert asks it. Asking in the function costs as much: then it is called.
when (
    not (
        pg_try_advisory_lock('job'::regclass::oid::integer, 0)
        and pg_advisory_unlock('job'::regclass::oid::integer, 0)
    )
)
execute function wake_on_insert();

comment on trigger wake_on_insert on job is
    'Wakes the workers of the queues that got jobs, when the transaction commits.';
