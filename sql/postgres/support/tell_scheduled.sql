-- Tells the workers of a queue that its next due moment has come nearer, at commit.

create or replace function tell_scheduled(
    queue text,
    schedule timestamptz default null  -- null: any, as the callers of 0.1 call it, see former_functions.sql
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
    v_next timestamptz;
begin
    -- Who is awake asks now and then, before it sleeps, and after a failure that it reports: a session is not told what
    -- it does itself. A worker of 0.1 does nothing of that.
    if not someone_sleeps(tell_scheduled.queue) and not is_former_worker(tell_scheduled.queue) then
        return;
    end if;

    -- min, because exists may read the whole table.
    select min(job.schedule) into v_next from job
    where job.queue = tell_scheduled.queue
        and job.state in ('SCHEDULED', 'RETRY')
        and job.schedule > v_now;

    -- Whoever waits for an earlier job will ask for this one then, and must find it: this transaction must have ended.
    -- It is given a minute, as long as a worker's poll_interval unless it is told another; where it takes longer, the
    -- job may come late by a poll_interval.
    if v_next < v_now + interval '1 minute' or (v_next < tell_scheduled.schedule) is not true then
        perform pg_notify(current_schema() || '.' || tell_scheduled.queue || '.scheduled', '');
    end if;
end
$$;

comment on function tell_scheduled is
    'Internal. Tells sleeping workers, on channel <schema>.<queue>.scheduled, to ask next_due again: a job now waits '
    'for its schedule, and none waits for an earlier one that comes due after this transaction has ended.';
