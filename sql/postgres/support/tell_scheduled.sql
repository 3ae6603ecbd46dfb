-- Tells the workers of a queue that its next due moment may have changed, at commit.

create or replace function tell_scheduled(
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
    perform pg_notify(current_schema() || '.' || tell_scheduled.queue || '.scheduled', '');
end
$$;

comment on function tell_scheduled is
    'Internal. Tells workers, on channel <schema>.<queue>.scheduled, to ask next_due again: a job now waits for its '
    'schedule.';
