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
    perform pg_notify(current_schema() || '.' || wake.queue, '');
end
$$;

comment on function wake is
    'Internal. Tells workers that a job can run now, on channel <schema>.<queue>, when the transaction commits; '
    'several calls in one transaction are one notification. It carries no data and decides nothing: anyone may forge '
    'it.';
