-- Wakes the workers of a queue, at commit.

create or replace function wake(
    queue text
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
begin
    -- NOTIFY takes a lock on the whole server until the commit is on disk: not while all workers are busy.
    if someone_sleeps(wake.queue) then
        perform pg_notify(current_schema() || '.' || wake.queue, '');
    end if;
end
$$;

comment on function wake is
    'Internal. Tells sleeping workers that a job can run now, on channel <schema>.<queue>, when the transaction '
    'commits; call it after the job was written. Several calls in one transaction are one notification. It carries no '
    'data and decides nothing: anyone may forge it.';
