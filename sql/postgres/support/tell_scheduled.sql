-- Tells the workers of a queue that its next due moment has come nearer, at commit.

create or replace function tell_scheduled(
    queue text,
    schedule timestamptz
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
set enable_seqscan = off
as $$
declare
    v_now constant timestamptz := clock_timestamp();  -- in the query it would be asked of every job that is overdue
begin
    -- Whoever waits for an earlier job will ask for this one then. min, because exists may read the whole table.
    if tell_scheduled.schedule <= coalesce(
        (
            select min(job.schedule) from job
            where job.queue = tell_scheduled.queue
                and job.state in ('SCHEDULED', 'RETRY')
                and job.schedule > v_now
        ),
        tell_scheduled.schedule
    ) then
        perform pg_notify(current_schema() || '.' || tell_scheduled.queue || '.scheduled', '');
    end if;
end
$$;

comment on function tell_scheduled is
    'Internal. Tells workers, on channel <schema>.<queue>.scheduled, to ask next_due again: a job now waits '
    'for its schedule, and none waits for an earlier one.';
